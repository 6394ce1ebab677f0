package options

import (
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"

	"github.com/backref/backref/config"
	"github.com/backref/backref/notice"
)

// maxSecretFile bounds a file with secrets of a webhook, in bytes.
const maxSecretFile = 4 << 10

// Notices returns what the configuration says of who is told of new referrers. It reads
// the files with secrets, and fails where one, or a filter, can't be read; the error names
// its key, and no secret.
func Notices(cfg config.Notices) (notice.Settings, error) {
	s := notice.Settings{Keep: cfg.Keep, Entries: cfg.Entries}
	for i, hook := range cfg.Webhooks {
		key := fmt.Sprintf("notices.webhooks[%d]", i)
		filter, err := notice.ParseFilter(hook.Repositories, hook.ArtifactTypes, hook.Annotations)
		if err != nil {
			return s, fmt.Errorf("%s: webhook %s: %w", key, hook.Name, err)
		}
		target, err := webhookURL(hook)
		if err != nil {
			return s, fmt.Errorf("%s.urlFile: %w", key, err)
		}
		secrets, err := readSecrets(hook.SecretFile)
		if err != nil {
			return s, fmt.Errorf("%s.secretFile: %w", key, err)
		}
		s.Hooks = append(s.Hooks, notice.Hook{
			Name: hook.Name, URL: target, Secrets: secrets, Filter: filter, Timeout: hook.Timeout, MaxAge: hook.MaxAge, Attempts: hook.Attempts,
		})
	}
	return s, nil
}

// webhookURL returns where a webhook's messages are sent. What is in its file may be a
// secret, and is in no error.
func webhookURL(hook config.Webhook) (*url.URL, error) {
	if hook.URLFile == "" {
		return hook.URL, nil
	}
	content, err := readBounded(hook.URLFile)
	if err != nil {
		return nil, err
	}
	u, err := url.Parse(strings.TrimSpace(string(content)))
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		return nil, fmt.Errorf("%s: need one URL that begins with http:// or https:// and a host", hook.URLFile)
	case u.User != nil:
		return nil, fmt.Errorf("%s: the URL may have no user and password: receivers know backref by its signature", hook.URLFile)
	case u.Fragment != "":
		return nil, fmt.Errorf("%s: the URL has a fragment, which is never sent", hook.URLFile)
	}
	return u, nil
}

func readSecrets(path string) ([][]byte, error) {
	content, err := readBounded(path)
	if err != nil {
		return nil, err
	}
	secrets, err := notice.ParseSecrets(content)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return secrets, nil
}

// readBounded reads a file of a webhook.
func readBounded(path string) (content []byte, err error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	content, err = io.ReadAll(io.LimitReader(file, maxSecretFile+1))
	if err == nil && len(content) > maxSecretFile {
		err = fmt.Errorf("%s is larger than %d bytes", path, maxSecretFile)
	}
	return content, err
}

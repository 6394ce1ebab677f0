package options

import (
	"fmt"
	"io"
	"os"

	"github.com/backref/backref/config"
	"github.com/backref/backref/notice"
)

// maxSecretFile bounds the file with the secrets of a webhook, in bytes.
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
		secrets, err := readSecrets(hook.SecretFile)
		if err != nil {
			return s, fmt.Errorf("%s.secretFile: %w", key, err)
		}
		s.Hooks = append(s.Hooks, notice.Hook{
			Name: hook.Name, URL: hook.URL, Secrets: secrets, Filter: filter, Timeout: hook.Timeout, MaxAge: hook.MaxAge, Attempts: hook.Attempts,
		})
	}
	return s, nil
}

func readSecrets(path string) ([][]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	content, err := io.ReadAll(io.LimitReader(file, maxSecretFile+1))
	if err != nil {
		return nil, err
	}
	if len(content) > maxSecretFile {
		return nil, fmt.Errorf("%s is larger than %d bytes", path, maxSecretFile)
	}
	secrets, err := notice.ParseSecrets(content)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return secrets, nil
}

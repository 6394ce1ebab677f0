package config

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"time"
)

// Notices configures who is told of new referrers.
type Notices struct {
	Keep     time.Duration `key:"keep" doc:"For how long news of new referrers are kept for feeds. 0 means that there are no feeds; webhooks need none." reload:"true"`
	Entries  int           `key:"entries" doc:"The most news that are kept; beyond it the oldest go. What a webhook has still to send of those becomes a dead letter. It may be exceeded for a minute." reload:"true"`
	Webhooks []Webhook     `key:"webhooks" doc:"Where messages of new referrers are sent to: see notices.md." reload:"true"`
}

// Webhook says where messages of some referrers are sent.
type Webhook struct {
	Name          string        `key:"name" doc:"The webhook's name, of lower case letters, digits and dashes, by which its progress is kept: under the same name it goes on where it was." required:"true"`
	URL           *url.URL      `key:"url" doc:"Where messages are sent by POST, with http or https. Redirects are not followed. One with a secret, such as a token, is named by urlFile."`
	URLFile       string        `key:"urlFile" doc:"Instead of url a file with it, in one line, which may have a query. It is shown nowhere." reload:"true" file:"true"`
	SecretFile    string        `key:"secretFile" doc:"File with what messages are signed by: a line of whsec_ and the base64 of 24 to 64 bytes, such as of openssl rand -base64 32; several lines sign all." required:"true" reload:"true" file:"true"`
	Repositories  []string      `key:"repositories" doc:"Repositories whose referrers are told, as patterns: * stands for any part of a name without a slash, ** for any part. All where none is given."`
	ArtifactTypes []string      `key:"artifactTypes" doc:"Artifact types that are told, as patterns: * stands for any characters, ? for one. All where none is given."`
	Annotations   []string      `key:"annotations" doc:"Filters of annotations, all of which have to match, as queries have them: KEY, or KEY with =, !=, <, <=, > or >= and a value."`
	Timeout       time.Duration `key:"timeout" doc:"How long one attempt may take; 10s where it is not given."`
	MaxAge        time.Duration `key:"maxAge" doc:"How long a message is tried again after its referrer came; then it is a dead letter. 24h where it is not given."`
	Attempts      int           `key:"attempts" doc:"The most attempts of one message; as many as maxAge allows where it is not given."`
}

// noticesEntries is the default of [Notices].Entries.
const noticesEntries = 100_000

// Bounds of webhooks.
const (
	maxWebhooks       = 64
	maxWebhookTimeout = 5 * time.Minute
)

var errWebhookName = errors.New("needs a name of lower case letters, digits and dashes, of 63 at most")

// validateNotices checks what can be told of webhooks without reading their patterns.
func validateNotices(cfg *Config, check func(path string, err error)) {
	hooks := cfg.Notices.Webhooks
	if len(hooks) > maxWebhooks {
		check("notices.webhooks", fmt.Errorf("has more than %d", maxWebhooks))
	}
	names := map[string]bool{}
	for i, hook := range hooks {
		path := fmt.Sprintf("notices.webhooks[%d]", i)
		if err := checkWebhook(hook); err != nil {
			check(path, err)
		}
		if names[hook.Name] {
			check(path, fmt.Errorf("has the name %q of another one", hook.Name))
		}
		names[hook.Name] = true
	}
}

func checkWebhook(hook Webhook) error {
	named := regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,62}$`)
	switch u := hook.URL; {
	case !named.MatchString(hook.Name):
		return errWebhookName
	case (u == nil) == (hook.URLFile == ""):
		return errors.New("needs one of url and urlFile")
	case hook.SecretFile == "":
		return errors.New("needs secretFile, since messages that are not signed prove nothing")
	case hook.Timeout < 0 || hook.MaxAge < 0 || hook.Attempts < 0:
		return errors.New("must not have a negative number")
	case hook.Timeout > maxWebhookTimeout || hook.MaxAge > maxDuration:
		return errors.New("has a duration that is too long: timeout may be 5m, maxAge a year")
	}
	return nil
}

package main

import (
	"context"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/backref/backref/config"
)

// secretFile is a file that holds a secret.
type secretFile struct{ key, path string }

// secretChecks look at the files that hold secrets.
func (d *doctor) secretChecks() []check {
	return []check{{"files.secrets", func(context.Context) []finding { return d.checkSecrets() }}}
}

// checkSecrets tells which of them others can read, or this user can't.
func (d *doctor) checkSecrets() []finding {
	files := secretFiles(d.cfg)
	if d.file != "" && secretsIn(d.file, d.set) {
		files = append(files, secretFile{"--config", d.file})
	}
	var found []finding
	for _, f := range files {
		if wrong := checkSecret(f); wrong.Result != resultOK {
			found = append(found, wrong)
		}
	}
	switch {
	case len(found) > 0:
		return found
	case len(files) == 0:
		return one(notCheckedf("the configuration names no file with a secret"))
	default:
		return one(okf("%d files with secrets can be read, and not by everybody", len(files)))
	}
}

// secretFiles returns the files with secrets that a configuration names.
func secretFiles(cfg config.Config) []secretFile {
	all := []secretFile{
		{"upstream.service.passwordFile", cfg.Upstream.Service.PasswordFile},
		{"upstream.service.dockerConfig", cfg.Upstream.Service.DockerConfig},
		{"upstream.tls.keyFile", cfg.Upstream.TLS.KeyFile},
		{"index.postgres.passwordFile", cfg.Index.Postgres.PasswordFile},
		{"auth.htpasswdFile", cfg.Auth.HtpasswdFile},
		{keyTokenFile, cfg.Admin.TokenFile},
		{"server.tls.keyFile", cfg.Server.TLS.KeyFile},
		{"admin.tls.keyFile", cfg.Admin.TLS.KeyFile},
		{"admin.client.keyFile", cfg.Admin.Client.KeyFile},
	}
	for i, store := range cfg.Referrers.Upstream {
		all = append(all, besideSecrets(store.Key(i), store.Service, store.TLS)...)
	}
	for i, source := range cfg.Referrers.Sources {
		all = append(all, besideSecrets(source.Key(i), source.Service, source.TLS)...)
	}
	return slices.DeleteFunc(all, func(f secretFile) bool { return f.path == "" })
}

// besideSecrets returns the files of a registry that a section of its own describes.
func besideSecrets(key string, service config.UpstreamService, tls config.UpstreamTLS) []secretFile {
	return []secretFile{
		{key + ".service.passwordFile", service.PasswordFile},
		{key + ".service.dockerConfig", service.DockerConfig},
		{key + ".tls.keyFile", tls.KeyFile},
	}
}

// secretsIn tells whether the configuration's own file holds a password.
func secretsIn(file string, set map[string]string) bool {
	return slices.ContainsFunc([]string{"upstream.service.password", "index.postgres.password"}, func(key string) bool {
		return strings.HasPrefix(set[key], file+":")
	})
}

func checkSecret(f secretFile) finding {
	info, err := os.Stat(f.path)
	if err == nil {
		var file *os.File
		if file, err = os.Open(f.path); err == nil {
			err = file.Close()
		}
	}
	if err != nil {
		return failf("%s: %v", f.key, err).advise("set %s to a file that the user of the server can read, and run backref doctor as that user", f.key)
	}
	return judgeSecretMode(f, info.Mode())
}

// judgeSecretMode judges by the mode of a file. That its group can read it is how a
// file of root's is given to a service.
func judgeSecretMode(f secretFile, mode fs.FileMode) finding {
	switch perm := mode.Perm(); {
	case perm&0o004 != 0:
		return warnf("%s: %s has mode %#o: everybody on this machine can read the secret", f.key, f.path, perm).advise("chmod o-rwx %s", f.path)
	case perm&0o022 != 0:
		return warnf("%s: %s has mode %#o: others than its owner can change the secret", f.key, f.path, perm).advise("chmod go-w %s", f.path)
	default:
		return okf("%s: %s has mode %#o", f.key, f.path, perm)
	}
}

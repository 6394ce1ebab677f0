package config

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
)

// Change is what another configuration means for a server that runs.
type Change struct {
	// Config is what the server can run by now: the other configuration as far as
	// that counts without a restart.
	Config Config
	// Live are the keys that have changed and count, Waiting those that have
	// changed and need a restart, in their order.
	Live, Waiting []string
}

// Adopt returns what next means for a server that runs by c. It fails where what
// counts without a restart isn't right beside what needs one: then nothing can be
// adopted before that.
func (c Config) Adopt(next Config) (Change, error) {
	change := Change{Config: c}
	adopted, wanted := fieldsOf(&change.Config), fieldsOf(&next)
	switched := switchedSections(&c, &next)
	walk(&c, nil, func(f field) {
		other := wanted[f.path].value
		switch {
		case reflect.DeepEqual(f.value.Interface(), other.Interface()):
		case f.live && !within(f.path, switched):
			change.Live = append(change.Live, f.path)
			adopted[f.path].value.Set(other)
		default:
			change.Waiting = append(change.Waiting, f.path)
		}
	})
	var errs []error
	for _, m := range validate(&change.Config) {
		errs = append(errs, fmt.Errorf("%s: %s", m.path, m.reason))
	}
	if len(errs) > 0 {
		return Change{}, fmt.Errorf("needs a restart, for %s: until then %w", strings.Join(change.Waiting, ", "), errors.Join(errs...))
	}
	return change, nil
}

// switchedSections returns the sections that are on in one of two configurations
// and off in the other. Of these all keys need a restart: what would serve them
// isn't there, or has nothing to go by.
func switchedSections(a, b *Config) []string {
	var switched []string
	for section, on := range map[string]func(*Config) bool{
		"server.tls":       func(c *Config) bool { return c.Server.TLS.CertFile != "" },
		"admin.tls":        func(c *Config) bool { return c.Admin.TLS.CertFile != "" },
		"upstream.service": func(c *Config) bool { return c.Upstream.Service.Configured() },
	} {
		if on(a) != on(b) {
			switched = append(switched, section)
		}
	}
	return switched
}

func within(path string, sections []string) bool {
	for _, section := range sections {
		if strings.HasPrefix(path, section+".") {
			return true
		}
	}
	return false
}

// NamedFile is a file that a configuration names.
type NamedFile struct {
	Key, Path string
	// Live says that what is in it counts without a restart.
	Live bool
}

// Files returns the files that a server reads beside the configuration's own, by
// their keys' order.
func (c Config) Files() []NamedFile {
	var files []NamedFile
	add := func(f field) {
		if !f.file {
			return
		}
		paths, listed := f.value.Interface().([]string)
		if !listed {
			paths = []string{f.value.String()}
		}
		for i, path := range paths {
			key := f.path
			if listed {
				key = fmt.Sprintf("%s[%d]", f.path, i)
			}
			if path != "" {
				files = append(files, NamedFile{key, path, f.live})
			}
		}
	}
	walk(&c, nil, func(f field) {
		add(f)
		if !f.hasEntries() {
			return
		}
		for i := range f.value.Len() {
			walkEntry(f.value.Index(i), fmt.Sprintf("%s[%d]", f.path, i), nil, add)
		}
	})
	return files
}

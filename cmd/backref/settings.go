package main

import (
	"errors"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/backref/backref/config"
)

// settings are the flags that make a configuration.
type settings struct {
	environ []string
	file    string
	pairs   []string
	flags   *pflag.FlagSet
	// shortcuts are the keys that have flags.
	shortcuts []shortcut
}

// shortcut is a key with a flag of its own; all others are set by --set.
type shortcut struct{ flag, key, usage string }

func shortcuts() []shortcut {
	return []shortcut{
		{"upstream", "upstream.url", "`URL` of the registry"},
		{"listen", "server.listen", "`address` for registry clients (default :8080)"},
		{"admin-listen", "admin.listen", "`address` for health, metrics and profiles (default 127.0.0.1:5001)"},
		{"index", "index.path", "`file` of the index (default ./backref.db)"},
		{"log-level", "log.level", "least severe `level` that is logged (default info)"},
	}
}

// addSettings adds the flags, with the shortcuts of these names; all where none
// is given.
func addSettings(cmd *cobra.Command, environ []string, names ...string) *settings {
	s := &settings{environ: environ, flags: cmd.Flags()}
	for _, shortcut := range shortcuts() {
		if len(names) == 0 || slices.Contains(names, shortcut.flag) {
			s.addShortcut(shortcut)
		}
	}
	s.flags.StringVar(&s.file, "config", "", "YAML `file` with the configuration")
	s.flags.StringArrayVar(&s.pairs, "set", nil, "set any other key, as `key=value`; repeatable")
	// It fails where there is no such flag.
	_ = cmd.RegisterFlagCompletionFunc("set", completeKeys)
	completeValues(cmd, "log-level", "debug", "info", "warn", "error")
	return s
}

func (s *settings) addShortcut(added shortcut) {
	s.flags.String(added.flag, "", added.usage)
	s.shortcuts = append(s.shortcuts, added)
}

// load reads the configuration from file, environment and flags.
func (s *settings) load() (config.Config, error) {
	sources, err := s.sources()
	if err != nil {
		return config.Config{}, err
	}
	return config.Load(sources)
}

func (s *settings) sources() (config.Sources, error) {
	flags := map[string]string{}
	for _, pair := range s.pairs {
		key, value, found := strings.Cut(pair, "=")
		if !found {
			// What was meant to be the value may be a secret.
			return config.Sources{}, usageError{errors.New("--set: need key=value")}
		}
		flags[key] = value
	}
	for _, shortcut := range s.shortcuts {
		if f := s.flags.Lookup(shortcut.flag); f.Changed {
			flags[shortcut.key] = f.Value.String()
		}
	}
	return config.Sources{File: s.file, Environ: s.environ, Flags: flags}, nil
}

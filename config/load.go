package config

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
)

// Sources are where a configuration comes from.
type Sources struct {
	// File is the path of a YAML file; empty for none.
	File string
	// Environ is the environment, as [os.Environ] gives it.
	Environ []string
	// Flags are values by the paths of their keys.
	Flags map[string]string
}

// Load reads a configuration: the defaults, over them the file, over that the
// environment, over that the flags. Its error joins one line for each mistake.
func Load(sources Sources) (Config, error) {
	cfg := Default()
	l := loader{fields: fieldsOf(&cfg)}
	if sources.File != "" {
		l.readFile(sources.File)
	}
	l.readEnviron(sources.Environ)
	l.readFlags(sources.Flags)
	if len(l.errs) == 0 {
		l.errs = validate(&cfg)
	}
	if err := errors.Join(l.errs...); err != nil {
		return Config{}, err
	}
	return cfg, nil
}

// loader sets fields and collects what goes wrong.
type loader struct {
	fields map[string]field
	errs   []error
}

func (l *loader) fail(source, path string, reason error) {
	l.errs = append(l.errs, fmt.Errorf("%s: %s: %w", source, path, reason))
}

func (l *loader) set(source, path, text string) {
	f, known := l.fields[path]
	if !known {
		l.fail(source, path, l.unknown(path))
		return
	}
	if err := f.set(text); err != nil {
		l.fail(source, path, err)
	}
}

func (l *loader) readFile(path string) {
	content, err := os.ReadFile(path)
	if err != nil {
		l.errs = append(l.errs, err)
		return
	}
	l.readYAML(path, content)
}

// serviceLink matches what Kubernetes puts into the environment of every pod
// for a Service whose name begins with "backref".
const serviceLink = `^BACKREF_(.*_)?(SERVICE_HOST|SERVICE_PORT(_.*)?|PORT(_[0-9]+_(TCP|UDP|SCTP)(_(ADDR|PORT|PROTO))?)?)$`

func (l *loader) readEnviron(environ []string) {
	links := regexp.MustCompile(serviceLink)
	byEnv := map[string]string{}
	for path, f := range l.fields {
		byEnv[f.env()] = path
	}
	for _, variable := range slices.Sorted(slices.Values(environ)) {
		name, text, _ := strings.Cut(variable, "=")
		if !strings.HasPrefix(name, envPrefix) {
			continue
		}
		path, known := byEnv[name]
		switch {
		case known:
			l.set(name, path, text)
		case !links.MatchString(name):
			l.errs = append(l.errs, fmt.Errorf("%s: unknown environment variable", name))
		}
	}
}

func (l *loader) readFlags(flags map[string]string) {
	for _, path := range slices.Sorted(maps.Keys(flags)) {
		l.set("flag", path, flags[path])
	}
}

// unknown says that a key is not known, and which one may be meant.
func (l *loader) unknown(path string) error {
	best, distance := "", 3
	for _, known := range slices.Sorted(maps.Keys(l.fields)) {
		if d := editDistance(path, known); d < distance {
			best, distance = known, d
		}
	}
	if best != "" {
		return fmt.Errorf("unknown key (did you mean %s?)", best)
	}
	return errors.New("unknown key")
}

// editDistance is the number of letters to insert, delete or replace.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replace := diagonal
			if a[i] != b[j] {
				replace++
			}
			diagonal = row[j+1]
			row[j+1] = min(replace, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}

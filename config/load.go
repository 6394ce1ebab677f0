package config

import (
	"errors"
	"fmt"
	"iter"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Sources are where a configuration comes from.
type Sources struct {
	// File is the path of a YAML file; empty for none.
	File string
	// Environ is the environment, as [os.Environ] gives it.
	Environ []string
	// Flags are values by the paths of their keys.
	Flags map[string]string
	// Optional are paths of required keys that may stay unset.
	Optional []string
}

// Load reads a configuration: the defaults, over them the file, over that the
// environment, over that the flags. Its error joins one line for each mistake.
func Load(sources Sources) (Config, error) {
	cfg, _, err := LoadSet(sources)
	return cfg, err
}

// LoadSet is [Load] for those who need to know what was set at all: it returns
// the paths of those keys, each with where it was set.
func LoadSet(sources Sources) (cfg Config, set map[string]string, err error) {
	cfg = Default()
	l := newLoader(&cfg)
	if sources.File != "" {
		l.readFile(sources.File)
	}
	l.readEnviron(sources.Environ)
	l.readFlags(sources.Flags)
	l.validate(&cfg, sources.Optional)
	if err := errors.Join(l.errs...); err != nil {
		return Config{}, nil, err
	}
	return cfg, l.sources, nil
}

// loader sets fields and collects what goes wrong.
type loader struct {
	fields map[string]field
	// sources tells where each path was set.
	sources map[string]string
	// refused are the paths for which a source held what can't be read.
	refused map[string]bool
	// unread says that nobody knows what the file sets.
	unread bool
	errs   []error
}

func newLoader(cfg *Config) *loader {
	return &loader{fields: fieldsOf(cfg), sources: map[string]string{}, refused: map[string]bool{}}
}

func (l *loader) fail(source, path string, reason error) {
	l.refused[path] = true
	l.errs = append(l.errs, fmt.Errorf("%s: %s: %w", source, path, reason))
}

// validate reports what is wrong with the values as a whole, but for those
// that could not be read anyway and those that may stay unset.
func (l *loader) validate(cfg *Config, optional []string) {
	if l.unread {
		return
	}
	for _, m := range validate(cfg) {
		source, set := l.sources[m.path]
		switch {
		case l.refused[m.path], !set && slices.Contains(optional, m.path):
		case set:
			l.errs = append(l.errs, fmt.Errorf("%s: %s: %s", source, m.path, m.reason))
		default:
			l.errs = append(l.errs, fmt.Errorf("%s: %s", m.path, m.reason))
		}
	}
}

func (l *loader) set(source, path, text string) {
	f, known := l.fields[path]
	if !known {
		l.fail(source, path, l.unknown(path))
		return
	}
	if f.hasEntries() {
		l.setEntries(source, f, text)
		return
	}
	l.sources[path] = source
	err := f.set(text)
	switch {
	case f.secret && text == hidden:
		l.fail(source, path, errors.New("is what a printed configuration shows for a secret"))
	case f.secret && err != nil:
		l.fail(source, path, errors.New("is not valid, and not shown: it is a secret"))
	case err != nil:
		l.fail(source, path, err)
	}
}

// setItems sets a list of plain values that a file holds.
func (l *loader) setItems(source, path string, items []string) {
	f := l.fields[path]
	l.sources[path] = source
	if err := f.setItems(items); err != nil {
		l.fail(source, path, err)
	}
}

// setEntries sets a list of what has keys of its own from YAML in one line.
func (l *loader) setEntries(source string, list field, text string) {
	var document yaml.Node
	if err := yaml.Unmarshal([]byte(text), &document); err != nil || len(document.Content) != 1 ||
		document.Content[0].Kind != yaml.SequenceNode {
		l.fail(source, list.path, errors.New("need a YAML list, such as [{key: value}]"))
		return
	}
	l.readEntries(source+":1", list, document.Content[0])
}

func (l *loader) readFile(path string) {
	content, err := os.ReadFile(path)
	if err != nil {
		l.unread = true
		l.errs = append(l.errs, err)
		return
	}
	l.readYAML(path, content)
}

// serviceLink matches what follows the name of a Service in the variables that
// Kubernetes puts into the environment of every pod for it.
const serviceLink = `^(SERVICE_HOST|SERVICE_PORT(_.*)?|PORT(_[0-9]+_(TCP|UDP|SCTP)(_(ADDR|PORT|PROTO))?)?)$`

// serviceLinks returns what tells the variables of Services whose name begins
// with "backref". A Service always has a variable for its host, so that a
// mistake such as BACKREF_PORT is still found.
func serviceLinks(environ []string) func(name string) bool {
	link := regexp.MustCompile(serviceLink)
	var services []string
	for _, variable := range environ {
		name, _, _ := strings.Cut(variable, "=")
		if service, found := strings.CutSuffix(name, "SERVICE_HOST"); found && strings.HasPrefix(name, envPrefix) {
			services = append(services, service)
		}
	}
	return func(name string) bool {
		return slices.ContainsFunc(services, func(service string) bool {
			rest, found := strings.CutPrefix(name, service)
			return found && link.MatchString(rest)
		})
	}
}

func (l *loader) readEnviron(environ []string) {
	isLink := serviceLinks(environ)
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
		case !isLink(name):
			l.errs = append(l.errs, fmt.Errorf("%s: unknown environment variable%s", name, meant(name, maps.Keys(byEnv))))
		}
	}
}

func (l *loader) readFlags(flags map[string]string) {
	for _, path := range slices.Sorted(maps.Keys(flags)) {
		if f := l.fields[path]; f.secret {
			l.fail("flag", path, l.exposed(f))
			continue
		}
		l.set("flag", path, flags[path])
		if f := l.fields[path]; f.hasEntries() {
			l.exposedEntries(f)
		}
	}
}

// exposedEntries refuses the secrets in a list that an argument has set.
func (l *loader) exposedEntries(list field) {
	for i := range list.value.Len() {
		walkEntry(list.value.Index(i), fmt.Sprintf("%s[%d]", list.path, i), nil, func(key field) {
			if key.secret && !key.value.IsZero() {
				l.fail("flag", key.path, fmt.Errorf("is a secret, and arguments can be read by others: use %sFile, %s or the configuration file", key.path, list.env()))
			}
		})
	}
}

// exposed says where a secret may be set: what stands in an argument can be
// read by whoever sees the processes of the machine.
func (l *loader) exposed(f field) error {
	beside := ""
	if _, known := l.fields[f.path+"File"]; known {
		beside = f.path + "File, "
	}
	return fmt.Errorf("is a secret, and arguments can be read by others: use %s%s or the configuration file", beside, f.env())
}

// unknown says that a key is not known, and which one may be meant.
func (l *loader) unknown(path string) error {
	known := map[string]bool{}
	for path := range l.fields {
		for ; path != ""; path, _ = cut(path) {
			known[path] = true
		}
	}
	return fmt.Errorf("unknown key%s", meant(path, maps.Keys(known)))
}

// meant returns a remark about the known name that is nearest to a wrong one,
// or "" where none is near.
func meant(name string, known iter.Seq[string]) string {
	best, distance := "", 3
	for _, candidate := range slices.Sorted(known) {
		if d := editDistance(name, candidate); d < distance {
			best, distance = candidate, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(" (did you mean %s?)", best)
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

package config

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// envPrefix begins the name of every environment variable of ours.
const envPrefix = "BACKREF_"

// field is one key that can be set.
type field struct {
	// path is the key as the file has it, its parts joined by dots.
	path string
	doc  string
	enum []string
	// required fields have no default.
	required bool
	// secret fields are never printed.
	secret bool
	// live fields count without a restart, see [Config.Adopt].
	live bool
	// file fields name a file that a server reads.
	file bool
	// nested fields are of an entry of a list, and have no variable.
	nested bool
	// value is settable.
	value reflect.Value
}

// section is a group of keys.
type section struct {
	path, doc string
}

// walk visits the keys and sections of cfg in their order. enter may be nil.
func walk(cfg *Config, enter func(section), leaf func(field)) {
	walkStruct(reflect.ValueOf(cfg).Elem(), "", enter, leaf)
}

// walkEntry visits the sections and keys of one entry of a list. enter may be nil.
func walkEntry(entry reflect.Value, path string, enter func(section), leaf func(field)) {
	walkStruct(entry, path+".", enter, func(f field) {
		f.nested = true
		leaf(f)
	})
}

func walkStruct(v reflect.Value, prefix string, enter func(section), leaf func(field)) {
	for i := range v.NumField() {
		tag := v.Type().Field(i).Tag
		path := prefix + tag.Get("key")
		if isSection(v.Field(i)) {
			if enter != nil {
				enter(section{path, tag.Get("doc")})
			}
			walkStruct(v.Field(i), path+".", enter, leaf)
			continue
		}
		f := field{
			path: path, doc: tag.Get("doc"), value: v.Field(i),
			required: tag.Get("required") == "true", secret: tag.Get("secret") == "true",
			live: tag.Get("reload") == "true", file: tag.Get("file") == "true",
		}
		if enum := tag.Get("enum"); enum != "" {
			f.enum = strings.Split(enum, ",")
		}
		leaf(f)
	}
}

func isSection(v reflect.Value) bool {
	return v.Kind() == reflect.Struct
}

// Key is a key of the configuration that can be set.
type Key struct {
	// Path is the whole key, such as "server.listen".
	Path string
	// Values are all that it can be; nil where there are many.
	Values []string
}

// Keys returns every key that has a value of its own, in the order of the
// reference.
func Keys() []Key {
	var keys []Key
	cfg := Default()
	walk(&cfg, nil, func(f field) { keys = append(keys, Key{f.path, f.enum}) })
	return keys
}

// fieldsOf returns the keys of cfg by their paths.
func fieldsOf(cfg *Config) map[string]field {
	fields := map[string]field{}
	walk(cfg, nil, func(f field) { fields[f.path] = f })
	return fields
}

// env returns the name of the environment variable of a key:
// upstream.timeouts.responseHeader is BACKREF_UPSTREAM_TIMEOUTS_RESPONSE_HEADER.
func (f field) env() string {
	var name strings.Builder
	name.WriteString(envPrefix)
	previous := '.'
	for _, c := range f.path {
		switch {
		case c == '.':
			c = '_'
		case unicode.IsUpper(c) && unicode.IsLower(previous):
			name.WriteByte('_')
		}
		name.WriteRune(unicode.ToUpper(c))
		previous = c
	}
	return name.String()
}

// isList tells whether the key holds several values.
func (f field) isList() bool {
	return f.value.Kind() == reflect.Slice
}

// hasEntries tells whether the key holds a list of what has keys of its own.
func (f field) hasEntries() bool {
	return f.isList() && f.value.Type() != reflect.TypeFor[[]netip.Prefix]() && f.value.Type().Elem().Kind() == reflect.Struct
}

// set parses text. Where it can't, the value stays and the error gives the
// reason, without text if that might be a secret.
func (f field) set(text string) error {
	if !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
		return errors.New("is not text in UTF-8")
	}
	if f.isList() {
		return f.setItems(splitList(text))
	}
	if err := f.checkEnum(text); err != nil {
		return err
	}
	switch target := f.value.Addr().Interface().(type) {
	case *string:
		*target = text
		return nil
	case *int:
		return assign(target, text, strconv.Atoi, "a whole number")
	case *bool:
		return assign(target, text, strconv.ParseBool, "true or false")
	case *time.Duration:
		return assign(target, text, time.ParseDuration, "a duration such as 30s or 5m")
	case *Size:
		return target.UnmarshalText([]byte(text))
	case **url.URL:
		if text == "" && !f.required {
			*target = nil
			return nil
		}
		return setURL(target, text)
	default:
		return fmt.Errorf("no way to set a %s", f.value.Type())
	}
}

// setItems sets a list of plain values.
func (f field) setItems(items []string) error {
	for _, item := range items {
		if err := f.checkEnum(item); err != nil {
			return err
		}
	}
	switch target := f.value.Addr().Interface().(type) {
	case *[]string:
		// No items are the same as no list.
		*target = append([]string(nil), items...)
		return nil
	case *[]netip.Prefix:
		return setPrefixes(target, items)
	default:
		return fmt.Errorf("no way to set a %s", f.value.Type())
	}
}

func (f field) checkEnum(text string) error {
	if len(f.enum) > 0 && !slices.Contains(f.enum, text) {
		return fmt.Errorf("%q is none of %s", text, strings.Join(f.enum, ", "))
	}
	return nil
}

// splitList reads a list separated by commas.
func splitList(text string) []string {
	var items []string
	for item := range strings.SplitSeq(text, ",") {
		if item = strings.TrimSpace(item); item != "" {
			items = append(items, item)
		}
	}
	return items
}

func assign[T any](target *T, text string, parse func(string) (T, error), want string) error {
	value, err := parse(text)
	if err != nil {
		return fmt.Errorf("%q is not %s", text, want)
	}
	*target = value
	return nil
}

func setURL(target **url.URL, text string) error {
	u, err := url.Parse(text)
	switch {
	case strings.Contains(text, "@"):
		// Wherever it stands: a slip such as "user:password@host" parses as
		// something without a user.
		return errors.New("must not hold a user name or password")
	case err != nil:
		return errors.New("not a URL")
	case u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		return fmt.Errorf("%q is not a URL that begins with http:// or https:// and a host", text)
	case strings.ContainsAny(text, "?#"):
		return errors.New("must not have a query or fragment")
	case u.Port() != "" && !isPort(u.Port()):
		return fmt.Errorf("%q has no port from 0 to 65535", text)
	}
	*target = u
	return nil
}

// setPrefixes reads addresses. A bare one stands for itself alone.
func setPrefixes(target *[]netip.Prefix, items []string) error {
	var prefixes []netip.Prefix
	for _, item := range items {
		prefix, err := netip.ParsePrefix(item)
		if address, addressErr := netip.ParseAddr(item); addressErr == nil && address.Zone() == "" {
			prefix, err = netip.PrefixFrom(address, address.BitLen()), nil
		}
		if err != nil {
			return fmt.Errorf("%q is neither a CIDR prefix nor an address", item)
		}
		if prefix.Addr().Is4In6() {
			// Peers are compared as IPv4 where they are: it would never match.
			return fmt.Errorf("%q is IPv4 in the form of IPv6: write it as IPv4", item)
		}
		prefixes = append(prefixes, prefix.Masked())
	}
	*target = prefixes
	return nil
}

// text returns the value as set would read it, and its items for a list.
func (f field) text() (whole string, items []string) {
	switch value := f.value.Interface().(type) {
	case *url.URL:
		if value == nil {
			return "", nil
		}
		return value.String(), nil
	case []netip.Prefix:
		for _, prefix := range value {
			items = append(items, prefix.String())
		}
		return strings.Join(items, ","), items
	case []string:
		return strings.Join(value, ","), value
	case time.Duration:
		return durationText(value), nil
	default:
		if f.hasEntries() {
			return "", nil
		}
		return fmt.Sprint(value), nil
	}
}

// durationText leaves out what is 0 at the end: 2m, not 2m0s.
func durationText(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

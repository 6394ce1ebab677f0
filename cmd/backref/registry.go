package main

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"github.com/backref/backref/client"
	"github.com/backref/backref/index"
)

// access are the flags that say how a registry is reached.
type access struct {
	prefix, caFile  string
	plain, insecure bool
	cmd             *cobra.Command
	// around is what requests go by; nil for nothing special.
	around func(direct http.RoundTripper) http.RoundTripper
}

// addAccess adds the flags. A prefix such as "from-" tells two registries
// apart.
func addAccess(cmd *cobra.Command, prefix string) *access {
	a := &access{prefix: prefix, cmd: cmd}
	if cmd.Flags().Lookup(flagTimeout) == nil {
		cmd.Flags().Duration(flagTimeout, client.DefaultTimeout, "how long a registry may keep a command waiting, for an answer or within one; ten times as long for what it stores")
	}
	whose := map[string]string{"": "the registry", "from-": "the source", "to-": "the target"}[prefix]
	cmd.Flags().BoolVar(&a.plain, prefix+"plain-http", false, "speak to "+whose+" without TLS (default: only on this machine)")
	cmd.Flags().BoolVar(&a.insecure, prefix+"insecure", false, "accept any certificate of "+whose)
	cmd.Flags().StringVar(&a.caFile, prefix+"ca-file", "", "`file` of PEM certificates to trust for "+whose+" besides the system's")
	return a
}

// flagTimeout is the flag for the time that others may keep a command waiting.
const flagTimeout = "timeout"

// client returns a client with the user's credentials.
func (a *access) client() (*client.Client, error) {
	timeout, err := a.cmd.Flags().GetDuration(flagTimeout)
	if err != nil {
		return nil, err
	}
	if timeout <= 0 {
		return nil, usageError{fmt.Errorf("--timeout %s: need more than 0", timeout)}
	}
	options := client.Options{Insecure: a.insecure, CAFile: a.caFile, UserAgent: userAgent(), Timeout: timeout, Around: a.around, Flags: a.prefix}
	if a.cmd.Flags().Changed(a.prefix + "plain-http") {
		options.PlainHTTP = &a.plain
	}
	return client.New(options)
}

// repository returns the repository that an argument names.
func (a *access) repository(argument string) (*client.Repository, client.Reference, error) {
	ref, err := client.ParseReference(argument)
	if err != nil {
		return nil, ref, usageError{err}
	}
	c, err := a.client()
	if err != nil {
		return nil, ref, err
	}
	return c.Repository(ref), ref, nil
}

// userAgent is how backref calls itself to registries.
func userAgent() string {
	name, _, _ := strings.Cut(strings.TrimPrefix(versionLine(), "backref "), " ")
	return "backref/" + strings.Trim(name, "()")
}

// filters are the flags of the query grammar.
type filters struct {
	types, annotations []string
	sort               string
	latest             bool
	limit              int
}

// addFilters adds the flags that choose referrers.
func addFilters(cmd *cobra.Command) *filters {
	f := &filters{}
	cmd.Flags().StringArrayVar(&f.types, "type", nil, "only artifact types that match the `glob`; repeatable")
	cmd.Flags().StringArrayVar(&f.annotations, "annotation", nil, "only with the annotation, as `key[<op>value]` with =, !=, >, >=, < or <=; repeatable")
	cmd.Flags().StringVar(&f.sort, "sort", "", "`order`: [-]created, digest, artifactType or version (default digest)")
	cmd.Flags().BoolVar(&f.latest, "latest", false, "only the newest, as --sort=-created --limit=1")
	cmd.Flags().IntVar(&f.limit, "limit", 0, "at most `n`")
	completeValues(cmd, "sort", sortValues()...)
	completeValues(cmd, "type", client.KnownTypes()...)
	cmd.MarkFlagsMutuallyExclusive("latest", "sort")
	cmd.MarkFlagsMutuallyExclusive("latest", "limit")
	return f
}

// sortValues are the orders of referrers.
func sortValues() []string {
	var values []string
	for _, by := range []index.SortKey{index.SortDigest, index.SortCreated, index.SortArtifactType, index.SortVersion} {
		values = append(values, by.String(), "-"+by.String())
	}
	return values
}

// query reads the flags.
func (f *filters) query() (index.Query, error) {
	if f.limit < 0 {
		return index.Query{}, usageError{fmt.Errorf("--limit %d: need 1 or more", f.limit)}
	}
	values := url.Values{index.ParamArtifactType: f.types, index.ParamAnnotation: f.annotations}
	if f.latest {
		f.sort, f.limit = "-created", 1
	}
	if f.sort != "" {
		values.Set(index.ParamSort, f.sort)
	}
	if f.limit != 0 {
		values.Set(index.ParamLimit, fmt.Sprint(f.limit))
	}
	return parseQuery(values)
}

// parseFilter reads filters of the query grammar as they are written in a URL.
func parseFilter(text string) (index.Query, error) {
	values, err := url.ParseQuery(strings.ReplaceAll(text, "+", "%2B"))
	if err != nil {
		return index.Query{}, usageError{fmt.Errorf("filter %q: %w", text, err)}
	}
	for name := range values {
		if name != index.ParamArtifactType && name != index.ParamAnnotation {
			return index.Query{}, usageError{fmt.Errorf("filter %q: there is no %q; need artifactType=… and annotation=…, joined by &", text, name)}
		}
	}
	return parseQuery(values)
}

func parseQuery(values url.Values) (index.Query, error) {
	query, err := index.ParseQuery(values)
	if err != nil {
		return query, usageError{err}
	}
	return query, nil
}

// arguments returns a check for a number of arguments that are called by name.
func arguments(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != len(names) {
			return usageError{fmt.Errorf("%s: need %s; see %s --help", cmd.Name(), strings.Join(names, " and "), cmd.CommandPath())}
		}
		return nil
	}
}

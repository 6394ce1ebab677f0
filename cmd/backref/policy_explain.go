package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/spf13/cobra"

	"github.com/backref/backref/client"
	"github.com/backref/backref/config"
	"github.com/backref/backref/oci"
	"github.com/backref/backref/policy"
	"github.com/backref/backref/registry"
)

func newPolicyExplain(environ []string) *cobra.Command {
	out, asked := &output{}, &question{}
	var at, artifactType string
	cmd := &cobra.Command{
		Use:   "explain REPO[:TAG|@DIGEST]",
		Short: "Say what somebody could do with a tag or a manifest, and which rule decides",
		Long: "Say of a push, a move, a delete and a pull whether the rules of the configuration\n" +
			"allow it, and which of them decides; and which rules are about the repository at all.\n" +
			"REPO is without the name of the registry. No server is asked, unless --admin names\n" +
			"one: that says what is really there, and which locked tag holds it. The rules are\n" +
			"those of the configuration that is given, as to serve.",
		Example: "  backref policy explain team/app:v1.2.3 --config /etc/backref/backref.yaml\n" +
			"  backref policy explain team/app:v1.2.3 --config backref.yaml --user ann --group team --admin http://127.0.0.1:5001",
		Args: arguments("REPO[:TAG|@DIGEST]"),
	}
	on := addServer(cmd, environ, false, noShortcuts)
	cmd.Flags().StringVar(&asked.by.User, "user", "", "`name` of the user; without one nobody has signed in")
	cmd.Flags().StringArrayVar(&asked.by.Groups, "group", nil, "`name` of a group of the user; repeatable")
	cmd.Flags().StringVar(&asked.by.Listener, "listener", config.MainListener, "`name` of the listener that the request comes by")
	cmd.Flags().StringVar(&asked.by.UserAgent, "user-agent", "", "`program` that the client says it is")
	cmd.Flags().StringVar(&artifactType, "artifact-type", "", "artifact `type` of the manifest (default: what is there, else an image)")
	cmd.Flags().StringVar(&at, "at", "", "`time` at which it happens, as 2027-01-31T00:00:00Z (default now)")
	cmd.Flags().DurationVar(&on.timeout, flagTimeout, reachTimeout, "how long a server that --admin names may take to answer")
	addPolicyOutput(cmd, out)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		q := *asked
		err := q.name(args[0])
		if err == nil {
			q.artifact = artifactOf(artifactType)
			q.at, err = timeFlag("at", at)
		}
		if err == nil && len(q.by.Groups) > 0 && q.by.User == "" {
			err = usageError{errors.New("--group needs --user, who is in it")}
		}
		if err != nil {
			return err
		}
		cfg, server, _, err := on.read()
		if err != nil {
			return err
		}
		book, err := newRuleBook(cfg)
		if err != nil {
			return err
		}
		if !book.listens(q.by.Listener) {
			return usageError{fmt.Errorf("--listener %q: the configuration has no such listener", q.by.Listener)}
		}
		var present *registry.Present
		if server != "" && (q.tag != "" || q.digest != "") {
			if present, err = on.present(cmd.Context(), cfg, server, q); err != nil {
				return err
			}
		}
		e := book.explain(q, present, artifactType == "")
		return out.print(e, nil, e.show)
	}
	return cmd
}

// timeFlag reads a time; without one it is now.
func timeFlag(name, text string) (time.Time, error) {
	if text == "" {
		return time.Now(), nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return at, usageError{fmt.Errorf("--%s %q: need a time such as 2027-01-31T00:00:00Z", name, text)}
	}
	return at, nil
}

// name reads what is asked about.
func (q *question) name(text string) error {
	q.repository = text
	if repository, sum, found := strings.Cut(text, "@"); found {
		q.repository, q.digest = repository, digest.Digest(sum)
		if err := oci.CheckDigest(q.digest); err != nil {
			return usageError{fmt.Errorf("%s: %w", text, err)}
		}
	}
	if at := strings.LastIndexByte(q.repository, ':'); at > strings.LastIndexByte(q.repository, '/') {
		q.repository, q.tag = q.repository[:at], q.repository[at+1:]
		if !oci.ValidTag(q.tag) {
			return usageError{fmt.Errorf("%s: %q is not a tag", text, q.tag)}
		}
	}
	if !oci.ValidRepository(q.repository) {
		return usageError{fmt.Errorf("%s: %q is not the name of a repository; give it without the name of the registry", text, q.repository)}
	}
	return nil
}

// present asks a server what is there.
func (c *indexCommand) present(ctx context.Context, cfg config.Config, base string, q question) (*registry.Present, error) {
	server, err := reachServer(ctx, cfg, base, c.timeout)
	if err != nil {
		return nil, err
	}
	reference := q.tag
	if q.digest != "" {
		reference = q.digest.String()
	}
	body, err := server.do(ctx, http.MethodGet, "/admin/policy/present?"+url.Values{"repository": {q.repository}, "reference": {reference}}.Encode(), nil)
	if err != nil {
		return nil, errors.Join(err, server.Close())
	}
	var present registry.Present
	return &present, errors.Join(json.NewDecoder(body).Decode(&present), body.Close(), server.Close())
}

// explanation is what somebody could do with a tag or a manifest.
type explanation struct {
	Repository string        `json:"repository"`
	Tag        string        `json:"tag,omitempty"`
	Digest     digest.Digest `json:"digest,omitempty"`
	At         time.Time     `json:"at"`
	// ArtifactType is the type that pushes and pulls are judged by.
	ArtifactType string `json:"artifactType"`
	// Present is what a server says; null where none was asked.
	Present  *registry.Present `json:"present"`
	Verdicts []verdict         `json:"verdicts"`
	// About are the rules that are about the repository, by their kind.
	About []aboutRepository `json:"about"`
	// Notes are what else there is to know.
	Notes []string `json:"notes,omitempty"`
}

// aboutRepository is a rule that is about a repository.
type aboutRepository struct {
	Kind string `json:"kind"`
	Rule string `json:"rule"`
}

// explain asks the rules what somebody could do. present is what a server says is
// there, nil where none was asked; asThere judges by the type of that.
func (b *ruleBook) explain(q question, present *registry.Present, asThere bool) explanation {
	if present != nil && present.HeldBy != nil {
		q.held = policy.Decision{Denied: true, Rule: present.HeldBy.Rule, Reason: present.HeldBy.Reason}
	}
	if present != nil && present.Exists && asThere {
		q.artifact = policy.Artifact{MediaType: present.MediaType, Type: present.ArtifactType}
	}
	e := explanation{
		Repository: q.repository, Tag: q.tag, Digest: q.digest, At: q.at.UTC(), ArtifactType: q.artifact.Type, Present: present,
		Verdicts: []verdict{}, About: []aboutRepository{}, Notes: b.notes(q, present),
	}
	for _, q.do = range doings() {
		if q.do == doMove && q.tag == "" || q.do == doDelete && q.tag == "" && q.digest == "" {
			continue
		}
		e.Verdicts = append(e.Verdicts, b.judge(q))
	}
	for _, kind := range explainers() {
		if kind.about == nil {
			continue
		}
		for _, rule := range kind.about(b, q.repository) {
			e.About = append(e.About, aboutRepository{kind.kind, rule})
		}
	}
	return e
}

// notes say what the rules alone don't tell.
func (b *ruleBook) notes(q question, present *registry.Present) []string {
	var notes []string
	_, locks := b.Locks.In(q.repository, q.at)
	switch {
	case !locks || present != nil:
	case q.digest != "":
		notes = append(notes, "a locked tag may hold the manifest, so that it can't be deleted: name a server by --admin to know")
	case q.tag != "" && !b.DeletesTagsAlone && !b.Locks.Decide(q.repository, q.tag, q.at).Denied:
		notes = append(notes, "a locked tag may hold the manifest of this one, so that the tag can't be deleted (tags.deletion): name a server by --admin to know")
	}
	if b.access == nil {
		notes = append(notes, "who may do what the registry decides (auth.mode passthrough)")
	}
	return notes
}

// show prints the explanation for people.
func (e explanation) show(s *sheet) {
	if e.Present != nil {
		_, _ = fmt.Fprintln(s, s.there(*e.Present))
	}
	var rows [][]string
	for _, v := range e.Verdicts {
		rows = append(rows, []string{v.Action, v.Decision, "-", "-", "-"})
		for i, b := range v.Because {
			if i > 0 {
				rows = append(rows, []string{"", "", "", "", ""})
			}
			copy(rows[len(rows)-1][2:], []string{b.Kind, orDash(b.Rule), orDash(b.Reason)})
		}
	}
	s.table([]column{{name: "ACTION"}, {name: "DECISION"}, {name: "RULES"}, {name: "RULE"}, {name: "BECAUSE", cut: true}}, rows)
	for _, rule := range e.About {
		_, _ = fmt.Fprintf(s, "about the repository: %s %s\n", rule.Kind, rule.Rule)
	}
	for _, note := range e.Notes {
		_, _ = fmt.Fprintln(s, "note: "+note)
	}
}

// there writes what is there.
func (s *sheet) there(p registry.Present) string {
	switch {
	case !p.Exists:
		return "the registry has no such tag or manifest"
	case p.HeldBy != nil:
		return client.Printable(fmt.Sprintf("there: %s, held by %s: %s", s.digest(p.Digest), p.HeldBy.Rule, p.HeldBy.Reason))
	default:
		return fmt.Sprintf("there: %s, held by no locked tag", s.digest(p.Digest))
	}
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

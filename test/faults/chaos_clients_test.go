package faults

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/test/rig"
)

// client pushes and deletes referrers of its own and asks for everyone's.
type client struct {
	t        *testing.T
	base     string
	model    *model
	random   *rand.Rand
	subjects []rig.Descriptor
	owns     []*owned
	// service hears of every answer, where it is set. Then a balancer stands in
	// between, whose own errors name no time to come back.
	service *service
}

// The types of the referrers that clients push.
const (
	typeSignature = "application/vnd.example.signature"
	typeReport    = "application/vnd.example.report"
)

// ownReferrers makes the referrers of a client: some for every subject.
func (c *client) ownReferrers(name string, each int) {
	for i := range each {
		for _, subject := range c.subjects {
			artifactType := typeSignature
			if i%2 == 1 {
				artifactType = typeReport
			}
			c.owns = append(c.owns, c.model.add(rig.Artifact(artifactType, fmt.Sprintf("%s/%d", name, i), subject)))
		}
	}
}

// run works until it is told to stop.
func (c *client) run(stop <-chan struct{}) {
	for {
		select {
		case <-stop:
			return
		case <-time.After(time.Duration(c.random.IntN(15)) * time.Millisecond):
		}
		if c.random.IntN(2) == 0 {
			c.query(c.subjects[c.random.IntN(len(c.subjects))])
			continue
		}
		c.change(c.owns[c.random.IntN(len(c.owns))])
	}
}

// change pushes or deletes a referrer. One whose last request had no answer is
// left alone until that can no longer take effect; then it is settled either
// way.
func (c *client) change(o *owned) {
	pushes := o.standing == absent
	if o.standing == unknown {
		if time.Now().Before(o.quiet) {
			return
		}
		pushes = c.random.IntN(2) == 0
	}
	c.model.begin(o)
	if pushes {
		c.push(o)
	} else {
		c.delete(o)
	}
}

func (c *client) push(o *owned) {
	got, err := c.send(http.MethodPut, "/v2/app/manifests/"+o.digest.String(), o.manifest.Bytes(), "Content-Type", o.manifest.MediaType)
	switch {
	case err != nil || got.Status >= 500:
		c.model.lost(o)
	case got.Status == http.StatusCreated && got.Header.Get("OCI-Subject") == o.manifest.Subject.Digest.String():
		c.model.acknowledged(o, present)
	case got.Status == http.StatusTooManyRequests:
		c.model.rejected(o)
	default:
		c.model.problem("push of %s: status %d, header %v: %s", o.digest, got.Status, got.Header, got.Body)
	}
}

func (c *client) delete(o *owned) {
	got, err := c.send(http.MethodDelete, "/v2/app/manifests/"+o.digest.String(), nil)
	switch {
	case err != nil || got.Status >= 500:
		c.model.lost(o)
	case got.Status == http.StatusAccepted, got.Status == http.StatusNotFound && o.before == unknown:
		c.model.acknowledged(o, absent)
	case got.Status == http.StatusTooManyRequests:
		c.model.rejected(o)
	case got.Status == http.StatusBadRequest && o.before == unknown:
		c.model.lost(o) // The registry died while it stored it: see mend.
	default:
		c.model.problem("delete of %s: status %d: %s", o.digest, got.Status, got.Body)
	}
}

// mend brings a referrer to where the registry can answer for it. Distribution
// answers 500 for ever for a manifest that it was killed in the middle of
// storing: it has to be pushed again or, where even that leaves it unreadable,
// deleted.
func (c *client) mend(o *owned, held func(*owned) int) {
	if held(o) < http.StatusInternalServerError {
		return
	}
	for _, act := range []func(*owned){c.push, c.delete} {
		c.model.begin(o)
		act(o)
		if held(o) < http.StatusInternalServerError {
			return
		}
	}
	c.model.problem("the registry still answers %d for %s", held(o), o.digest)
}

// query asks for the referrers of a subject, all of them or those of a type,
// at once or in pages, and holds a whole answer against the model.
func (c *client) query(subject rig.Descriptor) {
	artifactType := []string{"", "", typeSignature, typeReport}[c.random.IntN(4)]
	limit := []int{0, 0, 1 + c.random.IntN(20)}[c.random.IntN(3)]
	expected := c.model.expect(subject.Digest, artifactType)
	path, listed, err := c.list(subject.Digest, artifactType, limit)
	if err != nil {
		c.model.queryFailed()
		return
	}
	c.model.check(path, expected, listed)
}

// list reads a listing to its end. Errors that a query may not answer with are
// problems.
func (c *client) list(subject digest.Digest, artifactType string, limit int) (string, map[digest.Digest]rig.Descriptor, error) {
	path := "/v2/app/referrers/" + subject.String() + "?artifactType=" + artifactType
	if limit > 0 {
		path += fmt.Sprintf("&n=%d", limit)
	}
	listed := map[digest.Digest]rig.Descriptor{}
	for next := path; next != ""; {
		got, err := c.send(http.MethodGet, next, nil)
		if err != nil {
			return path, nil, err
		}
		if got.Status != http.StatusOK {
			return path, nil, c.refusal(next, got)
		}
		var index struct{ Manifests []rig.Descriptor }
		if err := json.Unmarshal(got.Body, &index); err != nil {
			c.model.problem("%s: %v: %s", next, err, got.Body)
			return path, nil, err
		}
		for _, entry := range index.Manifests {
			listed[entry.Digest] = entry
		}
		next = strings.TrimSuffix(strings.TrimPrefix(got.Header.Get("Link"), "<"), `>; rel="next"`)
	}
	return path, listed, nil
}

// refusal is the error for a query that was not answered: the client has to be
// told that it may try again.
func (c *client) refusal(path string, got rig.Reply) error {
	passing := got.Status == http.StatusTooManyRequests || got.Status >= 502 && got.Status <= 504
	if !passing || got.Header.Get("Retry-After") == "" && c.service == nil {
		c.model.problem("%s: status %d, Retry-After %q: %s", path, got.Status, got.Header.Get("Retry-After"), got.Body)
	}
	return fmt.Errorf("status %d: %s", got.Status, got.Body)
}

// send sends a request to backref. While nobody listens there, it is slow, so
// that clients don't take the ports from those who start.
func (c *client) send(method, path string, body []byte, headers ...string) (rig.Reply, error) {
	got, err := rig.Send(c.t, method, c.base+path, body, headers...)
	if c.service != nil {
		c.service.heard(method, got, err)
	}
	if err != nil {
		time.Sleep(30 * time.Millisecond)
	}
	return got, err
}

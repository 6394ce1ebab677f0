package proxy_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"
)

const taggedPath = "/v2/a/manifests/v1"

// quoted returns a manifest's digest as an entity tag.
func quoted(manifest []byte) string {
	return `"` + digest.FromBytes(manifest).String() + `"`
}

func TestConditionalPush(t *testing.T) {
	old, other := image("old"), image("other")
	for _, c := range []struct {
		name    string
		exists  bool
		headers []string
		want    int
	}{
		{"none", true, nil, 201},
		{"new", false, []string{"If-None-Match", "*"}, 201},
		{"not new", true, []string{"If-None-Match", "*"}, 412},
		{"same", true, []string{"If-Match", quoted(old)}, 201},
		{"one of several", true, []string{"If-Match", quoted(other) + " ,, " + quoted(old)}, 201},
		{"on several lines", true, []string{"If-Match", quoted(other), "If-Match", quoted(old)}, 201},
		{"another", true, []string{"If-Match", quoted(other)}, 412},
		{"weak", true, []string{"If-Match", "W/" + quoted(old)}, 412},
		{"gone", false, []string{"If-Match", quoted(old)}, 412},
		{"any", true, []string{"If-Match", "*"}, 201},
		{"any, gone", false, []string{"If-Match", "*"}, 412},
		{"not this", true, []string{"If-None-Match", quoted(old)}, 412},
		{"not this, weak", true, []string{"If-None-Match", "W/" + quoted(old)}, 412},
		{"not that", true, []string{"If-None-Match", quoted(other)}, 201},
		{"not this, gone", false, []string{"If-None-Match", quoted(old)}, 201},
		{"both", true, []string{"If-Match", quoted(old), "If-None-Match", quoted(other)}, 201},
		{"both, one lost", true, []string{"If-Match", quoted(old), "If-None-Match", quoted(old)}, 412},
		{"no quotes", true, []string{"If-Match", digest.FromBytes(old).String()}, 400},
		{"open quote", true, []string{"If-Match", `"abc`}, 400},
		{"no comma", true, []string{"If-Match", `"a" "b"`}, 400},
		{"empty", false, []string{"If-None-Match", " "}, 400},
		{"star in a list", false, []string{"If-None-Match", `*, "a"`}, 400},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFixture(t)
			if c.exists {
				f.registry.put("a", old, "v1")
			}
			got := f.do(http.MethodPut, taggedPath, image("new"), append(c.headers, "Content-Type", imageManifest)...)
			if got.status != c.want {
				t.Fatalf("status %d, want %d: %s", got.status, c.want, got.body)
			}
			if pushed := slices.Contains(f.registry.seen(), "PUT "+taggedPath); pushed != (c.want == 201) {
				t.Errorf("the registry got the push: %t", pushed)
			}
			if c.want == 412 && !strings.Contains(string(got.body), `"code":"DENIED"`) {
				t.Errorf("body %s", got.body)
			}
		})
	}
}

// What decides over a condition has to be known, unless the upstream keeps it
// from this client: then it is the upstream's alone.
func TestConditionThatCannotBeChecked(t *testing.T) {
	for status, want := range map[int]int{401: 412, 403: 412, 405: 412, 429: 429, 500: 502, 501: 412} {
		f := newFixture(t)
		f.registry.put("a", image("old"), "v1")
		f.registry.answer(func(w http.ResponseWriter, r *http.Request) bool {
			if r.Method == http.MethodPut && r.Header.Get("If-None-Match") == "*" {
				w.WriteHeader(http.StatusPreconditionFailed)
				return true
			}
			if r.Method != http.MethodHead {
				return false
			}
			w.Header().Set("WWW-Authenticate", "Basic")
			w.WriteHeader(status)
			return true
		})
		got := f.do(http.MethodPut, taggedPath, image("new"), "Content-Type", imageManifest, "If-None-Match", "*")
		if got.status != want {
			t.Errorf("%d: status %d: %s", status, got.status, got.body)
		}
		if pushed := slices.Contains(f.registry.seen(), "PUT "+taggedPath); pushed != (status == 401 || status == 403) {
			t.Errorf("%d: the registry got the push: %t", status, pushed)
		}
	}
}

// A push by digest is checked by the upstream alone, which also sees the
// conditions of a push by tag.
func TestConditionsReachTheUpstream(t *testing.T) {
	manifest := image("new")
	for _, reference := range []string{"v1", digest.FromBytes(manifest).String()} {
		f := newFixture(t)
		f.registry.answer(func(w http.ResponseWriter, r *http.Request) bool {
			if r.Method != http.MethodPut {
				return false
			}
			if r.Header.Get("If-None-Match") == "*" {
				w.WriteHeader(http.StatusPreconditionFailed)
			}
			return true
		})
		got := f.do(http.MethodPut, "/v2/a/manifests/"+reference, manifest, "Content-Type", imageManifest, "If-None-Match", "*")
		if got.status != http.StatusPreconditionFailed {
			t.Errorf("%s: status %d", reference, got.status)
		}
		if asked := slices.Contains(f.registry.seen(), "HEAD /v2/a/manifests/"+reference); asked != (reference == "v1") {
			t.Errorf("%s: the registry was asked: %t", reference, asked)
		}
	}
}

// Of many that create a tag, one does; what others push without a condition
// never comes between.
func TestOneConditionalWriterAtATime(t *testing.T) {
	f := newFixture(t)
	var writing, created atomic.Int32
	var conditional atomic.Bool
	intruders := make(chan struct{}, 12)
	f.registry.answer(func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodPut {
			return false
		}
		alone := r.Header.Get("If-Match") != ""
		if now := writing.Add(1); alone && now > 1 || conditional.Load() {
			t.Error("another push while one with a condition is under way")
			intruders <- struct{}{}
		}
		conditional.Store(alone)
		// Long enough for those who don't wait to come.
		select {
		case <-intruders:
		case <-time.After(2 * time.Millisecond):
		}
		conditional.Store(false)
		writing.Add(-1)
		return false
	})
	start := image("start")
	f.registry.put("a", start, "v1")
	var group sync.WaitGroup
	for i := range 12 {
		group.Go(func() {
			headers := []string{"Content-Type", imageManifest}
			if i%3 > 0 {
				headers = append(headers, "If-Match", quoted(start))
			}
			if got := f.do(http.MethodPut, taggedPath, image(fmt.Sprint(i)), headers...); i%3 > 0 && got.status == 201 {
				created.Add(1)
			}
		})
	}
	group.Wait()
	if created.Load() > 1 {
		t.Errorf("%d pushes replaced the same manifest", created.Load())
	}
}

// A client that goes away takes its place in the queue with it, but not a push
// that the upstream may have.
func TestConditionalPushOfAClientThatLeaves(t *testing.T) {
	f := newFixture(t)
	reached, goOn := make(chan struct{}), make(chan struct{})
	var once sync.Once
	f.registry.answer(func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPut {
			once.Do(func() {
				close(reached)
				<-goOn
			})
		}
		return false
	})
	push := func(ctx context.Context, name string) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodPut, f.url+taggedPath, strings.NewReader(string(image(name))))
		if err != nil {
			return err
		}
		req.Header.Set("Content-Type", imageManifest)
		req.Header.Set("If-None-Match", "*")
		resp, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			return err
		}
		return resp.Body.Close()
	}
	first, leaveFirst := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- push(first, "first") }()
	<-reached
	leaveFirst()
	if err := <-ended; err == nil {
		t.Error("the first push has an answer")
	}

	second, leaveSecond := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer leaveSecond()
	if err := push(second, "second"); err == nil {
		t.Error("the second push did not wait for the first")
	}
	close(goOn)
	got := f.do(http.MethodPut, taggedPath, image("third"), "Content-Type", imageManifest, "If-None-Match", "*")
	if got.status != http.StatusPreconditionFailed {
		t.Errorf("status %d: the first push is gone", got.status)
	}
}

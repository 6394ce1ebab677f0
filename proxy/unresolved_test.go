package proxy_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/config"
	"github.com/backref/backref/index"
)

// deleting makes a registry that lets one client delete and nothing else, and
// deletes the manifest with its tag if so told.
func deleting(f *fixture, withManifest digest.Digest, accept func(w http.ResponseWriter)) func(w http.ResponseWriter, r *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool {
		mayRead := r.Header.Get("Authorization") != "Bearer delete-only"
		switch {
		case r.Method == http.MethodDelete && mayRead, r.Method != http.MethodDelete && !mayRead:
			w.WriteHeader(http.StatusUnauthorized)
		case r.Method != http.MethodDelete:
			return false
		default:
			f.registry.drop("app", withManifest)
			accept(w)
		}
		return true
	}
}

// Who may delete a tag deletes it, though nobody says what it stands for; and
// what went with it is not listed on.
func TestDeletingATagUnseen(t *testing.T) {
	answers := map[string]func(w http.ResponseWriter){
		"accepted": func(w http.ResponseWriter) { w.WriteHeader(http.StatusAccepted) },
		"unclear":  func(w http.ResponseWriter) { w.WriteHeader(http.StatusGatewayTimeout) },
		"lost":     func(http.ResponseWriter) { panic(http.ErrAbortHandler) },
	}
	for name, answer := range answers {
		for _, along := range []bool{true, false} {
			for _, service := range []bool{true, false} {
				t.Run(name, func(t *testing.T) {
					f := newFixture(t, func(c *config.Config) { c.Upstream.Service.Anonymous = service })
					subject := f.registry.put("app", image("subject"))
					signed, other := referrer("signed", subject), referrer("other", subject)
					f.do(http.MethodPut, "/v2/app/manifests/signed", signed, "Content-Type", imageManifest)
					f.push("app", other)
					doomed, want := digest.FromString("nothing"), sorted(signed, other)
					if along {
						doomed, want = digest.FromBytes(signed), sorted(other)
					}
					f.registry.answer(deleting(f, doomed, answer))
					got := f.do(http.MethodDelete, "/v2/app/manifests/signed", nil, "Authorization", "Bearer delete-only")
					if name == "accepted" && got.status != http.StatusAccepted || name != "accepted" && got.status < 500 {
						t.Errorf("status %d: %s", got.status, got.body)
					}
					if !slices.Contains(f.registry.seen(), "DELETE /v2/app/manifests/signed") {
						t.Error("the registry was not asked to delete")
					}
					if got := f.list("app", subject); !slices.Equal(got, want) {
						t.Errorf("listed: %v, want %v", got, want)
					}
				})
			}
		}
	}
}

// A delete that is refused leaves no doubt, whoever asked for it.
func TestARefusedDeleteOfATagLeavesNoTrace(t *testing.T) {
	f := newFixture(t, func(c *config.Config) { c.Upstream.Service.Anonymous = true })
	subject := f.registry.put("app", image("subject"))
	f.do(http.MethodPut, "/v2/app/manifests/signed", referrer("signed", subject), "Content-Type", imageManifest)
	f.list("app", subject)
	f.registry.answer(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Header.Get("Authorization") == "" && r.Method != http.MethodDelete {
			return false
		}
		w.Header().Set("WWW-Authenticate", `Bearer realm="https://tokens.example.com"`)
		w.WriteHeader(http.StatusUnauthorized)
		return true
	})
	got := f.do(http.MethodDelete, "/v2/app/manifests/signed", nil, "Authorization", "Bearer none")
	if got.status != http.StatusUnauthorized || got.header.Get("WWW-Authenticate") == "" {
		t.Errorf("status %d, header %v", got.status, got.header)
	}
	if open, err := f.store.Unsettled(t.Context(), "app", subject); err != nil || len(open) != 0 {
		t.Errorf("open: %v, %v", open, err)
	}
}

// Deletes that follow each other doubt a repository once.
func TestDoubtsAreShared(t *testing.T) {
	f := newFixture(t)
	subject := f.registry.put("app", image("subject"))
	f.push("app", referrer("one", subject))
	f.push("app", referrer("two", subject))
	f.list("app", subject)
	f.registry.answer(func(w http.ResponseWriter, r *http.Request) bool {
		if strings.HasPrefix(r.URL.Path, "/v2/app/manifests/tag-") {
			w.WriteHeader(map[bool]int{true: http.StatusAccepted, false: http.StatusForbidden}[r.Method == http.MethodDelete])
			return true
		}
		return false
	})
	for range 5 {
		f.do(http.MethodDelete, "/v2/app/manifests/tag-x", nil)
	}
	open, err := f.store.Unsettled(t.Context(), "app", subject)
	if err != nil || len(open) != 2 || open[0].Kind != index.IntentDelete {
		t.Errorf("open: %v, %v", open, err)
	}
	if got := f.list("app", subject); len(got) != 2 {
		t.Errorf("listed: %v", got)
	}
}

package proxy_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/config"
	"github.com/backref/backref/test/openapi"
)

// stocked is a proxy before a registry that has something of everything.
type stocked struct {
	*fixture
	subject digest.Digest
}

func newStocked(t *testing.T, configure ...func(*config.Config)) stocked {
	t.Helper()
	f := stocked{fixture: newFixture(t, configure...)}
	f.subject = f.registry.put("app", image("subject"), "v1")
	signature := referrer("signature", f.subject)
	f.registry.put("app", signature)
	f.registry.put("app", indexOf(image("subject"), signature), "all")
	f.registry.answer(f.tags)
	return f
}

// tags is a hook that lists the tags.
func (f stocked) tags(w http.ResponseWriter, r *http.Request) bool {
	if !strings.HasSuffix(r.URL.Path, "/tags/list") {
		return false
	}
	_, _ = w.Write([]byte(`{"name":"app","tags":["v1","all"]}`))
	return true
}

func (f stocked) sample() sample {
	return sample{"name": "app", "digest": f.subject.String(), "subject": "all"}
}

// answering has the registry answer a status to everything.
func (f stocked) answering(status int) {
	f.registry.answer(func(w http.ResponseWriter, _ *http.Request) bool {
		w.WriteHeader(status)
		return true
	})
}

// circumstances are those in which the proxy answers a status, and how it is
// asked then. Each has a proxy of its own.
func circumstances() map[int]func(t *testing.T) asker {
	return map[int]func(t *testing.T) asker{
		http.StatusOK: func(t *testing.T) asker { return newPushed(t).get },
		http.StatusNotModified: func(t *testing.T) asker {
			f := newPushed(t)
			return func(at string) reply {
				return f.do(http.MethodGet, at, nil, "If-None-Match", f.do(http.MethodGet, at, nil).header.Get("ETag"))
			}
		},
		http.StatusBadRequest: func(t *testing.T) asker {
			f := newStocked(t)
			return func(at string) reply { return f.get(at + "&a;b") }
		},
		http.StatusUnauthorized:        registryAnswers(http.StatusUnauthorized),
		http.StatusForbidden:           registryAnswers(http.StatusForbidden),
		http.StatusNotFound:            nothingAllowed,
		http.StatusTooManyRequests:     registryAnswers(http.StatusTooManyRequests),
		http.StatusInternalServerError: panicking,
		http.StatusNotImplemented: func(t *testing.T) asker {
			return newStocked(t, func(cfg *config.Config) { cfg.Limits.CatalogTags, cfg.Limits.CoverageImages = 1, 1 }).get
		},
		http.StatusBadGateway:         registryAnswers(http.StatusInternalServerError),
		http.StatusServiceUnavailable: crowded,
		http.StatusGatewayTimeout: func(t *testing.T) asker {
			f := newStocked(t, func(cfg *config.Config) { cfg.Upstream.Timeouts.Query = 20 * time.Millisecond })
			f.registry.answer(func(_ http.ResponseWriter, r *http.Request) bool {
				<-r.Context().Done()
				return true
			})
			return f.get
		},
	}
}

// asker asks for a path with a query.
type asker func(at string) reply

func (f stocked) get(at string) reply { return f.do(http.MethodGet, at, nil) }

// newPushed returns one whose index knows what the registry has.
func newPushed(t *testing.T) stocked {
	t.Helper()
	f := newStocked(t)
	signature := referrer("signature", f.subject)
	f.push("app", signature)
	f.do(http.MethodPut, "/v2/app/manifests/all", indexOf(image("subject"), signature), "Content-Type", imageIndex)
	return f
}

func registryAnswers(status int) func(t *testing.T) asker {
	return func(t *testing.T) asker {
		f := newStocked(t)
		f.answering(status)
		return f.get
	}
}

// crowded has one request under way, and takes no other.
func crowded(t *testing.T) asker {
	f := newStocked(t, func(cfg *config.Config) { cfg.Limits.Concurrency = 1 })
	arrived, leave := make(chan struct{}), make(chan struct{})
	f.registry.answer(func(http.ResponseWriter, *http.Request) bool {
		close(arrived)
		<-leave
		return true
	})
	var first sync.WaitGroup
	first.Go(func() {
		// The context of the test ends before its cleanup does.
		resp, err := http.Get(f.url + "/v2/")
		if err != nil {
			t.Error(err)
			return
		}
		_ = resp.Body.Close()
	})
	t.Cleanup(func() { close(leave); first.Wait() })
	<-arrived
	return f.get
}

// nothingAllowed has no rule that would allow anything.
func nothingAllowed(t *testing.T) asker {
	return newStocked(t, func(cfg *config.Config) {
		cfg.Auth.Mode, cfg.Upstream.Service.Anonymous = config.AuthService, true
	}).get
}

// panicking fails amid an answer of its own, before a byte is written.
func panicking(t *testing.T) asker {
	f := newStocked(t)
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.proxy.ServeHTTP(&failing{ResponseWriter: w}, r)
	}))
	t.Cleanup(front.Close)
	f.url = front.URL
	return f.get
}

// failing panics when the header of the answer is written into, once: after the
// identifier of the request has been.
type failing struct {
	http.ResponseWriter
	asked int
}

// Header implements [http.ResponseWriter].
func (f *failing) Header() http.Header {
	if f.asked++; f.asked == 2 {
		panic("the answer can't be written")
	}
	return f.ResponseWriter.Header()
}

// TestOpenAPIAnswers has the proxy give each answer that is described of its
// front, and holds it against the description.
func TestOpenAPIAnswers(t *testing.T) {
	document, err := loadOpenAPI()
	if err != nil {
		t.Fatal(err)
	}
	known := circumstances()
	for status, arrange := range known {
		t.Run(strconv.Itoa(status), func(t *testing.T) {
			ask, asked := arrange(t), 0
			document.Operations(func(method, path string, operation *openapi3.Operation) {
				if !strings.HasPrefix(path, "/v2/") || operation.Responses.Status(status) == nil {
					return
				}
				asked++
				at, values := sample{"name": "app", "digest": digest.FromBytes(image("subject")).String(), "subject": "all"}.url(path, operation)
				at += "?" + values.Encode()
				got := ask(at)
				if got.status != status {
					t.Errorf("%s: status %d: %s", path, got.status, got.body)
				}
				checkDescribed(t, document, method, at, got)
			})
			if asked == 0 {
				t.Error("no path is described to answer it")
			}
		})
	}
	wantAllSeen(t, document, func(answer string) bool { return strings.Contains(answer, " /v2/") })
}

// wantAllSeen fails the test for each described answer that no request of the
// test has got.
func wantAllSeen(t *testing.T, document *openapi.Document, concerned func(answer string) bool) {
	t.Helper()
	missing := slices.DeleteFunc(document.NotSeen(), func(answer string) bool { return !concerned(answer) })
	if len(missing) > 0 {
		t.Errorf("%d answers are described that nothing here gives:\n%s", len(missing), strings.Join(missing, "\n"))
	}
}

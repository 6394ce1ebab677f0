package proxy_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/config"
	"github.com/backref/backref/oci"
)

// ownReferrers lets the registry list manifests by an API of its own, which
// says no more of them than the digest.
func ownReferrers(manifests ...[]byte) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool {
		if isReferrers(r) {
			w.Header().Set("Content-Type", imageIndex)
			_, _ = w.Write(indexOf(manifests...))
		}
		return isReferrers(r)
	}
}

// TestPagesStayRightWhileNativeReferrersAreRecorded checks that what only the
// upstream lists keeps its place in an order while others have it recorded.
func TestPagesStayRightWhileNativeReferrersAreRecorded(t *testing.T) {
	for _, order := range []string{"created", "-created", "version", "-version", "artifactType", "-artifactType"} {
		t.Run(order, func(t *testing.T) {
			f := newFixture(t)
			subject := f.registry.put("app", image("subject"))
			var theirs [][]byte
			for i := range 6 {
				body := referrer(fmt.Sprint(i), subject)
				if i%2 == 0 {
					body = fmt.Appendf(body[:len(body)-1], `,"annotations":{"org.opencontainers.image.version":"1.%d.0"}}`, i)
				}
				theirs = append(theirs, body)
				f.registry.put("app", body)
			}
			f.push("app", theirs[0])
			f.registry.answer(ownReferrers(theirs...))
			var got []digest.Digest
			for next := "/v2/app/referrers/" + subject.String() + "?n=1&sort=" + order; next != ""; {
				page := f.do(http.MethodGet, next, nil)
				if page.status != http.StatusOK {
					t.Fatalf("%s: status %d: %s", next, page.status, page.body)
				}
				for part := range strings.SplitSeq(string(page.body), `"digest":"`) {
					if strings.HasPrefix(part, "sha256:") {
						got = append(got, digest.Digest(part[:71]))
					}
				}
				next = strings.TrimSuffix(strings.TrimPrefix(page.header.Get("Link"), "<"), `>; rel="next"`)
				// Somebody else has all of them recorded.
				f.do(http.MethodGet, "/v2/app/_backref/graph/parents?digest="+subject.String(), nil)
			}
			slices.Sort(got)
			if want := sorted(theirs...); !slices.Equal(got, want) {
				t.Errorf("got %v, want %v", got, want)
			}
		})
	}
}

// TestTooManyReferrersSayWhatToDo checks that an operator learns which limit a
// list of the upstream went over, whichever of its lists it was.
func TestTooManyReferrersSayWhatToDo(t *testing.T) {
	for _, source := range []string{"its own API", "its own API, in pages", "the referrers tag"} {
		t.Run(source, func(t *testing.T) {
			f := newFixture(t, func(cfg *config.Config) { cfg.Limits.TagEntries = 2 })
			subject := f.registry.put("app", image("subject"))
			many := [][]byte{referrer("1", subject), referrer("2", subject), referrer("3", subject)}
			switch source {
			case "the referrers tag":
				f.registry.put("app", indexOf(many...), oci.ReferrersTag(subject))
			case "its own API":
				f.registry.answer(ownReferrers(many...))
			default:
				f.registry.answer(func(w http.ResponseWriter, r *http.Request) bool {
					if r.URL.Query().Get("page") != "" {
						return ownReferrers(many[2])(w, r)
					}
					w.Header().Set("Link", "<"+r.URL.Path+`?page=2>; rel="next"`)
					return ownReferrers(many[:2]...)(w, r)
				})
			}
			got := f.do(http.MethodGet, "/v2/app/referrers/"+subject.String(), nil)
			if got.status != http.StatusBadGateway || !strings.Contains(string(got.body), `"UNAVAILABLE"`) || !strings.Contains(string(got.body), "raise limits.tagEntries") || got.header.Get("Retry-After") == "" {
				t.Errorf("status %d, header %v: %s", got.status, got.header, got.body)
			}
			if n := f.limited("limits.tagEntries"); n != 1 {
				t.Errorf("counted %v times", n)
			}
		})
	}
}

// limited returns how many requests were counted for a limit.
func (f *fixture) limited(limit string) float64 {
	f.t.Helper()
	families, err := f.metrics.Gather()
	if err != nil {
		f.t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() != "backref_limited_total" {
			continue
		}
		for _, metric := range family.GetMetric() {
			if metric.GetLabel()[0].GetValue() == limit {
				return metric.GetCounter().GetValue()
			}
		}
	}
	return 0
}

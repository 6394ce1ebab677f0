package upstream_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/upstream"
)

const (
	manifestType = "application/vnd.oci.image.manifest.v1+json"
	manifestBody = `{"schemaVersion":2,"mediaType":"` + manifestType + `","config":{"mediaType":"application/vnd.oci.empty.v1+json","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2},"layers":[]}`
)

func withSecret() upstream.Credentials {
	return upstream.CredentialsOf(http.Header{"Authorization": {"Bearer secret"}, "Cookie": {"session=secret"}})
}

// storage is another host that a registry redirects to.
func storage(t *testing.T) (base string, seen *[]http.Header) {
	t.Helper()
	seen = &[]http.Header{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		*seen = append(*seen, r.Header.Clone())
		switch {
		case strings.HasSuffix(r.URL.Path, "/manifest"):
			_, _ = w.Write([]byte(manifestBody))
		case strings.HasSuffix(r.URL.Path, "/page"):
			w.Header().Set("Content-Type", "text/html")
			_, _ = w.Write([]byte("<html>sign in</html>"))
		case strings.HasSuffix(r.URL.Path, "/denied"):
			w.WriteHeader(http.StatusForbidden)
		case strings.HasSuffix(r.URL.Path, "/json"):
			_, _ = w.Write([]byte(`{"login":"https://example.com"}`))
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(server.Close)
	// Another name than the registry's makes it another host.
	return strings.Replace(server.URL, "127.0.0.1", "localhost", 1), seen
}

// redirecting is a registry that redirects everything but what is in place.
func redirecting(t *testing.T, to func(r *http.Request) string, inPlace ...string) (*upstream.Registry, *[]*http.Request) {
	t.Helper()
	seen := &[]*http.Request{}
	return served(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v2/" {
			// Where something is missing it is asked whether it is a registry.
			return
		}
		*seen = append(*seen, r)
		for _, path := range inPlace {
			if r.URL.Path == path {
				w.Header().Set("Content-Type", manifestType)
				_, _ = w.Write([]byte(manifestBody))
				return
			}
		}
		w.Header().Set("Location", to(r))
		w.WriteHeader(http.StatusTemporaryRedirect)
	}), seen
}

func TestManifestsBehindRedirects(t *testing.T) {
	elsewhere, atStorage := storage(t)
	sum := digest.FromString(manifestBody)
	for name, location := range map[string]string{
		"another path, relative": "/moved/manifest",
		"another path, absolute": "self/moved/manifest",
		"another host":           elsewhere + "/bucket/manifest",
	} {
		t.Run(name, func(t *testing.T) {
			*atStorage = nil
			registry, seen := redirecting(t, func(r *http.Request) string { return strings.Replace(location, "self", "http://"+r.Host, 1) }, "/moved/manifest")
			for _, reference := range []string{"v1", sum.String()} {
				got, err := registry.Manifest(t.Context(), withSecret(), "app", reference, 1<<20)
				if err != nil || got.Digest != sum || string(got.Body) != manifestBody {
					t.Errorf("%s: %v, %v", reference, got, err)
				}
				if resolved, err := registry.Resolve(t.Context(), withSecret(), "app", reference); err != nil || resolved != sum {
					t.Errorf("resolve %s: %s, %v", reference, resolved, err)
				}
			}
			if has, err := registry.Has(t.Context(), withSecret(), "app", sum); !has || err != nil {
				t.Errorf("has: %t, %v", has, err)
			}
			for _, r := range *seen {
				if r.Header.Get("Authorization") != "Bearer secret" || r.Header.Get("Cookie") == "" {
					t.Errorf("%s %s: the credentials are missing", r.Method, r.URL)
				}
			}
			for _, header := range *atStorage {
				if header.Get("Authorization") != "" || header.Get("Cookie") != "" || header.Get("Accept") == "" {
					t.Errorf("another host got %v", header)
				}
			}
			if (len(*atStorage) > 0) != (name == "another host") {
				t.Errorf("the other host was asked %d times", len(*atStorage))
			}
		})
	}
}

// A page to sign in on, which is there for everybody, is no manifest, and says
// nothing of one.
func TestRedirectsAwayFromManifests(t *testing.T) {
	elsewhere, _ := storage(t)
	sum := digest.FromString(manifestBody)
	for _, where := range []string{"page", "json", "denied"} {
		registry, _ := redirecting(t, func(*http.Request) string { return elsewhere + "/" + where })
		for _, reference := range []string{"v1", sum.String(), digest.FromString("other").String()} {
			_, err := registry.Manifest(t.Context(), withSecret(), "app", reference, 1<<20)
			if !errors.Is(err, upstream.ErrUnreachable) || errors.Is(err, upstream.ErrInvalid) || errors.Is(err, upstream.ErrNotFound) {
				t.Errorf("%s, %s: %v", where, reference, err)
			}
			resolved, err := registry.Resolve(t.Context(), withSecret(), "app", reference)
			var status *upstream.StatusError
			if err == nil || resolved != "" || errors.As(err, &status) {
				t.Errorf("resolve %s, %s: %s, %v", where, reference, resolved, err)
			}
		}
		if has, err := registry.Has(t.Context(), withSecret(), "app", sum); has || err == nil {
			t.Errorf("%s: has %t, %v", where, has, err)
		}
		if _, err := registry.Referrers(t.Context(), withSecret(), "app", sum, 10); !errors.Is(err, upstream.ErrNoReferrers) {
			t.Errorf("%s: referrers: %v", where, err)
		}
		if has, err := registry.HasBlob(t.Context(), withSecret(), "app", sum); where != "json" && (has || err == nil) {
			t.Errorf("%s: blob: %t, %v", where, has, err)
		}
	}
	// A registry that has moved may have it not. Of what is no registry that says
	// nothing.
	for path, known := range map[string]bool{"/v2/moved/app/missing": true, "/missing": false} {
		registry, _ := redirecting(t, func(*http.Request) string { return elsewhere + path })
		if has, err := registry.Has(t.Context(), withSecret(), "app", sum); has || (err == nil) != known {
			t.Errorf("%s: has %t, %v", path, has, err)
		}
	}
}

// Where no client could be sent, nothing is asked.
func TestRedirectsThatAreNotFollowed(t *testing.T) {
	sum := digest.FromString("x")
	for _, location := range []string{
		"file:///etc/passwd", "ftp://example.com/", "gopher://127.0.0.1:70/", "http://user:word@localhost/", "http:opaque", "//", "http://",
		"http://[::ffff:169.254.169.254]/latest", "http://169.254.169.254/latest", "http://[fe80::1]/",
		"http://0.0.0.0:1/", "http://224.0.0.1/", "http://[64:ff9b::a9fe:a9fe]/",
	} {
		registry, seen := redirecting(t, func(*http.Request) string { return location })
		_, err := registry.Manifest(t.Context(), withSecret(), "app", sum.String(), 1<<20)
		if err == nil || len(*seen) != 1 || strings.Contains(err.Error(), "word") || strings.Contains(err.Error(), "i/o timeout") {
			t.Errorf("%s: %v", location, err)
		}
	}
	registry, seen := redirecting(t, func(r *http.Request) string { return fmt.Sprintf("/next?%d", len(r.URL.RawQuery)) })
	var status *upstream.StatusError
	if _, err := registry.Manifest(t.Context(), withSecret(), "app", sum.String(), 1<<20); !errors.As(err, &status) || len(*seen) != 11 {
		t.Errorf("asked %d times: %v", len(*seen), err)
	}
}

// Where a redirect leads is what the registry says, to the letter: it may be
// signed.
func TestRedirectsStayAsTheyAre(t *testing.T) {
	registry, seen := redirecting(t, func(*http.Request) string { return "/moved/manifest?sig=a%2Bb" }, "/moved/manifest")
	sum := digest.FromString(manifestBody)
	if _, err := registry.Manifest(t.Context(), withSecret().Within("example.com"), "app", sum.String(), 1<<20); err != nil {
		t.Fatal(err)
	}
	if asked := *seen; len(asked) != 2 || asked[0].URL.RawQuery != "ns=example.com" || asked[1].URL.RawQuery != "sig=a%2Bb" {
		t.Errorf("asked %v", asked)
	}
}

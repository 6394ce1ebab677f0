package admin

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap/zaptest"
)

// Profiles are open to all, the arguments of the program are not.
func TestNoArgumentsAreShown(t *testing.T) {
	handler := New(Options{Metrics: prometheus.NewRegistry(), Log: zaptest.NewLogger(t)})
	for path, want := range map[string]string{"/debug/pprof/cmdline": "backref\n", "/debug/pprof/": "", "/debug/vars": ""} {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		if want != "" && w.Body.String() != want || strings.Contains(w.Body.String(), "-test.") {
			t.Errorf("%s: %d %q", path, w.Code, w.Body)
		}
	}
}

func TestRequireOperator(t *testing.T) {
	const local, remote = "127.0.0.1:40000", "192.0.2.7:40000"
	for _, c := range []struct {
		name, token, peer, host string
		header                  []string
		want                    int
	}{
		{name: "on this machine", peer: local, want: http.StatusOK},
		{name: "on this machine, IPv6", peer: "[::1]:40000", host: "[::1]:5001", want: http.StatusOK},
		{name: "on this machine, by name", peer: local, host: "localhost:5001", want: http.StatusOK},
		{name: "elsewhere", peer: remote, want: http.StatusForbidden},
		{name: "elsewhere, forged", peer: remote, header: []string{"X-Forwarded-For", "127.0.0.1"}, want: http.StatusForbidden},
		{name: "elsewhere, with a token that nobody set", peer: remote, header: []string{"Authorization", "Bearer "}, want: http.StatusForbidden},
		{name: "passed on by a proxy on this machine", peer: local, header: []string{"X-Forwarded-For", "192.0.2.7"}, want: http.StatusForbidden},
		{name: "a web page", peer: local, header: []string{"Origin", "https://evil.example"}, want: http.StatusForbidden},
		{name: "a name that leads here", peer: local, host: "evil.example:5001", want: http.StatusForbidden},
		{name: "the token", token: "s3cret", peer: remote, host: "backref:5001", header: []string{"Authorization", "bearer s3cret"}, want: http.StatusOK},
		{name: "no token on this machine", token: "s3cret", peer: local, want: http.StatusUnauthorized},
		{name: "another token", token: "s3cret", peer: remote, header: []string{"Authorization", "Bearer s3cre"}, want: http.StatusUnauthorized},
		{name: "another scheme", token: "s3cret", peer: remote, header: []string{"Authorization", "Basic s3cret"}, want: http.StatusUnauthorized},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodPost, "/events", nil)
			r.RemoteAddr, r.Host = c.peer, "127.0.0.1:5001"
			if c.host != "" {
				r.Host = c.host
			}
			if len(c.header) > 0 {
				r.Header.Set(c.header[0], c.header[1])
			}
			w := httptest.NewRecorder()
			requireOperator(func() string { return c.token })(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})).ServeHTTP(w, r)
			if w.Code != c.want {
				t.Errorf("status %d, want %d", w.Code, c.want)
			}
			if c.want != http.StatusOK && (!strings.HasPrefix(w.Body.String(), `{"errors":[`) || strings.Contains(w.Body.String(), "s3cret")) {
				t.Errorf("body %s", w.Body)
			}
			if (w.Header().Get("WWW-Authenticate") != "") != (c.want == http.StatusUnauthorized) {
				t.Errorf("header %v", w.Header())
			}
		})
	}
}

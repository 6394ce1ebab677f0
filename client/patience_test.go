package client

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// silent is a transport to a registry that does what it is given.
type silent func(req *http.Request) (*http.Response, error)

func (s silent) RoundTrip(req *http.Request) (*http.Response, error) { return s(req) }

// waitFor ends with its context, as a connection does on which nothing comes.
type waitFor struct{ done <-chan struct{} }

func (w waitFor) Read([]byte) (int, error) {
	<-w.done
	return 0, errors.New("closed")
}

func TestPatience(t *testing.T) {
	const timeout = 30 * time.Second
	answer := func(body io.Reader) *http.Response {
		return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(body)}
	}
	for _, c := range []struct {
		name   string
		method string
		do     silent
		// silence is how long nothing moves before it ends; 0 where it goes well.
		silence time.Duration
	}{
		{name: "an answer", do: func(*http.Request) (*http.Response, error) {
			time.Sleep(timeout - time.Second)
			return answer(strings.NewReader("{}")), nil
		}},
		{name: "no answer", silence: timeout, do: func(req *http.Request) (*http.Response, error) {
			<-req.Context().Done()
			return nil, req.Context().Err()
		}},
		{name: "a body that stops", silence: timeout, do: func(req *http.Request) (*http.Response, error) {
			return answer(io.MultiReader(strings.NewReader("{"), waitFor{req.Context().Done()})), nil
		}},
		{name: "a blob that is stored slowly", method: http.MethodPut, do: func(req *http.Request) (*http.Response, error) {
			_, err := io.ReadAll(req.Body)
			time.Sleep(storing*timeout - time.Second)
			return answer(strings.NewReader("")), err
		}},
		{name: "a blob that is never stored", method: http.MethodPut, silence: storing * timeout, do: func(req *http.Request) (*http.Response, error) {
			_, err := io.ReadAll(req.Body)
			<-req.Context().Done()
			return nil, errors.Join(err, req.Context().Err())
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var body io.Reader
				if c.method != "" {
					body = strings.NewReader("content")
				}
				req := httptest.NewRequestWithContext(t.Context(), c.method, "http://registry.example/v2/", body)
				start := time.Now()
				resp, err := patience{c.do, timeout}.RoundTrip(req)
				if err == nil {
					// A reader that takes its time is not the registry's silence.
					time.Sleep(2 * timeout)
					start = start.Add(2 * timeout)
					_, err = io.ReadAll(resp.Body)
					_ = resp.Body.Close()
				}
				var silence *SilenceError
				if c.silence == 0 {
					if err != nil {
						t.Error(err)
					}
					return
				}
				if !errors.As(err, &silence) || silence.Waited != c.silence || time.Since(start) != c.silence {
					t.Errorf("%v after %s", err, time.Since(start))
				}
			})
		})
	}
}

// A registry that accepts a connection and says nothing is asked once.
func TestSilentRegistry(t *testing.T) {
	t.Setenv("DOCKER_CONFIG", t.TempDir())
	asked := make(chan struct{}, 10)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		<-r.Context().Done()
	}))
	defer server.Close()
	c, err := New(Options{Timeout: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	ref, err := ParseReference(strings.TrimPrefix(server.URL, "http://") + "/app:v1")
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Repository(ref).Manifest(t.Context(), "v1")
	var silence *SilenceError
	if !errors.As(err, &silence) || silence.Host != ref.Host || len(asked) != 1 {
		t.Errorf("%v, asked %d times", err, len(asked))
	}
}

func TestErrorsSayHowToSpeak(t *testing.T) {
	t.Setenv("DOCKER_CONFIG", t.TempDir())
	yes, no := true, false
	refuse := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Request-Id", "abc")
		w.WriteHeader(http.StatusForbidden)
		_, _ = io.WriteString(w, `{"errors":[{"code":"DENIED","message":"no"}]}`)
	})
	secure, plain := httptest.NewTLSServer(refuse), httptest.NewServer(refuse)
	defer secure.Close()
	defer plain.Close()
	for _, c := range []struct {
		name, url string
		options   Options
		want      []string
	}{
		{"a refusal", plain.URL, Options{}, []string{" answers 403 Forbidden: DENIED no; your account at ", `(request abc)`}},
		{"TLS, spoken to without", secure.URL, Options{Flags: "to-"}, []string{"400 Bad Request", "it speaks TLS: give --to-plain-http=false"}},
		{"without TLS, spoken to with", plain.URL, Options{PlainHTTP: &no, Flags: "from-"}, []string{"speaks no TLS: give --from-plain-http"}},
		{"an authority that nobody knows", secure.URL, Options{PlainHTTP: &no}, []string{"give the authority's certificate by --ca-file"}},
		{"without TLS, as asked for", plain.URL, Options{PlainHTTP: &yes}, []string{"403"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			client, err := New(c.options)
			if err != nil {
				t.Fatal(err)
			}
			_, host, _ := strings.Cut(c.url, "://")
			ref, err := ParseReference(host + "/app:v1")
			if err != nil {
				t.Fatal(err)
			}
			_, err = client.Repository(ref).Manifest(t.Context(), "v1")
			for _, want := range c.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("%v lacks %q", err, want)
				}
			}
		})
	}
}

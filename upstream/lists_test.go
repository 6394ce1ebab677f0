package upstream_test

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/backref/backref/upstream"
)

// served starts a registry for a test.
func served(t *testing.T, handler http.HandlerFunc) *upstream.Registry {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	registry := registryAt(t, server.URL)
	t.Cleanup(registry.Close)
	return registry
}

func collect(t *testing.T, registry *upstream.Registry, most int) ([]string, error) {
	t.Helper()
	var all []string
	for tag, err := range registry.Tags(t.Context(), upstream.Credentials{}, "app", most) {
		if err != nil {
			return all, err
		}
		all = append(all, tag)
	}
	return all, nil
}

// Each registry pages in its own way, and its list is read to the end.
func TestTagsAreReadToTheirEnd(t *testing.T) {
	var tags []string
	for i := range 2500 {
		tags = append(tags, fmt.Sprintf("v%04d", i))
	}
	behind := func(r *http.Request, most int) []string {
		n, err := strconv.Atoi(r.URL.Query().Get("n"))
		if err != nil {
			n = len(tags)
		}
		start, found := slices.BinarySearch(tags, r.URL.Query().Get("last"))
		if found {
			start++
		}
		return tags[start:min(len(tags), start+min(n, cmp.Or(most, n)))]
	}
	answer := func(w http.ResponseWriter, page []string) {
		_ = json.NewEncoder(w).Encode(map[string]any{"name": "app", "tags": page})
	}
	for name, handler := range map[string]http.HandlerFunc{
		"cut without a link": func(w http.ResponseWriter, r *http.Request) { answer(w, behind(r, 0)) },
		"links among others": func(w http.ResponseWriter, r *http.Request) {
			page := behind(r, 700)
			links := `</v2/app/tags/list?n=1000>; rel="first"`
			if last := page[len(page)-1]; last != tags[len(tags)-1] {
				links += `, <?n=1000&last=` + last + `>; title="a, b; c"; rel="last next"`
			}
			w.Header().Set("Link", links)
			answer(w, page)
		},
		"refuses large pages": func(w http.ResponseWriter, r *http.Request) {
			if n, _ := strconv.Atoi(r.URL.Query().Get("n")); n > 100 {
				w.WriteHeader(http.StatusBadRequest)
				_, _ = w.Write([]byte(`{"errors":[{"code":"PAGINATION_NUMBER_INVALID","message":"invalid number of results requested"}]}`))
				return
			}
			answer(w, behind(r, 0))
		},
		"an empty page between": func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Query().Get("last") == "" {
				w.Header().Set("Link", `</v2/app/tags/list?n=1000&last=a>; rel=next`)
				answer(w, nil)
				return
			}
			r.URL.RawQuery = ""
			answer(w, behind(r, 0))
		},
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := collect(t, served(t, handler), 10_000); err != nil || !slices.Equal(got, tags) {
				t.Errorf("%d of %d tags, %v", len(got), len(tags), err)
			}
		})
	}
}

// What makes a list unreadable is said in the registry's own words.
func TestListsThatFail(t *testing.T) {
	for _, c := range []struct {
		status     int
		body, want string
	}{
		{400, `{"errors":[{"code":"PAGINATION_NUMBER_INVALID","message":"no\u001b[31m"}]}`, `answered 400 Bad Request: "PAGINATION_NUMBER_INVALID no\x1b[31m"`},
		{403, `{"errors":[{"code":"DENIED"}]}`, `answered 403 Forbidden: "DENIED"`},
		{418, `<html>` + strings.Repeat("x", 1000), "answered 418 I'm a teapot"},
	} {
		registry := served(t, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(c.status)
			_, _ = w.Write([]byte(c.body))
		})
		_, err := collect(t, registry, 10)
		var status *upstream.StatusError
		if !errors.As(err, &status) || status.Status != c.status || !strings.HasSuffix(err.Error(), c.want) {
			t.Errorf("%d: %v", c.status, err)
		}
	}
}

func TestListsWithoutEnd(t *testing.T) {
	registry := served(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Link", `</v2/app/tags/list?n=1&last=`+r.URL.Query().Get("last")+`x>; rel="next"`)
		_, _ = w.Write([]byte(`{"tags":["v1"]}`))
	})
	if _, err := collect(t, registry, 10); !errors.Is(err, upstream.ErrInvalid) {
		t.Error(err)
	}
	if _, err := collect(t, served(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"tags":["a","b","c"]}`)) }), 2); !errors.Is(err, upstream.ErrInvalid) {
		t.Error(err)
	}
}

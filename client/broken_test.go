package client

import (
	"errors"
	"io"
	"net/http"
	"strconv"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/index"
	"github.com/backref/backref/oci"
)

// brokenOff sends part of an answer and ends the connection.
func brokenOff(mediaType, begun string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", mediaType)
		w.Header().Set("Content-Length", strconv.Itoa(len(begun)+1))
		_, _ = w.Write([]byte(begun))
	}
}

// cutShort sends JSON without its end on a connection that ends as it should.
func cutShort(mediaType, begun string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", mediaType)
		_, _ = w.Write([]byte(begun))
	}
}

func TestABrokenAnswerIsNoAnswer(t *testing.T) {
	subject := digest.FromString("subject")
	const begun = `{"schemaVersion":2,"manifests":[`
	for name, answer := range map[string]http.HandlerFunc{
		"broken off":                brokenOff(oci.MediaTypeImageIndex, begun),
		"broken off behind its end": brokenOff(oci.MediaTypeImageIndex, begun+"]}"),
		"cut short":                 cutShort(oci.MediaTypeImageIndex, begun),
	} {
		t.Run(name, func(t *testing.T) {
			registry, repository := newRegistry(t)
			registry.withTag(t, subject)
			registry.HandleFunc("GET /v2/app/referrers/", answer)
			if got, err := repository.Referrers(t.Context(), subject, index.Query{}); !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("%v, %v", got, err)
			}
			if has, err := repository.HasReferrersAPI(t.Context(), subject); !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("has the API: %t, %v", has, err)
			}
		})
		t.Run("discovery "+name, func(t *testing.T) {
			registry, repository := newRegistry(t)
			registry.HandleFunc("GET /v2/app/_oci/ext/discover", answer)
			if has, err := repository.HasExtension(t.Context()); !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("has the extension: %t, %v", has, err)
			}
		})
	}
}

func TestALinkElsewhereIsAnError(t *testing.T) {
	subject := digest.FromString("subject")
	registry, repository := newRegistry(t)
	registry.withTag(t, subject)
	registry.HandleFunc("GET /v2/app/referrers/", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", oci.MediaTypeImageIndex)
		w.Header().Set("Link", `<http://example.com/more>; rel="next"`)
		_, _ = w.Write([]byte(`{"manifests":[]}`))
	})
	if got, err := repository.Referrers(t.Context(), subject, index.Query{}); err == nil {
		t.Errorf("got %v", got)
	}
}

func TestAnAPIDoesNotVanish(t *testing.T) {
	subject := digest.FromString("subject")
	registry, repository := newRegistry(t)
	answers := []string{`{"manifests":[]}`, "<html>"}
	registry.HandleFunc("GET /v2/app/referrers/", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", map[bool]string{true: oci.MediaTypeImageIndex, false: "text/html"}[len(answers) > 1])
		_, _ = w.Write([]byte(answers[0]))
		answers = answers[1:]
	})
	if _, err := repository.AllReferrers(t.Context(), subject); err != nil {
		t.Fatal(err)
	}
	if got, err := repository.AllReferrers(t.Context(), subject); err == nil {
		t.Errorf("got %v", got)
	}
}

package upstream_test

import (
	"errors"
	"net/http"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/upstream"
)

const indexType = "application/vnd.oci.image.index.v1+json"

// What an answer says of the API is told apart from what it says of a subject
// or a client.
func TestAnswersOfAReferrersAPI(t *testing.T) {
	const entry = `{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2}`
	denied := func(err error) bool {
		var status *upstream.StatusError
		return errors.As(err, &status) && status.Denied()
	}
	for name, c := range map[string]struct {
		status                      int
		mediaType, body             string
		entries                     int
		lacking, subject, forClient bool
		fails                       bool
	}{
		"a list":                   {status: 200, mediaType: indexType, body: `{"schemaVersion":2,"manifests":[` + entry + `]}`, entries: 1},
		"an empty list":            {status: 200, mediaType: indexType, body: `{"schemaVersion":2,"manifests":[]}`},
		"null":                     {status: 200, mediaType: indexType, body: `{"schemaVersion":2,"manifests":null}`},
		"null, with a charset":     {status: 200, mediaType: indexType + "; charset=utf-8", body: `{"schemaVersion":2,"mediaType":"` + indexType + `","manifests":null}`},
		"no list":                  {status: 200, mediaType: indexType, body: `{"schemaVersion":2}`, lacking: true},
		"another list":             {status: 200, mediaType: indexType, body: `{"schemaVersion":2,"manifests":{}}`, lacking: true},
		"a page for people":        {status: 200, mediaType: "text/html", body: `<html>`, lacking: true},
		"no such path":             {status: 404, mediaType: "text/plain", body: "404 page not found\n", lacking: true, subject: true},
		"no such manifest":         {status: 404, mediaType: "application/json", body: `{"errors":[{"code":"MANIFEST_UNKNOWN"}]}`, lacking: true, subject: true},
		"no such endpoint":         {status: 404, mediaType: "application/json", body: `{"errors":[{"code":"METHOD_UNKNOWN","message":"We don't understand your method + url"}]}`, lacking: true},
		"no such method":           {status: 405, lacking: true},
		"denied":                   {status: 403, lacking: true, forClient: true},
		"overloaded":               {status: 429, fails: true},
		"broken":                   {status: 500, fails: true},
		"a list that two read two": {status: 200, mediaType: indexType, body: `{"schemaVersion":2,"manifests":[],"manifests":[` + entry + `]}`, fails: true},
	} {
		t.Run(name, func(t *testing.T) {
			registry := served(t, func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", c.mediaType)
				w.WriteHeader(c.status)
				_, _ = w.Write([]byte(c.body))
			})
			got, err := registry.Referrers(t.Context(), upstream.Credentials{}, "app", digest.FromString("x"), 10)
			if len(got) != c.entries || errors.Is(err, upstream.ErrNoReferrers) != c.lacking || (err != nil) != (c.lacking || c.fails) {
				t.Fatalf("%v, %v", got, err)
			}
			if c.lacking && (errors.Is(err, upstream.ErrNotFound) != c.subject || denied(err) != c.forClient) {
				t.Errorf("%v", err)
			}
		})
	}
}

package shim

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
)

// oneSecret is what all replicas share.
type oneSecret string

func (s oneSecret) Secrets(context.Context) ([][]byte, error) { return [][]byte{[]byte(s)}, nil }

// marked returns the URL of an upload of which some was hashed.
func marked(t *testing.T, h hashes, location, content string) *url.URL {
	t.Helper()
	sums := newHashed()
	sums.write([]byte(content))
	resp := &http.Response{Header: http.Header{"Location": {location}}}
	if err := h.mark(t.Context(), resp, sums); err != nil {
		t.Fatal(err)
	}
	upload, err := url.Parse(resp.Header.Get("Location"))
	if err != nil {
		t.Fatal(err)
	}
	return upload
}

// Hashes go on from the URL of an upload alone.
func TestHashesGoOn(t *testing.T) {
	h := hashes{secrets: oneSecret("s")}
	for _, location := range []string{"/v2/app/blobs/uploads/1", "https://registry.example/v2/app/blobs/uploads/1?_state=a%2Bb%3D%3D&x=1"} {
		upload := marked(t, h, location, "first ")
		query := upload.Query()
		query.Set("digest", "sha512:abc")
		// So do clients: in an order of their own.
		upload.RawQuery = query.Encode()
		sums, err := h.unmark(t.Context(), upload)
		if err != nil {
			t.Fatalf("%s: %v", location, err)
		}
		if upload.Query().Has(paramHashes) || !upload.Query().Has("digest") {
			t.Errorf("the registry is to be asked by %s", upload)
		}
		sums.write([]byte("second"))
		for _, algorithm := range []digest.Algorithm{digest.SHA256, digest.SHA512} {
			if got, ok := sums.digest(algorithm); !ok || got != algorithm.FromString("first second") {
				t.Errorf("%s: got %s", algorithm, got)
			}
		}
		if sums.offset() != int64(len("first second")) {
			t.Errorf("%d bytes were hashed", sums.offset())
		}
	}
}

// The state of an upload counts for that upload, as backref made it.
func TestForeignStates(t *testing.T) {
	h := hashes{secrets: oneSecret("s")}
	own := marked(t, h, "/v2/app/blobs/uploads/1?_state=a", "content")
	state := own.Query().Get(paramHashes)
	for name, upload := range map[string]string{
		"of another upload": "/v2/app/blobs/uploads/2?_state=a&_backref=" + state,
		"of another state":  "/v2/app/blobs/uploads/1?_state=b&_backref=" + state,
		"changed":           "/v2/app/blobs/uploads/1?_state=a&_backref=" + state[:60] + flipped(state[60]) + state[61:],
		"cut":               "/v2/app/blobs/uploads/1?_state=a&_backref=" + state[:80],
		"empty":             "/v2/app/blobs/uploads/1?_state=a&_backref=",
		"of another secret": marked(t, hashes{secrets: oneSecret("other")}, "/v2/app/blobs/uploads/1?_state=a", "content").String(),
	} {
		parsed, err := url.Parse(upload)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := h.unmark(t.Context(), parsed); !errors.Is(err, errForeignState) {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

func flipped(c byte) string {
	if c == 'A' {
		return "B"
	}
	return "A"
}

func FuzzHashed(f *testing.F) {
	state, err := newHashed().MarshalBinary()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(state)
	f.Add([]byte(strings.Repeat("\x00", 9)))
	f.Fuzz(func(t *testing.T, state []byte) {
		sums := &hashed{}
		if sums.UnmarshalBinary(state) != nil {
			return
		}
		sums.write([]byte("more"))
		if _, ok := sums.digest(digest.SHA512); !ok {
			t.Error("no digest")
		}
	})
}

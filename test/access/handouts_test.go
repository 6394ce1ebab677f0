package access

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/opencontainers/go-digest"
)

// handingOut is a registry whose blobs and uploads go on at paths of its own
// that don't tell the repository, and differ by their query only.
type handingOut struct {
	mutex    sync.Mutex
	sessions map[string]string
	written  []string
	relative bool
}

func (h *handingOut) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	base := "http://" + r.Host
	if h.relative {
		base = ""
	}
	repository, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/v2/"), "/blobs/")
	session := r.URL.Query().Get("session")
	switch {
	case r.Header.Get("Authorization") == "":
		w.Header().Set("WWW-Authenticate", `Basic realm="registry"`)
		w.WriteHeader(http.StatusUnauthorized)
	case strings.HasPrefix(rest, "sha256:"):
		w.Header().Set("Location", base+"/artifacts-downloads/namespaces/x?sig="+repository)
		w.WriteHeader(http.StatusTemporaryRedirect)
	case r.URL.Path == "/artifacts-downloads/namespaces/x":
		_, _ = io.WriteString(w, "blob of "+r.URL.Query().Get("sig"))
	case r.Method == http.MethodPost && rest == "uploads/":
		h.next(w, base, fmt.Sprintf("%s-%d", repository, len(h.sessions)), repository)
	case r.URL.Path == "/uploads" && h.sessions[session] == "":
		w.WriteHeader(http.StatusNotFound)
	case r.URL.Path == "/uploads" && r.Method == http.MethodPatch:
		body, _ := io.ReadAll(r.Body)
		h.written = append(h.written, h.sessions[session]+" "+string(body))
		h.next(w, base, session+"-on", h.sessions[session])
	case r.URL.Path == "/uploads" && r.Method == http.MethodPut:
		h.written = append(h.written, h.sessions[session]+" "+r.URL.Query().Get("digest"))
		w.WriteHeader(http.StatusCreated)
	default:
		w.WriteHeader(http.StatusTeapot)
	}
}

func (h *handingOut) next(w http.ResponseWriter, base, session, repository string) {
	h.sessions[session] = repository
	w.Header().Set("Location", base+"/uploads?_state=s&session="+session)
	w.WriteHeader(http.StatusAccepted)
}

// What the registry hands out at paths of its own is for whom it was handed
// to, for what it was asked for.
func TestHandouts(t *testing.T) {
	for name, relative := range map[string]bool{"absolute": false, "relative": true} {
		t.Run(name, func(t *testing.T) {
			registry := &handingOut{sessions: map[string]string{}, relative: relative}
			p := behind(t, registry.ServeHTTP)
			clients := p.clientsOf()
			t.Run("blobs", func(t *testing.T) { testHandedOutBlob(t, p, clients) })
			t.Run("uploads", func(t *testing.T) { testHandedOutUploads(t, p, clients, registry) })
		})
	}
}

func testHandedOutBlob(t *testing.T, p *place, clients map[string]string) {
	blob := "/blobs/" + digest.FromString("x").String()
	redirect := p.as(clients["ann"], http.MethodGet, "/v2/team/app"+blob, nil).Want(t, http.StatusTemporaryRedirect)
	at := p.below(redirect)
	if got := p.as(clients["ann"], http.MethodGet, at, nil).Want(t, http.StatusOK); string(got.Body) != "blob of team/app" {
		t.Errorf("body %q", got.Body)
	}
	p.as(clients["ann"], http.MethodHead, at, nil).Want(t, http.StatusOK)
	for _, c := range []struct {
		who, method, path string
		want              int
	}{
		{"bob", http.MethodGet, at, http.StatusForbidden},
		{"dev", http.MethodGet, at, http.StatusForbidden},
		{"nobody", http.MethodGet, at, http.StatusUnauthorized},
		{"ann", http.MethodGet, strings.Replace(at, "sig=team", "sig=secret", 1), http.StatusForbidden},
		{"ann", http.MethodGet, at + "&sig=secret/app", http.StatusForbidden},
		{"ann", http.MethodGet, at + "&x=1", http.StatusForbidden},
		{"ann", http.MethodGet, at + "&digest=1", http.StatusForbidden},
		{"ann", http.MethodGet, strings.TrimSuffix(at, "?sig=team/app"), http.StatusForbidden},
		// It was handed out to be read.
		{"ann", http.MethodDelete, at, http.StatusNotFound},
		{"ann", http.MethodPut, at, http.StatusNotFound},
	} {
		if got := p.as(clients[c.who], c.method, c.path, nil); got.Status != c.want {
			t.Errorf("%s %s %s: status %d, want %d: %s", c.who, c.method, c.path, got.Status, c.want, got.Body)
		}
	}
	// Where all may pull, so may those who don't sign in.
	public := p.below(p.as("", http.MethodGet, "/v2/public/app"+blob, nil).Want(t, http.StatusTemporaryRedirect))
	p.as("", http.MethodGet, public, nil).Want(t, http.StatusOK)
}

func testHandedOutUploads(t *testing.T, p *place, clients map[string]string, registry *handingOut) {
	begin := func(who, repository string) string {
		return p.below(p.as(clients[who], http.MethodPost, "/v2/"+repository+"/blobs/uploads/", nil).Want(t, http.StatusAccepted))
	}
	p.as(clients["ann"], http.MethodPatch, "/uploads?_state=s&session=team/app-0", []byte("early")).Want(t, http.StatusNotFound)
	anns, bobs := begin("ann", "team/app"), begin("bob", "inbox")
	for _, c := range []struct {
		who, path string
		want      int
	}{
		{"bob", anns, http.StatusNotFound},
		{"ann", bobs, http.StatusNotFound},
		{"dev", anns, http.StatusNotFound},
		{"nobody", anns, http.StatusUnauthorized},
		{"bob", bobs + "&session=team/app-0", http.StatusNotFound},
		{"bob", bobs + "&repository=team/app", http.StatusNotFound},
		{"bob", "/uploads", http.StatusNotFound},
	} {
		got := p.as(clients[c.who], http.MethodPatch, c.path, []byte("theirs"))
		if got.Status != c.want || c.want == http.StatusNotFound && !strings.Contains(string(got.Body), `"BLOB_UPLOAD_UNKNOWN"`) {
			t.Errorf("%s at %s: status %d: %s", c.who, c.path, got.Status, got.Body)
		}
	}
	// Each goes on with its own, whoever began one since.
	for _, c := range []struct{ who, at string }{{"ann", anns}, {"bob", bobs}} {
		next := p.below(p.as(clients[c.who], http.MethodPatch, c.at, []byte(c.who)).Want(t, http.StatusAccepted))
		// As clients that take the query apart do.
		session := strings.TrimPrefix(next, "/uploads?_state=s&")
		p.as(clients[c.who], http.MethodPut, "/uploads?_state=s&digest=sha256%3Ax&"+session, nil).Want(t, http.StatusCreated)
	}
	registry.mutex.Lock()
	defer registry.mutex.Unlock()
	if want := []string{"team/app ann", "team/app sha256:x", "inbox bob", "inbox sha256:x"}; !slices.Equal(registry.written, want) {
		t.Errorf("the registry got %q, want %q", registry.written, want)
	}
	registry.written = nil
}

// A backref that knows nothing of an upload says to begin it again.
func TestHandoutsEndWithTheProcess(t *testing.T) {
	registry := &handingOut{sessions: map[string]string{}}
	p := behind(t, registry.ServeHTTP)
	ann := p.clientsOf()["ann"]
	at := p.below(p.as(ann, http.MethodPost, "/v2/team/app/blobs/uploads/", nil).Want(t, http.StatusAccepted))
	p.backref.Restart()
	got := p.as(ann, http.MethodPatch, at, []byte("rest")).Want(t, http.StatusNotFound)
	if !strings.Contains(string(got.Body), "begin the upload again") {
		t.Errorf("body %s", got.Body)
	}
	p.as(ann, http.MethodGet, "/elsewhere", nil).Want(t, http.StatusForbidden)
	p.as(p.clientsOf()["root"], http.MethodPatch, at, []byte("rest")).Want(t, http.StatusAccepted)
}

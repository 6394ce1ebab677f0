package see

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// noticeReceiver is a receiver of webhooks. It verifies each signature by itself.
type noticeReceiver struct {
	*httptest.Server
	mutex sync.Mutex
	// answer is what it answers with; 0 is 204. header is added to it.
	answer int
	header http.Header
	// taken are the digests of the messages that it took, by their identifiers' order,
	// refused how many it did not.
	taken   []string
	ids     []string
	refused int
	bad     []string
}

type noticeMessage struct {
	Type string
	Data struct {
		Repository string
		Referrer   struct{ Digest, ArtifactType string }
		Subject    struct{ Digest string }
		Reference  string
	}
}

// newNoticeReceiver starts a receiver, and returns it with the file of its secret.
func newNoticeReceiver(t *testing.T) (*noticeReceiver, string) {
	t.Helper()
	secret := []byte("0123456789abcdef0123456789abcdef")
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte("whsec_"+base64.StdEncoding.EncodeToString(secret)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := &noticeReceiver{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(io.LimitReader(req.Body, 1<<20))
		r.mutex.Lock()
		defer r.mutex.Unlock()
		id, at := req.Header.Get("Webhook-Id"), req.Header.Get("Webhook-Timestamp")
		mac := hmac.New(sha256.New, secret)
		mac.Write([]byte(id + "." + at + "." + string(body)))
		want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
		var message noticeMessage
		if decoded := json.Unmarshal(body, &message); err != nil || decoded != nil || req.Header.Get("Webhook-Signature") != want || req.Method != http.MethodPost || req.URL.RawQuery != "token=s3cr3t" {
			r.bad = append(r.bad, string(body))
		}
		for name, values := range r.header {
			w.Header()[name] = values
		}
		if r.answer != 0 {
			r.refused++
			w.WriteHeader(r.answer)
			return
		}
		r.ids = append(r.ids, id)
		r.taken = append(r.taken, message.Data.Referrer.Digest)
		w.WriteHeader(http.StatusNoContent)
	}))
	t.Cleanup(r.Close)
	return r, file
}

func (r *noticeReceiver) answers(status int, header http.Header) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.answer, r.header = status, header
}

func (r *noticeReceiver) refusals() int {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	return r.refused
}

// took tells what it has taken, and fails the test where a message was not signed right.
func (r *noticeReceiver) took(t *testing.T) []string {
	t.Helper()
	r.mutex.Lock()
	defer r.mutex.Unlock()
	if len(r.bad) > 0 {
		t.Fatalf("not signed, or no message: %q", r.bad)
	}
	return slices.Clone(r.taken)
}

// once tells the same without what came again: the same message, under its identifier.
func (r *noticeReceiver) once(t *testing.T) []string {
	t.Helper()
	r.took(t)
	r.mutex.Lock()
	defer r.mutex.Unlock()
	var told []string
	known := map[string]string{}
	for i, id := range r.ids {
		if of, again := known[id]; !again {
			told = append(told, r.taken[i])
		} else if of != r.taken[i] {
			t.Fatalf("%s is of %s and of %s", id, of, r.taken[i])
		}
		known[id] = r.taken[i]
	}
	return told
}

// hookSetting is the setting of a webhook, with more keys of it. Its URL, which has a
// token, is in a file beside the secret.
func hookSetting(t *testing.T, r *noticeReceiver, secret, more string) string {
	t.Helper()
	target := secret + ".url"
	if err := os.WriteFile(target, []byte(r.URL+"/?token=s3cr3t\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return "notices.webhooks=[{name: scans, urlFile: '" + target + "', secretFile: '" + secret + "'" + more + "}]"
}

// strictXML reads a document by the strict rules of XML, to its end.
func strictXML(t *testing.T, body string, into any) {
	t.Helper()
	decoder := newStrictDecoder(strings.NewReader(body))
	if err := decoder.Decode(into); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	for {
		_, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatalf("%v: %s", err, body)
		}
	}
}

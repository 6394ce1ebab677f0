package maintenance

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/oci"
	"github.com/backref/backref/test/rig"
)

// keptRegistry is a registry of one repository that notes what backref
// overwrites or deletes there without a right to: whatever is not what the
// client asks for just now.
type keptRegistry struct {
	name string
	// behind is the real registry that carries out what it is asked for; empty
	// for none, and then it does so itself.
	behind string
	// gitlab resolves a tag sha256-HEX to the manifest sha256:HEX, and strict
	// deletes nothing that has a tag.
	gitlab, strict bool

	mutex sync.Mutex
	asked clientRequest

	manifests map[digest.Digest][]byte
	tags      map[string]digest.Digest
	// ever is all that was ever there, made what backref brought itself.
	ever       map[digest.Digest][]byte
	made       map[digest.Digest]bool
	violations []string
}

// clientRequest is what a client asks for.
type clientRequest struct {
	method, reference string
	sum               digest.Digest
}

func newKeptRegistry(name string) *keptRegistry {
	return &keptRegistry{
		name: name, manifests: map[digest.Digest][]byte{}, tags: map[string]digest.Digest{},
		ever: map[digest.Digest][]byte{}, made: map[digest.Digest]bool{},
	}
}

type anyManifest struct {
	MediaType string
	Subject   *struct{ Digest digest.Digest }
	Manifests []struct {
		MediaType string
		Digest    digest.Digest
	}
}

func read(body []byte) anyManifest {
	var m anyManifest
	_ = json.Unmarshal(body, &m)
	return m
}

// expect says what a client is about to ask for; what else is changed until it
// is called again is backref's own doing.
func (k *keptRegistry) expect(asked clientRequest) {
	k.mutex.Lock()
	defer k.mutex.Unlock()
	k.asked = asked
}

func (k *keptRegistry) resolve(reference string) digest.Digest {
	if strings.Contains(reference, ":") {
		return digest.Digest(reference)
	}
	if itself := digest.Digest(strings.Replace(reference, "-", ":", 1)); k.gitlab && k.manifests[itself] != nil {
		return itself
	}
	return k.tags[reference]
}

func (k *keptRegistry) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/v2/" {
		return
	}
	k.mutex.Lock()
	defer k.mutex.Unlock()
	body, _ := io.ReadAll(r.Body)
	answer := k.carryOut
	if k.behind != "" {
		answer = k.passOn
	}
	status := answer(w, r, body)
	reference, found := strings.CutPrefix(r.URL.Path, "/v2/"+k.name+"/manifests/")
	switch {
	case !found || status < 200 || status > 299:
	case r.Method == http.MethodPut:
		k.put(reference, body)
	case r.Method == http.MethodDelete:
		k.drop(reference)
	}
}

// passOn has the real registry answer.
func (k *keptRegistry) passOn(w http.ResponseWriter, r *http.Request, body []byte) int {
	out, err := http.NewRequestWithContext(r.Context(), r.Method, k.behind+r.URL.RequestURI(), bytes.NewReader(body))
	if err == nil {
		out.Header = r.Header.Clone()
		var resp *http.Response
		if resp, err = http.DefaultTransport.RoundTrip(out); err == nil {
			defer func() { _ = resp.Body.Close() }()
			maps.Copy(w.Header(), resp.Header)
			w.WriteHeader(resp.StatusCode)
			_, _ = io.Copy(w, resp.Body)
			return resp.StatusCode
		}
	}
	panic(err)
}

// carryOut answers as a registry does.
func (k *keptRegistry) carryOut(w http.ResponseWriter, r *http.Request, body []byte) int {
	reference, found := strings.CutPrefix(r.URL.Path, "/v2/"+k.name+"/manifests/")
	switch {
	case r.URL.Path == "/v2/"+k.name+"/tags/list":
		encoded, _ := json.Marshal(slices.Sorted(maps.Keys(k.tags)))
		_, _ = fmt.Fprintf(w, `{"name":"app","tags":%s}`, encoded)
		return http.StatusOK
	case !found:
		http.NotFound(w, r)
		return http.StatusNotFound
	}
	status := http.StatusOK
	switch r.Method {
	case http.MethodPut:
		status = k.refusal(body)
		w.Header().Set("Docker-Content-Digest", digest.FromBytes(body).String())
	case http.MethodDelete:
		status = k.reluctance(reference)
	default:
		sum := k.resolve(reference)
		content, there := k.manifests[sum]
		if !there {
			http.NotFound(w, r)
			return http.StatusNotFound
		}
		w.Header().Set("Content-Type", read(content).MediaType)
		w.Header().Set("Docker-Content-Digest", sum.String())
		w.Header().Set("Content-Length", fmt.Sprint(len(content)))
		_, _ = w.Write(content)
		return status
	}
	w.WriteHeader(status)
	return status
}

// refusal is the answer to a push: an index of backref's own has to list what is
// there, as Distribution has it; those of clients, who may be clients of another
// registry, need not.
func (k *keptRegistry) refusal(body []byte) int {
	if k.asked.sum != digest.FromBytes(body) {
		for _, entry := range read(body).Manifests {
			if k.manifests[entry.Digest] == nil {
				return http.StatusBadRequest
			}
		}
	}
	return http.StatusCreated
}

// reluctance is the answer to a delete.
func (k *keptRegistry) reluctance(reference string) int {
	sum := digest.Digest(reference)
	if !strings.Contains(reference, ":") {
		if sum = k.tags[reference]; sum == "" {
			return http.StatusNotFound
		}
		return http.StatusAccepted
	}
	switch {
	case k.manifests[sum] == nil:
		return http.StatusNotFound
	case k.strict && slices.Contains(slices.Collect(maps.Values(k.tags)), sum):
		return http.StatusConflict
	default:
		return http.StatusAccepted
	}
}

// put notes what was pushed.
func (k *keptRegistry) put(reference string, body []byte) {
	sum := digest.FromBytes(body)
	own := k.asked != clientRequest{http.MethodPut, reference, sum}
	if !strings.Contains(reference, ":") {
		// A referrer that its client pushes goes to its hidden tag.
		held := k.asked.sum == sum && reference == oci.HiddenTag(sum)
		if before := k.tags[reference]; own && !held && before != "" && before != sum && !k.replaceable(reference, before) {
			k.violations = append(k.violations, fmt.Sprintf("tag %s was overwritten, which stood for %s", reference, k.manifests[before]))
		}
		k.tags[reference] = sum
	}
	if k.asked.sum != sum && k.ever[sum] == nil {
		k.made[sum] = true
	}
	k.manifests[sum], k.ever[sum] = body, body
}

// drop notes what was deleted: a tag alone, or a manifest with its tags.
func (k *keptRegistry) drop(reference string) {
	own := k.asked.method != http.MethodDelete || k.asked.reference != reference
	if !strings.Contains(reference, ":") {
		sum := k.tags[reference]
		if own && reference != oci.HiddenTag(sum) {
			k.violations = append(k.violations, fmt.Sprintf("tag %s was deleted, which stood for %s", reference, k.manifests[sum]))
		}
		delete(k.tags, reference)
		return
	}
	sum := digest.Digest(reference)
	if own && !k.made[sum] && !k.listsReferrers(sum) {
		k.violations = append(k.violations, fmt.Sprintf("%s was deleted: %s", sum, k.manifests[sum]))
	}
	delete(k.manifests, sum)
	maps.DeleteFunc(k.tags, func(_ string, named digest.Digest) bool { return named == sum })
}

// replaceable tells whether backref may have a tag stand for something else.
func (k *keptRegistry) replaceable(tag string, before digest.Digest) bool {
	return k.made[before] || k.listsReferrersOf(before, digest.Digest(strings.Replace(tag, "-", ":", 1)))
}

// listsReferrers tells whether a manifest is a list of referrers of any one
// subject.
func (k *keptRegistry) listsReferrers(sum digest.Digest) bool {
	for _, body := range k.ever {
		if subject := read(body).Subject; subject != nil && k.listsReferrersOf(sum, subject.Digest) {
			return true
		}
	}
	return false
}

// listsReferrersOf is the rule in other words than those of the program: what
// is there of an index's entries refers to the subject, and one entry at least
// is, or was, such a referrer.
func (k *keptRegistry) listsReferrersOf(sum, subject digest.Digest) bool {
	list, proven := read(k.manifests[sum]), false
	for _, entry := range list.Manifests {
		about := read(k.ever[entry.Digest]).Subject
		right := about != nil && about.Digest == subject
		if k.manifests[entry.Digest] != nil && !right || !strings.Contains(entry.MediaType, "manifest") && !strings.Contains(entry.MediaType, "index") {
			return false
		}
		proven = proven || right
	}
	return list.MediaType == rig.ImageIndex && list.Subject == nil && sum != subject && proven
}

// notHidden returns the tags that every list has to have: all but lists of
// referrers, and the hidden tags of referrers.
func (k *keptRegistry) notHidden() []string {
	k.mutex.Lock()
	defer k.mutex.Unlock()
	var shown []string
	for tag := range k.tags {
		referrer, hidden := oci.HiddenTagOf(tag)
		if hidden && read(k.ever[referrer]).Subject != nil || oci.IsReferrersTag(tag) && k.replaceable(tag, k.resolve(tag)) {
			continue
		}
		shown = append(shown, tag)
	}
	return shown
}

// violated returns what backref did without a right to.
func (k *keptRegistry) violated() []string {
	k.mutex.Lock()
	defer k.mutex.Unlock()
	return slices.Clone(k.violations)
}

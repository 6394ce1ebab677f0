package shims

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/backref/backref/test/rig"
)

// hashing are the settings of who hashes uploads.
func hashing() []string { return quick("--set", "upstream.shims.hashes=true") }

// stateOf returns the state of the hashes of an upload, as its URL has it.
func stateOf(t *testing.T, location string) (*url.URL, string) {
	t.Helper()
	upload, err := url.Parse(location)
	if err != nil {
		t.Fatal(err)
	}
	state := upload.Query().Get("_backref")
	if state == "" {
		t.Fatalf("%s has no state", location)
	}
	return upload, state
}

// withState returns the URL of an upload with another state.
func withState(t *testing.T, location, state string) string {
	t.Helper()
	upload, _ := stateOf(t, location)
	query := upload.Query()
	query.Set("_backref", state)
	upload.RawQuery = query.Encode()
	return upload.String()
}

// What hashes an upload has so far backref alone says.
func TestForgedStatesAreRefused(t *testing.T) {
	t.Parallel()
	f := newFront(t, rig.Distribution3, []rig.Refusal{rig.SHA512()}, "--set", "upstream.shims.hashes=true")
	// newer returns an upload of which a part is there.
	newer := func(part string) string {
		return rig.Do(t, http.MethodPatch, begin(t, f.backref.URL, repository), []byte(part), octets()...).Want(t, http.StatusAccepted).Location
	}
	_, before := stateOf(t, begin(t, f.backref.URL, repository))
	_, other := stateOf(t, newer("other part"))
	_, own := stateOf(t, newer("part"))
	for name, forge := range map[string]func(own string) string{
		"altered at its begin": func(own string) string { return flipped(own, 0) },
		"altered at its end":   func(own string) string { return flipped(own, len(own)-4) },
		"cut":                  func(own string) string { return own[:len(own)-8] },
		"cut to nothing":       func(string) string { return "AAAA" },
		"no text of its form":  func(string) string { return "%%%" },
		"of another upload":    func(string) string { return other },
		"of an upload's begin": func(string) string { return before },
		"made up":              func(own string) string { return strings.Repeat("A", len(own)) },
		"of the same content":  func(string) string { return own },
	} {
		t.Run(name, func(t *testing.T) {
			location := newer("part")
			_, own := stateOf(t, location)
			forged := withState(t, location, forge(own))
			for method, reply := range map[string]rig.Reply{
				http.MethodPatch: rig.Do(t, http.MethodPatch, forged, []byte("more"), octets()...),
				http.MethodPut:   rig.Do(t, http.MethodPut, ended(forged, long("part")), nil),
			} {
				if reply.Status != http.StatusBadRequest || !strings.Contains(string(reply.Body), `"BLOB_UPLOAD_INVALID"`) {
					t.Errorf("%s: %d %s", method, reply.Status, reply.Body)
				}
			}
			// The upload itself is as it was.
			wantCreated(t, rig.Do(t, http.MethodPut, ended(location, long("part")), nil), long("part"))
		})
	}
}

// flipped returns a text with another character at a place.
func flipped(text string, at int) string {
	character := byte('A')
	if text[at] == character {
		character = 'B'
	}
	return text[:at] + string(character) + text[at+1:]
}

// Replicas take turns with the requests of one upload: what one hashed the next goes on
// with, and what one learnt all find.
func TestReplicasTakeTurnsWithAnUpload(t *testing.T) {
	t.Parallel()
	database := rig.NewPostgres(t, false)
	registry := rig.NewRegistry(t, rig.Distribution2)
	strict := rig.NewStrict(t, registry.URL, rig.SHA512())
	var replicas []*rig.Backref
	for range 2 {
		replicas = append(replicas, rig.NewReplica(t, strict.URL, database, hashing()...))
	}
	turn := 0
	// at returns a URL at the replica whose turn it is.
	at := func(location string) string {
		turn++
		upload, err := url.Parse(location)
		if err != nil {
			t.Fatal(err)
		}
		return replicas[turn%2].URL + upload.RequestURI()
	}
	const content = "a blob in many parts"
	location := begin(t, replicas[0].URL, repository)
	for part := range strings.SplitAfterSeq(content, " ") {
		location = rig.Do(t, http.MethodPatch, at(location), []byte(part), octets()...).Want(t, http.StatusAccepted).Location
	}
	wantCreated(t, rig.Do(t, http.MethodPut, at(ended(location, long(content))), nil), long(content))
	for _, replica := range replicas {
		wantBlob(t, replica.URL, repository, content)
	}
}

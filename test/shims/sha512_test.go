package shims

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/test/rig"
)

// long returns the sha512 of some content.
func long(content string) digest.Digest {
	return digest.SHA512.FromString(content)
}

// longFronts are registries that take a sha512 and keep a sha256, and such as take none.
func longFronts(t *testing.T, test func(t *testing.T, f front)) {
	t.Helper()
	rig.Each(t, func(t *testing.T, version rig.Distribution) {
		t.Parallel()
		test(t, newFront(t, version, nil))
	})
	t.Run("sha256 only", func(t *testing.T) {
		rig.Each(t, func(t *testing.T, version rig.Distribution) {
			t.Parallel()
			test(t, newFront(t, version, []rig.Refusal{rig.SHA512()}, "--set", "upstream.shims.hashes=true"))
		})
	})
}

// octets is the type of what is uploaded.
func octets(more ...string) []string {
	return append([]string{"Content-Type", "application/octet-stream"}, more...)
}

// ended returns where an upload is ended by a digest.
func ended(location string, named digest.Digest) string {
	separator := "?"
	if strings.Contains(location, "?") {
		separator = "&"
	}
	return location + separator + "digest=" + url.QueryEscape(named.String())
}

// begin begins an upload, and returns where it goes on.
func begin(t *testing.T, base, repository string) string {
	t.Helper()
	return rig.Do(t, http.MethodPost, base+"/v2/"+repository+"/blobs/uploads/", nil).Want(t, http.StatusAccepted).Location
}

// pushLong pushes a blob by its sha512, whole.
func pushLong(t *testing.T, base, repository, content string) digest.Digest {
	t.Helper()
	reply := rig.Do(t, http.MethodPut, ended(begin(t, base, repository), long(content)), []byte(content), octets()...)
	wantCreated(t, reply, long(content))
	return long(content)
}

// wantCreated looks at the answer to the end of an upload.
func wantCreated(t *testing.T, reply rig.Reply, named digest.Digest) {
	t.Helper()
	reply.Want(t, http.StatusCreated)
	if got := reply.Header.Get("Docker-Content-Digest"); got != named.String() {
		t.Errorf("Docker-Content-Digest %q, want %s", got, named)
	}
	if !strings.HasSuffix(reply.Location, "/blobs/"+named.String()) {
		t.Errorf("Location %q", reply.Location)
	}
}

// wantBlob makes sure that a blob is there by its sha512: asked for, whole and in part.
func wantBlob(t *testing.T, base, repository, content string) {
	t.Helper()
	path := base + "/v2/" + repository + "/blobs/" + long(content).String()
	head := rig.Do(t, http.MethodHead, path, nil).Want(t, http.StatusOK)
	whole := rig.Do(t, http.MethodGet, path, nil).Want(t, http.StatusOK)
	for _, reply := range []rig.Reply{head, whole} {
		if got := reply.Header.Get("Docker-Content-Digest"); got != long(content).String() {
			t.Errorf("Docker-Content-Digest %q", got)
		}
		if got := reply.Header.Get("Content-Length"); got != strconv.Itoa(len(content)) {
			t.Errorf("Content-Length %q, want %d", got, len(content))
		}
	}
	if string(whole.Body) != content {
		t.Errorf("GET: %q, want %q", whole.Body, content)
	}
	part := rig.Do(t, http.MethodGet, path, nil, "Range", "bytes=1-3").Want(t, http.StatusPartialContent)
	if string(part.Body) != content[1:4] {
		t.Errorf("a range of %q is %q", content, part.Body)
	}
}

// chunked uploads content in two chunks with something done between them, and looks how
// far it is.
func chunked(t *testing.T, location, content string, between func()) rig.Reply {
	t.Helper()
	half := len(content) / 2
	for i, part := range []string{content[:half], content[half:]} {
		from := i * half
		span := fmt.Sprintf("%d-%d", from, from+len(part)-1)
		reply := rig.Do(t, http.MethodPatch, location, []byte(part), octets("Content-Range", span)...).Want(t, http.StatusAccepted)
		if i == 0 {
			between()
			status := rig.Do(t, http.MethodGet, reply.Location, nil).Want(t, http.StatusNoContent)
			if got, want := status.Header.Get("Range"), "0-"+strconv.Itoa(half-1); got != want {
				t.Errorf("Range %q, want %q", got, want)
			}
			reply = status
		}
		location = reply.Location
	}
	return rig.Do(t, http.MethodPut, ended(location, long(content)), nil, "Content-Length", "0")
}

// Blobs are pushed, found, mounted and deleted by a sha512 in all the ways there are.
func TestBlobsBySHA512(t *testing.T) {
	t.Parallel()
	longFronts(t, func(t *testing.T, f front) {
		base := f.backref.URL
		pushLong(t, base, repository, "in one piece")
		wantBlob(t, base, repository, "in one piece")

		wantCreated(t, chunked(t, begin(t, base, repository), "in two chunks", func() { f.backref.Restart() }), long("in two chunks"))
		wantBlob(t, base, repository, "in two chunks")

		reply := rig.Do(t, http.MethodPost, ended(base+"/v2/"+repository+"/blobs/uploads/", long("at once")), []byte("at once"), octets()...)
		if reply.Status == http.StatusAccepted {
			// Who does not take it at once has it uploaded.
			reply = rig.Do(t, http.MethodPut, ended(reply.Location, long("at once")), []byte("at once"), octets()...)
		}
		wantCreated(t, reply, long("at once"))
		wantBlob(t, base, repository, "at once")

		mounted := rig.Do(t, http.MethodPost, base+"/v2/other/blobs/uploads/?mount="+long("at once").String()+"&from="+url.QueryEscape(repository), nil)
		wantCreated(t, mounted, long("at once"))
		wantBlob(t, base, "other", "at once")

		f.backref.Restart()
		wantBlob(t, base, repository, "in one piece")
		gone := base + "/v2/" + repository + "/blobs/" + long("at once").String()
		rig.Do(t, http.MethodDelete, gone, nil).Want(t, http.StatusAccepted)
		rig.Do(t, http.MethodGet, gone, nil).Want(t, http.StatusNotFound)
		rig.Do(t, http.MethodHead, gone, nil).Want(t, http.StatusNotFound)
		wantBlob(t, base, "other", "at once")
		pushLong(t, base, repository, "at once")
		wantBlob(t, base, repository, "at once")

		missing := base + "/v2/" + repository + "/blobs/" + long("never pushed").String()
		rig.Do(t, http.MethodGet, missing, nil).Want(t, http.StatusNotFound)
		wantWrongRefused(t, base)
	})
}

// wantWrongRefused makes sure that nothing is there by a digest that it hasn't.
func wantWrongRefused(t *testing.T, base string) {
	t.Helper()
	wrong := long("something else")
	for name, reply := range map[string]rig.Reply{
		"whole":  rig.Do(t, http.MethodPut, ended(begin(t, base, repository), wrong), []byte("wrong"), octets()...),
		"chunks": wrongChunk(t, base, wrong),
	} {
		if reply.Status != http.StatusBadRequest || !strings.Contains(string(reply.Body), `"DIGEST_INVALID"`) {
			t.Errorf("%s: %d %s", name, reply.Status, reply.Body)
		}
	}
	rig.Do(t, http.MethodGet, base+"/v2/"+repository+"/blobs/"+wrong.String(), nil).Want(t, http.StatusNotFound)
	rig.Do(t, http.MethodHead, base+"/v2/"+repository+"/blobs/"+digest.FromString("wrong").String(), nil).Want(t, http.StatusNotFound)
}

func wrongChunk(t *testing.T, base string, wrong digest.Digest) rig.Reply {
	t.Helper()
	sent := rig.Do(t, http.MethodPatch, begin(t, base, repository), []byte("wrong"), octets("Content-Range", "0-4")...).Want(t, http.StatusAccepted)
	return rig.Do(t, http.MethodPut, ended(sent.Location, wrong), nil)
}

// longArtifact is an artifact of which all parts are named by their sha512.
func longArtifact(name, layer string, subject rig.Descriptor) rig.Manifest {
	m := rig.Artifact("application/vnd.example.long", name, subject)
	m.Config.Digest = long(rig.Empty)
	m.Layers = &[]rig.Descriptor{{MediaType: "text/plain", Digest: long(layer), Size: int64(len(layer))}}
	return m
}

// Manifests are pushed, listed and pulled by a sha512, with parts that are named by one,
// also where nothing is left but the registry.
func TestManifestsBySHA512(t *testing.T) {
	t.Parallel()
	longFronts(t, func(t *testing.T, f front) {
		base, subject := f.backref.URL, rig.Image("subject")
		rig.PushBlob(t, base, repository, rig.Empty)
		rig.Push(t, base, repository, "v1", subject).Want(t, http.StatusCreated)
		pushLong(t, base, repository, rig.Empty)
		pushLong(t, base, repository, "layer")
		all := []rig.Manifest{
			longArtifact("all by sha512", "layer", subject.Descriptor()),
			rig.Artifact("application/vnd.example.short", "parts by sha256", subject.Descriptor()),
		}
		for _, m := range all {
			named := digest.SHA512.FromBytes(m.Bytes())
			reply := rig.Do(t, http.MethodPut, base+"/v2/"+repository+"/manifests/"+named.String(), m.Bytes(), "Content-Type", m.MediaType).Want(t, http.StatusCreated)
			if got := reply.Header.Get("OCI-Subject"); got != subject.Digest().String() {
				t.Errorf("OCI-Subject %q", got)
			}
			if got := reply.Header.Get("Docker-Content-Digest"); got != named.String() {
				t.Errorf("Docker-Content-Digest %q, want %s", got, named)
			}
		}
		// The registry may take one that it is to know by its own digest.
		taken := longArtifact("named by sha256", "layer of another", rig.Image("other").Descriptor())
		pushLong(t, base, repository, "layer of another")
		rig.Push(t, base, repository, "", taken).Want(t, http.StatusCreated)
		wantLong := func(when string, left []rig.Manifest) {
			t.Helper()
			want := map[digest.Digest]string{}
			for _, m := range left {
				named := digest.SHA512.FromBytes(m.Bytes())
				want[named] = m.ArtifactType
				f.wantServed(t, m.MediaType, named, m.Bytes(), named.String())
			}
			listed := rig.Listing(t, f.backref.URL, repository, subject.Digest())
			for _, d := range listed {
				if want[d.Digest] != d.ArtifactType {
					t.Errorf("listed is %+v", d)
				}
			}
			if len(listed) != len(want) {
				t.Errorf("%d are listed, want %d", len(listed), len(want))
			}
			wantTags(t, f.backref.URL, repository, "v1")
			wantBlob(t, f.backref.URL, repository, "layer")
			wantBlob(t, f.backref.URL, repository, "layer of another")
			f.wantServed(t, taken.MediaType, taken.Digest(), taken.Bytes(), taken.Digest().String())
			if t.Failed() {
				t.Fatal(when)
			}
		}
		wantLong("after the push", all)
		f.registry.CollectGarbage()
		wantLong("after the registry's garbage collection", all)
		f.loseIndex(t)
		wantLong("after a rebuild", all)
		gone := digest.SHA512.FromBytes(all[1].Bytes())
		rig.Do(t, http.MethodDelete, base+"/v2/"+repository+"/manifests/"+gone.String(), nil).Want(t, http.StatusAccepted)
		rig.Do(t, http.MethodGet, base+"/v2/"+repository+"/manifests/"+gone.String(), nil).Want(t, http.StatusNotFound)
		wantLong("after a delete", all[:1])
		rig.Do(t, http.MethodDelete, base+"/v2/"+repository+"/manifests/"+taken.Digest().String(), nil).Want(t, http.StatusAccepted)
		rig.Do(t, http.MethodGet, base+"/v2/"+repository+"/manifests/"+taken.Digest().String(), nil).Want(t, http.StatusNotFound)
		if slices.Contains(f.ownTags(t, repository, ".kept"), keptTag(taken.Digest())) {
			t.Errorf("%s is deleted, and its blobs are held", taken.Digest())
		}
	})
}

// A registry that is given no sha512 collects what is left of it as anything else:
// Distribution 3 fails on a blob that it has by two digests.
func TestHashedBlobsAreCollected(t *testing.T) {
	t.Parallel()
	f := newFront(t, rig.Distribution3, nil, "--set", "upstream.shims.hashes=true")
	rig.PushBlob(t, f.backref.URL, repository, rig.Empty)
	rig.Push(t, f.backref.URL, repository, "v1", rig.Image("app")).Want(t, http.StatusCreated)
	loose := pushLong(t, f.backref.URL, repository, "loose")
	wantBlob(t, f.backref.URL, repository, "loose")
	f.registry.CollectGarbage()
	rig.Do(t, http.MethodGet, f.backref.URL+"/v2/"+repository+"/blobs/"+loose.String(), nil).Want(t, http.StatusNotFound)
}

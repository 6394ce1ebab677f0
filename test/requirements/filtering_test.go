package requirements

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/backref/backref/test/rig"
)

// F1: fetch a stored artifact by digest or tag, bytes and headers intact.
func TestF1FetchByDigestOrTag(t *testing.T) {
	onEach(t, func(t *testing.T, s stage) {
		image := rig.Image("f1")
		rig.Push(t, s.backref.URL, "app", "v1", image).Want(t, http.StatusCreated)
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			for _, reference := range []string{"v1", image.Digest().String()} {
				path := "/v2/app/manifests/" + reference
				through := rig.Do(t, method, s.backref.URL+path, nil, "Accept", rig.ImageManifest).Want(t, http.StatusOK)
				direct := rig.Do(t, method, s.registry.URL+path, nil, "Accept", rig.ImageManifest).Want(t, http.StatusOK)
				if string(through.Body) != string(direct.Body) {
					t.Errorf("%s %s: bytes differ", method, path)
				}
				for _, header := range []http.Header{through.Header, direct.Header} {
					header.Del("Date")
					header.Del("X-Request-Id")
				}
				if got, want := fmt.Sprint(through.Header), fmt.Sprint(direct.Header); got != want {
					t.Errorf("%s %s: headers\n%s\nwant\n%s", method, path, got, want)
				}
			}
		}
		path := "/v2/app/manifests/" + image.Digest().String()
		if got := rig.Do(t, http.MethodGet, s.backref.URL+path, nil, "If-None-Match", `"`+image.Digest().String()+`"`); got.Status != http.StatusNotModified {
			t.Errorf("a conditional pull: status %d", got.Status)
		}
	})
}

// F2: list everything that references an artifact, byte for byte.
func TestF2ListingByDigest(t *testing.T) {
	onEach(t, func(t *testing.T, s stage) {
		image := rig.Image("f2")
		rig.Push(t, s.backref.URL, "app", "v1", image).Want(t, http.StatusCreated)
		subject := image.Descriptor()

		signature := rig.Artifact("application/vnd.example.signature", "signature", subject)
		// Without an artifact type of its own, an image has that of its config.
		typedByConfig := rig.Artifact("", "typed by config", subject)
		config := rig.BlobDescriptor("application/vnd.example.config")
		typedByConfig.Config = &config
		plainIndex := rig.Index(image.Descriptor())
		plainIndex.Subject = &subject
		typedIndex := rig.Index()
		typedIndex.Subject, typedIndex.ArtifactType = &subject, "application/vnd.example.set"
		typedIndex.Annotations = map[string]string{"html": "<&>", "quote": `"`}

		all := []rig.Manifest{signature, typedByConfig, plainIndex, typedIndex}
		for _, m := range all {
			pushed := rig.Push(t, s.backref.URL, "app", "", m).Want(t, http.StatusCreated)
			if got := pushed.Header.Get("OCI-Subject"); got != subject.Digest.String() {
				t.Errorf("OCI-Subject %q", got)
			}
		}
		entry := map[string]string{
			signature.Digest().String(): fmt.Sprintf(`{"mediaType":%q,"digest":%q,"size":%d,"artifactType":"application/vnd.example.signature","annotations":{"name":"signature"}}`,
				rig.ImageManifest, signature.Digest(), len(signature.Bytes())),
			typedByConfig.Digest().String(): fmt.Sprintf(`{"mediaType":%q,"digest":%q,"size":%d,"artifactType":"application/vnd.example.config","annotations":{"name":"typed by config"}}`,
				rig.ImageManifest, typedByConfig.Digest(), len(typedByConfig.Bytes())),
			plainIndex.Digest().String(): fmt.Sprintf(`{"mediaType":%q,"digest":%q,"size":%d}`,
				rig.ImageIndex, plainIndex.Digest(), len(plainIndex.Bytes())),
			typedIndex.Digest().String(): fmt.Sprintf(`{"mediaType":%q,"digest":%q,"size":%d,"artifactType":"application/vnd.example.set","annotations":{"html":"<&>","quote":"\""}}`,
				rig.ImageIndex, typedIndex.Digest(), len(typedIndex.Bytes())),
		}
		var entries []string
		for _, m := range all {
			entries = append(entries, m.Digest().String())
		}
		slices.Sort(entries)
		for i, d := range entries {
			entries[i] = entry[d]
		}
		want := `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[` + strings.Join(entries, ",") + `]}`
		got := rig.Do(t, http.MethodGet, s.backref.URL+"/v2/app/referrers/"+subject.Digest.String(), nil).Want(t, http.StatusOK)
		if string(got.Body) != want || got.Header.Get("Content-Type") != rig.ImageIndex {
			t.Errorf("Content-Type %s\n%s\nwant\n%s", got.Header.Get("Content-Type"), got.Body, want)
		}
		again := rig.Do(t, http.MethodGet, s.backref.URL+"/v2/app/referrers/"+subject.Digest.String(), nil,
			"If-None-Match", got.Header.Get("ETag")).Want(t, http.StatusNotModified)
		if len(again.Body) != 0 || again.Header.Get("ETag") != got.Header.Get("ETag") {
			t.Errorf("304 with ETag %q and %d bytes", again.Header.Get("ETag"), len(again.Body))
		}
		if tags := rig.Tags(t, s.backref.URL, "app"); !slices.Equal(tags, []string{"v1"}) {
			t.Errorf("tags: %v", tags)
		}
	})
}

// F2: what can't be listed is told apart from what has no referrers.
func TestF2BadAndUnknownSubjects(t *testing.T) {
	s := newStage(t, rig.Distribution2)
	for path, code := range map[string]string{
		"/v2/app/referrers/sha256:abc":                                      "DIGEST_INVALID",
		"/v2/app/referrers/latest":                                          "DIGEST_INVALID",
		"/v2/app/referrers/md5:d41d8cd98f00b204e9800998ecf8427e":            "DIGEST_INVALID",
		"/v2/APP/referrers/" + rig.Image("x").Digest().String():             "NAME_INVALID",
		"/v2/app/referrers/" + rig.Image("x").Digest().String() + "?n=0":    "UNSUPPORTED",
		"/v2/app/referrers/" + rig.Image("x").Digest().String() + "?last=x": "UNSUPPORTED",
	} {
		got := rig.Do(t, http.MethodGet, s.backref.URL+path, nil).Want(t, http.StatusBadRequest)
		if !strings.Contains(string(got.Body), `"code":"`+code+`"`) || got.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s: %s %s", path, got.Header.Get("Content-Type"), got.Body)
		}
	}
	for _, repository := range []string{"app", "unknown"} {
		got := rig.Do(t, http.MethodGet, s.backref.URL+"/v2/"+repository+"/referrers/"+rig.Image("x").Digest().String(), nil).Want(t, http.StatusOK)
		if want := `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}`; string(got.Body) != want {
			t.Errorf("%s: %s", repository, got.Body)
		}
	}
	if got := rig.Do(t, http.MethodPost, s.backref.URL+"/v2/app/referrers/"+rig.Image("x").Digest().String(), nil); got.Status != http.StatusMethodNotAllowed {
		t.Errorf("POST: status %d", got.Status)
	}
}

// F3: list only the artifacts of one type.
func TestF3ByArtifactType(t *testing.T) {
	onEach(t, func(t *testing.T, s stage) {
		subject := rig.Image("f3").Descriptor()
		rig.Push(t, s.backref.URL, "app", "v1", rig.Image("f3")).Want(t, http.StatusCreated)
		signature := rig.Artifact("application/vnd.example.signature.v1+json", "s", subject)
		rig.Push(t, s.backref.URL, "app", "", signature).Want(t, http.StatusCreated)
		rig.Push(t, s.backref.URL, "app", "", rig.Artifact("application/spdx+json", "b", subject)).Want(t, http.StatusCreated)

		url := s.backref.URL + "/v2/app/referrers/" + subject.Digest.String() + "?artifactType=application%2Fvnd.example.signature.v1%2Bjson"
		got := rig.Do(t, http.MethodGet, url, nil).Want(t, http.StatusOK)
		if got.Header.Get("OCI-Filters-Applied") != "artifactType" {
			t.Errorf("OCI-Filters-Applied %q", got.Header.Get("OCI-Filters-Applied"))
		}
		if !strings.Contains(string(got.Body), signature.Digest().String()) || strings.Contains(string(got.Body), "spdx") {
			t.Errorf("body %s", got.Body)
		}
	})
}

// F2: pages end to end equal the whole, while others push.
func TestF2PagingWhileOthersPush(t *testing.T) {
	s := newStage(t, rig.Distribution2)
	subject := rig.Image("paged").Descriptor()
	rig.Push(t, s.backref.URL, "app", "v1", rig.Image("paged")).Want(t, http.StatusCreated)
	var before []rig.Manifest
	for i := range 25 {
		before = append(before, rig.Artifact("application/vnd.example.a", fmt.Sprint(i), subject))
		rig.Push(t, s.backref.URL, "app", "", before[i]).Want(t, http.StatusCreated)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range 25 {
			rig.Push(t, s.backref.URL, "app", "", rig.Artifact("application/vnd.example.b", fmt.Sprint(i), subject))
		}
	}()
	for n := 1; n <= 30; n += 4 {
		got := digests(rig.Listing(t, s.backref.URL, "app", subject.Digest, fmt.Sprintf("n=%d", n)))
		if unique := slices.Compact(slices.Clone(got)); len(unique) != len(got) {
			t.Errorf("pages of %d repeat entries", n)
		}
		for _, m := range before {
			if !slices.Contains(got, m.Digest()) {
				t.Errorf("pages of %d lack %s", n, m.Digest())
			}
		}
		typed := rig.Listing(t, s.backref.URL, "app", subject.Digest, fmt.Sprintf("n=%d", n), "artifactType=application/vnd.example.a")
		if len(typed) != len(before) {
			t.Errorf("pages of %d by type: %d entries, want %d", n, len(typed), len(before))
		}
	}
	<-done
}

// F6: referrers tags of old clients are imported, and what they say is
// checked.
func TestF6ReferrersTagsAreImported(t *testing.T) {
	onEach(t, func(t *testing.T, s stage) {
		image := rig.Image("f6")
		subject := image.Descriptor()
		rig.Push(t, s.registry.URL, "app", "v1", image).Want(t, http.StatusCreated)
		dir := t.TempDir()
		for i := range 3 {
			rig.Run(t, dir, "oras", "attach", "--plain-http", "--artifact-type", fmt.Sprintf("application/vnd.example.%d", i),
				"--annotation", "step="+fmt.Sprint(i), s.registry.Host+"/app:v1")
		}
		if tags := rig.Tags(t, s.registry.URL, "app"); len(tags) != 2 {
			t.Fatalf("oras wrote no referrers tag: %v", tags)
		}
		got := rig.Listing(t, s.backref.URL, "app", subject.Digest)
		if len(got) != 3 {
			t.Fatalf("got %v", got)
		}
		for _, entry := range got {
			if entry.Annotations["step"] == "" || entry.ArtifactType != "application/vnd.example."+entry.Annotations["step"] {
				t.Errorf("entry %+v", entry)
			}
		}
	})
}

// F6: entries without annotations, of another subject, or of nothing at all.
func TestF6ReferrersTagsAreNotBelieved(t *testing.T) {
	onEach(t, func(t *testing.T, s stage) {
		subject := rig.Image("f6").Descriptor()
		rig.Push(t, s.registry.URL, "app", "v1", rig.Image("f6")).Want(t, http.StatusCreated)
		bare := rig.Artifact("application/vnd.example.bare", "bare", subject)
		foreign := rig.Artifact("application/vnd.example.foreign", "foreign", rig.Image("other").Descriptor())
		for _, m := range []rig.Manifest{bare, foreign} {
			rig.Push(t, s.registry.URL, "app", "", m).Want(t, http.StatusCreated)
		}
		tag := "sha256-" + subject.Digest.Encoded()
		rig.Push(t, s.backref.URL, "app", tag, rig.Index(bare.Descriptor(), foreign.Descriptor())).Want(t, http.StatusCreated)
		got := rig.Listing(t, s.backref.URL, "app", subject.Digest)
		if len(got) != 1 || got[0].Digest != bare.Digest() || got[0].Annotations["name"] != "bare" {
			t.Errorf("got %+v", got)
		}
	})
}

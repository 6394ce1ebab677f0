package requirements

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/test/rig"
)

// B3: pull an artifact by tag although it has a subject; pushed past the
// proxy, the pull makes it known.
func TestB3PullOfAnArtifactByTag(t *testing.T) {
	onEach(t, func(t *testing.T, s stage) {
		subject := rig.Image("b3").Descriptor()
		rig.Push(t, s.registry.URL, "app", "v1", rig.Image("b3")).Want(t, http.StatusCreated)
		sbom := rig.Artifact("application/spdx+json", "sbom", subject)
		rig.Push(t, s.registry.URL, "app", "sbom", sbom).Want(t, http.StatusCreated)
		wantListed(t, s.backref.URL, "app", subject.Digest)

		got := rig.Do(t, http.MethodGet, s.backref.URL+"/v2/app/manifests/sbom", nil, "Accept", rig.ImageManifest).Want(t, http.StatusOK)
		if string(got.Body) != string(sbom.Bytes()) {
			t.Errorf("body %s", got.Body)
		}
		wantListed(t, s.backref.URL, "app", subject.Digest, sbom)
	})
}

// B4: repositories are apart.
func TestB4SameDigestInTwoRepositories(t *testing.T) {
	onEach(t, func(t *testing.T, s stage) {
		subject := rig.Image("b4").Descriptor()
		shared := rig.Artifact("application/vnd.example.shared", "shared", subject)
		own := rig.Artifact("application/vnd.example.own", "own", subject)
		for _, repository := range []string{"app", "app/blobs", "other"} {
			s.prepare(t, repository)
			rig.Push(t, s.backref.URL, repository, "v1", rig.Image("b4")).Want(t, http.StatusCreated)
		}
		rig.Push(t, s.backref.URL, "app", "", shared).Want(t, http.StatusCreated)
		rig.Push(t, s.backref.URL, "other", "", shared).Want(t, http.StatusCreated)
		rig.Push(t, s.backref.URL, "other", "", own).Want(t, http.StatusCreated)
		wantListed(t, s.backref.URL, "app", subject.Digest, shared)
		wantListed(t, s.backref.URL, "other", subject.Digest, shared, own)
		wantListed(t, s.backref.URL, "app/blobs", subject.Digest)

		rig.Do(t, http.MethodDelete, s.backref.URL+"/v2/other/manifests/"+shared.Digest().String(), nil).Want(t, http.StatusAccepted)
		wantListed(t, s.backref.URL, "app", subject.Digest, shared)
		wantListed(t, s.backref.URL, "other", subject.Digest, own)
	})
}

// B5: OCI-Subject is there for manifests with a subject, and only for them.
func TestB5SubjectHeader(t *testing.T) {
	onEach(t, func(t *testing.T, s stage) {
		image := rig.Image("b5")
		if got := rig.Push(t, s.backref.URL, "app", "v1", image).Want(t, http.StatusCreated); got.Header.Get("OCI-Subject") != "" {
			t.Errorf("an image without subject got OCI-Subject %q", got.Header.Get("OCI-Subject"))
		}
		subject := image.Descriptor()
		subject.Digest = digest.SHA512.FromBytes(image.Bytes())
		artifact := rig.Artifact("application/vnd.example.x", "x", subject)
		got := rig.Push(t, s.backref.URL, "app", "x", artifact).Want(t, http.StatusCreated)
		if got.Header.Get("OCI-Subject") != subject.Digest.String() {
			t.Errorf("OCI-Subject %q", got.Header.Get("OCI-Subject"))
		}
		if got.Header.Get("Docker-Content-Digest") != artifact.Digest().String() {
			t.Errorf("Docker-Content-Digest %q", got.Header.Get("Docker-Content-Digest"))
		}
		wantListed(t, s.backref.URL, "app", subject.Digest, artifact)
	})
}

// B5: a manifest whose subject can't be understood is not acknowledged.
func TestB5UnreadableSubjectIsRefused(t *testing.T) {
	s := newStage(t, rig.Distribution2)
	for _, subject := range []string{`"sha256:abc"`, `{"digest":"sha256:abc"}`, `{}`, `[]`} {
		body := fmt.Sprintf(`{"schemaVersion":2,"mediaType":%q,"config":{"mediaType":%q,"digest":%q,"size":2},"layers":[],"subject":%s}`,
			rig.ImageManifest, rig.EmptyConfig, digest.FromString(rig.Empty), subject)
		got := rig.Do(t, http.MethodPut, s.backref.URL+"/v2/app/manifests/x", []byte(body), "Content-Type", rig.ImageManifest).Want(t, http.StatusBadRequest)
		if !strings.Contains(string(got.Body), "MANIFEST_INVALID") {
			t.Errorf("%s: %s", subject, got.Body)
		}
	}
	rig.Do(t, http.MethodHead, s.registry.URL+"/v2/app/manifests/x", nil).Want(t, http.StatusNotFound)
}

// B6: mount a blob across repositories.
func TestB6Mount(t *testing.T) {
	onEach(t, func(t *testing.T, s stage) {
		sum := rig.PushBlob(t, s.backref.URL, "from", "mounted")
		got := rig.Do(t, http.MethodPost, s.backref.URL+"/v2/to/blobs/uploads/?mount="+sum.String()+"&from=from", nil).Want(t, http.StatusCreated)
		if want := s.backref.URL + "/v2/to/blobs/" + sum.String(); got.Location != want {
			t.Errorf("Location %q, want %q", got.Location, want)
		}
		blob := rig.Do(t, http.MethodGet, got.Location, nil).Want(t, http.StatusOK)
		if string(blob.Body) != "mounted" {
			t.Errorf("body %q", blob.Body)
		}
	})
}

// B1: Docker's own formats pass, and what they name is indexed.
func TestB1DockerManifests(t *testing.T) {
	onEach(t, func(t *testing.T, s stage) {
		config := rig.BlobDescriptor(rig.DockerConfig)
		image := rig.Manifest{SchemaVersion: 2, MediaType: rig.DockerManifest, Config: &config, Layers: &[]rig.Descriptor{}}
		list := rig.Index(image.Descriptor())
		list.MediaType = rig.DockerList
		for tag, m := range map[string]rig.Manifest{"image": image, "list": list} {
			if tag == "list" {
				rig.Push(t, s.backref.URL, "app", "", image).Want(t, http.StatusCreated)
			}
			rig.Push(t, s.backref.URL, "app", tag, m).Want(t, http.StatusCreated)
			got := rig.Do(t, http.MethodGet, s.backref.URL+"/v2/app/manifests/"+tag, nil, "Accept", m.MediaType).Want(t, http.StatusOK)
			if string(got.Body) != string(m.Bytes()) || got.Header.Get("Content-Type") != m.MediaType {
				t.Errorf("%s: %s %s", tag, got.Header.Get("Content-Type"), got.Body)
			}
		}
	})
}

// B1: ranges, chunked uploads and cancelled ones pass as they are.
func TestB1Blobs(t *testing.T) {
	onEach(t, func(t *testing.T, s stage) {
		content := strings.Repeat("0123456789", 1000)
		begun := rig.Do(t, http.MethodPost, s.backref.URL+"/v2/app/blobs/uploads/", nil).Want(t, http.StatusAccepted)
		if begun.Header.Get("Docker-Upload-UUID") == "" {
			t.Error("no Docker-Upload-UUID")
		}
		location := begun.Location
		for start := 0; start < len(content); start += 4000 {
			end := min(start+4000, len(content))
			patched := rig.Do(t, http.MethodPatch, location, []byte(content[start:end]), "Content-Type", "application/octet-stream",
				"Content-Range", fmt.Sprintf("%d-%d", start, end-1)).Want(t, http.StatusAccepted)
			location = patched.Location
			if !strings.HasPrefix(location, s.backref.URL+"/v2/app/blobs/uploads/") {
				t.Fatalf("Location %q", location)
			}
		}
		status := rig.Do(t, http.MethodGet, location, nil).Want(t, http.StatusNoContent)
		if status.Header.Get("Range") != "0-9999" {
			t.Errorf("Range %q", status.Header.Get("Range"))
		}
		sum := digest.FromString(content)
		rig.Do(t, http.MethodPut, location+"&digest="+sum.String(), nil).Want(t, http.StatusCreated)
		part := rig.Do(t, http.MethodGet, s.backref.URL+"/v2/app/blobs/"+sum.String(), nil, "Range", "bytes=10-19").Want(t, http.StatusPartialContent)
		if string(part.Body) != content[10:20] || part.Header.Get("Content-Range") != "bytes 10-19/10000" {
			t.Errorf("range: %q %q", part.Header.Get("Content-Range"), part.Body)
		}

		cancelled := rig.Do(t, http.MethodPost, s.backref.URL+"/v2/app/blobs/uploads/", nil).Want(t, http.StatusAccepted).Location
		rig.Do(t, http.MethodDelete, cancelled, nil).Want(t, http.StatusNoContent)
		rig.Do(t, http.MethodGet, cancelled, nil).Want(t, http.StatusNotFound)
		rig.Do(t, http.MethodDelete, s.backref.URL+"/v2/app/blobs/"+sum.String(), nil).Want(t, http.StatusAccepted)
		rig.Do(t, http.MethodHead, s.backref.URL+"/v2/app/blobs/"+sum.String(), nil).Want(t, http.StatusNotFound)
	})
}

// B1: a client that waits for "100 Continue" gets it.
func TestB1ExpectContinue(t *testing.T) {
	onEach(t, func(t *testing.T, s stage) {
		begun := rig.Do(t, http.MethodPost, s.backref.URL+"/v2/app/blobs/uploads/", nil).Want(t, http.StatusAccepted)
		target, err := url.Parse(begun.Location)
		if err != nil {
			t.Fatal(err)
		}
		conn, err := net.Dial("tcp", s.backref.Host)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		_, _ = fmt.Fprintf(conn, "PUT %s&digest=%s HTTP/1.1\r\nHost: %s\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n",
			target.RequestURI(), digest.FromString("blob"), s.backref.Host)
		reader := bufio.NewReader(conn)
		if line, err := reader.ReadString('\n'); err != nil || !strings.HasPrefix(line, "HTTP/1.1 100 ") {
			t.Fatalf("got %q, %v", line, err)
		}
		_, _ = io.WriteString(conn, "blob")
		_, _ = reader.ReadString('\n')
		resp, err := http.ReadResponse(reader, nil)
		if err != nil || resp.StatusCode != http.StatusCreated {
			t.Fatalf("got %v, %v", resp, err)
		}
		_ = resp.Body.Close()
	})
}

// B1: repositories may be named like endpoints.
func TestB1RepositoryNames(t *testing.T) {
	onEach(t, func(t *testing.T, s stage) {
		for _, repository := range []string{"a/blobs/b", "a/manifests/b", "referrers/c", "tags/list", "blobs/uploads/x", "d/referrers"} {
			s.prepare(t, repository)
			image := rig.Image(repository)
			rig.Push(t, s.backref.URL, repository, "v1", image).Want(t, http.StatusCreated)
			artifact := rig.Artifact("application/vnd.example.x", repository, image.Descriptor())
			rig.Push(t, s.backref.URL, repository, "", artifact).Want(t, http.StatusCreated)
			wantListed(t, s.backref.URL, repository, image.Digest(), artifact)
			if tags := rig.Tags(t, s.backref.URL, repository); !slices.Equal(tags, []string{"v1"}) {
				t.Errorf("%s: tags %v", repository, tags)
			}
		}
	})
}

// B1: lists of tags and repositories, in pages.
func TestB1Lists(t *testing.T) {
	onEach(t, func(t *testing.T, s stage) {
		image := rig.Image("b1")
		for _, tag := range []string{"c", "a", "d", "b"} {
			rig.Push(t, s.backref.URL, "app", tag, image).Want(t, http.StatusCreated)
		}
		for _, repository := range []string{"one", "two"} {
			s.prepare(t, repository)
			rig.Push(t, s.backref.URL, repository, "v1", image).Want(t, http.StatusCreated)
		}
		for path, want := range map[string]string{
			"/v2/app/tags/list?n=3": `"a","b","c"|"d"`,
			"/v2/_catalog?n=2":      `"app","one"|"two"`,
		} {
			first := rig.Do(t, http.MethodGet, s.backref.URL+path, nil).Want(t, http.StatusOK)
			link, _, found := strings.Cut(strings.TrimPrefix(first.Header.Get("Link"), "<"), ">")
			if !found || !strings.HasPrefix(link, "/v2/") {
				t.Fatalf("%s: Link %q", path, first.Header.Get("Link"))
			}
			second := rig.Do(t, http.MethodGet, s.backref.URL+link, nil).Want(t, http.StatusOK)
			part := func(body []byte) string {
				_, list, _ := strings.Cut(string(body), "[")
				list, _, _ = strings.Cut(list, "]")
				return list
			}
			if got := part(first.Body) + "|" + part(second.Body); got != want {
				t.Errorf("%s: got %s, want %s", path, got, want)
			}
		}
	})
}

// B1: links lead to where the client found us, whatever a proxy in front of us
// says.
func TestB1LinksBehindAnotherProxy(t *testing.T) {
	forwarded := []string{"X-Forwarded-Proto", "https", "X-Forwarded-Host", "registry.example.com"}
	for name, args := range map[string][]string{"trusted": {"--set", "server.trustedProxies=127.0.0.1"}, "untrusted": nil} {
		t.Run(name, func(t *testing.T) {
			onEach(t, func(t *testing.T, s stage) {
				got := rig.Do(t, http.MethodPost, s.backref.URL+"/v2/app/blobs/uploads/", nil, forwarded...).Want(t, http.StatusAccepted)
				if location := got.Header.Get("Location"); !strings.HasPrefix(location, "/v2/app/blobs/uploads/") {
					t.Errorf("Location %q", location)
				}
			}, args...)
		})
	}
}

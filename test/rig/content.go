package rig

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
)

// Media types of what tests push.
const (
	ImageManifest  = "application/vnd.oci.image.manifest.v1+json"
	ImageIndex     = "application/vnd.oci.image.index.v1+json"
	ImageConfig    = "application/vnd.oci.image.config.v1+json"
	EmptyConfig    = "application/vnd.oci.empty.v1+json"
	DockerManifest = "application/vnd.docker.distribution.manifest.v2+json"
	DockerList     = "application/vnd.docker.distribution.manifest.list.v2+json"
	DockerConfig   = "application/vnd.docker.container.image.v1+json"
)

// Empty is the content of the empty config, and of every blob that only has
// to be there.
const Empty = "{}"

// Descriptor is an entry of an index or listing.
type Descriptor struct {
	MediaType    string            `json:"mediaType"`
	Digest       digest.Digest     `json:"digest"`
	Size         int64             `json:"size"`
	ArtifactType string            `json:"artifactType,omitempty"`
	Annotations  map[string]string `json:"annotations,omitempty"`
	Platform     *Platform         `json:"platform,omitempty"`
}

// Platform is what an image of an index runs on.
type Platform struct {
	OS           string `json:"os"`
	Architecture string `json:"architecture"`
}

// Manifest is a manifest to push.
type Manifest struct {
	SchemaVersion int               `json:"schemaVersion"`
	MediaType     string            `json:"mediaType"`
	ArtifactType  string            `json:"artifactType,omitempty"`
	Config        *Descriptor       `json:"config,omitempty"`
	Layers        *[]Descriptor     `json:"layers,omitempty"`
	Manifests     *[]Descriptor     `json:"manifests,omitempty"`
	Subject       *Descriptor       `json:"subject,omitempty"`
	Annotations   map[string]string `json:"annotations,omitempty"`
}

// Bytes returns the manifest as it is pushed.
func (m Manifest) Bytes() []byte {
	body, err := json.Marshal(m)
	if err != nil {
		panic(err)
	}
	return body
}

// Digest returns the digest of [Manifest.Bytes].
func (m Manifest) Digest() digest.Digest {
	return digest.FromBytes(m.Bytes())
}

// Descriptor returns the entry by which an index lists the manifest.
func (m Manifest) Descriptor() Descriptor {
	return Descriptor{MediaType: m.MediaType, Digest: m.Digest(), Size: int64(len(m.Bytes()))}
}

// BlobDescriptor describes a blob with the content of [Empty].
func BlobDescriptor(mediaType string) Descriptor {
	return Descriptor{MediaType: mediaType, Digest: digest.FromString(Empty), Size: int64(len(Empty))}
}

// Image returns an image; equal names give equal bytes.
func Image(name string) Manifest {
	config := BlobDescriptor(ImageConfig)
	return Manifest{
		SchemaVersion: 2, MediaType: ImageManifest, Config: &config, Layers: &[]Descriptor{},
		Annotations: map[string]string{"name": name},
	}
}

// Artifact returns an artifact that refers to a subject.
func Artifact(artifactType, name string, subject Descriptor) Manifest {
	config := BlobDescriptor(EmptyConfig)
	return Manifest{
		SchemaVersion: 2, MediaType: ImageManifest, ArtifactType: artifactType, Config: &config,
		Layers: &[]Descriptor{BlobDescriptor(EmptyConfig)}, Subject: &subject,
		Annotations: map[string]string{"name": name},
	}
}

// Index returns an image index.
func Index(entries ...Descriptor) Manifest {
	entries = append([]Descriptor{}, entries...)
	return Manifest{SchemaVersion: 2, MediaType: ImageIndex, Manifests: &entries}
}

// Reply is a response whose body has been read.
type Reply struct {
	Status int
	Header http.Header
	Body   []byte
	// Location is where the header of that name leads; empty without one.
	Location string
}

// Do sends a request; headers are given as name, value, …. Redirects are not
// followed. An answer of backref's own has to be as docs/openapi.yaml says.
func Do(t testing.TB, method, url string, body []byte, headers ...string) Reply {
	t.Helper()
	reply, err := Send(t, method, url, body, headers...)
	if err != nil {
		t.Fatal(err)
	}
	wantDescribed(t, method, url, reply)
	return reply
}

// Send is [Do] for requests that may fail, and for many: the answer is not looked
// at.
func Send(t testing.TB, method, url string, body []byte, headers ...string) (Reply, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Add(headers[i], headers[i+1])
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return Reply{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	read, err := io.ReadAll(resp.Body)
	reply := Reply{Status: resp.StatusCode, Header: resp.Header, Body: read}
	if location, err := resp.Location(); err == nil {
		reply.Location = location.String()
	}
	return reply, err
}

// Want fails the test where a reply has another status.
func (r Reply) Want(t testing.TB, status int) Reply {
	t.Helper()
	if r.Status != status {
		t.Fatalf("status %d, want %d: %s", r.Status, status, r.Body)
	}
	return r
}

// PushBlob pushes a blob in one request and returns its digest.
func PushBlob(t testing.TB, base, repository, content string) digest.Digest {
	t.Helper()
	begun := Do(t, http.MethodPost, base+"/v2/"+repository+"/blobs/uploads/", nil).Want(t, http.StatusAccepted)
	location := begun.Location
	separator := "?"
	if strings.Contains(location, "?") {
		separator = "&"
	}
	sum := digest.FromString(content)
	Do(t, http.MethodPut, location+separator+"digest="+sum.String(), []byte(content),
		"Content-Type", "application/octet-stream").Want(t, http.StatusCreated)
	return sum
}

// Push pushes a manifest under a tag, or under its digest where the tag is
// empty. The blobs that it needs have to be there.
func Push(t testing.TB, base, repository, tag string, m Manifest) Reply {
	t.Helper()
	if tag == "" {
		tag = m.Digest().String()
	}
	return Do(t, http.MethodPut, base+"/v2/"+repository+"/manifests/"+tag, m.Bytes(), "Content-Type", m.MediaType)
}

// Listing returns the entries of a referrers listing, which has to succeed.
// It follows Link to the end.
func Listing(t testing.TB, base, repository string, subject digest.Digest, query ...string) []Descriptor {
	t.Helper()
	next := fmt.Sprintf("%s/v2/%s/referrers/%s", base, repository, subject)
	if len(query) > 0 {
		next += "?" + strings.Join(query, "&")
	}
	var all []Descriptor
	for next != "" {
		reply := Do(t, http.MethodGet, next, nil).Want(t, http.StatusOK)
		var index struct{ Manifests []Descriptor }
		if err := json.Unmarshal(reply.Body, &index); err != nil {
			t.Fatalf("%s: %v: %s", next, err, reply.Body)
		}
		all = append(all, index.Manifests...)
		next = ""
		if link := reply.Header.Get("Link"); link != "" {
			next = base + strings.TrimSuffix(strings.TrimPrefix(link, "<"), `>; rel="next"`)
		}
	}
	return all
}

// Tags returns the tags of a repository.
func Tags(t testing.TB, base, repository string) []string {
	t.Helper()
	var list struct{ Tags []string }
	reply := Do(t, http.MethodGet, base+"/v2/"+repository+"/tags/list", nil).Want(t, http.StatusOK)
	if err := json.Unmarshal(reply.Body, &list); err != nil {
		t.Fatal(err)
	}
	return list.Tags
}

package shims

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/test/rig"
)

// kind is a manifest that no field of its own, or one of a specification that is gone,
// tells the type of.
type kind struct {
	name, mediaType string
	document        map[string]any
}

func kinds(subject, child rig.Descriptor) []kind {
	empty := rig.BlobDescriptor(rig.EmptyConfig)
	return []kind{
		{"untyped image", rig.ImageManifest, map[string]any{
			"schemaVersion": 2, "config": empty, "layers": []rig.Descriptor{empty}, "subject": subject, "artifactType": "application/vnd.example.image",
		}},
		{"untyped index", rig.ImageIndex, map[string]any{
			"schemaVersion": 2, "manifests": []rig.Descriptor{child}, "subject": subject, "artifactType": "application/vnd.example.index",
		}},
		{"index of nothing", rig.ImageIndex, map[string]any{
			"schemaVersion": 2, "manifests": []rig.Descriptor{}, "subject": subject, "artifactType": "application/vnd.example.none",
			"mediaType": rig.ImageIndex,
		}},
		{"artifact manifest", "application/vnd.oci.artifact.manifest.v1+json", map[string]any{
			"mediaType": "application/vnd.oci.artifact.manifest.v1+json", "blobs": []rig.Descriptor{empty}, "subject": subject,
			"artifactType": "application/vnd.example.artifact",
		}},
		{"artifact manifest of ORAS", "application/vnd.cncf.oras.artifact.manifest.v1+json", map[string]any{
			"mediaType": "application/vnd.cncf.oras.artifact.manifest.v1+json", "blobs": []rig.Descriptor{empty}, "subject": subject,
			"artifactType": "application/vnd.example.oras",
		}},
	}
}

// Manifests of all kinds are kept, by digest and by tag, through a rebuild.
func TestKindsOfManifests(t *testing.T) {
	t.Parallel()
	for name, start := range map[string]func(t *testing.T) front{
		"registry2":      func(t *testing.T) front { return newFront(t, rig.Distribution2, nil) },
		"registry3":      func(t *testing.T) front { return newFront(t, rig.Distribution3, nil) },
		"docker27":       func(t *testing.T) front { return newDocker27Front(t) },
		"Docker's types": func(t *testing.T) front { return dockerTypesOnly(t, rig.Distribution2) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := start(t)
			subject, child := rig.Image("subject"), rig.Image("child")
			rig.PushBlob(t, f.backref.URL, repository, rig.Empty)
			rig.Push(t, f.backref.URL, repository, "v1", subject).Want(t, http.StatusCreated)
			rig.Push(t, f.backref.URL, repository, "child", child).Want(t, http.StatusCreated)
			all := kinds(subject.Descriptor(), child.Descriptor())
			for _, k := range all {
				for _, reference := range []string{digest.FromBytes(k.body(t)).String(), "tag"} {
					reply := rig.Do(t, http.MethodPut, f.backref.URL+"/v2/"+repository+"/manifests/"+reference, k.body(t), "Content-Type", k.mediaType)
					if reply.Status != http.StatusCreated {
						t.Errorf("%s: push by %s: %d %s", k.name, reference, reply.Status, reply.Body)
					}
				}
				f.wantServed(t, k.mediaType, digest.FromBytes(k.body(t)), k.body(t), "tag")
			}
			f.wantKinds(t, subject, all)
			f.loseIndex(t)
			f.wantKinds(t, subject, all)
		})
	}
}

func (k kind) body(t *testing.T) []byte {
	t.Helper()
	body, err := json.Marshal(k.document)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// wantKinds makes sure that all kinds are listed as what they are, and served.
func (f front) wantKinds(t *testing.T, subject rig.Manifest, all []kind) {
	t.Helper()
	listed := map[digest.Digest]rig.Descriptor{}
	for _, d := range rig.Listing(t, f.backref.URL, repository, subject.Digest()) {
		listed[d.Digest] = d
	}
	for _, k := range all {
		body := k.body(t)
		named := digest.FromBytes(body)
		if d := listed[named]; d.MediaType != k.mediaType || d.ArtifactType != k.document["artifactType"] || d.Size != int64(len(body)) {
			t.Errorf("%s is listed as %+v", k.name, d)
		}
		f.wantServed(t, k.mediaType, named, body, named.String())
	}
}

package rig_test

import (
	"crypto/sha512"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/backref/backref/test/rig"
)

// Each row refuses what it is there for, in the words of the registry that it is
// taken from, and passes the rest on to a real one.
func TestStrictRegistries(t *testing.T) {
	registry := rig.NewRegistry(t, rig.Distribution3)
	rig.PushBlob(t, registry.URL, "app", rig.Empty)
	present := rig.Image("present")
	rig.Push(t, registry.URL, "app", "present", present).Want(t, http.StatusCreated)
	absent := rig.Image("absent").Descriptor()
	docker := rig.Image("docker")
	docker.MediaType, docker.Config.MediaType = rig.DockerManifest, rig.DockerConfig
	const signature = "application/vnd.example.signature"
	const invalid = `{"errors":[{"code":"MANIFEST_INVALID","message":"manifest invalid","detail":{}}]}`
	for name, c := range map[string]struct {
		row              rig.Refusal
		refused, allowed rig.Manifest
		status           int
		body             string
	}{
		"Docker's types, 400": {rig.DockerTypesOnly(http.StatusBadRequest), rig.Image("oci"), docker, http.StatusBadRequest, invalid},
		"Docker's types, 404": {rig.DockerTypesOnly(http.StatusNotFound), rig.Index(), docker, http.StatusNotFound, "404 page not found"},
		"Docker's types, 405": {
			rig.DockerTypesOnly(http.StatusMethodNotAllowed), rig.Image("oci"), docker, http.StatusMethodNotAllowed,
			`{"errors":[{"code":"UNSUPPORTED","message":"Invalid parameter at 'ImageManifest' failed to satisfy constraint: 'Invalid JSON syntax'"}]}`,
		},
		"Docker's types, 415": {
			rig.DockerTypesOnly(http.StatusUnsupportedMediaType), rig.Image("oci"), docker, http.StatusUnsupportedMediaType,
			`{"errors":[{"code":"MANIFEST_INVALID","detail":{"message":"manifest schema version not supported"},"message":"manifest invalid"}]}`,
		},
		"absent subject": {
			rig.AbsentSubjects(), rig.Artifact(signature, "a", absent), rig.Artifact(signature, "a", present.Descriptor()), http.StatusBadRequest,
			fmt.Sprintf(`{"errors":[{"code":"MANIFEST_BLOB_UNKNOWN","message":"blob unknown to registry","detail":"%s"}]}`, absent.Digest),
		},
		"type of an artifact": {
			rig.TypesBut(rig.EmptyConfig, rig.ImageConfig), rig.Artifact(signature, "a", absent), rig.Image("oci"), http.StatusBadRequest,
			`{"errors":[{"code":"MANIFEST_INVALID","message":"manifest invalid","detail":"unknown media type: application/vnd.example.signature"}]}`,
		},
		"type of a config": {
			rig.TypesBut(rig.ImageConfig), docker, rig.Image("oci"), http.StatusBadRequest,
			`{"errors":[{"code":"MANIFEST_INVALID","message":"manifest invalid","detail":"unknown media type: application/vnd.docker.container.image.v1+json"}]}`,
		},
		"OCI index": {rig.OCIIndexes(http.StatusBadRequest), rig.Index(present.Descriptor()), rig.Image("oci"), http.StatusBadRequest, invalid},
	} {
		t.Run(name, func(t *testing.T) {
			strict := rig.NewStrict(t, registry.URL, c.row)
			reply := rig.Push(t, strict.URL, "app", "tag", c.refused).Want(t, c.status)
			if body := strings.TrimSuffix(string(reply.Body), "\n"); body != c.body {
				t.Errorf("refused with %s, want %s", body, c.body)
			}
			rig.Push(t, strict.URL, "app", "tag", c.allowed).Want(t, http.StatusCreated)
		})
	}
}

func TestStrictRegistryOfOneAlgorithm(t *testing.T) {
	registry := rig.NewRegistry(t, rig.Distribution3)
	strict := rig.NewStrict(t, registry.URL, rig.SHA512())
	long := fmt.Sprintf("sha512:%x", sha512.Sum512([]byte("long")))
	put := func(url string) rig.Reply {
		location := rig.Do(t, http.MethodPost, url+"/v2/app/blobs/uploads/", nil).Want(t, http.StatusAccepted).Location
		return rig.Do(t, http.MethodPut, location+"&digest="+long, []byte("long"), "Content-Type", "application/octet-stream")
	}
	put(registry.URL).Want(t, http.StatusCreated)
	refused := put(strict.URL).Want(t, http.StatusBadRequest)
	if !strings.Contains(string(refused.Body), `"code":"DIGEST_INVALID"`) {
		t.Errorf("refused with %s", refused.Body)
	}
	rig.Do(t, http.MethodPost, strict.URL+"/v2/app/blobs/uploads/?digest="+long, []byte("long")).Want(t, http.StatusBadRequest)
	rig.Do(t, http.MethodGet, strict.URL+"/v2/app/blobs/"+long, nil).Want(t, http.StatusBadRequest)
	rig.PushBlob(t, strict.URL, "app", "short")
}

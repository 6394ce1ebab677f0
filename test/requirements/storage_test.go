package requirements

import (
	"fmt"
	"net/http"
	"slices"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/reconcile"
	"github.com/backref/backref/test/rig"
)

// The storage of a registry shows every manifest, of which the registry's own
// lists show only the tagged ones.
func TestStorageShowsUntaggedManifests(t *testing.T) {
	rig.Each(t, func(t *testing.T, version rig.Distribution) {
		registry := rig.NewRegistry(t, version)
		if _, err := reconcile.OpenStorage(registry.Storage); err == nil {
			t.Error("an empty folder was taken for a storage")
		}
		names := []string{"app", "app-2", "app/nested", "app/nested/deeper", "team.a/app"}
		want := map[string][]digest.Digest{}
		for _, name := range names {
			rig.PushBlob(t, registry.URL, name, rig.Empty)
			subject := rig.Image(name)
			pushed := []rig.Manifest{subject}
			for i := range 5 {
				pushed = append(pushed, rig.Artifact("application/vnd.example.x", fmt.Sprint(i), subject.Descriptor()))
			}
			for i, m := range pushed {
				tag := map[int]string{0: "latest"}[i]
				rig.Push(t, registry.URL, name, tag, m).Want(t, http.StatusCreated)
				want[name] = append(want[name], m.Digest())
			}
			gone := pushed[5].Digest()
			rig.Do(t, http.MethodDelete, registry.URL+"/v2/"+name+"/manifests/"+gone.String(), nil).Want(t, http.StatusAccepted)
			want[name] = slices.DeleteFunc(want[name], func(d digest.Digest) bool { return d == gone })
			slices.Sort(want[name])
		}
		storage, err := reconcile.OpenStorage(registry.Storage)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = storage.Close() }()
		var repositories []string
		for name, err := range storage.Repositories(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			repositories = append(repositories, name)
			var manifests []digest.Digest
			for manifest, err := range storage.Manifests(t.Context(), name) {
				if err != nil {
					t.Fatal(err)
				}
				manifests = append(manifests, manifest)
			}
			if !slices.Equal(manifests, want[name]) {
				t.Errorf("%s: got %v, want %v", name, manifests, want[name])
			}
		}
		if !slices.Equal(repositories, names) {
			t.Errorf("got %q, want %q", repositories, names)
		}
	})
}

package clients

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/test/rig"
)

// knowsTheTagOnly makes oras a client of before the API.
const knowsTheTagOnly = "--distribution-spec=v1.1-referrers-tag"

// referrersTag returns the tag of the schema that clients without the API keep.
func referrersTag(subject digest.Digest) string {
	return strings.Replace(subject.String(), ":", "-", 1)
}

// underTag returns what backref shows under a referrers tag.
func underTag(t *testing.T, base string, subject digest.Digest) []digest.Digest {
	t.Helper()
	reply := rig.Do(t, http.MethodGet, base+"/v2/app/manifests/"+referrersTag(subject), nil, "Accept", rig.ImageIndex).Want(t, http.StatusOK)
	var list struct{ Manifests []rig.Descriptor }
	if err := json.Unmarshal(reply.Body, &list); err != nil {
		t.Fatal(err)
	}
	return digestsOf(list.Manifests)
}

func digestsOf(entries []rig.Descriptor) []digest.Digest {
	var all []digest.Digest
	for _, entry := range entries {
		all = append(all, entry.Digest)
	}
	slices.Sort(all)
	return all
}

// reading is a client that lists referrers.
type reading struct {
	name string
	list func(t *testing.T, dir, ref string) rig.Command
}

// readings are clients that fall back to the tag: some for lack of the API,
// some on every error of it.
func readings() []reading {
	tool := func(name string, args ...string) reading {
		return reading{strings.Join(append([]string{name}, args...), " "), func(t *testing.T, dir, ref string) rig.Command {
			return rig.Try(t, dir, name, append(slices.Clone(args), ref)...)
		}}
	}
	return []reading{
		tool("regctl", "artifact", "list", "--format", "{{range .Descriptors}}{{.Digest}}\n{{end}}"),
		tool("oras", "discover", "--plain-http", "--format", "go-template={{range .referrers}}{{.digest}}\n{{end}}"),
		tool("oras", "discover", "--plain-http", knowsTheTagOnly, "--format", "go-template={{range .referrers}}{{.digest}}\n{{end}}"),
		tool("referrers-containerd"),
		tool("referrers-crane"),
	}
}

// wantReadings makes sure that all of these read exactly the referrers.
func wantReadings(t *testing.T, dir, ref string, want []digest.Digest) {
	t.Helper()
	for _, client := range readings() {
		got := client.list(t, dir, ref)
		var listed []digest.Digest
		for line := range strings.FieldsSeq(got.Stdout) {
			listed = append(listed, digest.Digest(line))
		}
		slices.Sort(listed)
		if got.Err != nil || !slices.Equal(listed, want) {
			t.Errorf("%s reads %d of %d referrers: %v: %s", client.name, len(listed), len(want), got.Err, got.Stderr)
		}
	}
}

// newNotation prepares a key and a policy for a test.
func newNotation(t *testing.T, w workplace) {
	t.Helper()
	t.Setenv("XDG_CONFIG_HOME", filepath.Join(w.dir, "config"))
	if err := os.WriteFile(filepath.Join(w.dir, "policy.json"), []byte(trustPolicy), 0o600); err != nil {
		t.Fatal(err)
	}
	w.run(t, "notation", "cert", "generate-test", "--default", "test.example")
	w.run(t, "notation", "policy", "import", "policy.json")
}

// X3: clients that know only the tag and clients that know the API, at once.
func TestX3OldAndNewClientsAtOnce(t *testing.T) {
	const old, signing, knowing = 24, 8, 32
	onEach(t, func(t *testing.T, w workplace) {
		newNotation(t, w)
		ref := w.image(t)
		// Distribution 2.8 answers 500 for a blob that is being made.
		rig.PushBlob(t, w.registry.URL, "app", rig.Empty)
		_, name, _ := strings.Cut(ref, "@")
		subject := digest.Digest(name)
		var group sync.WaitGroup
		do := func(tool string, args ...string) {
			group.Go(func() {
				if got := rig.Try(t, t.TempDir(), tool, args...); got.Err != nil {
					t.Errorf("%s: %v: %s", tool, got.Err, got.Stderr)
				}
			})
		}
		for i := range old {
			do("oras", "attach", "--plain-http", knowsTheTagOnly, "--artifact-type", "application/vnd.example.old", "--annotation", fmt.Sprint("n=", i), ref)
		}
		for range signing {
			do("notation", "sign", "--insecure-registry", ref)
		}
		for i := range knowing {
			do("oras", "attach", "--plain-http", "--artifact-type", "application/vnd.example.new", "--annotation", fmt.Sprint("n=", i), ref)
		}
		group.Wait()
		listed := digestsOf(rig.Listing(t, w.backref.URL, "app", subject))
		if len(listed) != old+signing+knowing {
			t.Errorf("the API lists %d of %d", len(listed), old+signing+knowing)
		}
		if shown := underTag(t, w.backref.URL, subject); !slices.Equal(shown, listed) {
			t.Errorf("the tag lists %d of %d", len(shown), len(listed))
		}
		wantReadings(t, w.dir, ref, listed)
		w.run(t, "notation", "verify", "--insecure-registry", ref)
		rig.Report(t, fmt.Sprintf("%d clients that know only the tag and %d that know the API at once: %d listed by both ways", old+signing, knowing, len(listed)))
	})
}

// What an old client removes, or has never read, is right for all.
func TestOldClientsDelete(t *testing.T) {
	onEach(t, func(t *testing.T, w workplace) {
		ref := w.image(t)
		_, name, _ := strings.Cut(ref, "@")
		attach := func(args ...string) {
			w.run(t, "oras", append([]string{"attach", "--plain-http", "--artifact-type", "application/vnd.example.x", ref}, args...)...)
		}
		attach("--annotation", "n=1")
		attach("--annotation", "n=2", knowsTheTagOnly)
		listed := digestsOf(rig.Listing(t, w.backref.URL, "app", digest.Digest(name)))
		if len(listed) != 2 {
			t.Fatalf("listed: %v", listed)
		}
		for i, referrer := range listed {
			got := rig.Try(t, w.dir, "oras", "manifest", "delete", "--plain-http", "--force", knowsTheTagOnly, w.backref.Host+"/app@"+referrer.String())
			if got.Err != nil || strings.Contains(strings.ToLower(got.Stderr), "fail") {
				t.Errorf("oras manifest delete: %v: %s", got.Err, got.Stderr)
			}
			wantReadings(t, w.dir, ref, listed[i+1:])
		}
	})
}

// An image under the tag of itself, as mirroring tools and cosign copy write
// it, outlives clients that delete whatever the tag stood for.
func TestOldClientsLeaveAnImageUnderItsOwnTag(t *testing.T) {
	onEach(t, func(t *testing.T, w workplace) {
		newNotation(t, w)
		w.run(t, "oras", "push", "--plain-http", w.registry.Host+"/source:v1", "--config", "config.json:"+rig.ImageConfig, "layer.txt")
		subject := digest.Digest(strings.TrimSpace(w.run(t, "oras", "resolve", "--plain-http", w.registry.Host+"/source:v1")))
		tagged, ref := w.backref.Host+"/app:"+referrersTag(subject), w.backref.Host+"/app@"+subject.String()
		w.run(t, "crane", "copy", "--insecure", w.registry.Host+"/source:v1", tagged)
		wantImage := func(when string) {
			t.Helper()
			for _, reference := range []string{subject.String(), referrersTag(subject)} {
				got := rig.Do(t, http.MethodGet, w.registry.URL+"/v2/app/manifests/"+reference, nil, "Accept", rig.ImageManifest)
				if got.Status != http.StatusOK || digest.FromBytes(got.Body) != subject {
					t.Errorf("%s: the image under %s: status %d", when, reference, got.Status)
				}
			}
			w.wantSameBytes(t, "app", referrersTag(subject))
			if got := strings.TrimSpace(w.run(t, "crane", "digest", "--insecure", tagged)); got != subject.String() {
				t.Errorf("%s: crane digest: %s", when, got)
			}
			if got := strings.TrimSpace(w.run(t, "regctl", "manifest", "head", tagged)); got != subject.String() {
				t.Errorf("%s: regctl manifest head: %s", when, got)
			}
			if got := strings.TrimSpace(w.run(t, "oras", "resolve", "--plain-http", tagged)); got != subject.String() {
				t.Errorf("%s: oras resolve: %s", when, got)
			}
		}
		wantImage("before")
		w.run(t, "notation", "sign", "--insecure-registry", ref)
		wantImage("after notation sign")
		w.run(t, "oras", "attach", "--plain-http", knowsTheTagOnly, "--artifact-type", "application/vnd.example.x", "--annotation", "n=1", ref)
		wantImage("after oras attach")
		w.wantReferrers(t, ref, "application/vnd.cncf.notary.signature", "application/vnd.example.x")
		w.run(t, "notation", "verify", "--insecure-registry", ref)
		wantReadings(t, w.dir, ref, digestsOf(rig.Listing(t, w.backref.URL, "app", subject)))
		policy := filepath.Join(w.dir, "accept.json")
		if err := os.WriteFile(policy, []byte(`{"default":[{"type":"insecureAcceptAnything"}]}`), 0o600); err != nil {
			t.Fatal(err)
		}
		w.run(t, "skopeo", "--policy", policy, "--tmpdir", w.dir, "copy", "--src-tls-verify=false", "docker://"+tagged, "oci:"+filepath.Join(w.dir, "layout")+":v1")
	})
}

// While the index can't be asked, no client takes that for an empty list.
func TestReadersGetAnErrorWhileTheIndexIsAway(t *testing.T) {
	registry := rig.NewRegistry(t, rig.Distribution2)
	database := rig.NewPostgres(t, false)
	replicas := []*rig.Backref{rig.NewReplica(t, registry.URL, database), rig.NewReplica(t, registry.URL, database)}
	dir := t.TempDir()
	configureRegctl(t, dir, replicas[0].Host, replicas[1].Host)
	rig.PushBlob(t, registry.URL, "app", rig.Empty)
	image := rig.Image("away")
	rig.Push(t, registry.URL, "app", "v1", image).Want(t, http.StatusCreated)
	self := rig.Image("tagged with itself")
	rig.Push(t, registry.URL, "app", referrersTag(self.Digest()), self).Want(t, http.StatusCreated)
	for i := range 3 {
		for _, subject := range []rig.Manifest{image, self} {
			m := rig.Artifact("application/vnd.example.x", fmt.Sprint(i), subject.Descriptor())
			rig.Push(t, replicas[0].URL, "app", "", m).Want(t, http.StatusCreated)
		}
	}
	listed := digestsOf(rig.Listing(t, replicas[0].URL, "app", image.Digest()))

	// What one replica has served the other finds by its digest.
	shown := rig.Do(t, http.MethodGet, replicas[0].URL+"/v2/app/manifests/"+referrersTag(image.Digest()), nil).Want(t, http.StatusOK)
	byDigest := replicas[1].URL + "/v2/app/manifests/" + shown.Header.Get("Docker-Content-Digest")
	if got := rig.Do(t, http.MethodGet, byDigest, nil).Want(t, http.StatusOK); string(got.Body) != string(shown.Body) {
		t.Errorf("by its digest through the other replica: %s", got.Body)
	}
	rig.Do(t, http.MethodDelete, byDigest, nil).Want(t, http.StatusAccepted)

	ref := replicas[1].Host + "/app@" + image.Digest().String()
	wantReadings(t, dir, ref, listed)
	if err := database.Stop(); err != nil {
		t.Fatal(err)
	}
	for _, subject := range []rig.Manifest{image, self} {
		for _, client := range readings() {
			got := client.list(t, dir, replicas[1].Host+"/app@"+subject.Digest().String())
			if got.Err == nil {
				t.Errorf("%s succeeds without the index: %q", client.name, got.Stdout)
			}
		}
	}
	pulled := rig.Do(t, http.MethodGet, replicas[1].URL+"/v2/app/manifests/"+referrersTag(self.Digest()), nil, "Accept", rig.ImageManifest).Want(t, http.StatusOK)
	if digest.FromBytes(pulled.Body) != self.Digest() {
		t.Errorf("pull of an image by its own tag: %s", pulled.Body)
	}
	if err := database.Start(); err != nil {
		t.Fatal(err)
	}
	for rig.Do(t, http.MethodGet, replicas[1].URL+"/v2/app/referrers/"+image.Digest().String(), nil).Status != http.StatusOK {
		if t.Context().Err() != nil {
			t.Fatal("the index never comes back")
		}
	}
	wantReadings(t, dir, ref, listed)
}

// configureRegctl has regctl speak plain HTTP to hosts.
func configureRegctl(t *testing.T, dir string, hosts ...string) {
	t.Helper()
	settings := map[string]map[string]map[string]string{"hosts": {}}
	for _, host := range hosts {
		settings["hosts"][host] = map[string]string{"tls": "disabled"}
	}
	encoded, err := json.Marshal(settings)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(dir, ".regctl"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, ".regctl", "config.json"), encoded, 0o600); err != nil {
		t.Fatal(err)
	}
}

package clients

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/test/rig"
)

// C6: clients can't move or delete a locked tag, and show why; what they sign, by
// whatever schema, is signed.
func TestC6ClientsAndLockedTags(t *testing.T) {
	onEach(t, func(t *testing.T, w workplace) {
		w.backref.Restart("--set", `tags.locks=[{name: releases-stay, repositories: [app], tags: ["*"], except: [latest]}]`)
		ref := w.image(t) // app:v1
		locked := w.backref.Host + "/app:v1"
		if err := os.WriteFile(filepath.Join(w.dir, "layer.txt"), []byte("changed"), 0o600); err != nil {
			t.Fatal(err)
		}
		w.run(t, "oras", "push", "--plain-http", w.backref.Host+"/app:latest", "--config", "config.json:"+rig.ImageConfig, "layer.txt")
		for _, command := range [][]string{
			{"oras", "push", "--plain-http", locked, "--config", "config.json:" + rig.ImageConfig, "layer.txt"},
			{"oras", "manifest", "delete", "--plain-http", "--force", locked},
			{"oras", "manifest", "delete", "--plain-http", "--force", ref},
			{"crane", "copy", "--insecure", w.backref.Host + "/app:latest", locked},
			{"crane", "tag", "--insecure", w.backref.Host + "/app:latest", "v1"},
			{"crane", "delete", "--insecure", ref},
			{"regctl", "image", "copy", w.backref.Host + "/app:latest", locked},
			{"regctl", "tag", "delete", locked},
			{"regctl", "manifest", "delete", ref},
			{"skopeo", "copy", "--src-tls-verify=false", "--dest-tls-verify=false", "docker://" + w.backref.Host + "/app:latest", "docker://" + locked},
			{"skopeo", "delete", "--tls-verify=false", "docker://" + locked},
		} {
			got := rig.Try(t, w.dir, command[0], command[1:]...)
			// Each shows as much as it shows of any error.
			if text := got.Stdout + got.Stderr; got.Err == nil || !strings.Contains(text, "releases-stay") && !strings.Contains(strings.ToLower(text), "denied") && !strings.Contains(text, "403") {
				t.Errorf("%s: %v: %s", strings.Join(command, " "), got.Err, text)
			}
		}
		_, sum, _ := strings.Cut(ref, "@")
		if now := strings.TrimSpace(w.run(t, "oras", "resolve", "--plain-http", locked)); now != sum {
			t.Fatalf("the locked tag is %s now, it was %s", now, sum)
		}
		// The same again is fine.
		w.run(t, "crane", "copy", "--insecure", ref, locked)

		old := newCosign(t, w, "cosign2")
		for range 2 {
			// It keeps its signatures under a tag, which it moves from one to the next.
			old.do(t, "sign", "--key", "cosign.key", "--tlog-upload=false", "--yes", "--annotations", "at="+t.Name(), ref)
			old.do(t, "attest", "--key", "cosign.key", "--tlog-upload=false", "--predicate", "sbom.json", "--type", "spdxjson", "--yes", ref)
		}
		old.do(t, "verify", "--key", "cosign.pub", "--insecure-ignore-tlog", ref)
		old.do(t, "sign", "--key", "cosign.key", "--tlog-upload=false", "--registry-referrers-mode=oci-1-1", "--yes", ref)
		for range 2 {
			w.run(t, "oras", "attach", "--plain-http", knowsTheTagOnly, locked, "--artifact-type", "application/spdx+json", "sbom.json:application/spdx+json")
		}
		entries := rig.Listing(t, w.backref.URL, "app", digest.Digest(sum))
		if len(entries) < 2 {
			t.Errorf("referrers of the locked image: %v", entries)
		}
		for _, entry := range entries {
			rig.Do(t, http.MethodDelete, w.backref.URL+"/v2/app/manifests/"+entry.Digest.String(), nil).Want(t, http.StatusAccepted)
		}
	})
}

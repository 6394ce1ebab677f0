package maintenance

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/backref/backref/test/rig"
)

// auditRule denies SBOMs.
const auditRule = "artifacts.rules=[{name: no-sboms, repositories: ['**'], actions: [push], deny: [application/spdx+json]}]"

// Both stores keep what was denied and deleted, tell of it at each replica, and
// have it still when the process was killed; no byte of them is a password.
func TestAuditInBothStores(t *testing.T) {
	const password = "s3cr3t-passphrase"
	for _, name := range []string{"file", "database"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			registry := rig.NewRegistry(t, rig.Distribution2)
			var asked, other *rig.Backref
			var database *rig.Postgres
			if name == "file" {
				asked = rig.NewBackref(t, registry.URL, "--set", auditRule)
				other = asked
			} else {
				database = rig.NewPostgres(t, false)
				asked = rig.NewReplica(t, registry.URL, database, "--set", auditRule)
				other = rig.NewReplica(t, registry.URL, database, "--set", auditRule)
			}
			rig.PushBlob(t, asked.URL, "app", rig.Empty)
			image := rig.Image("audited")
			rig.Push(t, asked.URL, "app", "v1", image).Want(t, http.StatusCreated)
			sbom := rig.Artifact("application/spdx+json", "sbom", image.Descriptor())
			ann := "Basic " + base64.StdEncoding.EncodeToString([]byte("ann:"+password))
			rig.Do(t, http.MethodPut, asked.URL+"/v2/app/manifests/"+sbom.Digest().String(), sbom.Bytes(),
				"Content-Type", rig.ImageManifest, "Authorization", ann).Want(t, http.StatusForbidden)
			rig.Do(t, http.MethodDelete, asked.URL+"/v2/app/manifests/"+image.Digest().String(), nil, "Authorization", ann).Want(t, http.StatusAccepted)
			want := []string{"denied push no-sboms ann " + sbom.Digest().String(), "deleted delete  ann " + image.Digest().String()}
			if got := audit(t, rig.RunCommandLine(t, t.TempDir(), "audit", "--admin", asked.AdminURL, "-o", "json")); !slices.Equal(got, want) {
				t.Fatalf("where it was asked: %q, want %q", got, want)
			}
			if got := audit(t, rig.RunCommandLine(t, t.TempDir(), "audit", "--admin", other.AdminURL, "-o", "json")); !slices.Equal(got, want) {
				t.Errorf("at another replica: %q, want %q", got, want)
			}
			asked.Kill()
			if name == "file" {
				if got := audit(t, rig.RunCommandLine(t, t.TempDir(), "audit", "--index", asked.Index, "-o", "json")); !slices.Equal(got, want) {
					t.Errorf("in the file of one that was killed: %q, want %q", got, want)
				}
				content, err := os.ReadFile(asked.Index)
				if err != nil {
					t.Fatal(err)
				}
				if strings.Contains(string(content), password) || strings.Contains(string(content), ann[len("Basic "):]) {
					t.Error("the password is in the file")
				}
			} else if got := audit(t, rig.RunCommandLine(t, t.TempDir(), "audit", "--admin", other.AdminURL, "-o", "json")); !slices.Equal(got, want) {
				t.Errorf("when the other was killed: %q, want %q", got, want)
			}
			if strings.Contains(strings.Join(asked.Log(), "\n"), password) {
				t.Error("the password is in the log")
			}
		})
	}
}

// audit returns what the records say, each in a line.
func audit(t *testing.T, output string) (said []string) {
	t.Helper()
	var records []struct{ Outcome, Action, Rule, User, Digest string }
	if err := json.Unmarshal([]byte(output), &records); err != nil {
		t.Fatalf("%v: %s", err, output)
	}
	for _, r := range records {
		said = append(said, strings.Join([]string{r.Outcome, r.Action, r.Rule, r.User, r.Digest}, " "))
	}
	return said
}

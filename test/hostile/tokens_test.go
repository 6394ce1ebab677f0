package hostile

import (
	"net/http"
	"strings"
	"testing"

	"github.com/backref/backref/test/rig"
)

// TestTokensOfOthers uses tokens of a real token service where they are not
// meant for: nothing of another repository may be learnt or changed, nor
// told from one that does not exist.
func TestTokensOfOthers(t *testing.T) {
	rig.Each(t, func(t *testing.T, version rig.Distribution) {
		tokens := rig.NewTokenServer(t)
		tokens.SetUser("owner", rig.User{Password: "pass", Grants: map[string][]string{"secret": {"*"}, "public": {"*"}}})
		tokens.SetUser("guest", rig.User{Password: "pass", Grants: map[string][]string{"public": {"pull"}}})
		w := before(t, rig.NewRegistry(t, version, tokens.RegistryConfig("")))
		b := rig.NewBackref(t, w.URL)
		owner := "Bearer " + tokens.Token("owner", "repository:secret:pull,push,delete", "repository:public:pull,push")
		guest := "Bearer " + tokens.Token("guest", "repository:public:pull", "repository:secret:pull,push,delete")

		subject := rig.Index()
		referrer := rig.Index()
		entry := subject.Descriptor()
		referrer.Subject, referrer.ArtifactType = &entry, "application/vnd.example.secret"
		for _, m := range []rig.Manifest{subject, referrer} {
			rig.Do(t, http.MethodPut, b.URL+"/v2/secret/manifests/"+m.Digest().String(), m.Bytes(),
				"Content-Type", m.MediaType, "Authorization", owner).Want(t, http.StatusCreated)
		}
		listing := "/v2/secret/referrers/" + subject.Digest().String()
		if got := rig.Do(t, http.MethodGet, b.URL+listing, nil, "Authorization", owner); !strings.Contains(string(got.Body), referrer.Digest().String()) {
			t.Fatalf("the owner gets status %d: %s", got.Status, got.Body)
		}
		before := export(t, b)
		for _, c := range []struct{ name, method, path, authorization string }{
			{"listing with a token for another repository", http.MethodGet, listing, guest},
			{"listing without a token", http.MethodGet, listing, ""},
			{"listing with a token that was changed", http.MethodGet, listing, owner[:len(owner)-6] + "AAAAAA"},
			{"listing with a token without its signature", http.MethodGet, listing, owner[:strings.LastIndex(owner, ".")+1]},
			{"listing with another scheme", http.MethodGet, listing, strings.Replace(owner, "Bearer", "Basic", 1)},
			{"pull with a token for another repository", http.MethodGet, "/v2/secret/manifests/" + referrer.Digest().String(), guest},
			{"push with a token to pull", http.MethodPut, "/v2/public/manifests/" + referrer.Digest().String(), guest},
			{"push with a token for another repository", http.MethodPut, "/v2/secret/manifests/" + referrer.Digest().String(), guest},
			{"delete with a token for another repository", http.MethodDelete, "/v2/secret/manifests/" + referrer.Digest().String(), guest},
			{"mount from a repository that is hidden", http.MethodPost, "/v2/public/blobs/uploads/?mount=" + referrer.Digest().String() + "&from=secret", guest},
		} {
			t.Run(c.name, func(t *testing.T) {
				count(t)
				headers := []string{"Content-Type", referrer.MediaType}
				if c.authorization != "" {
					headers = append(headers, "Authorization", c.authorization)
				}
				var body []byte
				if c.method == http.MethodPut {
					body = referrer.Bytes()
				}
				got := rig.Do(t, c.method, b.URL+c.path, body, headers...)
				if got.Status != http.StatusUnauthorized || got.Header.Get("Www-Authenticate") == "" {
					t.Errorf("status %d, header %v: %s", got.Status, got.Header, got.Body)
				}
				if strings.Contains(string(got.Body), "vnd.example.secret") {
					t.Errorf("it tells of the referrer: %s", got.Body)
				}
				if after := export(t, b); after != before {
					t.Errorf("the index was\n%sand is\n%s", before, after)
				}
			})
		}
		t.Run("repository that is hidden and one that is not there", func(t *testing.T) {
			count(t)
			hidden := rig.Do(t, http.MethodGet, b.URL+listing, nil, "Authorization", guest)
			missing := rig.Do(t, http.MethodGet, b.URL+strings.Replace(listing, "secret", "absent", 1), nil, "Authorization", guest)
			same := strings.ReplaceAll(string(missing.Body), "absent", "secret")
			challenge := strings.ReplaceAll(missing.Header.Get("Www-Authenticate"), "absent", "secret")
			if hidden.Status != missing.Status || string(hidden.Body) != same || hidden.Header.Get("Www-Authenticate") != challenge {
				t.Errorf("hidden: %d %s\nmissing: %d %s", hidden.Status, hidden.Body, missing.Status, missing.Body)
			}
		})
	})
}

package access

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/test/rig"
)

func TestRules(t *testing.T) {
	rig.Each(t, func(t *testing.T, version rig.Distribution) {
		p := newPlace(t, version, true)
		clients := p.clientsOf()
		image := rig.Image("image")
		sum := image.Digest().String()
		for _, repository := range []string{"public/app", "team/app", "secret/app"} {
			p.put(clients["root"], repository, "v1", image)
			p.put(clients["root"], repository, "signed", rig.Artifact("application/vnd.example.signature", "s", image.Descriptor()))
		}
		const none = "sha256:0000000000000000000000000000000000000000000000000000000000000000"
		all := func(status int) map[string]int {
			return map[string]int{"nobody": status, "ann": status, "bob": status, "root": status, "dev": status, "impostor": status}
		}
		but := func(statuses map[string]int, others ...any) map[string]int {
			for i := 0; i < len(others); i += 2 {
				statuses[others[i].(string)] = others[i+1].(int)
			}
			return statuses
		}
		for _, c := range []struct {
			request string
			want    map[string]int
		}{
			{"GET /v2/", but(all(200), "nobody", 401)},
			{"GET /v2/public/app/manifests/v1", all(200)},
			{"HEAD /v2/public/app/blobs/" + digest.FromString(rig.Empty).String(), all(200)},
			{"GET /v2/public/app/tags/list", all(200)},
			{"GET /v2/public/app/referrers/" + sum, all(200)},
			{"GET /v2/public/missing/manifests/v1", all(404)},
			{"PUT /v2/public/app/manifests/v2", but(all(403), "nobody", 401, "root", 201)},
			{"POST /v2/public/app/blobs/uploads/", but(all(403), "nobody", 401, "root", 202)},
			{"DELETE /v2/public/app/manifests/" + none, but(all(403), "nobody", 401, "root", 404)},
			{"GET /v2/team/app/manifests/v1", but(all(200), "nobody", 401, "bob", 404, "impostor", 404)},
			{"GET /v2/team/app/tags/list", but(all(200), "nobody", 401, "bob", 404, "impostor", 404)},
			{"GET /v2/team/app/referrers/" + sum, but(all(200), "nobody", 401)},
			{"PUT /v2/team/app/manifests/v2", but(all(403), "nobody", 401, "root", 201, "ann", 201, "dev", 201)},
			{"POST /v2/team/app/blobs/uploads/", but(all(403), "nobody", 401, "root", 202, "ann", 202, "dev", 202)},
			{"DELETE /v2/team/app/manifests/" + none, but(all(403), "nobody", 401, "root", 404, "ann", 404)},
			{"DELETE /v2/team/app/blobs/" + none, but(all(403), "nobody", 401, "root", 404, "ann", 404)},
			{"POST /v2/team/app/manifests/v1", but(all(403), "nobody", 401, "root", 405)},
			{"PUT /v2/team/app/referrers/" + sum, but(all(403), "nobody", 401, "root", 405)},
			{"GET /v2/secret/app/manifests/v1", but(all(404), "nobody", 401, "root", 200)},
			{"GET /v2/inbox/manifests/v1", but(all(403), "nobody", 401, "root", 404)},
			{"POST /v2/inbox/blobs/uploads/", but(all(202), "nobody", 401)},
			{"GET /v2/_catalog", all(200)},
			{"GET /elsewhere", but(all(403), "nobody", 401, "root", 404)},
			{"GET /v2/_oci/ext/discover", but(all(200), "nobody", 401)},
			{"GET /v2/public/app/_backref/graph/tree?subject=v1", all(200)},
			{"GET /v2/public/app/_backref/catalog/tags", all(200)},
			{"GET /v2/team/app/_oci/ext/discover", but(all(200), "nobody", 401, "bob", 404, "impostor", 404)},
			{"GET /v2/team/app/_backref/graph/referrers?subject=v1", but(all(200), "nobody", 401, "bob", 404, "impostor", 404)},
			{"GET /v2/team/app/_backref/graph/parents?digest=" + sum, but(all(200), "nobody", 401, "bob", 404, "impostor", 404)},
			{"GET /v2/team/app/_backref/graph/tree?subject=v1", but(all(200), "nobody", 401, "bob", 404, "impostor", 404)},
			{"GET /v2/team/app/_backref/catalog/artifacts", but(all(200), "nobody", 401, "bob", 404, "impostor", 404)},
			{"GET /v2/team/app/_backref/catalog/tags", but(all(200), "nobody", 401, "bob", 404, "impostor", 404)},
			{"POST /v2/team/app/_backref/catalog/tags", but(all(403), "nobody", 401, "root", 405)},
			{"GET /v2/team/app/_backref/x", but(all(403), "nobody", 401, "root", 404)},
		} {
			method, path, _ := strings.Cut(c.request, " ")
			for _, name := range slices.Sorted(maps.Keys(c.want)) {
				var body []byte
				if method == http.MethodPut {
					body = image.Bytes()
				}
				got := p.as(clients[name], method, path, body, "Content-Type", rig.ImageManifest, "Accept", rig.ImageManifest)
				if got.Status != c.want[name] {
					t.Errorf("%s: %s got %d, want %d: %s", c.request, name, got.Status, c.want[name], got.Body)
				}
				wantErrorOf(t, c.request+" by "+name, got)
			}
		}
		for _, name := range []string{"nobody", "bob"} {
			var list struct{ Manifests []rig.Descriptor }
			got := p.as(clients[name], http.MethodGet, "/v2/secret/app/referrers/"+sum, nil)
			if err := json.Unmarshal(got.Body, &list); err != nil || len(list.Manifests) > 0 {
				t.Errorf("%s sees %s", name, got.Body)
			}
		}
		for name, want := range map[string]string{
			"nobody": "public/app", "bob": "public/app", "ann": "public/app team/app", "root": "public/app secret/app team/app",
		} {
			var list struct{ Repositories []string }
			got := p.as(clients[name], http.MethodGet, "/v2/_catalog", nil)
			if err := json.Unmarshal(got.Body, &list); err != nil || strings.Join(list.Repositories, " ") != want {
				t.Errorf("the catalog of %s: %s", name, got.Body)
			}
		}
		wrong := p.as(clients["wrong"], http.MethodGet, "/v2/public/app/manifests/v1", nil)
		if wrong.Status != http.StatusUnauthorized {
			t.Errorf("with a wrong password, what all may see: %d", wrong.Status)
		}
	})
}

// wantErrorOf checks how a refusal looks.
func wantErrorOf(t *testing.T, what string, got rig.Reply) {
	t.Helper()
	codes := map[int]string{http.StatusUnauthorized: "UNAUTHORIZED", http.StatusForbidden: "DENIED"}
	code, refused := codes[got.Status]
	if !refused {
		return
	}
	if !strings.Contains(string(got.Body), `"code":"`+code+`"`) && len(got.Body) > 0 {
		t.Errorf("%s: %s", what, got.Body)
	}
	challenges := fmt.Sprint(got.Header.Values("WWW-Authenticate"))
	want := `[Basic realm="backref", charset="UTF-8" Bearer realm="backref"]`
	if (got.Status == http.StatusUnauthorized) != (challenges == want) {
		t.Errorf("%s: %d with the challenges %s", what, got.Status, challenges)
	}
}

// shown is all that a client can see of a reply.
func shown(r rig.Reply) string {
	header := r.Header.Clone()
	header.Del("Date")
	header.Del("X-Request-Id")
	return fmt.Sprintf("%d %v %s", r.Status, header, r.Body)
}

func TestHiddenLooksLikeNonexistent(t *testing.T) {
	rig.Each(t, func(t *testing.T, version rig.Distribution) {
		p := newPlace(t, version, true)
		clients := p.clientsOf()
		image := rig.Image("image")
		sum := image.Digest().String()
		p.put(clients["root"], "secret/app", "v1", image)
		for i := range 3 {
			artifact := rig.Artifact("application/vnd.example.sbom", fmt.Sprint(i), image.Descriptor())
			p.put(clients["root"], "secret/app", artifact.Digest().String(), artifact)
		}
		// It exists, is in the index, and what is remembered of it is warm.
		var list struct{ Manifests []rig.Descriptor }
		got := p.as(clients["root"], http.MethodGet, "/v2/secret/app/referrers/"+sum, nil)
		if err := json.Unmarshal(got.Body, &list); err != nil || len(list.Manifests) != 3 {
			t.Fatalf("root sees %s", got.Body)
		}
		blob := digest.FromString(rig.Empty).String()
		for _, request := range []string{
			"GET manifests/v1", "HEAD manifests/v1", "GET manifests/" + sum, "GET blobs/" + blob, "HEAD blobs/" + blob, "GET tags/list",
			"GET tags/list?n=1", "GET referrers/" + sum, "HEAD referrers/" + sum, "GET referrers/" + sum + "?n=1",
			"GET referrers/" + sum + "?artifactType=application/vnd.example.sbom", "GET referrers/" + sum + "?n=x",
			"PUT manifests/v1", "POST blobs/uploads/", "DELETE manifests/" + sum, "DELETE blobs/" + blob, "PATCH blobs/uploads/1",
		} {
			method, rest, _ := strings.Cut(request, " ")
			for _, name := range []string{"nobody", "bob", "dev", "wrong"} {
				var body []byte
				if method == http.MethodPut {
					body = image.Bytes()
				}
				hidden := shown(p.as(clients[name], method, "/v2/secret/app/"+rest, body, "Content-Type", rig.ImageManifest))
				missing := shown(p.as(clients[name], method, "/v2/secret/none/"+rest, body, "Content-Type", rig.ImageManifest))
				if hidden != missing {
					t.Errorf("%s by %s:\nhidden  %s\nmissing %s", request, name, hidden, missing)
				}
			}
		}
		// A listing looks like that of a missing repository which one may see.
		for _, query := range []string{"", "?n=1", "?artifactType=application/vnd.example.sbom"} {
			hidden := shown(p.as(clients["bob"], http.MethodGet, "/v2/secret/app/referrers/"+sum+query, nil))
			missing := shown(p.as(clients["bob"], http.MethodGet, "/v2/public/none/referrers/"+sum+query, nil))
			if hidden != missing {
				t.Errorf("referrers%s:\nhidden  %s\nmissing %s", query, hidden, missing)
			}
		}
		if after := p.as(clients["root"], http.MethodGet, "/v2/secret/app/referrers/"+sum, nil); string(after.Body) != string(got.Body) {
			t.Errorf("strangers changed the listing: %s", after.Body)
		}
	})
}

func TestMountsNeedTheRightToPull(t *testing.T) {
	rig.Each(t, func(t *testing.T, version rig.Distribution) {
		p := newPlace(t, version, true)
		clients := p.clientsOf()
		shared := p.blob(clients["root"], "team/lib", "shared")
		secret := p.blob(clients["root"], "secret/app", "the secret content")
		mount := func(query string) rig.Reply {
			return p.as(clients["ann"], http.MethodPost, "/v2/team/app/blobs/uploads/?"+query, nil)
		}
		mount("mount="+shared+"&from=team/lib").Want(t, http.StatusCreated)
		p.as(clients["ann"], http.MethodGet, "/v2/team/app/blobs/"+shared, nil).Want(t, http.StatusOK)
		for _, query := range []string{
			"mount=" + secret + "&from=secret/app", "mount=" + secret, "mount=" + secret + "&from=",
			"mount=" + secret + "&from=team/lib&from=secret/app", "mount=" + secret + "&from=secret/app&from=team/lib",
			"mount=" + shared + "&mount=" + secret + "&from=team/lib", "mount=" + secret + "&from=secret%2Fapp", "mount=" + secret + "&from=team/../secret/app",
		} {
			mount(query).Want(t, http.StatusAccepted)
			p.as(clients["ann"], http.MethodGet, "/v2/team/app/blobs/"+secret, nil).Want(t, http.StatusNotFound)
		}
		mount("mount=%zz&from=secret/app").Want(t, http.StatusBadRequest)
		// Distribution reads the parameters from a form, too.
		form := []byte("mount=" + secret + "&from=secret/app")
		p.as(clients["ann"], http.MethodPost, "/v2/team/app/blobs/uploads/", form, "Content-Type", "application/x-www-form-urlencoded").Want(t, http.StatusAccepted)
		p.as(clients["ann"], http.MethodGet, "/v2/team/app/blobs/"+secret, nil).Want(t, http.StatusNotFound)
	})
}

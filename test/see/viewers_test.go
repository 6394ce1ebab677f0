package see

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/backref/backref/test/rig"
)

// viewedPages are the pages that [compareViewers] looks at: {name} is a repository, {tag},
// {image}, {artifact} and {blob} are what is in it. A new page is a line here.
func viewedPages() []string {
	return []string{
		"/repositories", "/repositories?q=kept", "/r/{name}", "/r/{name}?q=tag", "/r/{name}/-/artifacts",
		"/r/{name}/-/image/{tag}", "/r/{name}/-/image/{image}", "/r/{name}/-/artifact/{artifact}", "/r/{name}/-/blob/{blob}",
		"/r/{name}/-/download/{blob}", "/r/{name}/-/image/no-such-tag", "/r/{name}/-/no-such-page",
		"/r/{name}/-/coverage?all=1", "/r/{name}/-/coverage?all=1&require=report+attestation:*&tag={tag}", "/r/{name}/-/diff?from={tag}&to={image}",
		"/r/{name}/-/diff?from={tag}&to={artifact}", "/r/{name}/-/news", "/r/{name}/-/feed",
	}
}

// kept is a repository with what only some may see, each with a text of its own that is
// nowhere else.
type kept struct {
	name, tag             string
	image, artifact, blob string
	// marks are those texts.
	marks []string
}

// keep pushes such a repository to a registry, and its artifact by backref, which indexes
// it.
func keep(t *testing.T, registry, backref, name, mark string, direct, through []string) kept {
	t.Helper()
	k := kept{name: name, tag: "tag-" + mark}
	image := rig.Image("annotation-of-image-" + mark)
	push(t, registry, name, k.tag, image, direct...)
	artifact := rig.Artifact("application/vnd.test.type-"+mark, "annotation-of-artifact-"+mark, image.Descriptor())
	push(t, backref, name, "", artifact, through...)
	k.image, k.artifact, k.blob = image.Digest().String(), artifact.Digest().String(), rig.BlobDescriptor("x").Digest.String()
	k.marks = []string{mark, k.image, k.artifact, k.image[7:19], k.artifact[7:19]}
	return k
}

// at returns the path of a page about the repository, or of one with another name.
func (k kept) at(page, name string) string {
	return strings.NewReplacer("{name}", name, "{tag}", k.tag, "{image}", k.image, "{artifact}", k.artifact, "{blob}", k.blob).Replace(page)
}

// varying finds what differs between two answers to the same request.
func varying() *regexp.Regexp { return regexp.MustCompile(`name="token" value="[^"]+"`) }

// seen is all that a viewer gets of a page: body and header, but for what differs each
// time; what the viewer asked by is taken from it.
func seen(a answer, asked ...string) string {
	var lines []string
	for name, values := range a.header {
		if !slices.Contains([]string{"Date", "X-Request-Id", "Set-Cookie", "Content-Length"}, name) {
			lines = append(lines, name+": "+strings.Join(values, ", "))
		}
	}
	slices.Sort(lines)
	all := strings.Join(lines, "\n") + "\n\n" + varying().ReplaceAllString(a.body, "")
	for _, text := range asked {
		for _, written := range []string{text, strings.ReplaceAll(text, "/", "%2F"), strings.ReplaceAll(text, ":", "%3A"), strings.ReplaceAll(text, "/", "%2f")} {
			all = strings.ReplaceAll(all, written, "·")
		}
	}
	return all
}

// compareViewers looks at each page, as HTML and as JSON, as who may see one repository,
// as who may see another, as nobody and as an operator: nothing of what only another may
// see is in any byte, and a repository that is hidden looks as one that doesn't exist.
func compareViewers(t *testing.T, ada, ben, nobody, operator *looker, a, b kept, pages []string) {
	t.Helper()
	const unknown = "nowhere/nosuch"
	shown := map[*looker]int{}
	for _, page := range pages {
		for _, format := range []string{"", "format=json"} {
			path := page
			if format != "" && strings.Contains(page, "?") {
				path += "&" + format
			} else if format != "" {
				path += "?" + format
			}
			for _, look := range []struct {
				who           string
				by            *looker
				hidden, other kept
			}{{"ada", ada, b, a}, {"ben", ben, a, b}, {"nobody", nobody, a, b}, {"nobody", nobody, b, a}} {
				// What is hidden, asked for by its own address.
				got := look.by.send(look.hidden.at(path, look.hidden.name), nil)
				none := look.by.send(look.hidden.at(path, unknown), nil)
				about := []string{look.hidden.name, unknown, look.hidden.tag, look.hidden.image, look.hidden.artifact, look.hidden.blob}
				if one, two := seen(got, about...), seen(none, about...); got.status != none.status || one != two {
					t.Errorf("%s at %s: what is hidden can be told from what isn't there:\n%d %s\n---\n%d %s", look.who, path, got.status, one, none.status, two)
				}
				// And within the pages that are shown.
				open := look.by.send(look.other.at(path, look.other.name), nil)
				for _, text := range []string{seen(got, about...), seen(open)} {
					for _, mark := range append(look.hidden.marks, look.hidden.name) {
						if strings.Contains(text, mark) && mark != look.other.image[7:19] {
							t.Errorf("%s at %s is shown %q:\n%s", look.who, path, mark, text)
						}
					}
				}
				if open.status == http.StatusOK && strings.Contains(page, "{name}") {
					shown[look.by]++
				}
			}
			if got := operator.send(a.at(path, a.name), nil); got.status == http.StatusOK && strings.Contains(page, "{name}") {
				shown[operator]++
			}
		}
	}
	if shown[ada] == 0 || shown[ben] == 0 || shown[operator] == 0 || shown[nobody] != 0 {
		t.Errorf("pages shown to ada: %d, ben: %d, an operator: %d, nobody: %d", shown[ada], shown[ben], shown[operator], shown[nobody])
	}
}

// With rules of backref's own.
func TestViewersSeeWhatRulesSay(t *testing.T) {
	users := rig.NewHtpasswd(t, "ada", adaPassword, "ben", benPassword, "root", "root-pages-s3cret")
	registry := rig.NewRegistry(t, rig.Distribution3)
	backref := viewed(t, registry.URL, "--config", service(t, users, nil), "--set", "ui.public=true")
	root := []string{"Authorization", basicOf("root", "root-pages-s3cret")}
	a := keep(t, registry.URL, backref.URL, "team-a/kept", "mark4a71", nil, root)
	b := keep(t, registry.URL, backref.URL, "team-b/kept", "mark9b35", nil, root)
	pages := backref.URL + publicPages
	ada, ben := newLooker(t, pages), newLooker(t, pages)
	ada.signIn("ada", adaPassword, "/repositories").want(t, http.StatusOK)
	ben.signIn("ben", benPassword, "/repositories").want(t, http.StatusOK)
	compareViewers(t, ada, ben, newLooker(t, pages), newLooker(t, backref.AdminURL+"/ui"), a, b, viewedPages())
}

// With a registry that says for each repository who may read it.
func TestViewersSeeWhatTheRegistrySays(t *testing.T) {
	tokens := rig.NewTokenServer(t)
	tokens.SetUser("ada", rig.User{Password: adaPassword, Grants: map[string][]string{"team-a/kept": {"pull"}}})
	tokens.SetUser("ben", rig.User{Password: benPassword, Grants: map[string][]string{"team-b/kept": {"pull"}}})
	tokens.SetUser("backref", rig.User{Password: servicePassword, Grants: map[string][]string{"*": {"*"}, "registry:catalog": {"*"}}})
	registry := rig.NewRegistry(t, rig.Distribution3, tokens.RegistryConfig(""))
	backref := viewed(t, registry.URL, "--set", "upstream.service.username=backref", "--set", "upstream.service.passwordFile="+secretFile(t, servicePassword))
	may := func(name string) []string {
		return []string{"Authorization", "Bearer " + tokens.Token("backref", "repository:"+name+":pull,push")}
	}
	a := keep(t, registry.URL, backref.URL, "team-a/kept", "mark4a71", may("team-a/kept"), may("team-a/kept"))
	b := keep(t, registry.URL, backref.URL, "team-b/kept", "mark9b35", may("team-b/kept"), may("team-b/kept"))
	pages := backref.URL + publicPages
	ada, ben := newLooker(t, pages), newLooker(t, pages)
	ada.signIn("ada", adaPassword, "/r/team-a/kept").want(t, http.StatusOK)
	ben.signIn("ben", benPassword, "/r/team-b/kept").want(t, http.StatusOK)
	compareViewers(t, ada, ben, newLooker(t, pages), newLooker(t, backref.AdminURL+"/ui"), a, b, viewedPages())
}

package see

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/backref/backref/test/rig"
)

func basic(user string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":x"))
}

// tryNotices runs a command about the notices of a server.
func tryNotices(t *testing.T, b *rig.Backref, args ...string) rig.Command {
	t.Helper()
	return rig.TryCommandLine(t, t.TempDir(), append(append([]string{"notices"}, args...), "--admin", b.AdminURL)...)
}

// notices is the same, which has to succeed; it returns what is printed.
func notices(t *testing.T, b *rig.Backref, args ...string) string {
	t.Helper()
	c := tryNotices(t, b, args...)
	if c.Err != nil {
		t.Fatalf("backref notices %s: %v\n%s%s", strings.Join(args, " "), c.Err, c.Stdout, c.Stderr)
	}
	return c.Stdout
}

// referrersOf pushes an image, and returns referrers of it that are not pushed yet.
func referrersOf(t *testing.T, base, repository string, names ...string) []rig.Manifest {
	t.Helper()
	image := rig.Image("hooked")
	rig.PushBlob(t, base, repository, rig.Empty)
	rig.Push(t, base, repository, "v1", image).Want(t, http.StatusCreated)
	var all []rig.Manifest
	for _, name := range names {
		all = append(all, rig.Artifact("application/vnd.example.scan", name, image.Descriptor()))
	}
	return all
}

func digestsOf(manifests ...rig.Manifest) (all []string) {
	for _, m := range manifests {
		all = append(all, m.Digest().String())
	}
	return all
}

// A hook is told of each referrer that it is about, in their order, and after a restart
// of those alone that came since. It needs no credentials of the registry.
func TestNoticeHook(t *testing.T) {
	t.Parallel()
	receiver, secret := newNoticeReceiver(t)
	b := rig.NewBackref(t, rig.NewRegistry(t, rig.Distribution2).URL, "--set", hookSetting(t, receiver, secret, ", repositories: ['prod/**'], artifactTypes: ['*.scan']"))
	prod := referrersOf(t, b.URL, "prod/app", "a", "b", "c")
	test := referrersOf(t, b.URL, "test/app", "d")
	other := prod[0]
	rig.Push(t, b.URL, "test/app", "", test[0]).Want(t, http.StatusCreated)
	for _, m := range prod[:2] {
		rig.Push(t, b.URL, "prod/app", "", m).Want(t, http.StatusCreated)
	}
	rig.Push(t, b.URL, "prod/app", "", other).Want(t, http.StatusCreated)
	rig.Eventually(t, "two are told", func() bool { return slices.Equal(receiver.took(t), digestsOf(prod[:2]...)) })
	b.Restart()
	rig.Push(t, b.URL, "prod/app", "", prod[2]).Want(t, http.StatusCreated)
	rig.Eventually(t, "the third is told", func() bool { return slices.Equal(receiver.once(t), digestsOf(prod...)) })
	if out := notices(t, b, "test", "scans"); !strings.Contains(out, "delivered") {
		t.Errorf("test says %q", out)
	}
	if said := strings.Join(b.Log(), "\n"); strings.Contains(said, "s3cr3t") || strings.Contains(said, "whsec_") {
		t.Error("a secret is in the log")
	}
	delivered := regexp.MustCompile(`backref_notice_deliveries_total\{hook="scans",result="delivered"\} [1-9]`)
	rig.Eventually(t, "the delivery is counted", func() bool {
		return delivered.Match(rig.Do(t, http.MethodGet, b.AdminURL+"/metrics", nil).Body)
	})
}

// What a client of every day attaches is told with all that is said of it.
func TestNoticeOfWhatOrasAttaches(t *testing.T) {
	t.Parallel()
	receiver, secret := newNoticeReceiver(t)
	b := rig.NewBackref(t, rig.NewRegistry(t, rig.Distribution2).URL, "--set", hookSetting(t, receiver, secret, ", annotations: ['severity=high']"))
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "scan.json"), []byte(`{"found":[]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	image := b.Host + "/prod/app:v1"
	rig.Run(t, dir, "oras", "push", "--plain-http", image, "scan.json:application/json")
	attach := func(severity string) string {
		return strings.TrimSpace(rig.Run(t, dir, "oras", "attach", "--plain-http", "--artifact-type", "application/vnd.example.scan",
			"--annotation", "severity="+severity, "--format", "go-template={{.digest}}", image, "scan.json:application/json"))
	}
	attach("low")
	want := attach("high")
	rig.Eventually(t, "it is told", func() bool { return len(receiver.once(t)) > 0 })
	if got := receiver.once(t); !slices.Equal(got, []string{want}) {
		t.Errorf("told %v, want %s", got, want)
	}
}

// A receiver that fails for a while gets everything, in order, once it is fine.
func TestNoticeHookThatFails(t *testing.T) {
	t.Parallel()
	receiver, secret := newNoticeReceiver(t)
	receiver.answers(http.StatusServiceUnavailable, http.Header{"Retry-After": {"1"}})
	b := rig.NewBackref(t, rig.NewRegistry(t, rig.Distribution2).URL, "--set", hookSetting(t, receiver, secret, ""))
	all := referrersOf(t, b.URL, "app", "a", "b")
	for _, m := range all {
		rig.Push(t, b.URL, "app", "", m).Want(t, http.StatusCreated)
	}
	rig.Eventually(t, "it is tried", func() bool { return receiver.refusals() > 0 })
	receiver.answers(0, nil)
	rig.Eventually(t, "both are told", func() bool { return slices.Equal(receiver.took(t), digestsOf(all...)) })
}

// What is never taken becomes a dead letter, which is sent again on demand, or dropped.
func TestNoticeDeadLetters(t *testing.T) {
	t.Parallel()
	receiver, secret := newNoticeReceiver(t)
	receiver.answers(http.StatusFound, http.Header{"Location": {receiver.URL + "/elsewhere"}})
	b := rig.NewBackref(t, rig.NewRegistry(t, rig.Distribution2).URL, "--set", hookSetting(t, receiver, secret, ", attempts: 1"))
	all := referrersOf(t, b.URL, "app", "a", "b")
	for _, m := range all {
		rig.Push(t, b.URL, "app", "", m).Want(t, http.StatusCreated)
	}
	dead := func() (letters []struct{ ID, Hook, Reason, Message string }) {
		if err := json.Unmarshal([]byte(notices(t, b, "dead", "-o", "json")), &letters); err != nil {
			t.Fatal(err)
		}
		return letters
	}
	rig.Eventually(t, "both are dead", func() bool { return len(dead()) == 2 })
	if n := receiver.refusals(); n != 2 {
		t.Errorf("it was asked %d times: a redirect was followed", n)
	}
	letters := dead()
	if c := tryNotices(t, b, "retry", letters[0].ID); c.Err == nil {
		t.Errorf("retried: %s", c.Stdout)
	}
	receiver.answers(0, nil)
	notices(t, b, "retry", letters[0].ID)
	if got := receiver.took(t); !slices.Equal(got, digestsOf(all[0])) || receiver.ids[0] != letters[0].Message {
		t.Errorf("took %v as %v, want %s", got, receiver.ids, letters[0].Message)
	}
	notices(t, b, "retry", "--all", "--drop")
	if left := dead(); len(left) != 0 {
		t.Errorf("left %v", left)
	}
	rig.Do(t, http.MethodPost, b.AdminURL+"/admin/notices/dead/"+letters[0].ID+"/retry", nil).Want(t, http.StatusNotFound)
}

// A receiver that is gone is left alone, until a test reaches it.
func TestNoticeHookThatIsGone(t *testing.T) {
	t.Parallel()
	receiver, secret := newNoticeReceiver(t)
	receiver.answers(http.StatusGone, nil)
	b := rig.NewBackref(t, rig.NewRegistry(t, rig.Distribution2).URL, "--set", "notices.keep=1h", "--set", hookSetting(t, receiver, secret, ""))
	all := referrersOf(t, b.URL, "app", "a")
	rig.Push(t, b.URL, "app", "", all[0]).Want(t, http.StatusCreated)
	rig.Eventually(t, "it is said", func() bool { return strings.Contains(strings.Join(b.Log(), "\n"), "wants no more messages") })
	receiver.answers(0, nil)
	notices(t, b, "test", "scans")
	rig.Eventually(t, "it is told", func() bool { return slices.Contains(receiver.took(t), all[0].Digest().String()) })
}

// A kill at any moment between the client's 201 and the delivery loses nothing.
func TestNoticesSurviveKills(t *testing.T) {
	t.Parallel()
	receiver, secret := newNoticeReceiver(t)
	b := rig.NewBackref(t, rig.NewRegistry(t, rig.Distribution2).URL, "--set", hookSetting(t, receiver, secret, ""),
		"--set", "upstream.service.anonymous=true", "--set", "reconcile.settleInterval=200ms")
	all := referrersOf(t, b.URL, "app", "a", "b", "c", "d", "e", "f")
	for _, m := range all {
		rig.Push(t, b.URL, "app", "", m).Want(t, http.StatusCreated)
		b.Restart()
		// A reader settles what the kill left open.
		rig.Listing(t, b.URL, "app", all[0].Subject.Digest)
	}
	rig.Eventually(t, "all are told", func() bool { return slices.Equal(receiver.once(t), digestsOf(all...)) })
}

// Of two replicas one tells of each referrer, in order; when it is killed the other goes on.
func TestNoticesOfReplicas(t *testing.T) {
	t.Parallel()
	receiver, secret := newNoticeReceiver(t)
	registry, database := rig.NewRegistry(t, rig.Distribution2), rig.NewPostgres(t, false)
	one := rig.NewReplica(t, registry.URL, database, "--set", hookSetting(t, receiver, secret, ""))
	two := rig.NewReplica(t, registry.URL, database, "--set", hookSetting(t, receiver, secret, ""))
	all := referrersOf(t, one.URL, "app", "a", "b", "c", "d")
	rig.Push(t, one.URL, "app", "", all[0]).Want(t, http.StatusCreated)
	rig.Push(t, two.URL, "app", "", all[1]).Want(t, http.StatusCreated)
	rig.Eventually(t, "both are told", func() bool { return len(receiver.once(t)) == 2 })
	one.Kill()
	for _, m := range all[2:] {
		rig.Push(t, two.URL, "app", "", m).Want(t, http.StatusCreated)
	}
	rig.Eventually(t, "all are told", func() bool { return len(receiver.once(t)) == 4 })
	// A message that was taken just before the kill may come again, under its identifier.
	if got := receiver.once(t); !slices.Equal(got, digestsOf(all...)) {
		t.Errorf("told %v, want %v", got, digestsOf(all...))
	}
}

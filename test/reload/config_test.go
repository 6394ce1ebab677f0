package reload

import (
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/backref/backref/test/rig"
)

// One place, one registry: each part begins where the one before has ended.
func TestAChangedConfigurationCounts(t *testing.T) {
	p := newPlace(t, pullOnly, "--set", "limits.pageSize=500")
	if got := p.push(); got != http.StatusForbidden {
		t.Fatalf("a push that no rule allows: %d", got)
	}
	if got := p.metric(successful); got != "1" {
		t.Errorf("after the start %s is %q", successful, got)
	}
	begun := p.metric("backref_config_last_reload_success_timestamp_seconds")

	p.configure(pullAndPush)
	p.eventually("the push is allowed", func() bool { return p.push() == http.StatusAccepted })
	p.eventually("the log names the key", func() bool { return p.said("the configuration was read again", `"changed":["auth.rules"]`) == 1 })
	if now := p.metric("backref_config_last_reload_success_timestamp_seconds"); now == begun {
		t.Errorf("the time of the last success stays %s", now)
	}

	// A wrong one changes nothing, not even what is right of it.
	p.configure(pullOnly + "limits: {concurrency: many}\n")
	p.eventually("the metric tells", func() bool { return p.metric(successful) == "0" && p.metric(failures) == "1" })
	p.eventually("the log says key and reason", func() bool { return p.said("that of before stays", "backref.yaml:7: limits.concurrency: ") == 1 })
	if got := p.push(); got != http.StatusAccepted {
		t.Errorf("a push by the rules of before: %d", got)
	}
	// Meanwhile what the files hold counts.
	p.users("ann", annPassword)
	p.eventually("bob is refused", func() bool { return p.as("bob", bobPassword, http.MethodGet, "/v2/", nil) == http.StatusUnauthorized })

	// The other keys count, and what needs a restart is named.
	p.configure(pullAndPush + "limits: {manifestSize: 1KiB, trackedSubjects: 7, pageSize: 3}\nserver: {idleTimeout: 1s}\nlog: {level: debug, format: text}\n")
	p.eventually("it is right again", func() bool { return p.metric(successful) == "1" })
	p.eventually("what needs a restart is named", func() bool {
		return p.said("need a restart", `"keys":["server.idleTimeout","limits.trackedSubjects","log.format"]`) == 1
	})
	// A flag wins over the file as at the start.
	if p.said(`"changed":["limits.manifestSize","log.level"]`) != 1 {
		t.Errorf("the log doesn't name what counts:\n%s", strings.Join(p.Log(), "\n"))
	}
	large := []byte(`{"a":"` + strings.Repeat("x", 2000) + `"}`)
	if got := p.as("ann", annPassword, http.MethodPut, "/v2/app/manifests/v1", large, "Content-Type", "application/vnd.oci.image.manifest.v1+json"); got != http.StatusRequestEntityTooLarge {
		t.Errorf("a manifest beyond the new limit: %d", got)
	}

	p.configure(pullAndPush + "log: {level: warn}\n")
	p.eventually("the level counts", func() bool { return p.metric(successes) == "3" })
	requests := p.said(`"message":"request"`)

	// What depends on a restart is not half taken.
	p.write("backref.yaml", "upstream: {service: {anonymous: true}}\n")
	p.eventually("it is refused", func() bool { return p.said("needs a restart, for", "auth.mode", "until then auth.rules: ") == 1 })
	if got := p.push(); got != http.StatusAccepted {
		t.Errorf("a push by the rules of before: %d", got)
	}
	p.write("backref.yaml", "nonsense")
	p.eventually("the log goes on", func() bool { return p.metric(successful) == "0" && p.said("need keys and values") == 1 })
	if now := p.said(`"message":"request"`); now != requests {
		t.Errorf("requests are logged at the level warn: %d lines, before %d", now, requests)
	}
}

// What is gone for a moment, or is being written, is not taken for a
// configuration that says nothing.
func TestAFileThatIsGoneForAMoment(t *testing.T) {
	p := newPlace(t, pullAndPush)
	if err := os.Remove(p.config); err != nil {
		t.Fatal(err)
	}
	p.eventually("it is missed", func() bool { return p.said("is missing or empty") == 1 })
	if err := os.WriteFile(p.config, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	p.hangUp()
	p.eventually("nothing is taken of nothing", func() bool { return p.said("that of before stays", "is empty") == 1 })
	if got := p.push(); got != http.StatusAccepted {
		t.Errorf("a push by the rules of before: %d", got)
	}
	p.configure(pullOnly)
	p.eventually("what is there again counts", func() bool { return p.push() == http.StatusForbidden })
	if missed, failed := p.said("is missing or empty"), p.said("that of before stays"); missed > 2 || failed != 1 {
		t.Errorf("%d lines tell that it is missing, %d of an error:\n%s", missed, failed, strings.Join(p.Log(), "\n"))
	}
}

// A volume of Kubernetes is a folder behind a link, which is swapped.
func TestASwappedLink(t *testing.T) {
	p := newPlace(t, pullOnly)
	volume := p.path("volume")
	swap := func(version, rules string) {
		content, err := os.ReadFile(p.config)
		if err != nil {
			t.Fatal(err)
		}
		head, _, _ := strings.Cut(string(content), "  rules:")
		folder := volume + "/.." + version
		if err := os.MkdirAll(folder, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(folder+"/backref.yaml", []byte(head+rules), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(".."+version, volume+"/..data_tmp"); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(volume+"/..data_tmp", volume+"/..data"); err != nil {
			t.Fatal(err)
		}
	}
	swap("1", pullOnly)
	if err := os.Symlink("..data/backref.yaml", volume+"/backref.yaml"); err != nil {
		t.Fatal(err)
	}
	p.Restart("--config", volume+"/backref.yaml")
	if got := p.push(); got != http.StatusForbidden {
		t.Fatalf("a push that no rule allows: %d", got)
	}
	swap("2", pullAndPush)
	p.eventually("the push is allowed", func() bool { return p.push() == http.StatusAccepted })
}

// With reload.watch off only SIGHUP counts.
func TestOnlyAHangUpCounts(t *testing.T) {
	p := newPlace(t, pullOnly, "--set", "reload.watch=false")
	p.configure(pullAndPush)
	before := time.Now()
	p.eventually("some looks would have been", func() bool { return time.Since(before) > 200*time.Millisecond })
	if got := p.push(); got != http.StatusForbidden {
		t.Errorf("a change counts unasked: %d", got)
	}
	p.hangUp()
	p.eventually("the push is allowed", func() bool { return p.push() == http.StatusAccepted })
	p.eventually("the log says why", func() bool { return p.said(`"cause":"SIGHUP"`) == 1 })
}

// A hundred reloads lose no request.
func TestReloadsUnderLoad(t *testing.T) {
	p := newPlace(t, pullAndPush, "--set", "reload.watch=false")
	done, ended := make(chan struct{}), make(chan error, 2)
	for range cap(ended) {
		go func() {
			for {
				select {
				case <-done:
					ended <- nil
					return
				default:
				}
				r := http.Request{Header: http.Header{}}
				r.SetBasicAuth("ann", annPassword)
				reply, err := rig.Send(t, http.MethodPost, p.URL+"/v2/app/blobs/uploads/", nil, "Authorization", r.Header.Get("Authorization"))
				if err == nil && reply.Status != http.StatusAccepted {
					err = &lost{reply.Status, string(reply.Body)}
				}
				if err != nil {
					ended <- err
					return
				}
			}
		}()
	}
	one, two := p.userLines("ann", annPassword), p.userLines("ann", annPassword, "carol", "carol-s3cret")
	for i := range 100 {
		if i%2 == 0 {
			p.configure(pullAndPush + "limits: {clientRate: 100000, clientConcurrency: 50, manifestMemory: 5MiB, transferInterval: 20s}\nlog: {level: warn}\n")
			p.write("users", two)
		} else {
			p.configure(pullAndPush + "log: {level: warn}\n")
			p.write("users", one)
		}
		p.hangUp()
		p.eventually("it is read again", func() bool { return p.metric(successes) == strconv.Itoa(i+1) })
	}
	close(done)
	for range cap(ended) {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

// lost is a request that was not served.
type lost struct {
	status int
	body   string
}

func (l *lost) Error() string { return http.StatusText(l.status) + ": " + l.body }

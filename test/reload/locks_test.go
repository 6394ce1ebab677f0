package reload

import (
	"net/http"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/test/rig"
)

// C6: locks count without a restart, and end by themselves; with wrong ones those
// of before stay.
func TestC6LocksCountAtOnce(t *testing.T) {
	const locked, rule = pullAndPush + "tags:\n  locks: [{name: ", ", repositories: [app], tags: [v1]"
	p := newPlace(t, pullAndPush)
	ann := http.Request{Header: http.Header{}}
	ann.SetBasicAuth("ann", annPassword)
	signedIn := []string{"Authorization", ann.Header.Get("Authorization")}
	begun := rig.Do(t, http.MethodPost, p.URL+"/v2/app/blobs/uploads/", nil, signedIn...).Want(t, http.StatusAccepted)
	rig.Do(t, http.MethodPut, begun.Location+"&digest="+digest.FromString(rig.Empty).String(), []byte(rig.Empty), signedIn...).Want(t, http.StatusCreated)
	count := 0
	move := func() int {
		count++
		m := rig.Image(time.Duration(count).String())
		return p.as("ann", annPassword, http.MethodPut, "/v2/app/manifests/v1", m.Bytes(), "Content-Type", m.MediaType)
	}
	if got := move(); got != http.StatusCreated {
		t.Fatalf("without a lock: %d", got)
	}
	p.configure(locked + "stays" + rule + "}]\n")
	p.eventually("the tag is locked", func() bool { return move() == http.StatusForbidden })
	p.eventually("the log names the key", func() bool { return p.said("the configuration was read again", `"changed":["tags.locks"]`) == 1 })

	for wrong, says := range map[string]string{
		locked + "stays" + rule + ", until: tomorrow}]\n":           `tags.locks: rule \"stays\": until: \"tomorrow\" is not a time`,
		locked + `"", repositories: [app], tags: [v1]}]` + "\n":     `tags.locks: rule 1: has no name`,
		locked + "stays" + rule + ", version: all}]\n":              "tags.locks[0].version: unknown key (did you mean tags.locks[0].versions?)",
		locked + "stays" + rule + "}, {name: stays" + rule + "}]\n": `tags.locks: rule \"stays\": another rule has this name`,
	} {
		p.configure(wrong)
		p.eventually("the log says key and reason: "+says, func() bool { return p.said("that of before stays", says) == 1 })
		if got := p.metric(successful); got != "0" {
			t.Errorf("%s is %s", successful, got)
		}
		if got := move(); got != http.StatusForbidden {
			t.Errorf("by the lock of before: %d", got)
		}
	}
	p.configure(locked + "stays" + rule + ", until: " + time.Now().Add(time.Second).Format(time.RFC3339Nano) + "}]\n")
	p.eventually("it is right again", func() bool { return p.metric(successful) == "1" })
	p.eventually("the lock ends", func() bool { return move() == http.StatusCreated })
	p.configure(locked + "other" + rule + "}]\n")
	p.eventually("another locks it", func() bool { return move() == http.StatusForbidden })
	p.configure(pullAndPush)
	p.eventually("the lock is gone", func() bool { return move() == http.StatusCreated })
}

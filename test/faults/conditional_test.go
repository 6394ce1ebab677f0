package faults

import (
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/backref/backref/test/rig"
)

// pushIf pushes an image to a tag through a replica, on a condition.
func (c cluster) pushIf(t *testing.T, replica *rig.Backref, tag string, m rig.Manifest, condition ...string) (rig.Reply, error) {
	t.Helper()
	return rig.Send(t, http.MethodPut, replica.URL+"/v2/app/manifests/"+tag, m.Bytes(), append(condition, "Content-Type", m.MediaType)...)
}

// Of many pushes through two replicas that replace the same manifest, or create
// the same tag, exactly one does.
func TestOneConditionalPushWinsAcrossReplicas(t *testing.T) {
	const rounds, clients = 6, 32
	c := newCluster(t)
	compete := func(tag, round string, condition ...string) rig.Manifest {
		t.Helper()
		var mutex sync.Mutex
		var winners []rig.Manifest
		var group sync.WaitGroup
		for client := range clients {
			group.Go(func() {
				m := rig.Image(fmt.Sprint(tag, round, client))
				got, err := c.pushIf(t, c.replicas[client%2], tag, m, condition...)
				mutex.Lock()
				defer mutex.Unlock()
				switch {
				case err != nil:
					t.Error(err)
				case got.Status == http.StatusCreated:
					winners = append(winners, m)
				case got.Status != http.StatusPreconditionFailed:
					t.Errorf("%d: %s", got.Status, got.Body)
				}
			})
		}
		group.Wait()
		if len(winners) != 1 {
			t.Fatalf("%s, round %s: %d have won", tag, round, len(winners))
		}
		stands := rig.Do(t, http.MethodGet, c.registry.URL+"/v2/app/manifests/"+tag, nil, "Accept", rig.ImageManifest).Want(t, http.StatusOK)
		if string(stands.Body) != string(winners[0].Bytes()) {
			t.Fatalf("%s, round %s: the tag stands for what has not won", tag, round)
		}
		return winners[0]
	}
	current := c.subject
	for round := range rounds {
		current = compete("v1", fmt.Sprint(round), "If-Match", strconv.Quote(current.Digest().String()))
		compete(fmt.Sprint("new", round), "", "If-None-Match", "*")
	}
}

// The tag that a replica was writing when it was killed is free for the others
// when its push can no longer take effect. Till then they are told to come again.
func TestTheTagOfADeadReplica(t *testing.T) {
	c := newCluster(t, "--set", "upstream.timeouts.connect=500ms", "--set", "upstream.timeouts.responseHeader=1s",
		"--set", "upstream.timeouts.grace=500ms", "--set", "index.postgres.timeout=1s")
	reached, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	c.relay.Before(func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPut {
			once.Do(func() {
				close(reached)
				<-release
			})
		}
		return false
	})
	condition := []string{"If-Match", strconv.Quote(c.subject.Digest().String())}
	ended := make(chan error, 1)
	go func() {
		_, err := c.pushIf(t, c.replicas[0], "v1", rig.Image("first"), condition...)
		ended <- err
	}()
	<-reached
	c.replicas[0].Kill()
	close(release)
	if err := <-ended; err == nil {
		t.Fatal("a process that is dead answered")
	}
	refused := 0
	for deadline := time.Now().Add(time.Minute); ; refused++ {
		got, err := c.pushIf(t, c.replicas[1], "v1", rig.Image("second"), condition...)
		if err != nil {
			t.Fatal(err)
		}
		if got.Status != http.StatusServiceUnavailable {
			// The dead one's push may have been carried out.
			if got.Status != http.StatusCreated && got.Status != http.StatusPreconditionFailed {
				t.Errorf("%d: %s", got.Status, got.Body)
			}
			break
		}
		if got.Header.Get("Retry-After") == "" || time.Now().After(deadline) {
			t.Fatalf("%v: %s", got.Header, got.Body)
		}
		// A push without a condition does not wait for the dead.
		rig.Push(t, c.replicas[1].URL, "app", "other", rig.Image("other")).Want(t, http.StatusCreated)
	}
	if refused == 0 {
		t.Error("the tag was free at once")
	}
}

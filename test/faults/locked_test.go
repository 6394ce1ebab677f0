package faults

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/backref/backref/test/rig"
)

// Of many first pushes of a locked tag through two replicas exactly one wins, and
// the others are told by which rule they lost. What a first push comes to hold is
// deleted through the other replica before it or not at all.
func TestLockedTagsAcrossReplicas(t *testing.T) {
	const rounds, clients = 4, 16
	c := newCluster(t, "--set", `tags.locks=[{name: releases, repositories: [app], versions: releases}]`)
	stands := func(tag string) rig.Reply {
		return rig.Do(t, http.MethodGet, c.registry.URL+"/v2/app/manifests/"+tag, nil, "Accept", rig.ImageManifest, "Accept", rig.ImageIndex)
	}
	for round := range rounds {
		tag := fmt.Sprintf("v1.0.%d", round)
		var mutex sync.Mutex
		var winners []rig.Manifest
		var group sync.WaitGroup
		for client := range clients {
			group.Go(func() {
				m := rig.Image(fmt.Sprint(tag, client))
				got, err := c.pushIf(t, c.replicas[client%2], tag, m)
				mutex.Lock()
				defer mutex.Unlock()
				switch {
				case err != nil:
					t.Error(err)
				case got.Status == http.StatusCreated:
					winners = append(winners, m)
				case got.Status != http.StatusForbidden || !strings.Contains(string(got.Body), "rule releases"):
					t.Errorf("%d: %s", got.Status, got.Body)
				}
			})
		}
		group.Wait()
		if len(winners) != 1 {
			t.Fatalf("%s: %d have won", tag, len(winners))
		}
		if got := stands(tag).Want(t, http.StatusOK); string(got.Body) != string(winners[0].Bytes()) {
			t.Errorf("%s stands for what has not won", tag)
		}
		for _, replica := range c.replicas {
			rig.Push(t, replica.URL, "app", tag, winners[0]).Want(t, http.StatusCreated)
		}
	}
	kept := 0
	for round := range 3 * rounds {
		platform := rig.Image(fmt.Sprint("platform", round))
		rig.Push(t, c.replicas[0].URL, "app", "", platform).Want(t, http.StatusCreated)
		tag, list := fmt.Sprintf("v2.0.%d", round), rig.Index(platform.Descriptor())
		begun := make(chan struct{})
		begin := sync.OnceFunc(func() { close(begun) })
		c.relay.Before(func(_ http.ResponseWriter, r *http.Request) bool {
			if r.Method == http.MethodPut && strings.HasSuffix(r.URL.Path, "/"+tag) {
				begin()
			}
			return false
		})
		var pushed, deleted rig.Reply
		var group sync.WaitGroup
		group.Go(func() {
			defer begin()
			pushed, _ = c.pushIf(t, c.replicas[round%2], tag, list)
		})
		group.Go(func() {
			if round%3 != 0 {
				<-begun // Else whoever is first.
			}
			deleted, _ = rig.Send(t, http.MethodDelete, c.replicas[(round+1)%2].URL+"/v2/app/manifests/"+platform.Digest().String(), nil)
		})
		group.Wait()
		there := stands(platform.Digest().String()).Status == http.StatusOK
		switch {
		case pushed.Status == http.StatusCreated && deleted.Status == http.StatusForbidden && there:
			kept++
		case deleted.Status == http.StatusAccepted && !there && pushed.Status != http.StatusCreated:
			// The registry takes no index that lists what is gone.
		default:
			t.Errorf("round %d: pushed %d, deleted %d: %s; there: %t", round, pushed.Status, deleted.Status, deleted.Body, there)
		}
	}
	if kept < 2*rounds {
		t.Errorf("%d of %d were pushed first", kept, 3*rounds)
	}
}

package faults

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/test/rig"
)

// Replicas keep listings, and show what was acknowledged by any of them all the same:
// after each push and delete through one of three, at random, every replica lists
// exactly what a model has, while others push to other subjects. What is compared was
// asked for before, so that each has it in its cache.
func TestReplicasKeepListings(t *testing.T) {
	const steps = 60
	c := newCluster(t, "--set", "upstream.service.anonymous=true")
	c.replicas = append(c.replicas, rig.NewReplica(t, c.relay.URL, c.database, "--set", "upstream.service.anonymous=true"))
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	model := map[digest.Digest][]digest.Digest{}
	var subjects []rig.Manifest
	for i := range 4 {
		subjects = append(subjects, rig.Image(fmt.Sprint("kept ", i)))
		rig.Push(t, c.replicas[0].URL, "app", "", subjects[i]).Want(t, http.StatusCreated)
	}
	stop := c.pushesElsewhere(t)
	for step := range steps {
		subject := subjects[random.IntN(len(subjects))]
		by := c.replicas[random.IntN(len(c.replicas))]
		listed := model[subject.Digest()]
		if len(listed) > 0 && random.IntN(3) == 0 {
			gone := listed[random.IntN(len(listed))]
			rig.Do(t, http.MethodDelete, by.URL+"/v2/app/manifests/"+gone.String(), nil).Want(t, http.StatusAccepted)
			model[subject.Digest()] = slices.DeleteFunc(slices.Clone(listed), func(d digest.Digest) bool { return d == gone })
		} else {
			m := rig.Artifact("application/vnd.example.x", fmt.Sprint("step ", step), subject.Descriptor())
			rig.Push(t, by.URL, "app", "", m).Want(t, http.StatusCreated)
			model[subject.Digest()] = append(slices.Clone(listed), m.Digest())
		}
		for at, replica := range c.replicas {
			c.wantModel(t, replica, model, subjects, fmt.Sprintf("seed %d, step %d, replica %d", seed, step, at))
		}
		if t.Failed() {
			break
		}
	}
	stop()
	for _, replica := range c.replicas {
		wantHits(t, replica)
	}
}

// wantModel compares all listings of a replica.
func (c cluster) wantModel(t *testing.T, replica *rig.Backref, model map[digest.Digest][]digest.Digest, subjects []rig.Manifest, when string) {
	t.Helper()
	for _, subject := range subjects {
		listed := c
		listed.subject = subject
		got, want := listed.listed(t, replica), slices.Sorted(slices.Values(model[subject.Digest()]))
		if !slices.Equal(got, want) {
			t.Errorf("%s: %s lists %v, want %v", when, subject.Digest(), got, want)
		}
	}
}

// pushesElsewhere pushes referrers of other subjects through all replicas, until it is
// told to stop.
func (c cluster) pushesElsewhere(t *testing.T) (stop func()) {
	ended := make(chan struct{})
	var group sync.WaitGroup
	for client, replica := range c.replicas {
		group.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-ended:
					return
				default:
				}
				m := c.referrer(fmt.Sprint("elsewhere ", client, "-", i))
				if got, err := c.push(t, replica, m); err != nil || got.Status != http.StatusCreated {
					t.Errorf("push elsewhere: %v, %d: %s", err, got.Status, got.Body)
					return
				}
			}
		})
	}
	return func() {
		close(ended)
		group.Wait()
	}
}

// wantHits wants listings to have been answered from the cache.
func wantHits(t *testing.T, replica *rig.Backref) {
	t.Helper()
	metrics := rig.Do(t, http.MethodGet, replica.AdminURL+"/metrics", nil).Want(t, http.StatusOK)
	const hits = `backref_cache_requests_total{cache="pages",result="hit"} `
	_, rest, found := strings.Cut(string(metrics.Body), hits)
	if count, _, _ := strings.Cut(rest, "\n"); !found || count == "0" {
		t.Errorf("no listing was answered from the cache of pages: %q", count)
	}
}

package faults

import (
	"net/http"
	"strings"
	"testing"

	"github.com/backref/backref/test/rig"
)

// Replicas share an index through a pooler that gives each transaction another
// session: they are ready, what they acknowledge is listed, one at a time works
// in the background, and one that dies leaves nothing locked.
func TestReplicasThroughAPooler(t *testing.T) {
	registry, database := rig.NewRegistry(t, rig.Distribution2), rig.NewPostgres(t, true)
	pooler := rig.NewPgBouncer(t, database, "transaction", "default_pool_size = 4")
	c := cluster{database: database, registry: registry, subject: rig.Image("subject")}
	for range 2 {
		c.replicas = append(c.replicas, rig.NewReplica(t, registry.URL, &rig.Postgres{URL: pooler.URL},
			"--set", "upstream.service.anonymous=true", "--set", "referrers.fallbackTags=mirror"))
	}
	rig.PushBlob(t, registry.URL, "app", rig.Empty)
	rig.Push(t, c.replicas[0].URL, "app", "v1", c.subject).Want(t, http.StatusCreated)
	for _, replica := range c.replicas {
		rig.Do(t, http.MethodGet, replica.AdminURL+"/readyz", nil).Want(t, http.StatusOK)
	}
	l := c.load(t)
	l.proceeds(t)
	// The database breaks off what the pooler has, once amid it all.
	if err := database.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := database.Start(); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "ready again", func() bool {
		return rig.Do(t, http.MethodGet, c.replicas[1].AdminURL+"/readyz", nil).Status == http.StatusOK
	})
	c.replicas[0].Kill()
	l.proceeds(t)
	l.end()
	c.replicas = c.replicas[1:]
	l.wantListed(t, c)
	waitFor(t, "the other one works in the background", func() bool {
		return strings.Contains(strings.Join(c.replicas[0].Log(), " "), "works on the index in the background")
	})
}

package main

import (
	"encoding/json"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/reconcile"
)

// auditRecords runs backref audit, which has to succeed.
func auditRecords(t *testing.T, args ...string) (records []reconcile.AuditRecord) {
	t.Helper()
	if err := json.Unmarshal([]byte(auditOutput(t, append(args, "-o", "json")...)), &records); err != nil {
		t.Fatal(err)
	}
	return records
}

func auditOutput(t *testing.T, args ...string) string {
	t.Helper()
	var stdout, stderr strings.Builder
	if code := run(t.Context(), append([]string{"audit"}, args...), nil, &stdout, &stderr); code != 0 {
		t.Fatalf("%v: %s", args, stderr.String())
	}
	return stdout.String()
}

// send sends a request with a password, and returns the identifier that it had.
func send(t *testing.T, method, url string) (status int, request string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth("ann", "s3cr3t-passphrase")
	req.Header.Set("User-Agent", "test/1")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	return resp.StatusCode, resp.Header.Get("X-Request-Id")
}

// What was denied and deleted is found at the server and in its file, by all that
// it can be asked for, as it stands in the log, and without a credential anywhere.
func TestAudit(t *testing.T) {
	t.Parallel()
	registry, manifest := sbomRegistry(t)
	cfg := configFor(t, registry.URL)
	cfg.Log.Delay = 0
	imagesByRuntime(&cfg)
	log := &lines{}
	s := startLogging(t, cfg, log)
	begin := time.Now()
	sum := digest.FromBytes(manifest)
	status, denied := send(t, http.MethodGet, "http://"+s.further[0].Addr().String()+"/v2/a/manifests/sbom")
	if status != http.StatusForbidden {
		t.Fatalf("status %d", status)
	}
	status, deleted := send(t, http.MethodDelete, "http://"+s.front.Addr().String()+"/v2/a/manifests/sbom")
	if status != http.StatusAccepted {
		t.Fatalf("status %d", status)
	}
	at := []string{"--admin", "http://" + s.admin.Addr().String()}
	check := func(from string, records []reconcile.AuditRecord) {
		t.Helper()
		if len(records) != 2 {
			t.Fatalf("%s: %+v", from, records)
		}
		for i, want := range []reconcile.AuditRecord{
			{Outcome: "denied", Action: "pull", Rule: "runtime-images", Listener: "runtime", Request: denied, Reason: records[0].Reason},
			{Outcome: "deleted", Action: "delete", Digest: sum, Listener: "main", Request: deleted},
		} {
			want.Repository, want.Tag, want.User, want.UserClaimed, want.Client, want.UserAgent = "a", "sbom", "ann", true, "127.0.0.1", "test/1"
			want.Time = records[i].Time
			if records[i] != want || want.Time.Before(begin) || want.Time.After(time.Now()) {
				t.Errorf("%s: %+v, want %+v", from, records[i], want)
			}
		}
	}
	check("server", auditRecords(t, at...))
	for want, args := range map[string][]string{
		"denied":         {"--rule", "runtime-images"},
		"deleted":        {"--outcome", "deleted"},
		"denied deleted": {"--since", "1h", "--repository", "*", "--until", time.Now().Add(time.Hour).Format(time.RFC3339)},
		"":               {"--until", "1h"},
		" ":              {"--repository", "b/**"},
	} {
		var got []string
		for _, record := range auditRecords(t, append(args, at...)...) {
			got = append(got, record.Outcome)
		}
		if strings.Join(got, " ") != strings.TrimSpace(want) {
			t.Errorf("%v: %v, want %s", args, got, want)
		}
	}
	table := auditOutput(t, at...)
	for _, want := range []string{"a:sbom@" + sum.String()[:19], "runtime-images", "ann?", "127.0.0.1"} {
		if !strings.Contains(table, want) {
			t.Errorf("the table lacks %q: %s", want, table)
		}
	}
	if got := auditOutput(t, append(at, "--format", "{{.outcome}} {{.user}}")...); got != "denied ann\ndeleted ann\n" {
		t.Errorf("template: %q", got)
	}
	s.stop()
	if err := s.wait(t); err != nil {
		t.Fatal(err)
	}
	check("file", auditRecords(t, "--index", cfg.Index.Path))
	said := log.with(t, "audit")
	if len(said) != 2 || said[0]["rule"] != "runtime-images" || said[0]["request"] != denied || said[1]["outcome"] != "deleted" || said[1]["digest"] != sum.String() {
		t.Errorf("log: %v", said)
	}
	log.mutex.Lock()
	defer log.mutex.Unlock()
	for name, text := range map[string]string{"log": log.text.String(), "index": readFile(t, cfg.Index.Path)} {
		for _, secret := range []string{"s3cr3t", "YW5uOnMzY3IzdC"} {
			if strings.Contains(text, secret) {
				t.Errorf("%s: the password is in it", name)
			}
		}
	}
}

func TestAuditRefusesWhatItCantRead(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{"--since", "yesterday"}, {"--until", "-1h"}, {"--repository", "A"}, {"--outcome", "kept"}, {"--format", "{{"}, {"more"},
	} {
		var stdout, stderr strings.Builder
		if code := run(t.Context(), append([]string{"audit"}, args...), nil, &stdout, &stderr); code != 2 {
			t.Errorf("%v: exit code %d: %s", args, code, stderr.String())
		}
	}
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/backref/backref/config"
)

// written is a log that is read while it grows.
type written struct {
	mutex sync.Mutex
	text  bytes.Buffer
}

func (w *written) Write(p []byte) (int, error) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	return w.text.Write(p)
}

// lines returns the lines with a message.
func (w *written) lines(message string) []map[string]any {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	return linesOf(w.text.String(), message)
}

func linesOf(text, message string) []map[string]any {
	var found []map[string]any
	for line := range strings.Lines(text) {
		var fields map[string]any
		if json.Unmarshal([]byte(line), &fields) == nil && fields["message"] == message {
			found = append(found, fields)
		}
	}
	return found
}

// notFound is a registry that has nothing.
func notFound(t *testing.T) string {
	t.Helper()
	registry := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(w, `{"errors":[]}`)
	}))
	t.Cleanup(registry.Close)
	return registry.URL
}

// A request has one line, also where nothing was found: who asked from where, for
// what, what came of it, how much and how long, and nothing that proves who it is.
func TestAccessLine(t *testing.T) {
	var log written
	cfg := configFor(t, notFound(t))
	cfg.Log.Delay = 0
	cfg.Server.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	s := startLogging(t, cfg, &log)
	req, err := http.NewRequest(http.MethodPost, "http://"+s.front.Addr().String()+"/v2/team/app/blobs/uploads/?digest=s3cret-query", strings.NewReader("12345"))
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth("s3cret-user", "s3cret-password")
	req.Header.Set("X-Forwarded-For", "203.0.113.9")
	req.Header.Set("User-Agent", "tool\u009b31m/"+strings.Repeat("x", 1000))
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	eventually(t, "the line is written", func() bool { return len(log.lines("request")) == 1 })
	line := log.lines("request")[0]
	for key, want := range map[string]any{
		"client": "203.0.113.9", "method": "POST", "endpoint": "uploads", "repository": "team/app",
		"status": 404., "bytesIn": 5., "bytesOut": 13., "level": "info", "request": resp.Header.Get("X-Request-Id"),
	} {
		if line[key] != want {
			t.Errorf("%s is %v, want %v", key, line[key], want)
		}
	}
	took, _ := line["durationSeconds"].(float64)
	if waited, _ := line["upstreamSeconds"].(float64); waited <= 0 || waited > took {
		t.Errorf("waited for the registry for %v of %v", line["upstreamSeconds"], line["durationSeconds"])
	}
	if agent, _ := line["userAgent"].(string); !strings.HasPrefix(agent, "tool\ufffd31m/xxx") || len(agent) > 270 {
		t.Errorf("program: %q", agent)
	}
	log.mutex.Lock()
	defer log.mutex.Unlock()
	if strings.Contains(log.text.String(), "s3cret") {
		t.Errorf("a secret is in the log: %s", log.text.String())
	}
}

// Without lines of requests those that failed are still there.
func TestOnlyFailuresAreLogged(t *testing.T) {
	var log written
	registry := httptest.NewServer(http.NotFoundHandler())
	cfg := configFor(t, registry.URL)
	cfg.Log.Delay, cfg.Log.Access = 0, false
	s := startLogging(t, cfg, &log)
	base := "http://" + s.front.Addr().String()
	get(http.DefaultClient, base+"/v2/app/manifests/none")
	registry.Close()
	get(http.DefaultClient, base+"/v2/app/manifests/down")
	eventually(t, "the failure is logged", func() bool { return len(log.lines("request")) > 0 })
	if lines := log.lines("request"); len(lines) != 1 || lines[0]["tag"] != "down" || lines[0]["level"] != "error" {
		t.Errorf("%v", lines)
	}
}

// Lines of requests go to a file of their own, and to a new one when the one
// before was moved away; what failed is in the log too.
func TestAccessFile(t *testing.T) {
	var log written
	registry := httptest.NewServer(http.NotFoundHandler())
	cfg := configFor(t, registry.URL)
	cfg.Log.Delay, cfg.Log.Level = time.Hour, "error"
	cfg.Log.AccessFile = filepath.Join(t.TempDir(), "access.log")
	s := startLogging(t, cfg, &log)
	base := "http://" + s.front.Addr().String()
	get(http.DefaultClient, base+"/v2/app/manifests/first")
	moved := cfg.Log.AccessFile + ".1"
	if err := os.Rename(cfg.Log.AccessFile, moved); err != nil {
		t.Fatal(err)
	}
	if err := s.logs.Reopen(); err != nil {
		t.Fatal(err)
	}
	registry.Close()
	get(http.DefaultClient, base+"/v2/app/manifests/second")
	s.stop()
	if err := s.wait(t); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{moved: "first", cfg.Log.AccessFile: "second"} {
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if lines := linesOf(string(content), "request"); len(lines) != 1 || lines[0]["tag"] != want {
			t.Errorf("%s: %s", path, content)
		}
	}
	if lines := log.lines("request"); len(lines) != 1 || lines[0]["tag"] != "second" {
		t.Errorf("in the log: %v", lines)
	}
	cfg.Log.AccessFile = t.TempDir()
	if _, err := newServer(t.Context(), cfg, io.Discard); err == nil || !strings.Contains(err.Error(), "log.accessFile") {
		t.Errorf("a folder is taken for a file: %v", err)
	}
}

// The level of the log is that which operators have set last.
func TestLevelIsSetWhileRunning(t *testing.T) {
	var log written
	cfg := configFor(t, notFound(t))
	cfg.Log.Delay, cfg.Log.Level = 0, "warn"
	s := startLogging(t, cfg, &log)
	get(http.DefaultClient, "http://"+s.front.Addr().String()+"/v2/app/manifests/quiet")
	req, err := http.NewRequest(http.MethodPut, "http://"+s.admin.Addr().String()+"/admin/log/level", strings.NewReader("level=info"))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if status, body := get(http.DefaultClient, "http://"+s.admin.Addr().String()+"/admin/log/level"); status != http.StatusOK || body != `{"level":"info"}`+"\n" {
		t.Errorf("%d %s", status, body)
	}
	get(http.DefaultClient, "http://"+s.front.Addr().String()+"/v2/app/manifests/loud")
	eventually(t, "the second request is logged", func() bool { return len(log.lines("request")) > 0 })
	if lines := log.lines("request"); len(lines) != 1 || lines[0]["tag"] != "loud" {
		t.Errorf("%v", lines)
	}
	if err := s.logs.SetLevel("none"); err == nil {
		t.Error("there is such a level")
	}
}

// SIGHUP has the file of the lines of requests opened anew, and leaves a level alone
// that operators have set and the configuration does not change.
func TestHangUp(t *testing.T) {
	cfg := configFor(t, notFound(t))
	cfg.Log.AccessFile = filepath.Join(t.TempDir(), "access.log")
	s, err := newServer(t.Context(), cfg, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	hangups, wanted := make(chan os.Signal), cfg
	s.reloader.from(source{load: func() (config.Config, error) { return wanted, nil }, hangups: hangups})
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	if err := s.logs.SetLevel("debug"); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(cfg.Log.AccessFile, cfg.Log.AccessFile+".1"); err != nil {
		t.Fatal(err)
	}
	hangups <- syscall.SIGHUP
	eventually(t, "there is a new file", func() bool {
		_, err := os.Stat(cfg.Log.AccessFile)
		return err == nil
	})
	// Who takes the next one is through with the one before.
	hangups <- syscall.SIGHUP
	if got := s.logs.level.String(); got != "debug" {
		t.Errorf("the level is %s", got)
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// Lines for people have columns, and nothing in them can be taken for another
// field or line.
func TestTextFormat(t *testing.T) {
	at := time.Date(2026, 3, 4, 5, 6, 7, 8_000_000, time.UTC)
	fields := []zap.Field{
		zap.String("plain", "team/app"), zap.String("odd", "a b\n\x1b[2J=\""), zap.String("empty", ""), zap.Int("status", 404),
		zap.Duration("durationSeconds", 1500*time.Millisecond), zap.Error(errors.New("it failed")), zap.Any("list", []string{"a", "b"}),
		zap.Dict("inner", zap.Bool("yes", true)),
	}
	for colour, want := range map[bool]string{
		false: `2026-03-04T05:06:07.008Z WARN  something happened       plain=team/app odd="a b\n\x1b[2J=\"" empty="" status=404` +
			` durationSeconds=1.5 error="it failed" list=["a","b"] inner.yes=true` + "\n",
		true: "\x1b[2m2026-03-04T05:06:07.008Z\x1b[0m \x1b[33mWARN \x1b[0m \x1b[1msomething happened      \x1b[0m \x1b[2mplain=\x1b[0mteam/app",
	} {
		line, err := newTextEncoder(colour).EncodeEntry(zapcore.Entry{Level: zap.WarnLevel, Time: at, Message: "something happened"}, fields)
		if err != nil {
			t.Fatal(err)
		}
		if got := line.String(); got != want && (!colour || !strings.HasPrefix(got, want)) {
			t.Errorf("%q\nwant\n%q", got, want)
		}
	}
	var out bytes.Buffer
	logs, err := newLogs(config.Log{Level: "info", Format: "text"}, &out)
	if err != nil {
		t.Fatal(err)
	}
	logs.With(zap.String("kept", "x")).Info("two\nlines")
	scanned := bufio.NewScanner(&out)
	if !scanned.Scan() || !strings.HasSuffix(scanned.Text(), ` kept=x`) || scanned.Scan() {
		t.Errorf("%q", out.String())
	}
	if forPeople(&out, nil) != io.Writer(&out) {
		t.Error("a file is no terminal")
	}
}

// Every key of a duration says its unit, which is that of both formats.
func TestDurationsSayTheirUnit(t *testing.T) {
	key := regexp.MustCompile(`zap\.Duration\("(\w+)"`)
	err := filepath.WalkDir("../..", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && path != "../.." && strings.HasPrefix(entry.Name(), "."):
			return filepath.SkipDir
		case entry.IsDir() || filepath.Ext(path) != ".go":
			return nil
		}
		content, err := os.ReadFile(path)
		for _, found := range key.FindAllStringSubmatch(string(content), -1) {
			if !strings.HasSuffix(found[1], "Seconds") {
				t.Errorf("%s: %s", path, found[1])
			}
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

package browser

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/chromedp"

	"github.com/backref/backref/test/rig"
)

// nowhere is a proxy that nobody is behind: what is not on loopback goes there,
// names are not looked up on the way, and the request fails at once. Port 1 is
// privileged and unused.
const nowhere = "http://127.0.0.1:1"

// Browser is a Chromium that runs. Its methods may be called at once.
type Browser struct {
	ctx  context.Context
	root string

	mutex sync.Mutex
	pages map[*Page]bool
}

// New starts a Chromium until the test is over, with a profile of its own below
// the test's temporary folder.
func New(t testing.TB) *Browser {
	t.Helper()
	b := &Browser{root: rig.Root(t), pages: map[*Page]bool{}}
	log, home := &tail{}, t.TempDir()
	allocator, endAllocator := chromedp.NewExecAllocator(context.Background(), flags(t, home, log)...)
	pid := 0
	ctx, end := chromedp.NewContext(allocator, chromedp.WithErrorf(log.printf))
	t.Cleanup(func() {
		end()
		endAllocator()
		remove(home)
		if t.Failed() {
			t.Logf("log of Chromium (process group %d):\n%s", pid, log.String())
		}
	})
	b.ctx = ctx
	// The first page, which is nobody's, keeps the browser open.
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("start Chromium: %v\n%s", err, log.String())
	}
	pid = b.PID()
	if err := chromedp.ListenBrowser(ctx, b.listen); err != nil {
		t.Fatalf("listen to Chromium: %v", err)
	}
	return b
}

// remove removes a folder that processes which are about to end may still write
// to. What is left after that is for the test's own clean-up to complain of.
func remove(dir string) {
	for until := time.Now().Add(patience); os.RemoveAll(dir) != nil && time.Now().Before(until); {
		time.Sleep(pause)
	}
}

// PID returns the process id of the Chromium, which all processes that it
// started have as their group.
func (b *Browser) PID() int { return chromedp.FromContext(b.ctx).Browser.Process().Pid }

// flags returns how Chromium is started.
func flags(t testing.TB, home string, log *tail) []chromedp.ExecAllocatorOption {
	t.Helper()
	options := []chromedp.ExecAllocatorOption{
		chromedp.ExecPath(rig.Tool(t, "chromium")),
		chromedp.UserDataDir(filepath.Join(home, "profile")),
		// What Debian's start script looks for, or leaves, is not that of who runs the test.
		chromedp.Env("HOME=" + home),
		chromedp.CombinedOutput(log),
		chromedp.ModifyCmdFunc(inGroup),
		chromedp.ProxyServer(nowhere),
	}
	for name, value := range map[string]any{
		"headless": "new",
		// What is reached directly. Without the first, link-local addresses,
		// which cloud metadata is at, would be among it.
		"proxy-bypass-list":                      "<-loopback>;127.0.0.1;[::1];localhost",
		"host-resolver-rules":                    "MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1, EXCLUDE [::1]",
		"webrtc-ip-handling-policy":              "disable_non_proxied_udp",
		"disable-quic":                           true,
		"disable-background-networking":          true,
		"disable-client-side-phishing-detection": true,
		"disable-component-update":               true,
		"disable-default-apps":                   true,
		"disable-domain-reliability":             true,
		"disable-extensions":                     true,
		"disable-sync":                           true,
		"no-pings":                               true,
		"metrics-recording-only":                 true,
		"no-first-run":                           true,
		"no-default-browser-check":               true,
		"disable-breakpad":                       true,
		"disable-gpu":                            true,
		"disable-dev-shm-usage":                  true,
		"password-store":                         "basic",
		"force-color-profile":                    "srgb",
		"hide-scrollbars":                        true,
		"mute-audio":                             true,
		// Of the rest there is much, about services that a server doesn't have.
		"log-level": "3",
		"lang":      "en",
		// Two pages at once have a process each, more share them.
		"renderer-process-limit": "2",
		// Frames in processes of their own would be targets of their own, whose
		// requests and errors the page's record would lack.
		"disable-site-isolation-trials": true,
		"disable-features":              "IsolateOrigins,site-per-process,IsolateSandboxedIframes,Translate,MediaRouter,OptimizationHints",
		// Pages that aren't in front go on as if they were.
		"disable-background-timer-throttling":    true,
		"disable-backgrounding-occluded-windows": true,
		"disable-renderer-backgrounding":         true,
		"disable-hang-monitor":                   true,
		// Popups are to be seen, not to be held back by what a person's browser
		// would guess.
		"disable-popup-blocking": true,
	} {
		options = append(options, chromedp.Flag(name, value))
	}
	return options
}

// inGroup makes Chromium the head of a group of processes, which ends with it,
// and with the test's own process even where that is killed.
func inGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error {
		return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	}
}

// listen gives what Chromium says of itself to the page that it is about.
func (b *Browser) listen(event any) {
	download, is := event.(*browser.EventDownloadWillBegin)
	if !is {
		return
	}
	b.mutex.Lock()
	defer b.mutex.Unlock()
	for page := range b.pages {
		page.record.download(download.FrameID, download.URL)
	}
}

// denyDownloads refuses downloads of one user, and has them told.
func (b *Browser) denyDownloads(user cdp.BrowserContextID) error {
	told := true
	_, err := chromedp.CallBrowser(b.ctx, browser.SetDownloadBehavior, browser.SetDownloadBehaviorParams{
		Behavior:         browser.SetDownloadBehaviorBehaviorDeny,
		BrowserContextID: user,
		EventsEnabled:    &told,
	})
	return err
}

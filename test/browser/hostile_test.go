package browser_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/backref/backref/test/browser"
	"github.com/backref/backref/test/rig"
)

func scripts(t *testing.T, b *browser.Browser) {
	server := one(t, `<p id="p">as sent</p><noscript>without</noscript><script>p.textContent = "changed"; alert("ran")</script>`)
	off := b.Page(t, browser.Options{})
	off.Open(server)
	off.Accessibility()
	if got := off.Text(); got != "as sent\n\nwithout" {
		t.Errorf("scripts are off: %q", got)
	}
	off.MustBeQuiet()
	on := b.Page(t, browser.Options{Scripts: true})
	on.Open(server)
	if got := on.Text(); got != "changed" {
		t.Errorf("scripts are on: %q", got)
	}
	if found := on.Events(); len(found) != 1 || found[0].Kind != browser.Dialog || found[0].Text != "alert ran" {
		t.Errorf("events: %v", found)
	}
}

func policy(t *testing.T, b *browser.Browser) {
	page := b.Page(t, browser.Options{Scripts: true})
	page.Open(serve(t, map[string]string{"/": head + `<p id="p">as sent</p><script>p.textContent = "changed"; alert(1)</script>
		<img src="http://tracker.example/x.png" onerror="alert(2)"><a href="javascript:alert(3)">Run</a>
		<form action="http://tracker.example/"><button>Send</button></form>`}, "default-src 'none'; form-action 'self'"))
	page.Click("Run")
	page.Click("Send")
	if got := page.Text(); !strings.HasPrefix(got, "as sent") {
		t.Errorf("the script ran: %q", got)
	}
	var directives []string
	for _, event := range page.EventsOf(browser.Policy) {
		directives = append(directives, event.Text)
	}
	all := strings.Join(directives, " ")
	for _, want := range []string{"script-src-elem", "script-src-attr", "img-src", "form-action"} {
		if !strings.Contains(all, want) {
			t.Errorf("%s is not told: %s", want, all)
		}
	}
	// Nothing ran, nothing left.
	page.MustBeQuiet(browser.Policy)
}

func events(t *testing.T, b *browser.Browser) {
	for body, want := range map[string]browser.Kind{
		`<script>console.error("broken", 1)</script>`:                                                               browser.Console,
		`<img src="/missing.png" alt="">`:                                                                           browser.Console,
		`<script>throw new Error("broken")</script>`:                                                                browser.Exception,
		`<script>confirm("really?")</script>`:                                                                       browser.Dialog,
		`<script>window.open("/popup")</script>`:                                                                    browser.Popup,
		`<script>new Worker(URL.createObjectURL(new Blob(["1"])))</script>`:                                         browser.Worker,
		`<script>new WebSocket("ws://127.0.0.1:1/")</script>`:                                                       browser.Elsewhere,
		`<iframe srcdoc="<img src='http://tracker.example/x.png'>"></iframe>`:                                       browser.Elsewhere,
		`<meta http-equiv="refresh" content="0; url=/file">`:                                                        browser.Download,
		`<script>const a = document.createElement("a"); a.href = "/other"; a.target = "_blank"; a.click()</script>`: browser.Popup,
	} {
		page := b.Page(t, browser.Options{Scripts: true})
		page.Open(one(t, body))
		rig.Eventually(t, body, func() bool { return len(page.EventsOf(want)) > 0 })
	}
}

// elsewhere sees requests to other origins, and that none of them is made where
// it leads away from the own machine.
func elsewhere(t *testing.T, b *browser.Browser) {
	var asked atomic.Int64
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	t.Cleanup(other.Close)
	page := b.Page(t, browser.Options{})
	page.Open(one(t, `<img alt="" src="`+other.URL+`/near.png"><img alt="" src="http://tracker.example/far.png">
		<img alt="" src="http://169.254.169.254/latest/meta-data/">`))
	found := page.EventsOf(browser.Elsewhere)
	if len(found) != 3 || asked.Load() != 1 {
		t.Errorf("%d requests came to the other origin, seen: %v", asked.Load(), found)
	}
	failed := 0
	for _, event := range page.EventsOf(browser.Console) {
		if strings.Contains(event.Text, "ERR_PROXY_CONNECTION_FAILED") {
			failed++
		}
	}
	if failed != 2 {
		t.Errorf("not refused on the own machine: %v", page.Events())
	}
}

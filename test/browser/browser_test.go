package browser_test

import (
	"bytes"
	"fmt"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/backref/backref/test/browser"
	"github.com/backref/backref/test/rig"
)

// The harness does what it says, on pages made for it: one Chromium, a user for
// each story.
func TestPages(t *testing.T) {
	b := browser.New(t)
	for _, story := range []struct {
		name string
		tell func(*testing.T, *browser.Browser)
	}{
		{"read and operate", readAndOperate},
		{"answers", answers},
		{"users", users},
		{"screenshots", screenshots},
		{"accessibility", accessibility},
		{"colours", colours},
		{"overflow", overflow},
		{"keyboard", keyboard},
		{"scripts", scripts},
		{"policy", policy},
		{"events", events},
		{"elsewhere", elsewhere},
	} {
		t.Run(story.name, func(t *testing.T) { story.tell(t, b) })
	}
}

// Chromium and all that it started are gone when the test is over.
func TestEndsWithTheTest(t *testing.T) {
	group := 0
	t.Run("inner", func(t *testing.T) {
		b := browser.New(t)
		group = b.PID()
		b.Page(t, browser.Options{}).Open(one(t, "<p>x"))
		if len(members(t, group)) < 2 {
			t.Errorf("Chromium is not a group of processes: %v", members(t, group))
		}
	})
	rig.Eventually(t, "all processes of Chromium are gone", func() bool { return len(members(t, group)) == 0 })
}

// members returns the processes of a group that still run.
func members(t *testing.T, group int) []string {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, file := range stats {
		text, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		// The name, in parentheses, may have anything in it.
		fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
		if len(fields) > 2 && fields[0] != "Z" && fields[2] == fmt.Sprint(group) {
			found = append(found, file)
		}
	}
	return found
}

func readAndOperate(t *testing.T, b *browser.Browser) {
	page := b.Page(t, browser.Options{})
	page.Open(serve(t, map[string]string{"/": clean}, ""))
	if page.Title() != "Test" || !strings.Contains(page.Text(), "All is well.") {
		t.Errorf("title %q, text %q", page.Title(), page.Text())
	}
	if names := page.Names(); !slices.Contains(names, "Other") || !slices.Contains(names, "Greet") {
		t.Errorf("names: %v", names)
	}
	if got := page.Attribute("Other", "href"); got != "/other" {
		t.Errorf("href: %q", got)
	}
	if page.Has("Nothing of the kind") || !page.Has("css=main h1") {
		t.Error("what is there and what isn't is mixed up")
	}
	page.Fill("User", "bob")
	page.Fill("User", "alice")
	page.Fill("Kind", "SBOM")
	if page.Value("User") != "alice" || page.Value("[name=kind]") != "b" {
		t.Errorf("filled: %q, %q", page.Value("User"), page.Value("[name=kind]"))
	}
	page.Click("Greet")
	if !strings.Contains(page.Text(), `Hello "alice", "b"`) {
		t.Errorf("greeted: %q", page.Text())
	}
	page.MustBeQuiet()
}

func answers(t *testing.T, b *browser.Browser) {
	page, server := b.Page(t, browser.Options{}), serve(t, nil, "default-src 'none'")
	page.Open(server + "/nowhere")
	if got := page.Status(); got.Status != 404 || got.Header.Get("Content-Security-Policy") != "default-src 'none'" {
		t.Errorf("answer: %+v", got)
	}
	page.MustBeQuiet()
	page.Open(server + "/moved")
	got := page.Status()
	if got.Status != 200 || got.URL != server+"/cookie" || len(got.Header.Values("Set-Cookie")) != 2 {
		t.Errorf("answer: %+v", got)
	}
}

func users(t *testing.T, b *browser.Browser) {
	server := serve(t, nil, "")
	first, second := b.Page(t, browser.Options{}), b.Page(t, browser.Options{})
	first.Open(server + "/moved")
	second.Open(server + "/cookie")
	beside := first.Beside(t, browser.Options{Width: 360})
	beside.Open(server + "/cookie")
	for _, want := range []struct {
		page *browser.Page
		text string
	}{{first, "seen: true"}, {second, "seen: false"}, {beside, "seen: true"}} {
		if got := want.page.Text(); got != want.text {
			t.Errorf("%q, not %q", got, want.text)
		}
	}
}

func screenshots(t *testing.T, b *browser.Browser) {
	kept := t.TempDir()
	t.Setenv("RIG_SCREENSHOTS", kept)
	page := b.Page(t, browser.Options{Width: 400, Height: 300})
	page.Open(one(t, `<p style="height: 1000px">Tall</p>`))
	file := page.Screenshot("tall page")
	if !strings.HasPrefix(file, kept+string(filepath.Separator)) {
		t.Errorf("kept in %s", file)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	picture, err := png.Decode(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if size := picture.Bounds().Size(); size.X != 400 || size.Y < 1000 {
		t.Errorf("size: %v", size)
	}
}

func accessibility(t *testing.T, b *browser.Browser) {
	policy := "default-src 'none'; form-action 'self'"
	for _, scripts := range []bool{false, true} {
		page := b.Page(t, browser.Options{Scripts: scripts})
		page.Open(serve(t, map[string]string{"/": clean}, policy))
		if found := page.Accessibility(); len(found) != 0 {
			t.Errorf("a clean page: %v", found)
		}
		page.MustBeAccessible()
		page.Open(serve(t, map[string]string{"/": head + `<main><h1>x</h1><img src="/x.png"></main>`}, ""))
		found := page.Accessibility()
		if len(found) != 1 || found[0].Rule != "image-alt" || found[0].Impact != "critical" || len(found[0].Nodes) != 1 ||
			!strings.Contains(found[0].String(), "<img") || found[0].Help == "" {
			t.Errorf("an image without a text: %v", found)
		}
	}
}

func colours(t *testing.T, b *browser.Browser) {
	server := one(t, `<style>p { display: none } @media (prefers-color-scheme: dark) { .dark { display: block } }
		@media (prefers-color-scheme: light) { .light { display: block } } @media (forced-colors: active) { .forced { display: block } }
		</style><p class="dark">dark</p><p class="light">light</p><p class="forced">forced</p>`)
	for want, options := range map[string]browser.Options{
		"light": {}, "dark": {Dark: true}, "light\n\nforced": {Forced: true},
	} {
		page := b.Page(t, options)
		page.Open(server)
		if got := page.Text(); got != want {
			t.Errorf("%+v: %q", options, got)
		}
	}
}

func overflow(t *testing.T, b *browser.Browser) {
	digest := "sha256:" + strings.Repeat("0123456789abcdef", 4)
	page := b.Page(t, browser.Options{Width: 360, Height: 640})
	page.Open(one(t, `<main><p>Short</p><p><code id="digest">`+digest+`</code></p></main>`))
	if found := page.Overflow(); len(found) != 1 || found[0].Element != "code#digest" || found[0].Right <= 360 {
		t.Errorf("a long word: %v", found)
	}
	page.Resize(1280, 800)
	page.MustFit()
	page.Resize(360, 640)
	page.Open(one(t, `<main><p style="overflow-wrap: anywhere">`+digest+`</p><div style="overflow-x: auto">`+digest+`</div></main>`))
	page.MustFit()
	page.Open(serve(t, map[string]string{"/": `<!doctype html><title>x</title><p>No viewport`}, ""))
	if found := page.Overflow(); len(found) == 0 {
		t.Error("a page that phones shrink was not found")
	}
}

func keyboard(t *testing.T, b *browser.Browser) {
	page := b.Page(t, browser.Options{})
	page.Open(one(t, `<style>.bare:focus { outline: none } input { caret-color: auto }</style>
		<a href="/one">One</a> <button tabindex="-1">Never</button> <a class="bare" href="/two">Two</a>
		<label>Three <input class="bare"></label> <details><summary>Four</summary>x</details>`))
	reached := page.Keyboard(10)
	want := []struct {
		name    string
		visible bool
	}{{"One", true}, {"Two", false}, {"Three", false}, {"Four", true}}
	if len(reached) != len(want) {
		t.Fatalf("reached: %+v", reached)
	}
	for i, want := range want {
		if reached[i].Name != want.name || reached[i].Visible != want.visible {
			t.Errorf("stop %d: %+v, not %+v", i+1, reached[i], want)
		}
	}
	page.Open(one(t, `<a href="/nowhere">Go</a>`))
	page.Press("Tab", "Enter")
	if page.Status().Status != 404 {
		t.Errorf("not followed: %s", page.URL())
	}
}

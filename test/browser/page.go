package browser

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/audits"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// patience is how long something of a page is waited for that has to come.
const patience = 30 * time.Second

// phone is the width, in CSS pixels, below which a page is shown as on a phone:
// without a meta viewport it is laid out wide and shrunk.
const phone = 600

// Options say who looks at a page, and by what.
type Options struct {
	// Width and Height of the window in CSS pixels; 1280 by 800 if 0.
	Width, Height int64
	// Dark is for who prefers dark colours, Forced for who has the system
	// replace all colours by a few (high contrast).
	Dark, Forced bool
	// Scripts lets the page run scripts. Without it the page is as for
	// somebody who has turned JavaScript off.
	Scripts bool
}

// Page is one page that a user looks at. Its methods end the test where they
// can't do what they are to do. They are not to be called at once.
type Page struct {
	t       testing.TB
	ctx     context.Context
	browser *Browser
	options Options
	frame   cdp.FrameID
	record  *record
}

// Document is what the server answered with to the page's address, after
// redirects.
type Document struct {
	// URL is where the document is.
	URL string
	// Status is the HTTP status, 0 where nothing was answered.
	Status int
	// Header has the fields of the answer as they were sent, Set-Cookie
	// included.
	Header http.Header
}

// Page opens a blank page for a new user, who has no cookies, until the test is
// over.
func (b *Browser) Page(t testing.TB, options Options) *Page {
	t.Helper()
	return b.page(t, b.ctx, options, chromedp.WithNewBrowserContext())
}

// Beside opens another blank page for the same user, with the same cookies. It is
// closed with the first one, or when the test is over.
func (p *Page) Beside(t testing.TB, options Options) *Page {
	t.Helper()
	return p.browser.page(t, p.ctx, options)
}

func (b *Browser) page(t testing.TB, parent context.Context, options Options, of ...chromedp.ContextOption) *Page {
	t.Helper()
	if options.Width == 0 {
		options.Width = 1280
	}
	if options.Height == 0 {
		options.Height = 800
	}
	p := &Page{t: t, browser: b, options: options, record: newRecord()}
	ctx, end := chromedp.NewContext(parent, append(of, chromedp.WithListener(p.listen))...)
	p.ctx = ctx
	t.Cleanup(func() {
		b.mutex.Lock()
		delete(b.pages, p)
		b.mutex.Unlock()
		end()
	})
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("open a page: %v", err)
	}
	opened := chromedp.FromContext(ctx)
	// The main frame has the name of its target.
	p.frame = cdp.FrameID(opened.Target.TargetID)
	p.record.main(p.frame)
	b.mutex.Lock()
	b.pages[p] = true
	b.mutex.Unlock()
	if err := b.denyDownloads(opened.BrowserContextID); err != nil {
		t.Fatalf("refuse downloads: %v", err)
	}
	do(p, audits.Enable, cdp.Empty{})
	do(p, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: !options.Scripts})
	do(p, emulation.SetEmulatedMedia, options.media())
	p.Resize(options.Width, options.Height)
	return p
}

// media returns what style sheets can ask of the options.
func (o Options) media() emulation.SetEmulatedMediaParams {
	scheme, forced := "light", "none"
	if o.Dark {
		scheme = "dark"
	}
	if o.Forced {
		forced = "active"
	}
	return emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: scheme},
		{Name: "forced-colors", Value: forced},
		// Nothing moves while it is looked at.
		{Name: "prefers-reduced-motion", Value: "reduce"},
	}}
}

// Resize makes the window another size, in CSS pixels.
func (p *Page) Resize(width, height int64) {
	p.t.Helper()
	p.options.Width, p.options.Height = width, height
	do(p, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{
		Width: width, Height: height, DeviceScaleFactor: 1, Mobile: width < phone,
	})
}

// Open goes to an address and waits until the page is loaded. An answer of any
// status is a page; none at all ends the test. The origin of the address is the
// page's own from then on.
func (p *Page) Open(address string) {
	p.t.Helper()
	parsed, err := url.Parse(address)
	if err != nil {
		p.t.Fatalf("open %s: %v", address, err)
	}
	before := p.record.open(origin(parsed))
	result := do(p, page.Navigate, page.NavigateParams{URL: address})
	switch {
	case result.IsDownload || result.LoaderID == "":
		// Nothing is loaded: a file, or a place within the same page.
		return
	case result.ErrorText != "":
		p.t.Fatalf("open %s: %s", address, result.ErrorText)
	}
	p.await("load "+address, func() bool { return p.record.load != before })
}

// Status returns what the server answered the page's address with.
func (p *Page) Status() Document {
	p.t.Helper()
	p.sync()
	p.record.mutex.Lock()
	defer p.record.mutex.Unlock()
	document := p.record.document
	document.Header = document.Header.Clone()
	return document
}

// URL returns the address that the page is at, with its fragment.
func (p *Page) URL() string {
	p.t.Helper()
	return ask[string](p, "", `function() { return location.href }`)
}

// Title returns the page's title.
func (p *Page) Title() string {
	p.t.Helper()
	return ask[string](p, "", `function() { return document.title }`)
}

// Text returns what can be read on the page, as it is laid out; what is hidden is
// not in it.
func (p *Page) Text() string {
	p.t.Helper()
	return strings.TrimSpace(ask[string](p, "", `function() { return document.body ? document.body.innerText : "" }`))
}

// HTML returns the document as it is now, scripts' changes included.
func (p *Page) HTML() string {
	p.t.Helper()
	return ask[string](p, "", `function() { return document.documentElement.outerHTML }`)
}

// Attribute returns an attribute of what the target names, empty if there is none.
func (p *Page) Attribute(target, name string) string {
	p.t.Helper()
	return ask[string](p, p.find(target).object, `function(name) { return this.getAttribute(name) ?? "" }`, name)
}

// Value returns what is in the field that the target names.
func (p *Page) Value(target string) string {
	p.t.Helper()
	return ask[string](p, p.find(target).object, `function() { return String(this.value ?? "") }`)
}

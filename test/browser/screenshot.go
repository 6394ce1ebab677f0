package browser

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/chromedp/cdproto/page"

	"github.com/backref/backref/test/rig"
)

// screenshots names the environment variable with the folder that screenshots are
// kept in, from the root of the checkout where it is relative.
const screenshots = "RIG_SCREENSHOTS"

// Screenshot keeps a picture of the whole page, below the window too, and returns
// its file: NAME.png in a folder of the test's name below RIG_SCREENSHOTS, or in
// the test's folder of artifacts (go test -artifacts keeps it) where that isn't
// set.
func (p *Page) Screenshot(name string) string {
	p.t.Helper()
	dir := p.t.ArtifactDir()
	if kept := os.Getenv(screenshots); kept != "" {
		if !filepath.IsAbs(kept) {
			kept = filepath.Join(rig.Root(p.t), kept)
		}
		dir = filepath.Join(kept, fileName(p.t.Name()))
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		p.t.Fatal(err)
	}
	file := filepath.Join(dir, fileName(name)+".png")
	if err := os.WriteFile(file, p.picture(true), 0o644); err != nil {
		p.t.Fatal(err)
	}
	return file
}

// picture returns the page as PNG: all of it, or what the window shows.
func (p *Page) picture(whole bool) []byte {
	p.t.Helper()
	yes := true
	return do(p, page.CaptureScreenshot, page.CaptureScreenshotParams{
		Format: page.CaptureScreenshotFormatPng, FromSurface: &yes, CaptureBeyondViewport: &whole,
	}).Data
}

// fileName makes a name that is one of a file everywhere.
func fileName(name string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', r == '.':
			return r
		}
		return '_'
	}, name)
}

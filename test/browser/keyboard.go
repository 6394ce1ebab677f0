package browser

import (
	"bytes"

	"github.com/chromedp/cdproto/accessibility"
)

// Focused is an element that the keyboard reached.
type Focused struct {
	// Name and Role are what assistive technology says of it.
	Name, Role string
	// Visible is whether the window looks different for its having the focus.
	Visible bool
}

// still brings to an end what moves: a picture shows how things will be.
const still = `for (const motion of document.getAnimations()) { try { motion.finish() } catch { motion.cancel() } }`

// Keyboard presses the Tab key up to n times and returns what had the focus after
// each, until it leaves the page. It begins where the focus is: at the top of a
// page that was just opened. To see whether focus shows, it is taken away and given
// back, which scripts of the page notice.
func (p *Page) Keyboard(n int) []Focused {
	p.t.Helper()
	var reached []Focused
	for range n {
		p.Press("Tab")
		result, err := p.call("", false, `function() {
			const focused = document.activeElement
			return focused && focused !== document.body && focused !== document.documentElement ? focused : 0
		}`)
		if err != nil {
			p.t.Fatalf("find what has the focus: %v", err)
		}
		if result.ObjectID == "" {
			break
		}
		yes := false
		described := do(p, accessibility.GetPartialAXTree, accessibility.GetPartialAXTreeParams{ObjectID: result.ObjectID, FetchRelatives: &yes})
		focused := Focused{}
		if len(described.Nodes) > 0 {
			focused.Name, focused.Role = text(described.Nodes[0].Name), text(described.Nodes[0].Role)
		}
		_ = ask[any](p, result.ObjectID, `function() { this.style.setProperty("caret-color", "transparent", "important"); `+still+` }`)
		with := p.picture(false)
		_ = ask[any](p, result.ObjectID, `function() { this.blur(); `+still+` }`)
		without := p.picture(false)
		_ = ask[any](p, result.ObjectID, `function() {
			this.style.removeProperty("caret-color")
			if (!this.getAttribute("style")) this.removeAttribute("style")
			this.focus({preventScroll: true, focusVisible: true})
		}`)
		focused.Visible = !bytes.Equal(with, without)
		reached = append(reached, focused)
	}
	return reached
}

// MustShowFocus tabs through the page, n times at most, and fails the test where
// the focus can't be seen or what has it is without a name. It returns what
// [Page.Keyboard] does.
func (p *Page) MustShowFocus(n int) []Focused {
	p.t.Helper()
	reached := p.Keyboard(n)
	for i, focused := range reached {
		if focused.Name == "" || !focused.Visible {
			p.t.Errorf("%s: stop %d of the keyboard has no name or shows no focus: %+v", p.URL(), i+1, focused)
		}
	}
	return reached
}

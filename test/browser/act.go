package browser

import (
	"context"
	"strings"
	"time"

	"github.com/chromedp/cdproto/dom"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// Click clicks in the middle of what the target names, as a person does: it has to
// be in sight and nothing may lie over it. Where that leads to another page, it
// waits until that is loaded.
func (p *Page) Click(target string) {
	p.t.Helper()
	for until := time.Now().Add(patience); ; time.Sleep(pause) {
		x, y, hit := p.middle(p.find(target))
		if hit {
			p.run(chromedp.MouseClickXY(x, y))
			p.settle()
			return
		}
		if time.Now().After(until) {
			p.t.Fatalf("click %q: it is out of sight, or something lies over it", target)
		}
	}
}

// middle returns where an element is in the window, once that is in sight, and
// whether a click there is one on the element.
func (p *Page) middle(e element) (x, y float64, hit bool) {
	p.t.Helper()
	if _, err := try(p, dom.ScrollIntoViewIfNeeded, dom.ScrollIntoViewIfNeededParams{BackendNodeID: e.backend}); err != nil {
		return 0, 0, false
	}
	shape, err := try(p, dom.GetContentQuads, dom.GetContentQuadsParams{BackendNodeID: e.backend})
	if err != nil || len(shape.Quads) == 0 || len(shape.Quads[0]) != 8 {
		return 0, 0, false
	}
	for i := 0; i < 8; i += 2 {
		x += shape.Quads[0][i] / 4
		y += shape.Quads[0][i+1] / 4
	}
	hit, err = read[bool](p, e.object, `function(x, y) {
		const top = document.elementFromPoint(x, y)
		return !!top && (this.contains(top) || top.closest("label")?.control === this)
	}`, x, y)
	return x, y, err == nil && hit
}

// Fill puts a text into the field that the target names, in place of what is
// there, or chooses what is labelled so in a list.
func (p *Page) Fill(target, text string) {
	p.t.Helper()
	field := p.find(target)
	typed := ask[bool](p, field.object, `function(text) {
		if (this.localName !== "select") {
			this.focus()
			this.select?.()
			return true
		}
		const option = [...this.options].find(option => option.label === text)
		if (option) {
			this.value = option.value
			this.dispatchEvent(new Event("input", {bubbles: true}))
			this.dispatchEvent(new Event("change", {bubbles: true}))
		}
		return false
	}`, text)
	shown := `function() { return this.localName === "select" ? this.selectedOptions[0]?.label : this.value }`
	if typed && text == "" {
		p.run(chromedp.KeyEvent(kb.Delete))
	} else if typed {
		do(p, input.InsertText, input.InsertTextParams{Text: text})
	}
	if got := ask[string](p, field.object, shown); got != text {
		p.t.Fatalf("fill %q: it has %q, not %q", target, got, text)
	}
}

// Press presses keys, one after the other: each is a name ("Tab", "Shift+Tab",
// "Enter", "Space", "Escape", "ArrowDown", "Home" and the like) or a text that is
// typed. Where that leads to another page, it waits until that is loaded.
func (p *Page) Press(keys ...string) {
	p.t.Helper()
	for _, key := range keys {
		name, shifted := strings.CutPrefix(key, "Shift+")
		var options []chromedp.KeyOption
		if shifted {
			options = append(options, chromedp.KeyModifiers(chromedp.ModifierShift))
		}
		p.run(chromedp.KeyEvent(keyOf(name), options...))
		p.settle()
	}
}

// keyOf returns the key of a name, and what is none as it is.
func keyOf(name string) string {
	switch name {
	case "Tab":
		return kb.Tab
	case "Enter":
		return kb.Enter
	case "Space":
		return " "
	case "Escape":
		return kb.Escape
	case "Backspace":
		return kb.Backspace
	case "Delete":
		return kb.Delete
	case "ArrowUp":
		return kb.ArrowUp
	case "ArrowDown":
		return kb.ArrowDown
	case "ArrowLeft":
		return kb.ArrowLeft
	case "ArrowRight":
		return kb.ArrowRight
	case "Home":
		return kb.Home
	case "End":
		return kb.End
	case "PageUp":
		return kb.PageUp
	case "PageDown":
		return kb.PageDown
	}
	return name
}

// run runs an action that has to succeed.
func (p *Page) run(action chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	if err := chromedp.Do(p.ctx, action); err != nil {
		p.t.Fatal(err)
	}
}

// drawn is how long a page may take to be drawn.
const drawn = 2 * time.Second

// settle waits until what was done has led to where it leads.
func (p *Page) settle() {
	p.t.Helper()
	// What a click leads to, such as that a form is sent, may be put off until the
	// page has been drawn. A picture of one pixel has it drawn, scripts or not. Where
	// the page is left before that, nobody answers.
	drawing, cancel := context.WithTimeout(p.ctx, drawn)
	_, _ = chromedp.Call(drawing, page.CaptureScreenshot, page.CaptureScreenshotParams{Clip: &page.Viewport{Width: 1, Height: 1, Scale: 1}})
	cancel()
	p.sync()
	p.await("load the next page", func() bool { return !p.record.loading })
}

package browser

import "fmt"

// Wide is an element that is wider than the window, or sticks out of it.
type Wide struct {
	// Element is its name, id and classes; Text how what is in it begins.
	Element, Text string
	// Left and Right are its edges in CSS pixels from the left of the window.
	Left, Right float64
}

// String returns the element with its edges.
func (w Wide) String() string {
	return fmt.Sprintf("%s from %.0f to %.0f: %q", w.Element, w.Left, w.Right, w.Text)
}

// Overflow returns what can't be read without scrolling sideways: the elements
// that stick out of the window, innermost only, and the document where it is wider
// for another reason. What an element of its own scrolls or cuts off is not in it,
// and neither is what is invisible or put out of sight to the left on purpose.
func (p *Page) Overflow() []Wide {
	p.t.Helper()
	return ask[[]Wide](p, "", `function(width) {
		const slack = 1, wide = []
		const name = e => e.localName + (e.id && "#" + e.id) + [...e.classList].map(c => "." + c).join("")
		const told = (e, left, right) => wide.push({Element: name(e), Text: (e.textContent ?? "").trim().slice(0, 80), Left: left, Right: right})
		const visit = e => {
			const style = getComputedStyle(e)
			if (style.display === "none") return false
			const box = e.getBoundingClientRect()
			let within = false
			if (e === document.body || style.display === "contents" || style.overflowX === "visible") {
				for (const child of e.children) within = visit(child) || within
			}
			if (within) return true
			if (style.visibility === "hidden" || box.width <= 1 || box.height <= 1 || box.right <= 0) return false
			const left = box.left + scrollX, right = box.right + scrollX
			if (right <= width + slack && left >= -slack) return false
			told(e, left, right)
			return true
		}
		visit(document.body)
		const whole = document.documentElement
		if (!wide.length && whole.scrollWidth > width + slack) told(whole, 0, whole.scrollWidth)
		return wide
	}`, p.options.Width)
}

// MustFit fails the test where something sticks out of the window.
func (p *Page) MustFit() {
	p.t.Helper()
	for _, wide := range p.Overflow() {
		p.t.Errorf("%s at %d pixels: %s", p.URL(), p.options.Width, wide)
	}
}

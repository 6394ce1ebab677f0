package browser

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/dom"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
)

// pause is how long it takes from one look at the page to the next.
const pause = 20 * time.Millisecond

// errMissing is that nothing on the page is the target.
var errMissing = errors.New("there is no such thing")

// element is something on the page, held in the test's world.
type element struct {
	object  runtime.RemoteObjectID
	backend cdp.BackendNodeID
}

// operable are the roles of what a person can act on.
func operable(role string) bool {
	return slices.Contains([]string{
		"link", "button", "textbox", "searchbox", "combobox", "listbox", "option", "checkbox", "radio", "switch", "slider",
		"spinbutton", "tab", "menuitem", "menuitemcheckbox", "menuitemradio", "treeitem", "DisclosureTriangle",
		"PopUpButton", "ComboBoxSelect", "TextField", "ListBox", "Date", "DateTime", "ColorWell",
	}, role)
}

// Wait waits until there is exactly one element that the target names, and ends
// the test where that doesn't come to be.
func (p *Page) Wait(target string) {
	p.t.Helper()
	p.find(target)
}

// Has reports whether there is exactly one element that the target names now.
func (p *Page) Has(target string) bool {
	p.t.Helper()
	_, err := p.look(target)
	return err == nil
}

// find waits for what the target names.
func (p *Page) find(target string) element {
	p.t.Helper()
	for until := time.Now().Add(patience); ; time.Sleep(pause) {
		found, err := p.look(target)
		switch {
		case err == nil:
			return found
		case p.ctx.Err() != nil:
			p.t.Fatalf("find %q: the page is closed", target)
		case time.Now().After(until):
			p.t.Fatalf("find %q: %v; what can be operated here: %s", target, err, strings.Join(p.Names(), ", "))
		}
	}
}

// look finds what the target names, now.
func (p *Page) look(target string) (element, error) {
	if selector, is := strings.CutPrefix(target, "css="); is {
		return p.selected(selector)
	}
	if name, is := strings.CutPrefix(target, "name="); is {
		return p.named(name)
	}
	if target != "" && strings.ContainsRune("#.[", rune(target[0])) {
		return p.selected(target)
	}
	return p.named(target)
}

// selected finds the one element that a CSS selector matches.
func (p *Page) selected(selector string) (element, error) {
	result, err := p.call("", false, `function(selector) {
		const all = document.querySelectorAll(selector)
		return all.length === 1 ? all[0] : all.length
	}`, selector)
	if err != nil {
		return element{}, err
	}
	if result.ObjectID == "" {
		if string(result.Value) == "0" {
			return element{}, errMissing
		}
		return element{}, fmt.Errorf("there are %s of it", result.Value)
	}
	described, err := try(p, dom.DescribeNode, dom.DescribeNodeParams{ObjectID: result.ObjectID})
	if err != nil {
		return element{}, err
	}
	return element{result.ObjectID, described.Node.BackendNodeID}, nil
}

// named finds the one thing that can be operated and has the accessible name.
func (p *Page) named(name string) (element, error) {
	nodes, err := p.tree(name)
	if err != nil {
		return element{}, err
	}
	switch len(nodes) {
	case 0:
		return element{}, errMissing
	case 1:
		return p.held(nodes[0].BackendDOMNodeID)
	}
	return element{}, fmt.Errorf("there are %d of it", len(nodes))
}

// held takes an element into the test's world.
func (p *Page) held(backend cdp.BackendNodeID) (element, error) {
	made, err := try(p, page.CreateIsolatedWorld, page.CreateIsolatedWorldParams{FrameID: p.frame, WorldName: world})
	if err != nil {
		return element{}, err
	}
	resolved, err := try(p, dom.ResolveNode, dom.ResolveNodeParams{BackendNodeID: backend, ExecutionContextID: made.ExecutionContextID})
	if err != nil {
		return element{}, err
	}
	return element{resolved.Object.ObjectID, backend}, nil
}

// tree returns what can be operated on the page, in the order of the document;
// with a name, only what has it.
func (p *Page) tree(name string) ([]*accessibility.Node, error) {
	document, err := p.call("", false, `function() { return document }`)
	if err != nil {
		return nil, err
	}
	all, err := try(p, accessibility.QueryAXTree, accessibility.QueryAXTreeParams{ObjectID: document.ObjectID, AccessibleName: name})
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(all.Nodes, func(node *accessibility.Node) bool {
		return node.Ignored || node.BackendDOMNodeID == 0 || !operable(text(node.Role))
	}), nil
}

// Names returns the accessible names of all that can be operated on the page, in
// the order of the document.
func (p *Page) Names() []string {
	p.t.Helper()
	nodes, err := p.tree("")
	if err != nil {
		p.t.Fatalf("read the names: %v", err)
	}
	var names []string
	for _, node := range nodes {
		names = append(names, text(node.Name))
	}
	return names
}

// text returns a value of the accessibility tree that is text.
func text(value *accessibility.Value) string {
	var found string
	if value != nil {
		_ = json.Unmarshal(value.Value, &found)
	}
	return found
}

package browser

import (
	"fmt"
	"slices"
	"strings"
)

// Kind is what sort of thing an [Event] is.
type Kind string

// What a page can do that a quiet page doesn't.
const (
	// Console is an error in the console: of the page's scripts, or of what it
	// could not load. That the page itself was answered with an error is none.
	Console Kind = "console"
	// Policy is something that the Content Security Policy refused, or would if
	// it were enforced.
	Policy Kind = "policy"
	// Exception is one that no script caught.
	Exception Kind = "exception"
	// Dialog is an alert, a question or a prompt. It is answered with no, but for
	// the question whether to leave.
	Dialog Kind = "dialog"
	// Elsewhere is a request to another origin than the one that was opened, by
	// whatever part of the page. Those that the policy refused are not among them.
	Elsewhere Kind = "elsewhere"
	// Download is a file that the page gave to be kept. It is refused.
	Download Kind = "download"
	// Popup is another window. What happens in it isn't recorded.
	Popup Kind = "popup"
	// Worker is a script in the background. What it does isn't recorded.
	Worker Kind = "worker"
)

// Event is something that went wrong, or happened behind the user's back, while a
// page was open.
type Event struct {
	Kind Kind
	// Text says what: a message, or the directive of the policy.
	Text string
	// URL is what it was about or where it happened, where that is known.
	URL string
}

// String returns the event on one line.
func (e Event) String() string {
	return strings.TrimSpace(fmt.Sprintf("%s: %s %s", e.Kind, strings.ReplaceAll(e.Text, "\n", " | "), e.URL))
}

// Events returns all events since the page was made, in their order, up to
// 1,000: what follows from a click or a key that was pressed is among them, what
// a script put off to a later time isn't unless that has come.
func (p *Page) Events() []Event {
	p.t.Helper()
	p.sync()
	p.record.mutex.Lock()
	defer p.record.mutex.Unlock()
	events := make([]Event, 0, len(p.record.events))
	for _, event := range p.record.events {
		events = append(events, event.Event)
	}
	return events
}

// EventsOf is [Page.Events] of one kind.
func (p *Page) EventsOf(kind Kind) []Event {
	p.t.Helper()
	var events []Event
	for _, event := range p.Events() {
		if event.Kind == kind {
			events = append(events, event)
		}
	}
	return events
}

// MustBeQuiet fails the test where there was any event but those of the kinds
// that are given.
func (p *Page) MustBeQuiet(but ...Kind) {
	p.t.Helper()
	for _, event := range p.Events() {
		if !slices.Contains(but, event.Kind) {
			p.t.Errorf("%s is not quiet: %s", p.URL(), event)
		}
	}
}

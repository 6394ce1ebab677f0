package browser

import (
	"net/http"
	"net/url"
	"strings"
	"sync"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
)

// mostEvents is how many events of one page are kept.
const mostEvents = 1000

// record is what happened on a page, written as Chromium tells of it.
type record struct {
	mutex sync.Mutex
	// changed is closed at each change, and another one takes its place.
	changed chan struct{}
	frame   cdp.FrameID
	frames  map[cdp.FrameID]bool
	// own is the origin of what was opened.
	own    string
	events []recorded
	// request is the one that the document came by.
	request  network.RequestID
	document Document
	// load is the document that was loaded last; loading is whether another one
	// is on its way.
	load    cdp.LoaderID
	loading bool
}

type recorded struct {
	Event
	request network.RequestID
}

func newRecord() *record {
	return &record{changed: make(chan struct{}), frames: map[cdp.FrameID]bool{}}
}

// main says which frame is the page.
func (r *record) main(frame cdp.FrameID) {
	r.change(func() { r.frame, r.frames[frame] = frame, true })
}

// open says what the page's own origin is, and returns what was loaded before.
func (r *record) open(own string) (before cdp.LoaderID) {
	r.change(func() { r.own, before = own, r.load })
	return before
}

// change changes the record and tells those who wait for it.
func (r *record) change(change func()) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	change()
	close(r.changed)
	r.changed = make(chan struct{})
}

// add adds an event; the lock is held.
func (r *record) add(kind Kind, text, address string, request network.RequestID) {
	if len(r.events) < mostEvents {
		r.events = append(r.events, recorded{Event{kind, text, address}, request})
	}
}

// sent notes a request that the page makes; the lock is held.
func (r *record) sent(request network.RequestID, method, address string) {
	parsed, err := url.Parse(address)
	if err == nil {
		switch parsed.Scheme {
		case "data", "blob", "about", "chrome-error":
			return
		}
		if origin(parsed) == r.own {
			return
		}
	}
	r.add(Elsewhere, method, address, request)
}

// failed takes a request back that the policy refused before it was made; the lock
// is held.
func (r *record) failed(request network.RequestID, reason network.BlockedReason) {
	if reason != network.BlockedReasonCsp {
		return
	}
	kept := r.events[:0]
	for _, event := range r.events {
		if event.Kind != Elsewhere || event.request != request {
			kept = append(kept, event)
		}
	}
	r.events = kept
}

// answered notes what the document was answered with; the lock is held.
func (r *record) answered(request network.RequestID, response *network.Response) {
	header := r.document.Header
	if r.request != request || header == nil {
		header = headerOf(response.Headers)
	}
	r.request = request
	r.document = Document{URL: response.URL, Status: int(response.Status), Header: header}
}

// download notes a file that a frame of the page gave.
func (r *record) download(frame cdp.FrameID, address string) {
	r.change(func() {
		if r.frames[frame] {
			r.add(Download, "refused", address, "")
		}
	})
}

// headerOf reads fields that are there several times, which come on lines of one
// value.
func headerOf(fields network.Headers) http.Header {
	header := http.Header{}
	for name, value := range fields {
		text, _ := value.(string)
		for line := range strings.SplitSeq(text, "\n") {
			header.Add(name, line)
		}
	}
	return header
}

// origin returns scheme, host and port; those of a web socket are those of HTTP.
func origin(address *url.URL) string {
	scheme := strings.Replace(address.Scheme, "ws", "http", 1)
	return scheme + "://" + strings.ToLower(address.Host)
}

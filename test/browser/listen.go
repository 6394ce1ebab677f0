package browser

import (
	"strings"
	"time"

	"github.com/chromedp/cdproto/audits"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/target"
)

// listen writes what Chromium tells of the page into its record. It is called for
// one event after another, must not wait, and must not ask Chromium anything.
func (p *Page) listen(event any) {
	if dialog, is := event.(*page.EventJavascriptDialogOpening); is {
		// The page stands still until it is answered.
		go func() {
			leave := dialog.Type == page.DialogTypeBeforeunload
			_, _ = try(p, page.HandleJavaScriptDialog, page.HandleJavaScriptDialogParams{Accept: leave})
		}()
	}
	p.record.change(func() {
		p.record.loads(event)
		p.record.requests(event)
		p.record.troubles(event)
	})
}

// loads notes where the page's document is on its way.
func (r *record) loads(event any) {
	switch event := event.(type) {
	case *page.EventFrameAttached:
		r.frames[event.FrameID] = true
	case *page.EventFrameStartedLoading:
		r.loading = r.loading || event.FrameID == r.frame
	case *page.EventFrameStoppedLoading:
		r.loading = r.loading && event.FrameID != r.frame
	case *page.EventLifecycleEvent:
		if event.FrameID == r.frame && event.Name == "load" {
			r.load = event.LoaderID
		}
	}
}

// requests notes requests and their answers.
func (r *record) requests(event any) {
	switch event := event.(type) {
	case *network.EventRequestWillBeSent:
		r.sent(event.RequestID, event.Request.Method, event.Request.URL)
		if event.Type == network.ResourceTypeDocument && event.FrameID == r.frame {
			r.request, r.document = event.RequestID, Document{URL: event.Request.URL}
		}
	case *network.EventResponseReceived:
		if event.Type == network.ResourceTypeDocument && event.FrameID == r.frame {
			r.answered(event.RequestID, event.Response)
		}
	case *network.EventResponseReceivedExtraInfo:
		if event.RequestID == r.request {
			r.document.Header = headerOf(event.Headers)
		}
	case *network.EventLoadingFailed:
		r.failed(event.RequestID, event.BlockedReason)
	case *network.EventWebSocketCreated:
		r.sent(event.RequestID, "web socket", event.URL)
	case *network.EventWebTransportCreated:
		r.sent(event.TransportID, "web transport", event.URL)
	}
}

// troubles notes what is an event in itself.
func (r *record) troubles(event any) {
	switch event := event.(type) {
	case *runtime.EventConsoleAPICalled:
		if event.Type == runtime.ConsoleAPICalledTypeError || event.Type == runtime.ConsoleAPICalledTypeAssert {
			r.add(Console, printed(event.Args), "", "")
		}
	case *log.EventEntryAdded:
		r.logged(event.Entry)
	case *runtime.EventExceptionThrown:
		r.add(Exception, exception(event.ExceptionDetails), event.ExceptionDetails.URL, "")
	case *audits.EventIssueAdded:
		if issue := event.Issue.Details.ContentSecurityPolicyIssueDetails; issue != nil {
			where := issue.BlockedURL
			if where == "" && issue.SourceCodeLocation != nil {
				where = issue.SourceCodeLocation.URL
			}
			r.add(Policy, issue.ViolatedDirective, where, "")
		}
	case *page.EventJavascriptDialogOpening:
		r.add(Dialog, string(event.Type)+" "+event.Message, event.URL, "")
	case *page.EventWindowOpen:
		r.add(Popup, event.WindowName, event.URL, "")
	case *target.EventAttachedToTarget:
		if strings.Contains(event.TargetInfo.Type, "worker") {
			r.add(Worker, event.TargetInfo.Type, event.TargetInfo.URL, "")
		}
	}
}

// logged notes an error that Chromium itself wrote into the console.
func (r *record) logged(entry *log.Entry) {
	switch {
	case entry.Level != log.EntryLevelError:
	case entry.Source == log.EntrySourceSecurity && strings.Contains(entry.Text, "Content Security Policy directive"):
		// It is told as an issue too, in parts that need no reading.
	case entry.Source == log.EntrySourceNetwork && entry.URL == r.own+"/favicon.ico":
		// Chromium asks for it of its own accord.
	case entry.Source == log.EntrySourceNetwork && entry.NetworkRequestID == r.request && entry.NetworkRequestID != "":
		// The page itself was answered with an error: Status has it.
	default:
		r.add(Console, entry.Text, entry.URL, "")
	}
}

// printed returns what was given to the console as text.
func printed(args []*runtime.RemoteObject) string {
	var words []string
	for _, arg := range args {
		word := strings.Trim(string(arg.Value), `"`)
		if word == "" {
			word = arg.Description
		}
		words = append(words, word)
	}
	return strings.Join(words, " ")
}

// await waits until the record says something; the lock is held meanwhile.
func (p *Page) await(what string, holds func() bool) {
	p.t.Helper()
	late := time.NewTimer(patience)
	defer late.Stop()
	for {
		p.record.mutex.Lock()
		ready, changed := holds(), p.record.changed
		p.record.mutex.Unlock()
		if ready {
			return
		}
		select {
		case <-changed:
		case <-p.ctx.Done():
			p.t.Fatalf("%s: the page is closed", what)
		case <-late.C:
			p.t.Fatalf("%s: not within %s", what, patience)
		}
	}
}

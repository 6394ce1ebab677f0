package proxy_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/backref/backref/index"
	"github.com/backref/backref/notice"
	"github.com/backref/backref/test/openapi"
)

// newNotices returns what answers operators about notices: with feeds, and two hooks, of
// which one takes all messages and the other none.
func newNotices(o *operated, store index.Maintainer) *notice.Service {
	o.t.Helper()
	service := notice.New(notice.Options{Store: store, Log: o.log, Get: func(ctx context.Context, key index.Key) (index.Record, error) {
		return store.Get(ctx, key.Repository, key.Digest)
	}})
	settings := notice.Settings{Keep: time.Hour, Entries: 100}
	for name, status := range map[string]int{"taking": http.StatusNoContent, "refusing": http.StatusInternalServerError} {
		receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
		o.t.Cleanup(receiver.Close)
		at, err := url.Parse(receiver.URL)
		if err != nil {
			o.t.Fatal(err)
		}
		settings.Hooks = append(settings.Hooks, notice.Hook{Name: name, URL: at, Secrets: [][]byte{make([]byte, 32)}})
	}
	apply, err := service.Prepare(o.t.Context(), settings)
	if err != nil {
		o.t.Fatal(err)
	}
	apply()
	return service
}

// deadLetter writes a dead letter of a hook, and returns its identifier.
func (o *operated) deadLetter(hook string) string {
	o.t.Helper()
	id := fmt.Sprintf("%016x.%s", 7, hook)
	value := fmt.Appendf(nil, `{"id":%q,"message":"msg_7","hook":%q,"time":"2026-01-02T03:04:05Z","died":"2026-01-03T03:04:05Z","repository":"app","digest":%q,"attempts":3,"reason":"it answered 500","body":{"type":"referrer.created"}}`, id, hook, o.subject)
	if err := o.store.(index.Journal).WriteJournal(o.t.Context(), index.BookDeadNotices, index.JournalEntry{Key: id, Value: value}); err != nil {
		o.t.Fatal(err)
	}
	return id
}

// noticesAnswered has each answer about notices given, but those without an index.
func noticesAnswered(document *openapi.Document, o *operated) {
	o.t.Helper()
	o.push("app", referrer("told", o.subject))
	want := func(method, at string, status int, headers ...string) reply {
		o.t.Helper()
		got := o.ask(document, method, at, "", headers...)
		if got.status != status {
			o.t.Errorf("%s %s: status %d, want %d: %s", method, at, got.status, status, got.body)
		}
		return got
	}
	want(http.MethodGet, "/admin/notices", http.StatusOK)
	want(http.MethodGet, "/admin/notices?before=0", http.StatusBadRequest)
	tag := want(http.MethodGet, "/admin/notices/feed", http.StatusOK).header.Get("ETag")
	want(http.MethodGet, "/admin/notices/feed", http.StatusNotModified, "If-None-Match", tag)
	want(http.MethodGet, "/admin/notices/feed?before=0", http.StatusBadRequest)
	taken, refused := o.deadLetter("taking"), o.deadLetter("refusing")
	want(http.MethodGet, "/admin/notices/dead", http.StatusOK)
	want(http.MethodPost, "/admin/notices/dead/"+taken+"/retry", http.StatusOK)
	want(http.MethodPost, "/admin/notices/dead/"+taken+"/retry", http.StatusNotFound)
	want(http.MethodPost, "/admin/notices/dead/"+refused+"/retry", http.StatusBadGateway)
	want(http.MethodDelete, "/admin/notices/dead/"+refused, http.StatusOK)
	want(http.MethodDelete, "/admin/notices/dead/"+refused, http.StatusNotFound)
	want(http.MethodPost, "/admin/notices/test/taking", http.StatusOK)
	want(http.MethodPost, "/admin/notices/test/refusing", http.StatusBadGateway)
	want(http.MethodPost, "/admin/notices/test/none", http.StatusNotFound)
}

// noticesWithoutIndex has each answer about notices given that an index is needed for.
func noticesWithoutIndex(document *openapi.Document, o *operated) {
	o.t.Helper()
	id := fmt.Sprintf("%016x.taking", 7)
	for at, method := range map[string]string{
		"/admin/notices": http.MethodGet, "/admin/notices/feed": http.MethodGet, "/admin/notices/dead": http.MethodGet,
		"/admin/notices/dead/" + id + "/retry": http.MethodPost, "/admin/notices/dead/" + id: http.MethodDelete, "/admin/notices/test/taking": http.MethodPost,
	} {
		if got := o.ask(document, method, at, ""); got.status != http.StatusServiceUnavailable {
			o.t.Errorf("%s %s without an index: status %d: %s", method, at, got.status, got.body)
		}
	}
}

// noFeeds has it said that there are no feeds.
func noFeeds(t *testing.T, document *openapi.Document) {
	t.Helper()
	o := newOperated(t, "", asItIs)
	apply, err := o.notices.Prepare(t.Context(), notice.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	apply()
	if got := o.ask(document, http.MethodGet, "/admin/notices/feed", ""); got.status != http.StatusNotFound {
		t.Errorf("no feeds: status %d: %s", got.status, got.body)
	}
}

package ext

import (
	"context"
	"net/http"

	"github.com/backref/backref/index"
	"github.com/backref/backref/notice"
	"github.com/backref/backref/proxy/answer"
	"github.com/backref/backref/registry"
)

// NoticesFeed answers with the new referrers of a repository as an Atom feed.
func (e *Extension) NoticesFeed(w http.ResponseWriter, r *http.Request, caller *registry.Caller) error {
	if e.options.Feeds == nil || !e.options.Feeds() {
		return notice.ErrNoFeeds()
	}
	values, err := answer.Parameters(r)
	if err != nil {
		return err
	}
	// The door has read which registry is meant.
	values.Del("ns")
	query, err := notice.ParseFeedQuery(values, false)
	if err != nil {
		return err
	}
	reader := notice.Reader{
		Latest: func(ctx context.Context, before uint64, limit int) ([]index.Arrival, error) {
			return e.registry.News(ctx, caller, before, limit)
		},
		Listed: func(ctx context.Context, a index.Arrival) (bool, error) {
			now, err := e.registry.Arrived(ctx, caller, a)
			return notice.StillListed(now, a, err)
		},
	}
	notices, next, err := reader.Page(r.Context(), query)
	if err != nil {
		return err
	}
	feed := notice.Feed{About: "repository " + caller.Repository(), Title: "New referrers in " + caller.Repository()}
	feed.References(query, next)
	body, err := feed.Render(notices)
	if err != nil {
		return err
	}
	e.options.Send(w, r, answer.New(notice.MediaTypeAtom, body, query.Query.Filters(), ""))
	return nil
}

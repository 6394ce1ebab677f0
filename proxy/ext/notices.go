package ext

import (
	"context"
	"net/http"
	"net/url"
	"strconv"

	"github.com/backref/backref/index"
	"github.com/backref/backref/notice"
	"github.com/backref/backref/proxy/answer"
	"github.com/backref/backref/registry"
)

// paramFormat chooses between the forms of a feed, and formatJSON is the one that is
// not Atom.
const (
	paramFormat = "format"
	formatJSON  = "json"
)

// noticesPage is a feed as JSON.
type noticesPage struct {
	Name    string         `json:"name"`
	Notices []notice.Entry `json:"notices"`
}

// NoticesFeed answers with the new referrers of a repository as an Atom feed, or with
// format=json as JSON.
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
	format, err := answer.Once(values, paramFormat)
	if err != nil {
		return err
	}
	if format != "" && format != formatJSON {
		return &index.QueryError{Param: paramFormat, Reason: "need json, or nothing for Atom"}
	}
	values.Del(paramFormat)
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
	if format == formatJSON {
		return e.sendNotices(w, r, caller, query, notices, next)
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

// sendNotices sends a page of a feed as JSON.
func (e *Extension) sendNotices(w http.ResponseWriter, r *http.Request, caller *registry.Caller, query notice.FeedQuery, notices []notice.Notice, next uint64) error {
	page := noticesPage{Name: caller.Repository(), Notices: make([]notice.Entry, 0, len(notices))}
	for _, n := range notices {
		page.Notices = append(page.Notices, notice.EntryOf(n))
	}
	link := ""
	if next > 0 {
		values := query.Values()
		values.Set(paramFormat, formatJSON)
		link = answer.Next(here(caller, NoticesFeed, values), url.Values{notice.ParamBefore: {strconv.FormatUint(next, 10)}})
	}
	return e.sendJSON(w, r, page, query.Query.Filters(), link)
}

package notice

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/opencontainers/go-digest"
	"go.uber.org/zap"

	"github.com/backref/backref/index"
	"github.com/backref/backref/oci"
)

// Entry is a notice as operators list it.
type Entry struct {
	Number       uint64            `json:"number"`
	Message      string            `json:"message"`
	Time         time.Time         `json:"time"`
	Repository   string            `json:"repository"`
	Subject      digest.Digest     `json:"subject"`
	Digest       digest.Digest     `json:"digest"`
	MediaType    string            `json:"mediaType"`
	ArtifactType string            `json:"artifactType,omitempty"`
	Annotations  map[string]string `json:"annotations,omitempty"`
	Size         int64             `json:"size"`
}

// EntryOf returns a notice as operators list it.
func EntryOf(n Notice) Entry {
	return Entry{
		Number: n.Number, Message: n.ID(), Time: n.Time, Repository: n.Repository, Subject: n.Subject, Digest: n.Digest,
		MediaType: n.MediaType, ArtifactType: n.ArtifactType, Annotations: n.Annotations, Size: n.Size,
	}
}

// Routes adds the admin API of notices:
//
//	GET    /notices                  Entry, one JSON object a line, the latest first; the
//	                                 parameters are those of feeds
//	GET    /notices/feed             Atom, over all repositories
//	GET    /notices/dead             DeadLetter, one JSON object a line
//	POST   /notices/dead/{id}/retry  sends it again
//	DELETE /notices/dead/{id}        drops it
//	POST   /notices/test/{hook}      sends a test
//
// Who may ask is decided before.
func (s *Service) Routes(router chi.Router) {
	router.Get("/notices", s.serveList)
	router.Get("/notices/feed", s.serveFeed)
	router.Get("/notices/dead", s.serveDead)
	router.Post("/notices/dead/{id}/retry", s.serveRetry)
	router.Delete("/notices/dead/{id}", s.serveDrop)
	router.Post("/notices/test/{hook}", s.serveTest)
}

// Feeds tells whether news are kept for feeds.
func (s *Service) Feeds() bool {
	settings, _ := s.current()
	return settings.Keep > 0
}

// ErrNoFeeds is what a client is told where there are no feeds.
func ErrNoFeeds() error {
	return oci.NotFound(oci.CodeUnsupported, "there are no feeds here: the operator can turn them on by notices.keep, which says for how long news are kept", nil)
}

// page reads what a request of an operator asks for.
func (s *Service) page(w http.ResponseWriter, r *http.Request) (q FeedQuery, notices []Notice, next uint64, ok bool) {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err == nil {
		q, err = ParseFeedQuery(values, true)
	}
	if err != nil {
		writeError(w, http.StatusBadRequest, oci.CodeUnsupported, err.Error())
		return q, nil, 0, false
	}
	reader := Reader{
		Latest: func(ctx context.Context, before uint64, limit int) ([]index.Arrival, error) {
			return s.options.Store.Latest(ctx, "", before, limit)
		},
		Listed: func(ctx context.Context, a index.Arrival) (bool, error) {
			now, err := s.options.Get(ctx, a.Record.Key())
			return StillListed(now, a, err)
		},
	}
	notices, next, err = reader.Page(r.Context(), q)
	if err != nil {
		s.unavailable(w, r, err)
		return q, nil, 0, false
	}
	return q, notices, next, true
}

func (s *Service) serveList(w http.ResponseWriter, r *http.Request) {
	_, notices, _, ok := s.page(w, r)
	if !ok {
		return
	}
	w.Header().Set("Content-Type", "application/jsonl")
	encoder := json.NewEncoder(w)
	for _, n := range notices {
		if encoder.Encode(EntryOf(n)) != nil {
			return
		}
	}
}

func (s *Service) serveFeed(w http.ResponseWriter, r *http.Request) {
	if !s.Feeds() {
		writeError(w, http.StatusNotFound, oci.CodeUnsupported, ErrNoFeeds().Error())
		return
	}
	q, notices, next, ok := s.page(w, r)
	if !ok {
		return
	}
	feed := Feed{About: "everything", Title: "New referrers", Self: self(q)}
	if next > 0 {
		feed.Next = nextOf(q, next)
	}
	if public := s.options.PublicURL; public != nil {
		base := public.Scheme + "://" + public.Host + strings.TrimSuffix(public.Path, "/") + "/v2/"
		feed.Manifest = func(repository string, of digest.Digest) string {
			return base + repository + "/manifests/" + of.String()
		}
		feed.Referrers = func(repository string, of digest.Digest) string {
			return base + repository + "/referrers/" + of.String()
		}
	}
	body, err := feed.Render(notices)
	if err != nil {
		s.unavailable(w, r, err)
		return
	}
	sum := sha256.Sum256(body)
	etag := `"` + hex.EncodeToString(sum[:16]) + `"`
	w.Header().Set("Content-Type", MediaTypeAtom)
	w.Header().Set("ETag", etag)
	w.Header().Set("Cache-Control", "private, no-cache")
	// It answers If-None-Match, Range and HEAD.
	http.ServeContent(w, r, "", time.Time{}, strings.NewReader(string(body)))
}

// self returns the reference of a page of a feed to itself.
func self(q FeedQuery) string { return "feed" + queryText(q) }

func nextOf(q FeedQuery, next uint64) string {
	q.Before = next
	return self(q)
}

func queryText(q FeedQuery) string {
	if values := q.Values(); len(values) > 0 {
		return "?" + values.Encode()
	}
	return ""
}

// References fills in how a page of the feed of one repository, at
// /v2/<name>/_backref/notices/feed, refers to itself, to the page behind it where next is
// not 0, and to manifests: by paths that hold wherever the client finds it.
func (f *Feed) References(q FeedQuery, next uint64) {
	f.Self = self(q)
	if next > 0 {
		f.Next = nextOf(q, next)
	}
	f.Manifest = func(_ string, of digest.Digest) string { return "../../manifests/" + of.String() }
	f.Referrers = func(_ string, of digest.Digest) string { return "../../referrers/" + of.String() }
}

func (s *Service) serveDead(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/jsonl")
	encoder := json.NewEncoder(w)
	for after := ""; ; {
		letters, err := ReadDead(r.Context(), s.options.Store, after, deadRead)
		if err != nil && after == "" {
			s.unavailable(w, r, err)
			return
		}
		if err != nil {
			s.options.Log.Error("answer broken off", zap.String("path", r.URL.Path), zap.Error(err))
			panic(http.ErrAbortHandler)
		}
		for _, letter := range letters {
			if encoder.Encode(letter) != nil {
				return
			}
			after = letter.ID
		}
		if len(letters) < deadRead {
			return
		}
	}
}

func (s *Service) serveRetry(w http.ResponseWriter, r *http.Request) {
	s.answer(w, r, "delivered", s.Retry(r.Context(), chi.URLParam(r, "id")))
}

func (s *Service) serveDrop(w http.ResponseWriter, r *http.Request) {
	s.answer(w, r, "dropped", DropDead(r.Context(), s.options.Store, chi.URLParam(r, "id")))
}

func (s *Service) serveTest(w http.ResponseWriter, r *http.Request) {
	s.answer(w, r, "delivered", s.Test(r.Context(), chi.URLParam(r, "hook")))
}

// answer says what came of what an operator asked for.
func (s *Service) answer(w http.ResponseWriter, r *http.Request, done string, err error) {
	switch {
	case err == nil:
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]bool{done: true})
	case errors.Is(err, ErrNoLetter), errors.Is(err, ErrNoHook):
		writeError(w, http.StatusNotFound, oci.CodeUnsupported, err.Error())
	case errors.Is(err, ErrRefused):
		writeError(w, http.StatusBadGateway, oci.CodeUnsupported, err.Error())
	default:
		s.unavailable(w, r, err)
	}
}

func (s *Service) unavailable(w http.ResponseWriter, r *http.Request, err error) {
	s.options.Log.Error("notices can't be read or written", zap.String("path", r.URL.Path), zap.Error(err))
	writeError(w, http.StatusServiceUnavailable, oci.CodeUnavailable, "the index can't be used; see the log")
}

// writeError answers with an error, by the writer that the rest of the program has.
func writeError(w http.ResponseWriter, status int, code, message string) {
	(&oci.Error{Status: status, Code: code, Message: message}).Write(w)
}

package probe

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/upstream"
)

// maxBody is how much of an answer is read unless a question says less: a page of the
// specification has 4 MiB at most.
const maxBody = 4 << 20

// question is one request.
type question struct {
	method string
	// url holds path and query as a client of the registry writes them.
	url    *url.URL
	header http.Header
	body   []byte
	// shown stands for path and query in the line that is told, where these differ
	// from run to run; empty for themselves.
	shown string
	// most is how much of the answer is read; 0 is maxBody.
	most int64
}

// line is the request as it is told.
func (q question) line() string {
	target := q.shown
	if target == "" {
		target = q.url.RequestURI()
	}
	line := q.method + " " + target
	for _, name := range []string{"Range", "Content-Range", "If-Match", "If-None-Match"} {
		if value := q.header.Get(name); value != "" {
			line += " [" + name + ": " + value + "]"
		}
	}
	return line
}

// exchange is a question and what came of it.
type exchange struct {
	question
	status int
	header http.Header
	// body is what was read of it, cut says that there was more, broken that it broke
	// off.
	body        []byte
	cut, broken bool
	err         error
}

// ask sends a question as the service, within the time of one.
func (p *probe) ask(ctx context.Context, repository string, q question) exchange {
	within, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	header := q.header.Clone()
	if header == nil {
		header = http.Header{}
	}
	header.Set("User-Agent", "backref")
	target := *q.url
	req := (&http.Request{
		Method: q.method, URL: &target, Header: header, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}).WithContext(within)
	if q.body != nil {
		req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(q.body)), nil }
		req.Body, req.ContentLength = io.NopCloser(bytes.NewReader(q.body)), int64(len(q.body))
	}
	as, _ := p.registry.Service()
	late := func(err error) error {
		if ctx.Err() == nil && within.Err() != nil {
			return fmt.Errorf("no answer within %s", p.timeout)
		}
		return err
	}
	resp, err := p.registry.Send(as.For(repository), req)
	if err != nil {
		return exchange{question: q, err: late(err)}
	}
	defer func() { _ = resp.Body.Close() }()
	most := q.most
	if most == 0 {
		most = maxBody
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, most+1))
	if err != nil && within.Err() != nil {
		return exchange{question: q, err: late(err)}
	}
	e := exchange{question: q, status: resp.StatusCode, header: resp.Header, body: body, broken: err != nil}
	if int64(len(body)) > most {
		e.body, e.cut = body[:most], true
	}
	return e
}

// text is the answer as it is told: the status, and the code of an error.
func (e exchange) text() string {
	if e.err != nil {
		return ""
	}
	text := fmt.Sprint(e.status)
	if code := e.code(); code != "" {
		text += " " + code
	}
	return text
}

// maxCode is how long a code of an error may be that is told.
const maxCode = 40

// code returns the first code of an error of the specification; empty where there is
// none.
func (e exchange) code() string {
	var said struct {
		Errors []struct {
			Code string `json:"code"`
		} `json:"errors"`
	}
	if e.status < http.StatusBadRequest || json.Unmarshal(e.body, &said) != nil || len(said.Errors) == 0 {
		return ""
	}
	code := said.Errors[0].Code
	if len(code) > maxCode || strings.Trim(code, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789") != "" {
		return ""
	}
	return code
}

// whole tells whether all of the answer was read.
func (e exchange) whole() bool { return !e.cut && !e.broken }

// done tells whether the registry did what it was asked.
func (e exchange) done() bool { return e.err == nil && e.status >= 200 && e.status < 300 }

// refused tells whether the registry certainly did not.
func (e exchange) refused() bool { return e.err == nil && e.status >= 400 && e.status < 500 }

// unclear says why nothing follows from an answer, whatever was asked; empty where
// something may.
func (e exchange) unclear() string {
	switch {
	case e.err != nil:
		return reasonOf(e.err)
	case e.status == http.StatusUnauthorized || e.status == http.StatusForbidden:
		return "these credentials may not ask for it"
	case e.status == http.StatusTooManyRequests || e.status >= 500 && e.status != http.StatusNotImplemented:
		return "the registry fails just now"
	case e.status >= 300 && e.status < 400:
		return "the registry sends elsewhere"
	default:
		return ""
	}
}

// reasonOf says in one line why there is no answer.
func reasonOf(err error) string {
	if errors.Is(err, upstream.ErrUnreachable) && errors.Is(err, context.Canceled) {
		return "it was broken off"
	}
	return strings.ReplaceAll(err.Error(), "\n", "; ")
}

// finding is a verdict by this answer. Of the answer it tells the status, and what
// else there is to say.
func (e exchange) finding(verdict Verdict, more string) Finding {
	text := e.text()
	if more != "" {
		text = strings.TrimPrefix(text+": "+more, ": ")
	}
	return Finding{Verdict: verdict, Request: e.line(), Answer: text}
}

func (e exchange) yes(more string) Finding { return e.finding(Yes, more) }

func (e exchange) no(more string) Finding { return e.finding(No, more) }

// unknown is a finding for which this answer is not enough.
func (e exchange) unknown(reason string) Finding {
	f := e.finding(Unknown, "")
	f.Reason = reason
	return f
}

// odd is a finding by an answer that no check has expected.
func (e exchange) odd() Finding {
	if reason := e.unclear(); reason != "" {
		return e.unknown(reason)
	}
	if !e.whole() {
		return e.unknown("the answer is too long, or broke off")
	}
	return e.unknown("nothing follows from this answer")
}

// decode reads the JSON of a 200.
func (e exchange) decode(into any) bool {
	return e.err == nil && e.status == http.StatusOK && e.whole() && json.Unmarshal(e.body, into) == nil
}

func manifestURL(repository, reference string) *url.URL {
	return &url.URL{Path: "/v2/" + repository + "/manifests/" + reference}
}

func blobURL(repository string, blob digest.Digest) *url.URL {
	return &url.URL{Path: "/v2/" + repository + "/blobs/" + blob.String()}
}

func tagsURL(repository string, query url.Values) *url.URL {
	return &url.URL{Path: "/v2/" + repository + "/tags/list", RawQuery: query.Encode()}
}

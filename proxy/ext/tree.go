package ext

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"github.com/backref/backref/index"
	"github.com/backref/backref/proxy/answer"
	"github.com/backref/backref/registry"
)

// The depths of a tree.
const (
	defaultDepth = 8
	maxDepth     = 32
)

// GraphTree answers with all that belongs to a manifest: what it refers to, what
// refers to it, and where it is an index its manifests, each with what refers
// to them in turn.
func (e *Extension) GraphTree(w http.ResponseWriter, r *http.Request, caller *registry.Caller) error {
	values, err := answer.Parameters(r)
	if err != nil {
		return err
	}
	depth, err := parseDepth(values)
	if err != nil {
		return err
	}
	legacy, err := e.legacy(values)
	if err != nil {
		return err
	}
	subject, err := e.subject(r.Context(), caller, values)
	if err != nil {
		return err
	}
	root, err := e.registry.Tree(r.Context(), caller, subject, depth, legacy)
	if err != nil {
		return err
	}
	w.Header().Set("OCI-Subject", subject.String())
	return e.sendJSON(w, r, root, nil, "")
}

func parseDepth(values url.Values) (int, error) {
	text, err := answer.Once(values, paramDepth)
	if err != nil || text == "" {
		return defaultDepth, err
	}
	depth, err := strconv.Atoi(text)
	if err != nil || depth < 0 || depth > maxDepth {
		return 0, &index.QueryError{Param: paramDepth, Reason: fmt.Sprintf("need a whole number from 0 to %d", maxDepth)}
	}
	return depth, nil
}

package proxy

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"

	"github.com/backref/backref/index"
	"github.com/backref/backref/oci"
	"github.com/backref/backref/proxy/answer"
	"github.com/backref/backref/upstream"
)

// listRepositories answers the catalog. In auth.mode service the registry shows the
// service all that it has, so that a client gets of it what the rules let it pull.
// Who may do everything gets it as it is.
func (p *Proxy) listRepositories(w http.ResponseWriter, r *http.Request, target path) error {
	client, by := entryOf(r).client, entryOf(r).by
	if by == nil || by.rules.Administers(client) {
		return p.passthrough(w, r, target)
	}
	if target.passage {
		return oci.NotFound(oci.CodeUnsupported, "what this registry has is not listed here; ask for a repository by its name", nil)
	}
	query, err := answer.Parameters(r)
	if err != nil {
		return err
	}
	last, err := answer.Once(query, index.ParamLast)
	if err != nil {
		return err
	}
	limit, err := p.catalogPage(query)
	if err != nil {
		return err
	}
	repositories, more, err := p.registry.Repositories(r.Context(), by.rules, client, last, limit)
	if err != nil {
		return catalogError(err)
	}
	body, err := json.Marshal(map[string][]string{"repositories": repositories})
	if err != nil {
		return err
	}
	link := ""
	if more {
		next := url.Values{index.ParamLimit: {strconv.Itoa(limit)}, index.ParamLast: {repositories[limit-1]}}
		link = "</v2/_catalog?" + next.Encode() + `>; rel="next"`
	}
	sendPage(w, r, answer.New("application/json", body, nil, link))
	return nil
}

// catalogPage returns how many repositories a page of the catalog may have.
func (p *Proxy) catalogPage(query url.Values) (int, error) {
	given, err := answer.Once(query, index.ParamLimit)
	if err != nil {
		return 0, err
	}
	most := p.limits().PageSize
	if given == "" {
		return most, nil
	}
	limit, err := strconv.Atoi(given)
	if err != nil || limit < 0 {
		return 0, &index.QueryError{Param: index.ParamLimit, Reason: "need a whole number, 0 or more"}
	}
	return min(limit, most), nil
}

// catalogError says why there is no catalog.
func catalogError(err error) error {
	var status *upstream.StatusError
	missing := errors.As(err, &status) && (status.Status == http.StatusNotFound || status.Status == http.StatusMethodNotAllowed || status.Status == http.StatusNotImplemented)
	switch {
	case errors.Is(err, upstream.ErrListTooLong):
		return &oci.Error{
			Status: http.StatusNotImplemented, Code: oci.CodeUnsupported, Limit: "limits.listEntries",
			Message: "the registry has more repositories than this proxy reads; its operator can raise limits.listEntries",
		}
	case missing:
		return oci.NotFound(oci.CodeUnsupported, "the registry has no catalog", err)
	case status != nil && status.Denied():
		return oci.Unavailable(http.StatusBadGateway, "the registry behind this proxy does not let the proxy list its repositories; its operator has to check the rights of upstream.service", err)
	default:
		return err
	}
}

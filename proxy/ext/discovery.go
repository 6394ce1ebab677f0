package ext

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"slices"

	"github.com/backref/backref/upstream"
)

const (
	// extensionDocument is where the extension is described.
	extensionDocument = "https://github.com/backref/backref/blob/main/docs/extension.md"
	// maxDiscovery is the largest answer of the upstream that is read.
	maxDiscovery = 1 << 20
)

// extension is an entry of the discovery document (distribution-spec,
// extensions/_oci.md).
type extension struct {
	Name        string   `json:"name"`
	URL         string   `json:"url"`
	Description string   `json:"description,omitempty"`
	Endpoints   []string `json:"endpoints"`
}

// Discover tells which extensions there are: ours, and those that the upstream
// has.
func (e *Extension) Discover(w http.ResponseWriter, r *http.Request, repository string) error {
	extensions, err := e.upstreamExtensions(r)
	if err != nil {
		return err
	}
	for _, ours := range ourExtensions(repository) {
		at := slices.IndexFunc(extensions, func(e extension) bool { return e.Name == ours.Name })
		if at < 0 {
			extensions = append(extensions, ours)
			continue
		}
		for _, endpoint := range ours.Endpoints {
			if !slices.Contains(extensions[at].Endpoints, endpoint) {
				extensions[at].Endpoints = append(extensions[at].Endpoints, endpoint)
			}
		}
	}
	return e.sendJSON(w, r, struct {
		Extensions []extension `json:"extensions"`
	}{extensions}, nil, "")
}

// ourExtensions are those of a repository; without one those of all, in which
// {name} stands for the repository.
func ourExtensions(repository string) []extension {
	base, name := "/v2/", "{name}"
	if repository != "" {
		base, name = "/v2/"+repository+"/", repository
	}
	ours := extension{
		Name: Name, URL: extensionDocument,
		Description: "Referrers by tag, parents, trees, catalogs of artifacts and tags, and a feed of new referrers.",
	}
	for _, endpoint := range Endpoints() {
		ours.Endpoints = append(ours.Endpoints, pathOf(name, endpoint))
	}
	return []extension{{
		Name: "_oci", URL: "https://github.com/opencontainers/distribution-spec/blob/main/extensions/_oci.md",
		Description: "Discovery of extensions.", Endpoints: []string{base + "_oci/ext/discover"},
	}, ours}
}

// upstreamExtensions asks the upstream the same, as the client. It has none
// where it answers with anything but such a document.
func (e *Extension) upstreamExtensions(r *http.Request) ([]extension, error) {
	ctx, cancel := context.WithTimeout(r.Context(), e.options.Limits().QueryTime)
	defer cancel()
	request := r.Clone(ctx)
	request.Method = http.MethodGet
	request.Header.Set("Accept-Encoding", "identity")
	for _, name := range []string{"If-None-Match", "If-Modified-Since", "Range"} {
		request.Header.Del(name)
	}
	resp, err := e.options.Forward(request)
	if errors.Is(err, ErrRefused) {
		// So registries answer for what they don't know.
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxDiscovery))
	if err != nil {
		return nil, errors.Join(upstream.ErrUnreachable, err)
	}
	status := &upstream.StatusError{Status: resp.StatusCode, Header: resp.Header, Body: body}
	passing := resp.StatusCode >= 500 && resp.StatusCode != http.StatusNotImplemented
	// A client that has shown who it is can do no more about a path that the
	// upstream may not know.
	challenged := status.Denied() && r.Header.Get("Authorization") == ""
	if challenged || passing || resp.StatusCode == http.StatusTooManyRequests {
		return nil, status
	}
	mediaType, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if resp.StatusCode != http.StatusOK || err != nil || mediaType != mediaTypeJSON {
		return nil, nil //nolint:nilerr // It has no extensions.
	}
	var document struct {
		Extensions []extension `json:"extensions"`
	}
	if err := json.Unmarshal(body, &document); err != nil {
		return nil, nil //nolint:nilerr // It is some other document.
	}
	return document.Extensions, nil
}

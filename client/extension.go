package client

import (
	"context"
	"errors"
	"fmt"
)

// extensionName is how backref calls itself where extensions are discovered.
const extensionName = "_backref"

// ErrNoExtension says that no backref with the extension API answers.
var ErrNoExtension = errors.New("no backref answers there")

// extensionPath returns the path of an endpoint of the extension.
func (r *Repository) extensionPath(endpoint string) string {
	return "/v2/" + r.Reference.Repository + "/" + extensionName + "/" + endpoint
}

// HasExtension reports whether a backref with the extension API answers for
// the repository.
func (r *Repository) HasExtension(ctx context.Context) (bool, error) {
	switch r.extension.Load() {
	case present:
		return true, nil
	case absent:
		return false, nil
	}
	found, err := r.discover(ctx)
	if err != nil {
		return false, fmt.Errorf("ask for extensions of %s: %w", r.Reference, err)
	}
	if found {
		r.extension.Store(present)
	} else {
		r.extension.Store(absent)
	}
	return found, nil
}

// discover reads the answer of the discovery endpoint. Whoever has none
// answers anything, so only what may be otherwise later is an error.
func (r *Repository) discover(ctx context.Context) (bool, error) {
	resp, err := r.get(ctx, "/v2/"+r.Reference.Repository+"/_oci/ext/discover")
	var answer *statusError
	switch {
	case errors.As(err, &answer) && !answer.passing():
		return false, nil
	case err != nil:
		return false, err
	}
	defer func() { _ = resp.Body.Close() }()
	var document struct {
		Extensions []struct {
			Name string `json:"name"`
		} `json:"extensions"`
	}
	err = readJSON(resp.Body, maxManifest, &document)
	if errors.Is(err, errOtherAnswer) {
		return false, nil // a page for browsers, or what else is sent for unknown paths
	}
	if err != nil {
		return false, err
	}
	for _, extension := range document.Extensions {
		if extension.Name == extensionName {
			return true, nil
		}
	}
	return false, nil
}

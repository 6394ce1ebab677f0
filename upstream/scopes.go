package upstream

import (
	"net/http"
	"net/url"
	"strings"

	"oras.land/oras-go/v2/registry/remote/auth"
)

// scopesOf returns what a token has to be for, so that the registry carries
// the request out (registry token protocol, "Resource Scope"). It is a guess
// that saves a challenge: where it is wrong the registry says what it wants,
// and it never gives more than the service may do. u is as a client of the
// registry writes it; fallback is the repository where the path names none.
func scopesOf(method string, u *url.URL, fallback string) []string {
	path, below := strings.CutPrefix(u.Path, "/v2/")
	if below && path == "_catalog" {
		return []string{"registry:catalog:*"}
	}
	repository := fallback
	if found := repositoryOf(path); below && found != "" {
		repository = found
	}
	if repository == "" {
		return nil
	}
	scopes := []string{auth.ScopeRepository(repository, actionsOf(method)...)}
	if from := u.Query().Get("from"); method == http.MethodPost && from != "" && from != repository {
		scopes = append(scopes, auth.ScopeRepository(from, auth.ActionPull))
	}
	return auth.CleanScopes(scopes)
}

// repositoryOf returns the repository of a path below /v2/: what is before the
// last name of an endpoint.
func repositoryOf(path string) string {
	if repository, found := strings.CutSuffix(path, "/tags/list"); found {
		return repository
	}
	for _, endpoint := range []string{"/blobs/uploads/", "/manifests/", "/referrers/", "/blobs/"} {
		if at := strings.LastIndex(path, endpoint); at >= 0 {
			return path[:at]
		}
	}
	repository, _ := strings.CutSuffix(path, "/blobs/uploads")
	if repository == path {
		return ""
	}
	return repository
}

func actionsOf(method string) []string {
	switch method {
	case http.MethodGet, http.MethodHead:
		return []string{auth.ActionPull}
	case http.MethodDelete:
		return []string{auth.ActionPull, auth.ActionDelete}
	default:
		return []string{auth.ActionPull, auth.ActionPush}
	}
}

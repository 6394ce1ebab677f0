package ui

import (
	"cmp"
	"errors"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/client"
	"github.com/backref/backref/index"
)

// artifactsPage is what a repository holds with or without a tag.
type artifactsPage struct {
	Repository string        `json:"repository"`
	Type       string        `json:"type,omitempty"`
	Sort       string        `json:"sort"`
	Artifacts  []artifactRow `json:"artifacts"`
	Next       string        `json:"next,omitempty"`
	// Types are those that are known by name, to choose from.
	Types []string `json:"-"`
}

// artifactRow is a row of the list.
type artifactRow struct {
	Digest       digest.Digest `json:"digest"`
	Kind         string        `json:"kind"`
	MediaType    string        `json:"mediaType"`
	ArtifactType string        `json:"artifactType,omitempty"`
	Size         int64         `json:"size"`
	Subject      digest.Digest `json:"subject,omitempty"`
}

// PageTitle implements titled.
func (p *artifactsPage) PageTitle() string { return "Artifacts of " + p.Repository }

// artifactsPage shows the manifests of a repository that backref knows.
func (v *visit) artifactsPage() (any, error) {
	asked := v.request.URL.Query()
	page := &artifactsPage{
		Repository: v.name, Type: strings.TrimSpace(asked.Get("type")), Sort: cmp.Or(asked.Get("sort"), "digest"),
		Artifacts: []artifactRow{}, Types: client.KnownTypes(),
	}
	query, err := queryOf(page.Type, page.Sort)
	if err != nil {
		return nil, err
	}
	found, next, err := v.repo.ArtifactWindow(v.request.Context(), query, client.Window{Limit: perPage, After: asked.Get("after")})
	if err != nil {
		return nil, err
	}
	for _, a := range found {
		page.Artifacts = append(page.Artifacts, artifactRow{a.Digest, client.Describe(a.Descriptor), a.MediaType, a.ArtifactType, a.Size, a.Subject})
	}
	page.Next = nextPage(asked, next)
	return page, nil
}

// queryOf returns the query for an artifact type, which may have wildcards, and an
// order. What can't be read is the viewer's mistake.
func queryOf(artifactType, sort string) (index.Query, error) {
	values := map[string][]string{index.ParamSort: {sort}}
	if artifactType != "" {
		values[index.ParamArtifactType] = []string{artifactType}
	}
	query, err := index.ParseQuery(values)
	var wrong *index.QueryError
	if errors.As(err, &wrong) {
		return query, invalidError(wrong.Error())
	}
	return query, err
}

package ui

import (
	"strings"

	"github.com/backref/backref/client"
	"github.com/backref/backref/coverage"
)

// coverageTags is how many tags a page of coverage looks at.
const coverageTags = 500

// coveragePage is which images of a repository lack what.
type coveragePage struct {
	Repository string `json:"repository"`
	// Require are the requirements, as one text for the form, MaxAge, SignedBy and Tag
	// the rest of the question.
	Require  string `json:"require"`
	MaxAge   string `json:"maxAge,omitempty"`
	SignedBy string `json:"signedBy,omitempty"`
	Tag      string `json:"tag,omitempty"`
	// All says that images are shown too that lack nothing.
	All     bool             `json:"all"`
	Summary coverage.Summary `json:"summary"`
	Images  []coverage.Image `json:"images"`
	Next    string           `json:"next,omitempty"`
}

// PageTitle implements titled.
func (p *coveragePage) PageTitle() string { return "Coverage of " + p.Repository }

// coveragePage shows the images of a page of tags that lack something.
func (v *visit) coveragePage() (any, error) {
	asked := v.request.URL.Query()
	requirements := strings.Fields(strings.Join(asked["require"], " "))
	if len(requirements) == 0 {
		requirements = coverage.DefaultRequirements()
	}
	if _, err := coverage.ParseAll(requirements); err != nil {
		return nil, invalidError("require: " + err.Error())
	}
	page := &coveragePage{
		Repository: v.name, Require: strings.Join(requirements, " "), MaxAge: strings.TrimSpace(asked.Get("maxAge")),
		SignedBy: strings.TrimSpace(asked.Get("signedBy")), Tag: strings.TrimSpace(asked.Get("tag")), All: asked.Get("all") != "", Images: []coverage.Image{},
	}
	if _, err := coverage.ParseAge(page.MaxAge); err != nil {
		return nil, invalidError("maxAge: " + err.Error())
	}
	query := client.CoverageQuery{Requirements: requirements, MaxAge: page.MaxAge}
	if page.SignedBy != "" {
		query.SignedBy = []string{page.SignedBy}
	}
	if page.Tag != "" {
		query.Tags = []string{page.Tag}
	}
	found, next, err := v.repo.CoverageWindow(v.request.Context(), query, client.Window{Limit: coverageTags, After: asked.Get("after")})
	if status, answered := client.StatusOf(err); answered && status == 400 {
		return nil, invalidError(client.AnswerText(err))
	}
	if err != nil {
		return nil, err
	}
	page.Summary = found.Summary
	for _, image := range found.Images {
		if page.All || !image.Covered() {
			page.Images = append(page.Images, image)
		}
	}
	page.Next = nextPage(asked, next)
	return page, nil
}

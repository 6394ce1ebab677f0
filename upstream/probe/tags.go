package probe

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/backref/backref/oci"
)

// enoughTags is how many tags in order show that tags are sorted: fewer may be so by
// chance.
const enoughTags = 8

// askTags asks for the tags of a repository.
func (p *probe) askTags(ctx context.Context, repository string) exchange {
	return p.ask(ctx, repository, question{method: http.MethodGet, url: tagsURL(repository, nil)})
}

// tagList reads a page of tags; a null is an empty list.
func (e exchange) tagList() (tags []string, ok bool) {
	var page struct {
		Name *string  `json:"name"`
		Tags []string `json:"tags"`
	}
	ok = e.decode(&page) && page.Name != nil
	return page.Tags, ok
}

// askTagsBy asks for tags with a parameter. Where it can't, or the answer is no list,
// it returns the finding.
func (p *probe) askTagsBy(ctx context.Context, name, value string) (asked exchange, tags []string, found *Finding) {
	if reason := p.fewTags(); reason != "" {
		f := unknown(reason)
		return asked, nil, &f
	}
	asked = p.ask(ctx, p.sample.repository, question{method: http.MethodGet, url: tagsURL(p.sample.repository, url.Values{name: {value}})})
	tags, ok := asked.tagList()
	if !ok {
		f := asked.odd()
		return asked, nil, &f
	}
	return asked, tags, nil
}

// fewTags says why paging can't be seen; empty where it can.
func (p *probe) fewTags() string {
	if reason := p.sample.without(); reason != "" {
		return reason
	}
	if len(p.sample.tags) < 2 {
		return p.sample.repository + " has fewer than two tags: name another by --repository"
	}
	return ""
}

// checkTagsN tells whether a list is as short as it is asked to be.
func (p *probe) checkTagsN(ctx context.Context) Finding {
	asked, tags, found := p.askTagsBy(ctx, "n", "1")
	switch {
	case found != nil:
		return *found
	case len(tags) == 1:
		return asked.yes("one tag")
	default:
		return asked.no(fmt.Sprintf("%d tags", len(tags)))
	}
}

// checkTagsLink tells whether a list that was cut links to what follows.
func (p *probe) checkTagsLink(ctx context.Context) Finding {
	asked, tags, found := p.askTagsBy(ctx, "n", "1")
	switch {
	case found != nil:
		return *found
	case len(tags) != 1:
		return asked.unknown(fmt.Sprintf("no list is cut: %d tags came where one was asked for", len(tags)))
	}
	if _, linked := oci.NextLink(asked.header.Values("Link")); !linked {
		return asked.no("no Link")
	}
	next, err := p.registry.NextPage(asked.url, asked.header.Values("Link"))
	if err != nil || next == nil {
		return asked.no("a Link that leads nowhere")
	}
	following := p.ask(ctx, p.sample.repository, question{method: http.MethodGet, url: next})
	behind, ok := following.tagList()
	switch {
	case !ok:
		return following.odd()
	case len(behind) == 0 || slices.Contains(behind, tags[0]):
		return following.no("the Link does not lead on")
	default:
		return asked.yes("a Link that leads on")
	}
}

// checkTagsLast tells whether a list begins behind a tag that is named.
func (p *probe) checkTagsLast(ctx context.Context) Finding {
	last := ""
	if len(p.sample.tags) > 0 {
		last = p.sample.tags[0]
	}
	asked, tags, found := p.askTagsBy(ctx, "last", last)
	switch {
	case found != nil:
		return *found
	case slices.Contains(tags, last):
		return asked.no("that tag is listed")
	case len(tags) == 0:
		return asked.unknown("nothing is listed behind the first tag")
	default:
		return asked.yes("that tag is not listed")
	}
}

// checkTagsSorted tells whether tags come in order (distribution-spec, "Listing Tags":
// lexical, which registries take for that of bytes too).
func (p *probe) checkTagsSorted(context.Context) Finding {
	tags := p.sample.tags
	if reason := p.fewTags(); reason != "" {
		return unknown(reason)
	}
	bytewise := slices.IsSorted(tags)
	lexical := slices.IsSortedFunc(tags, func(a, b string) int { return strings.Compare(strings.ToLower(a), strings.ToLower(b)) })
	switch {
	case !bytewise && !lexical:
		return p.sample.listed.no(fmt.Sprintf("%d tags in no order", len(tags)))
	case len(tags) < enoughTags:
		return p.sample.listed.unknown(fmt.Sprintf("%d tags may be in order by chance, %d would show it", len(tags), enoughTags))
	case bytewise && lexical:
		return p.sample.listed.yes(fmt.Sprintf("%d tags in order", len(tags)))
	case bytewise:
		return p.sample.listed.yes(fmt.Sprintf("%d tags in the order of their bytes", len(tags)))
	default:
		return p.sample.listed.yes(fmt.Sprintf("%d tags in order, upper and lower case together", len(tags)))
	}
}

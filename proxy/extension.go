package proxy

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/backref/backref/proxy/ext"
	"github.com/backref/backref/registry"
)

// newExtension returns what answers the endpoints of the extension.
func (p *Proxy) newExtension() (*ext.Extension, error) {
	return ext.New(ext.Options{
		Registry: p.registry, Order: p.options.Registry.Order, Legacy: p.options.LegacyTags,
		Limits: p.extensionLimits, Feeds: p.options.Feeds, Forward: p.forwardOfExtension, Send: sendPage,
	})
}

func (p *Proxy) extensionLimits() ext.Limits {
	limits := p.limits()
	return ext.Limits{ResponseSize: limits.ResponseSize, CatalogTags: limits.CatalogTags, QueryTime: limits.QueryTime}
}

// forwardOfExtension forwards a client's request, and says as the extension does
// that the service is refused.
func (p *Proxy) forwardOfExtension(r *http.Request) (*http.Response, error) {
	resp, err := p.forward(r)
	if errors.Is(err, errService) {
		return nil, fmt.Errorf("%w: %w", ext.ErrRefused, err)
	}
	return resp, err
}

// extended is the handler of an endpoint of the extension, which shows manifests
// of certain types.
func extended(answer func(*ext.Extension, http.ResponseWriter, *http.Request, *registry.Caller) error, shows shownTypes) handler {
	return func(p *Proxy, w http.ResponseWriter, r *http.Request, target path) error {
		if err := p.mayList(r, p.pullRules(r, target), shows); err != nil {
			return err
		}
		return answer(p.extension, w, r, p.callerOf(r, target))
	}
}

// discover tells which extensions there are.
func (p *Proxy) discover(w http.ResponseWriter, r *http.Request, target path) error {
	return p.extension.Discover(w, r, target.repository)
}

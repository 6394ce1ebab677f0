package split

import (
	"net/http"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/backref/backref/oci"
	"github.com/backref/backref/upstream"
)

// Store is a second registry, which has the manifests with a subject of some
// repositories.
type Store struct {
	// Key is the section of the configuration that describes it. Errors name it.
	Key string
	// Repositories are those that it is for, as clients name them.
	Repositories []oci.Glob
	// Prefix comes before their names there, with a slash between; empty for none.
	Prefix string
	// Registry is where they are. It is used as the service.
	Registry *upstream.Registry
	// Host is its name, for errors.
	Host string
	// Transfer is how long it may take to bring what one push needs; 0 for no bound.
	Transfer time.Duration
}

// Options describe what there is beside a registry.
type Options struct {
	// Stores are the second registries. Of several that are for a repository the first
	// counts.
	Stores []Store
	// Sources are the registries that know of further referrers. All that are for a
	// repository count.
	Sources []Source
	// Cache says that the registry is a pull-through cache, which knows none of the
	// referrers that its origin has.
	Cache bool
	// Tags is how many tags of a repository are read at most, Entries how many referrers
	// of a subject, of each registry.
	Tags, Entries int
	// Log is told where a registry fails and the client isn't; nil is for nobody.
	Log *zap.Logger
}

// Shim returns what splits a registry. It goes around what makes up for what the
// registry lacks, and is the same to all that is around it.
func (o Options) Shim() upstream.Shim {
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	return func(primary *upstream.Registry) upstream.Sender { return &sender{o, primary} }
}

// Around adds what there is beside a registry to the options of that.
func (o Options) Around(primary upstream.Options) upstream.Options {
	if len(o.Stores)+len(o.Sources) > 0 || o.Cache {
		primary.Shims = append(slices.Clone(primary.Shims), o.Shim())
	}
	return primary
}

// Close closes the idle connections to all registries beside the first.
func (o Options) Close() {
	for _, store := range o.Stores {
		store.Registry.Close()
	}
	for _, source := range o.Sources {
		source.Registry.Close()
	}
}

// sender is the way to all registries.
type sender struct {
	Options
	primary *upstream.Registry
}

// Send implements [upstream.Sender].
//
//	manifest PUT     push.go       with a subject: to the second; lists.go for others
//	manifest read    read.go       the primary's, else the second's, else a source's
//	manifest DELETE  delete.go     the primary's, and the second's
//	blob GET         blobs.go      the primary's, else the second's, else a source's
//	tags             tags.go       the primary's and the second's
//	referrers        referrers.go  the primary's and those of sources
func (s *sender) Send(as upstream.Credentials, req *http.Request) (*http.Response, error) {
	t := upstream.TargetOf(req)
	if t.Endpoint == upstream.EndpointOther {
		return s.primary.Send(as, req)
	}
	q := s.about(as, req, t)
	handle := q.handler()
	if handle == nil {
		return s.primary.Send(as, req)
	}
	return q.answered(handle(req))
}

// handler returns what answers q; nil where that is the primary alone.
//
// HEAD of a blob is the primary's: a client skips the upload of one that is said to be
// there, and an image of the primary would lack it then.
func (q *question) handler() func(*http.Request) (*http.Response, error) {
	method := q.like.Method
	reads := method == http.MethodGet || method == http.MethodHead && q.Endpoint == upstream.EndpointManifests
	switch {
	case reads && q.Endpoint == upstream.EndpointManifests && len(q.readable()) > 0:
		return q.readManifest
	case reads && q.Endpoint == upstream.EndpointBlobs && len(q.readable()) > 0:
		return q.readBlob
	case reads && q.Endpoint == upstream.EndpointReferrers && (len(q.sources) > 0 || q.Cache):
		return q.listReferrers
	case q.store == nil:
		return nil
	case reads && q.Endpoint == upstream.EndpointTags:
		return q.listTags
	case method == http.MethodPut && q.Endpoint == upstream.EndpointManifests:
		return q.push
	case method == http.MethodDelete && q.Endpoint == upstream.EndpointManifests:
		return q.remove
	default:
		return nil
	}
}

// question is one request, with the registries beside the primary that it concerns.
type question struct {
	*sender
	upstream.Target
	// store is the second registry; nil for none.
	store    *beside
	transfer time.Duration
	sources  []*beside
	// given are the credentials as they came with the request, as those of who sent it,
	// for questions of the same repository.
	given, as upstream.Credentials
	// like is a request in the name of who sent it.
	like *http.Request
}

// about returns the question that a request is.
func (s *sender) about(as upstream.Credentials, req *http.Request, t upstream.Target) *question {
	q := &question{
		sender: s, Target: t,
		given: as, as: as.Behind(req).For(t.Repository), like: upstream.Aside(req, req.Method, req.URL),
	}
	at := slices.IndexFunc(s.Stores, func(store Store) bool { return matches(store.Repositories, t.Repository) })
	if at >= 0 {
		store := s.Stores[at]
		q.store, q.transfer = &beside{store.Key, store.Host, named("", store.Prefix, t.Repository), store.Registry}, store.Transfer
	}
	for _, source := range s.Sources {
		if source.has(t.Repository) {
			q.sources = append(q.sources, &beside{source.Key, source.Host, named(source.Strip, source.Prefix, t.Repository), source.Registry})
		}
	}
	return q
}

func matches(globs []oci.Glob, repository string) bool {
	return slices.ContainsFunc(globs, func(glob oci.Glob) bool { return glob.Match(repository) })
}

// readable returns the registries that may have what the primary has not: by a tag that
// is the second alone.
func (q *question) readable() []*beside {
	var all []*beside
	if q.store != nil {
		all = append(all, q.store)
	}
	if q.byDigest() {
		all = append(all, q.sources...)
	}
	return all
}

// ask sends the primary a further request in the name of who sent the one that q is.
func (q *question) ask(method, path, query string) (*http.Response, error) {
	to := *q.like.URL
	to.Path, to.RawPath, to.RawQuery = path, "", query
	return q.primary.Send(q.given, upstream.Aside(q.like, method, &to))
}

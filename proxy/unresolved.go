package proxy

import (
	"context"
	"net/http"
	"time"

	"github.com/opencontainers/go-digest"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/backref/backref/index"
)

const (
	// doubtPage is how many records are read at once to doubt them.
	doubtPage = 1000
	// doubtWriters is how many doubts are written at once: they share
	// transactions.
	doubtWriters = 128
)

// deleteUnresolved passes on the delete of a tag of which the client was not
// told what it stands for: the question was ours, so it does not decide. Some
// registries delete the manifest with the tag. So the manifest is doubted, or
// where nobody knows which it is each referrer of the repository, and the next
// who lists it has the upstream asked.
//
// Nothing is written before the upstream has let the client delete: who may
// not, and asks the same of other tags, would be told by the time that it takes
// which there are.
func (p *Proxy) deleteUnresolved(w http.ResponseWriter, r *http.Request, target path) error {
	manifests := p.resolvedByService(r, target)
	resp, err := p.forward(r)
	if err != nil {
		p.doubt(r, target, manifests)
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if !refused(resp) {
		if stated, err := digest.Parse(resp.Header.Get("Docker-Content-Digest")); err == nil {
			manifests = append(manifests, stated)
		}
		p.doubt(r, target, manifests)
	}
	return p.relay(w, r, resp)
}

// resolvedByService returns what a tag stands for where the service may know.
func (p *Proxy) resolvedByService(r *http.Request, target path) []digest.Digest {
	service, configured := p.upstream.Service()
	if !configured || p.access != nil {
		return nil
	}
	manifest, err := p.resolveTag(r, target, service.For(target.repository).Within(target.namespace))
	if err != nil {
		return nil
	}
	return []digest.Digest{manifest}
}

// doubt records that manifests may have been deleted: the given ones, or where
// there are none all referrers of the repository, up to limits.listEntries. It
// is an intent to delete each, whose request is over. Deletes that follow each
// other share the doubt, as long as it is open for all of them.
func (p *Proxy) doubt(r *http.Request, target path, manifests []digest.Digest) {
	ctx := detached(r)
	until := p.now().Add(2 * p.requestTime()) //nolint:mnd // One for this request, one for those that share it.
	if len(manifests) > 0 {
		p.noteDoubt(r, p.doubtEach(ctx, target, until, manifests))
		return
	}
	if open, doubted := p.doubted.GetIfPresent(target.repository); doubted && p.now().Add(p.requestTime()).Before(open) {
		return
	}
	for left, query := p.config.Limits.ListEntries, (index.Query{Limit: doubtPage}); ; left -= doubtPage {
		records, more, err := p.store.Manifests(ctx, target.repository, query)
		if err == nil {
			err = p.doubtEach(ctx, target, until, referrersAmong(records))
		}
		if err != nil {
			p.noteDoubt(r, err)
			return
		}
		if !more || left <= doubtPage {
			p.doubted.Set(target.repository, until)
			return
		}
		query.After = query.Order.Place(records[len(records)-1].Descriptor(), time.Time{})
	}
}

// noteDoubt tells the operator of a doubt that could not be written: what was
// deleted may be listed until the index is compared with the registry.
func (p *Proxy) noteDoubt(r *http.Request, err error) {
	if err != nil {
		note(r, zap.NamedError("doubt", err))
	}
}

func referrersAmong(records []index.Record) []digest.Digest {
	var referrers []digest.Digest
	for _, record := range records {
		if record.Subject() != "" {
			referrers = append(referrers, record.Digest)
		}
	}
	return referrers
}

func (p *Proxy) doubtEach(ctx context.Context, target path, until time.Time, manifests []digest.Digest) error {
	var group errgroup.Group
	group.SetLimit(doubtWriters)
	for _, manifest := range manifests {
		p.dropWithin(target, manifest)
		group.Go(func() error {
			_, err := p.store.Begin(ctx, index.Intent{Kind: index.IntentDelete, Deadline: until, Record: index.Record{
				Repository: target.repository, Manifest: index.Manifest{Digest: manifest},
			}})
			return err
		})
	}
	return group.Wait()
}

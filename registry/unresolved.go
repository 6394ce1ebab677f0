package registry

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
func (w intents) deleteUnresolved(ctx context.Context, deletion *Deletion) (*http.Response, error) {
	r, caller := w.registry, deletion.Caller
	manifests := r.resolvedByService(ctx, caller, deletion.Tag)
	resp, err := w.next.Delete(ctx, deletion)
	if err != nil {
		r.doubt(ctx, caller, manifests)
		return nil, err
	}
	if !refused(resp) {
		if stated, err := digest.Parse(resp.Header.Get("Docker-Content-Digest")); err == nil {
			manifests = append(manifests, stated)
		}
		r.doubt(ctx, caller, manifests)
	}
	return resp, nil
}

// resolvedByService returns what a tag stands for where the service may know.
func (r *Registry) resolvedByService(ctx context.Context, caller *Caller, tag string) []digest.Digest {
	service, configured := r.upstream.Service()
	if !configured || r.options.Rules != nil {
		return nil
	}
	manifest, err := r.readerAs(service.For(caller.repository).Within(caller.namespace)).Resolve(ctx, caller.repository, tag)
	if err != nil {
		return nil
	}
	return []digest.Digest{manifest}
}

// doubt records that manifests may have been deleted: the given ones, or where
// there are none all referrers of the repository, up to limits.listEntries. It
// is an intent to delete each, whose request is over. Deletes that follow each
// other share the doubt, as long as it is open for all of them.
func (r *Registry) doubt(ctx context.Context, caller *Caller, manifests []digest.Digest) {
	ctx = context.WithoutCancel(ctx)
	until := r.now().Add(2 * r.options.RequestTime) //nolint:mnd // One for this request, one for those that share it.
	if len(manifests) > 0 {
		noteDoubt(ctx, r.doubtEach(ctx, caller, until, manifests))
		return
	}
	if open, doubted := r.doubted.GetIfPresent(caller.repository); doubted && r.now().Add(r.options.RequestTime).Before(open) {
		return
	}
	for left, query := r.Limits().ListEntries, (index.Query{Limit: doubtPage}); ; left -= doubtPage {
		records, more, err := r.store.Manifests(ctx, caller.repository, query)
		if err == nil {
			err = r.doubtEach(ctx, caller, until, referrersAmong(records))
		}
		if err != nil {
			noteDoubt(ctx, err)
			return
		}
		if !more || left <= doubtPage {
			r.doubted.Set(caller.repository, until)
			return
		}
		query.After = query.Order.Cursor(records[len(records)-1].Descriptor(), time.Time{})
	}
}

// noteDoubt tells the operator of a doubt that could not be written: what was
// deleted may be listed until the index is compared with the registry.
func noteDoubt(ctx context.Context, err error) {
	if err != nil {
		Note(ctx, zap.NamedError("doubt", err))
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

func (r *Registry) doubtEach(ctx context.Context, caller *Caller, until time.Time, manifests []digest.Digest) error {
	var group errgroup.Group
	group.SetLimit(doubtWriters)
	for _, manifest := range manifests {
		r.forgetWithin(caller, manifest)
		group.Go(func() error {
			_, err := r.store.Begin(ctx, index.Intent{Kind: index.IntentDelete, Deadline: until, Record: index.Record{
				Repository: caller.repository, Manifest: index.Manifest{Digest: manifest},
			}})
			return err
		})
	}
	return group.Wait()
}

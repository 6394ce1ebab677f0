package registry

import (
	"context"
	"crypto/rand"
	"errors"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/maypok86/otter/v2"
	"github.com/opencontainers/go-digest"
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/zap"

	"github.com/backref/backref/index"
	"github.com/backref/backref/policy"
	"github.com/backref/backref/upstream"
)

// Options are what a [Registry] is made of. Index, Upstream, Log and the limits
// are required.
type Options struct {
	Index    index.Store
	Upstream *upstream.Registry
	Log      *zap.Logger
	// Tracer makes spans; nil makes none.
	Tracer trace.Tracer
	// Metrics is where the registry registers its own; nil for nowhere.
	Metrics *prometheus.Registry
	// Now tells the time; nil for the system's clock.
	Now func() time.Time
	// Rules say who may do what (auth.mode service) until others are given, see
	// [Registry.Admit]; nil where the upstream is asked, with the caller's own
	// credentials.
	Rules *policy.Access
	// Policies are the rules of the life cycle until others are given, see
	// [Registry.SetPolicies].
	Policies policy.Policies
	// Audit is told of denials and deletions; nil for nobody. It must not wait, and
	// may be called concurrently.
	Audit func(ctx context.Context, event AuditEvent)
	// Forget is told of each manifest that is about to be deleted, or was, so that
	// copies of it are dropped; nil for nobody. It may be called concurrently.
	Forget func(repository string, manifest digest.Digest)

	// Signatures tells by whom what is attached is signed; nil for nobody who could.
	Signatures Signatures

	Limits Limits
	// SizeText writes a number of bytes as the configuration does; nil for plain
	// numbers.
	SizeText func(bytes int64) string
	// Order is that of listings for which none is asked.
	Order index.Order
	// ReferrersTags says that referrers tags are read, and answered with the
	// listing.
	ReferrersTags bool
	// TagsElsewhere tells of which repositories tags may stand for something though the
	// upstream does not list them, since another registry has them; nil for none.
	TagsElsewhere func(repository string) bool
	// RecheckTag and RecheckNative are for how long a referrers tag that was read
	// is not read again, and the upstream's own API not asked again where it was
	// found to be missing; 0 for no time.
	RecheckTag, RecheckNative time.Duration
	// ListingTTL is for how long at least a listing that was served under a
	// referrers tag is found by its digest; 0 keeps none.
	ListingTTL time.Duration
	// HiddenTags says that referrers which are pushed by digest are given a tag.
	HiddenTags bool
	// Hide says which tags are left out of lists.
	Hide Hiding
	// PermissionTTL is for how long the upstream's word that somebody may read is
	// remembered, of Permissions callers at most; 0 asks each time.
	PermissionTTL time.Duration
	Permissions   int
	// RequestTime is how long a request may take effect in the upstream after it
	// was begun.
	RequestTime time.Duration
}

// Registry is the registry behind backref as clients see it: what it holds, with
// the referrers that the index knows, to those who may see it; and what becomes
// of pushes and deletes. It may be used concurrently. The only goroutines that
// outlive a call write what came of pushes, see [Registry.Close].
type Registry struct {
	options  Options
	limits   atomic.Pointer[Limits]
	policies atomic.Pointer[policy.Policies]
	store    *confirmingStore
	upstream *upstream.Registry
	log      *zap.Logger
	now      func() time.Time
	metrics  *metrics
	spans    Spans

	permissions *permissions
	tagChecks   *tagChecks
	tagKinds    tagKinds
	legacyTags  legacyTags
	tagMeanings *tagMeanings
	tagLocks    tagLocks
	locked      lockedMemory
	// tagLocker is nil for a store that one process has.
	tagLocker index.TagLocker
	// subjects is nil for a store that finds none by their tags.
	subjects index.TagSubjects
	served   *servedListings
	// known are manifests that the index has lately been seen to know.
	known  *otter.Cache[manifestName, struct{}]
	native nativeSupport
	// elsewhere are manifests that were lately seen under the name of another
	// registry.
	elsewhere *otter.Cache[manifestName, struct{}]
	// doubted says until when the referrers of a repository are doubted.
	doubted *otter.Cache[string, time.Time]
	// underway holds the intents of requests that this process is serving:
	// nobody has been told of their outcome yet.
	underway sync.Map
	memory   Memory
	// envelopes bounds those of notifications that are worked off at once.
	envelopes *room
	hidden    hiddenTags
	// coverage remembers what it took a question to know of images and artifacts.
	coverage coverageMemory
	// dating bounds the questions about when images were made.
	dating *room
}

// New returns a registry. It fails where an option is missing.
func New(o Options) (*Registry, error) {
	if o.Index == nil || o.Upstream == nil || o.Log == nil {
		return nil, errors.New("registry: Index, Upstream and Log are required")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Forget == nil {
		o.Forget = func(string, digest.Digest) {}
	}
	var key [32]byte
	if _, err := rand.Read(key[:]); err != nil {
		return nil, err
	}
	remembered := newPermissions(key, o.PermissionTTL, o.Permissions)
	r := &Registry{
		options:     o,
		store:       newConfirmingStore(o.Index),
		upstream:    o.Upstream,
		log:         o.Log,
		now:         o.Now,
		metrics:     newMetrics(o.Metrics, remembered),
		spans:       NewSpans(o.Tracer),
		memory:      Memory{newRoom(o.Limits.Memory)},
		envelopes:   newRoom(int64(o.Limits.Concurrency)),
		permissions: remembered,
		known:       newCache[manifestName, struct{}](knownFor, knownManifests),
		elsewhere:   newCache[manifestName, struct{}](knownFor, knownManifests),
		doubted:     newCache[string, time.Time](time.Hour, knownManifests),
		tagKinds:    newTagKinds(o.RecheckTag, o.Limits.Subjects),
		legacyTags:  newLegacyTags(o.RecheckTag, o.Limits.Subjects),
		tagChecks:   newTagChecks(o.RecheckTag, o.Limits.Subjects),
		tagMeanings: newTagMeanings(o.RecheckTag, o.Limits.Subjects),
		native:      newNativeSupport(o.RecheckNative, o.Limits.Subjects),
		locked:      newLockedMemory(o.Limits.Subjects),
		served:      newServedListings(o),
		coverage:    newCoverageMemory(o.Limits.Subjects),
		hidden:      newHiddenTags(o.HiddenTags),
		dating:      newRoom(int64(o.Limits.Concurrency)),
	}
	r.limits.Store(&o.Limits)
	r.policies.Store(&o.Policies)
	r.subjects, _ = o.Index.(index.TagSubjects)
	r.tagLocker, _ = o.Index.(index.TagLocker)
	return r, nil
}

// Close waits until what came of all pushes is in the index. It is to be called
// after the last push and before the index is closed; what is not written then,
// the next start finds open and asks the upstream about.
func (r *Registry) Close() {
	r.store.drain()
}

// SizeText writes a number of bytes as the options say.
func (r *Registry) SizeText(bytes int64) string {
	if r.options.SizeText == nil {
		return strconv.FormatInt(bytes, 10) + " bytes"
	}
	return r.options.SizeText(bytes)
}

// Memory returns what bounds the bytes of manifests that are held at once.
func (r *Registry) Memory() Memory { return r.memory }

// WaitRecorded waits until what came of the pushes that were answered before is in
// the index: whoever reads there without the registry then finds it. The error
// is that of ctx.
func (r *Registry) WaitRecorded(ctx context.Context) error {
	return r.store.waitAll(ctx)
}

package index

import (
	"fmt"
	"time"

	"github.com/opencontainers/go-digest"
)

// Record is one manifest in one repository. The same digest in two
// repositories is two records.
type Record struct {
	Repository string `json:"repository"`
	Manifest
	// Seen is when the index first learnt of the manifest. A store keeps the
	// earliest that it was given by pushes.
	Seen time.Time `json:"seen"`
	// Old says of a record that is given to [Ledger.Observe] that it was come upon by
	// who looks through all that there is, or was kept elsewhere: it is no news
	// ([News]). It is not kept.
	Old bool `json:"-"`
}

// IntentKind says what an intent is about to do.
type IntentKind uint8

// The kinds of intents. The numbers are part of the stored format.
const (
	// IntentPush precedes the upload of a manifest that has a subject.
	IntentPush IntentKind = 1
	// IntentDelete precedes the deletion of a manifest.
	IntentDelete IntentKind = 2
	// IntentImport precedes the push of a referrers tag, whose entries have
	// to be read and recorded afterwards.
	IntentImport IntentKind = 3
	// IntentRemoval is a delete that has been decided and is carried out however
	// long that takes: the manifest is listed no more, and is to be deleted
	// upstream until it is gone. It begins by [Remover.Remove] or with a push that
	// replaces it, never by [Ledger.Begin].
	IntentRemoval IntentKind = 4
)

// String returns the kind as the API and logs spell it.
func (k IntentKind) String() string {
	switch k {
	case IntentPush:
		return "push"
	case IntentDelete:
		return "delete"
	case IntentImport:
		return "import"
	case IntentRemoval:
		return "removal"
	default:
		return fmt.Sprintf("kind-%d", uint8(k))
	}
}

// MarshalText writes the kind as [IntentKind.String] does.
func (k IntentKind) MarshalText() ([]byte, error) {
	return marshalKind(k, IntentPush, IntentRemoval)
}

// UnmarshalText reads what MarshalText wrote, and nothing else.
func (k *IntentKind) UnmarshalText(text []byte) error {
	return unmarshalKind(k, text, IntentPush, IntentRemoval)
}

// IntentID names an intent within its store. It is never used twice.
type IntentID uint64

// Intent is a push or delete that is under way, or whose outcome upstream is
// not known. It is written before the upstream sees the request, so that
// whatever happens between, a later reader knows what to ask for.
type Intent struct {
	// ID is given by the store.
	ID   IntentID   `json:"id"`
	Kind IntentKind `json:"kind"`
	// Record is what a push brings, and what a removal took away, as far as that
	// was recorded. A delete has only its Repository and Digest, an import its
	// Repository.
	Record Record `json:"record"`
	// Replaces are manifests of the repository that a push takes the place of, at
	// most [MaxReplaces]: in the transaction that records the push they become
	// removals, and the intent, should it stay open, has none any more. A push that
	// is not recorded replaces nothing. A push alone has them; none is the pushed
	// manifest itself.
	Replaces []digest.Digest `json:"replaces,omitempty"`
	// CarriesOut is the removal of the manifest that a delete carries out. It is a
	// condition of [Ledger.Begin], and not kept: where that removal is not open, or a
	// push of the manifest is, nothing begins and the error is [ErrStale].
	CarriesOut IntentID `json:"-"`
	// Tag is the referrers tag that an import reads. It stands for the subject
	// because it can't be turned back into one: see [oci.ReferrersTag].
	Tag string `json:"tag,omitempty"`
	// Deadline is when the request is over at the latest: after it the
	// upstream can no longer carry it out. A removal has no request of its own:
	// for it this is when it was decided.
	Deadline time.Time `json:"deadline"`
	// Contended is set by the store when a push and a delete of the same
	// manifest were open at once, so that neither answer says which of them
	// came last.
	Contended bool `json:"contended,omitempty"`
	// Recorded is set by the store when a finding made it record a push that
	// was not over yet. Unless contended, such an intent changes no listing
	// before its deadline.
	Recorded bool `json:"recorded,omitempty"`
}

// Finding is what the upstream said when it was asked for the manifest of an
// intent.
type Finding struct {
	// Mark was taken after the intent was read from the store and before the
	// upstream was asked.
	Mark Mark
	// At is when the upstream was asked.
	At time.Time
	// Present says that the upstream has the manifest. For an import it says
	// that the referrers tag was read and its entries are recorded.
	Present bool
}

// Mark is a point in the history of a store. What was read from the upstream
// after a mark was taken is used only if nothing happened since that makes it
// worthless:
//
//   - "present", when a delete of the manifest began, was confirmed, or was
//     found to be carried out, or when a finding removed its record
//   - "absent", when the manifest was recorded while another intent for it, or
//     a contended one of its own, was open
//
// A mark older than what the store remembers of its history, a day at least,
// makes all worthless. Marks of one store stay valid when it is opened again.
type Mark uint64

package indextest

import (
	"context"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/index"
	"github.com/backref/backref/oci"
)

var _ index.TagSubjects = (*Model)(nil)

// TagSubject implements [index.TagSubjects].
func (m *Model) TagSubject(_ context.Context, repository, tag string) (digest.Digest, error) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	records := make([]index.Record, 0, len(m.live)+len(m.intents))
	for _, r := range m.live {
		records = append(records, r.Record)
	}
	for _, intent := range m.intents {
		if intent.Kind == index.IntentPush {
			records = append(records, intent.Record)
		}
	}
	for _, r := range records {
		if subject := r.Subject(); r.Repository == repository && subject != "" && oci.ReferrersTag(subject) == tag {
			return subject, nil
		}
	}
	return "", index.ErrNotFound
}

func tagSubjectStories() []story {
	return []story{
		{"the subject of a tag is that of a record", subjectOfRecord},
		{"the subject of a tag is that of an open push", subjectOfPush},
		{"a tag is looked for in one repository", subjectApart},
	}
}

// longSubjects are those of which all algorithms make a tag.
func longSubjects() []digest.Digest {
	return []digest.Digest{name("subject"), digest.SHA384.FromString("subject"), digest.SHA512.FromString("subject")}
}

func wantSubject(t *testing.T, store index.Store, subject, want digest.Digest) {
	t.Helper()
	finder, is := store.(index.TagSubjects)
	if !is {
		t.Fatalf("%T finds no subjects", store)
	}
	got, err := finder.TagSubject(t.Context(), repo, oci.ReferrersTag(subject))
	if want == "" {
		mustBe(t, err, index.ErrNotFound)
		return
	}
	must(t, err)
	equal(t, "subject", got, want)
}

func subjectOfRecord(t *testing.T, store index.Store) {
	for i, subject := range longSubjects() {
		wantSubject(t, store, subject, "")
		record := signature(string(rune('a'+i)), subject)
		push(t, store, record)
		push(t, store, signature(string(rune('A'+i)), digest.SHA512.FromString(string(rune('a'+i)))))
		wantSubject(t, store, subject, subject)
		remove(t, store, record)
		wantSubject(t, store, subject, "")
	}
}

func subjectOfPush(t *testing.T, store index.Store) {
	for i, subject := range longSubjects() {
		id := begin(t, store, index.IntentPush, signature(string(rune('a'+i)), subject))
		wantSubject(t, store, subject, subject)
		must(t, store.Cancel(t.Context(), id))
		wantSubject(t, store, subject, "")
		begin(t, store, index.IntentDelete, signature(string(rune('a'+i)), subject))
		wantSubject(t, store, subject, "")
	}
}

func subjectApart(t *testing.T, store index.Store) {
	subject := digest.SHA512.FromString("subject")
	record := signature("sig", subject)
	record.Repository = sibling
	push(t, store, record)
	record.Digest = name("other")
	begin(t, store, index.IntentPush, record)
	wantSubject(t, store, subject, "")
}

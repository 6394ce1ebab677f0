package bolt

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/backref/backref/index"
	"github.com/backref/backref/index/packed"
	"github.com/backref/backref/oci"
	"github.com/opencontainers/go-digest"
)

// samples are records at the borders of what can be kept.
func samples() []index.Record {
	plain := index.Record{Repository: "a", Manifest: index.Manifest{Digest: digest.FromString("plain")}}
	full := index.Record{
		Repository: "library/app",
		Manifest: index.Manifest{
			Digest:       digest.SHA512.FromString("full"),
			MediaType:    oci.MediaTypeImageManifest,
			Size:         -1 << 63,
			ArtifactType: "application/vnd.example",
			Annotations:  map[string]string{"": "\x00", "a": "", "ü": strings.Repeat("x", 300)},
			Edges: []index.Edge{
				{Kind: index.EdgeSubject, Target: digest.SHA384.FromString("subject")},
				{Kind: 255, Target: digest.FromString("other")},
			},
		},
		Seen: time.Unix(-1<<62, 999999999).UTC(),
	}
	return []index.Record{plain, full}
}

func TestRecordEncoding(t *testing.T) {
	for _, record := range samples() {
		value, err := encodeRecord(record)
		if err != nil {
			t.Fatal(err)
		}
		got, err := decodeRecord(record.Repository, record.Digest, value)
		if err != nil || !reflect.DeepEqual(got, record) {
			t.Fatalf("\n got %+v, %v\nwant %+v", got, err, record)
		}
		// Equal records are written equally.
		for range 20 {
			if again, _ := encodeRecord(got); string(again) != string(value) {
				t.Fatal("written differently")
			}
		}
		shortened(t, value, func(value []byte) error {
			_, err := decodeRecord(record.Repository, record.Digest, value)
			return err
		})
	}
}

func TestIntentEncoding(t *testing.T) {
	for i, record := range samples() {
		intent := index.Intent{
			ID: 7, Kind: index.IntentPush, Record: record, Tag: "tag",
			Deadline: time.Unix(1, 2).UTC(), Contended: i == 0, Recorded: i == 1,
		}
		for _, digest := range []digest.Digest{record.Digest, ""} {
			intent.Record.Digest = digest
			value, err := encodeIntent(intent)
			if err != nil {
				t.Fatal(err)
			}
			got, err := decodeIntent(7, value)
			if err != nil || !reflect.DeepEqual(got, intent) {
				t.Fatalf("\n got %+v, %v\nwant %+v", got, err, intent)
			}
			shortened(t, value, func(value []byte) error {
				_, err := decodeIntent(7, value)
				return err
			})
		}
	}
}

// shortened checks that a value of which a part is missing, or that something
// follows, is damaged.
func shortened(t *testing.T, value []byte, decode func([]byte) error) {
	t.Helper()
	for n := range value {
		if err := decode(value[:n:n]); !errors.Is(err, index.ErrDamaged) {
			t.Fatalf("first %d of %d bytes: got error %v", n, len(value), err)
		}
	}
	if err := decode(append(value[:len(value):len(value)], 0)); !errors.Is(err, index.ErrDamaged) {
		t.Fatalf("with another byte: got error %v", err)
	}
}

// TestReferrerEncoding checks that the descriptor comes out as it is sent, and
// the record as it went in, whatever must be escaped.
func TestReferrerEncoding(t *testing.T) {
	cases := samples()
	for _, change := range []func(*index.Record){
		func(r *index.Record) {},
		func(r *index.Record) { r.MediaType = oci.MediaTypeImageIndex },
		func(r *index.Record) { r.MediaType = "application/vnd.example+json" },
		func(r *index.Record) { r.MediaType = "" },
		func(r *index.Record) { r.MediaType = `a","digest":"b` },
		func(r *index.Record) { r.ArtifactType = "" },
		func(r *index.Record) { r.ArtifactType = "\"<ü>\u2028\xff" },
		func(r *index.Record) { r.Annotations = nil },
		func(r *index.Record) { r.Annotations = map[string]string{"\xff": "a"} },
		func(r *index.Record) { r.Annotations = map[string]string{`a"\,:{}`: "\xff", "<": `"}`, "": ""} },
	} {
		record := samples()[1]
		change(&record)
		cases = append(cases, record)
	}
	for _, record := range cases {
		value, whole, err := encodeReferrer(record)
		if err != nil {
			t.Fatal(err)
		}
		r, err := cutReferrer(value)
		if err != nil || string(r.artifactType) != record.ArtifactType || (r.whole != nil) != whole {
			t.Fatalf("got %+v, %v", r, err)
		}
		want, _ := record.Descriptor().Encode()
		got := r.appendDescriptor(nil, string(record.Digest))
		if string(got) != string(want) || len(got) != r.descriptorSize(len(record.Digest)) {
			t.Fatalf("got %s of %d bytes, want %s", got, r.descriptorSize(len(record.Digest)), want)
		}
		head := len(value) - len(r.annotations)
		if whole {
			head = len(value) - len(r.whole) + 1
		}
		for n := range head {
			if _, err := cutReferrer(value[:n]); !errors.Is(err, index.ErrDamaged) {
				t.Fatalf("first %d bytes: got error %v", n, err)
			}
		}
	}
}

// FuzzReferrer checks that a referrer reads as the record that was written.
func FuzzReferrer(f *testing.F) {
	f.Add("a/b", "c/d", int64(1), "key", "value")
	f.Add(`"`, "\xff", int64(-1), "<", `\"},`)
	f.Fuzz(func(t *testing.T, mediaType, artifactType string, size int64, key, value string) {
		record := samples()[1]
		record.MediaType, record.ArtifactType, record.Size = mediaType, artifactType, size
		record.Annotations = map[string]string{key: value, "z": key}
		kept, shown, err := encodeKept(record)
		if err != nil {
			t.Fatal(err)
		}
		r, err := cutReferrer(shown)
		if err != nil {
			t.Fatal(err)
		}
		want, _ := record.Descriptor().Encode()
		if got := r.appendDescriptor(nil, string(record.Digest)); string(got) != string(want) {
			t.Fatalf("got %s, want %s", got, want)
		}
		compact, _ := packed.AppendDigest(nil, record.Digest)
		k, _, err := cutKept(kept)
		if err != nil {
			t.Fatal(err)
		}
		k.referrer = r
		got, err := (&shelf{repository: record.Repository}).decode(compact, &k)
		if err != nil || !reflect.DeepEqual(got, record) {
			t.Fatalf("got %+v, %v, want %+v", got, err, record)
		}
	})
}

func TestEncodingRefuses(t *testing.T) {
	record := samples()[0]
	for _, target := range []digest.Digest{"", "sha256:", "x"} {
		record.Edges = []index.Edge{{Kind: index.EdgeLayer, Target: target}, {Kind: index.EdgeLayer, Target: digest.FromString("a")}}
		if _, err := encodeRecord(record); !errors.Is(err, index.ErrInvalid) {
			t.Errorf("%q: got error %v", target, err)
		}
	}
}

// FuzzDecode checks that no value crashes the decoders or makes them take more
// memory than it has, and that what they accept is what the encoders write.
func FuzzDecode(f *testing.F) {
	for _, record := range samples() {
		value, _ := encodeRecord(record)
		f.Add(value)
		value, _ = encodeIntent(index.Intent{Kind: index.IntentDelete, Record: record})
		f.Add(value)
		value, _, _ = encodeReferrer(record)
		f.Add(value)
	}
	f.Add([]byte{0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x0f})
	name := digest.FromString("name")
	f.Fuzz(func(t *testing.T, value []byte) {
		if record, err := decodeRecord("a", name, value); err == nil {
			if again, err := encodeRecord(record); err == nil {
				same, err := decodeRecord("a", name, again)
				if err != nil || !reflect.DeepEqual(same, record) {
					t.Fatalf("got %+v, then %+v, %v", record, same, err)
				}
			}
		}
		if intent, err := decodeIntent(1, value); err == nil {
			if again, err := encodeIntent(intent); err == nil {
				same, err := decodeIntent(1, again)
				if err != nil || !reflect.DeepEqual(same, intent) {
					t.Fatalf("got %+v, then %+v, %v", intent, same, err)
				}
			}
		}
		if r, err := cutReferrer(value); err == nil {
			_, _ = decodeAnnotations(r.annotations)
		}
		_, _, _ = packed.CutDigest(value)
	})
}

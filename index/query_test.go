package index_test

import (
	"errors"
	"fmt"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/index"
	"github.com/backref/backref/oci"
)

func TestParseQuery(t *testing.T) {
	values, err := url.ParseQuery("artifactType=application/vnd.*&artifactType=a/b&annotation=key&annotation=date>=2026-01-02T03:04:05Z&sort=-created&n=7&unknown=1")
	if err != nil {
		t.Fatal(err)
	}
	q, err := index.ParseQuery(values)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(q.ArtifactTypes, []string{"application/vnd.*", "a/b"}) || q.Limit != 7 ||
		q.Order != (index.Order{By: index.SortCreated, Descending: true}) || !q.After.IsZero() {
		t.Errorf("got %+v", q)
	}
	if len(q.Annotations) != 2 || q.Annotations[1].Key() != "date" || q.Annotations[1].Operator() != index.OpGreaterEqual {
		t.Errorf("got annotations %v", q.Annotations)
	}
	if got := strings.Join(q.Filters(), ","); got != "artifactType,annotation" {
		t.Errorf("filters %s", got)
	}
}

// A + that a client didn't encode is decoded as a space, which no media type
// has. The value of an annotation may have one.
func TestASpaceInATypeIsAPlus(t *testing.T) {
	for raw, want := range map[string]string{
		"application/spdx+json": "application/spdx+json", "application/spdx%2Bjson": "application/spdx+json",
		"application/spdx%20json": "application/spdx+json", "*+json": "*+json",
	} {
		values, err := url.ParseQuery("artifactType=" + raw + "&annotation=key=a+b")
		if err != nil {
			t.Fatal(err)
		}
		q, err := index.ParseQuery(values)
		if err != nil || q.ArtifactTypes[0] != want || q.Annotations[0].Value() != "a b" {
			t.Errorf("%s: got %+v, %v", raw, q, err)
		}
	}
}

// Where none is asked for, an order is the usual one, and on the pages that
// follow that of the first.
func TestAPageKeepsTheOrderOfTheFirst(t *testing.T) {
	usual := index.Order{By: index.SortCreated, Descending: true}
	place := index.Cursor{Key: "key", Digest: digest.FromString("x")}
	for _, c := range []struct {
		values url.Values
		want   index.Order
	}{
		{nil, usual},
		{url.Values{"sort": {"digest"}}, index.Order{}},
		{url.Values{"last": {place.Encode("digest")}}, index.Order{}},
		{url.Values{"last": {place.Encode("-created")}}, usual},
		{url.Values{"last": {place.Encode("version")}}, index.Order{By: index.SortVersion}},
	} {
		q, err := index.ParseQueryBy(usual, c.values)
		if err != nil || q.Order != c.want || q.After.IsZero() != (c.values["last"] == nil) {
			t.Errorf("%v: got %+v, %v", c.values, q, err)
		}
	}
}

func TestEmptyValuesCountAsNone(t *testing.T) {
	q, err := index.ParseQuery(url.Values{"artifactType": {""}, "annotation": {"", ""}, "sort": {""}, "n": {""}, "last": {""}})
	if err != nil || !reflect.DeepEqual(q, index.Query{}) {
		t.Fatalf("got %+v, %v", q, err)
	}
}

func TestABadQueryNamesItsParameter(t *testing.T) {
	many := slices.Repeat([]string{"a"}, 33)
	elsewhere := index.Cursor{Digest: digest.FromString("x")}.Encode("created")
	for _, c := range []struct {
		values url.Values
		param  string
	}{
		{url.Values{"artifactType": many}, "artifactType"},
		{url.Values{"artifactType": {strings.Repeat("a", 1025)}}, "artifactType"},
		{url.Values{"annotation": many}, "annotation"},
		{url.Values{"annotation": {"=value"}}, "annotation"},
		{url.Values{"annotation": {"key>"}}, "annotation"},
		{url.Values{"annotation": {"key>=soon"}}, "annotation"},
		{url.Values{"annotation": {"key<" + strings.Repeat("1", 1024)}}, "annotation"},
		{url.Values{"sort": {"size"}}, "sort"},
		{url.Values{"sort": {"--created"}}, "sort"},
		{url.Values{"sort": {"-"}}, "sort"},
		{url.Values{"sort": {"created", "digest"}}, "sort"},
		{url.Values{"n": {"0"}}, "n"},
		{url.Values{"n": {"-1"}}, "n"},
		{url.Values{"n": {"ten"}}, "n"},
		{url.Values{"n": {"99999999999"}}, "n"},
		{url.Values{"n": {"1", "2"}}, "n"},
		{url.Values{"last": {"!"}}, "last"},
		{url.Values{"last": {"MSBzaGEyNTY6"}}, "last"},
		{url.Values{"last": {elsewhere}, "sort": {"digest"}}, "last"},
		{url.Values{"last": {elsewhere}, "sort": {"-created"}}, "last"},
		{url.Values{"last": {index.Cursor{Digest: digest.FromString("x")}.Encode("parents")}}, "last"},
		{url.Values{"last": {index.Cursor{Digest: digest.FromString("x")}.Encode("")}}, "last"},
		{url.Values{"last": {index.Cursor{Key: strings.Repeat("k", 257), Digest: digest.FromString("x")}.Encode("digest")}}, "last"},
	} {
		_, err := index.ParseQuery(c.values)
		var wrong *index.QueryError
		if !errors.As(err, &wrong) || wrong.Param != c.param || wrong.Reason == "" {
			t.Errorf("%v: got %v, want an error about %s", c.values, err, c.param)
		}
	}
}

func TestAnnotationFilters(t *testing.T) {
	for _, c := range []struct {
		filter, value string
		want          bool
	}{
		{"key", "", true},
		{"key=", "", true},
		{"key=a", "a", true},
		{"key=a", "b", false},
		{"key==a", "=a", true},
		{"key=a<b>c", "a<b>c", true},
		{"key!=a", "b", true},
		{"key!=a", "a", false},
		// Times, also in other zones.
		{"key>2026-01-31T12:00:00Z", "2026-01-31T13:00:00+02:00", false},
		{"key>2026-01-31T12:00:00Z", "2026-01-31T13:00:00-02:00", true},
		{"key<2026-01-31T12:00:00.5Z", "2026-01-31T12:00:00.25Z", true},
		{"key<2026-01-31T12:00:00Z", "1969-12-31T12:00:00Z", true},
		{"key<2026-01-31T12:00:00Z", "2025", false},
		{"key>=2026-01-31T12:00:00Z", "2026-01-31T12:00:00Z", true},
		// Numbers, exactly.
		{"key>9", "10", true},
		{"key>9", "v10", false},
		{"key>=10", "10.0", true},
		{"key<=010", "10", true},
		{"key>1.9", "1.10", false},
		{"key>9007199254740992", "9007199254740993", true},
		{"key<-1.5", "-1.55", true},
		{"key<-1.5", "-1.4", false},
		{"key<-9", "-10", true},
		{"key>-1", "0", true},
		{"key>=0", "-0.0", true},
		{"key<0", "+0.1", false},
		{"key>0", "NaN", false},
		{"key>0", "1e9", false},
		{"key>0", "+-1", false},
		// Versions.
		{"key>v1.9", "1.10", true},
		{"key>1.9.0", "1.10.0", true},
		{"key<1.0.0", "1.0.0-rc.1", true},
		{"key<1.0.0-rc.10", "1.0.0-rc.9", true},
		{"key<1.0.0-beta", "1.0.0-alpha.1", true},
		{"key<1.0.0-alpha.1", "1.0.0-alpha", true},
		{"key<=1.0.0", "1.0.0+build", true},
		{"key>1.0.0", "latest", false},
		{`k\=e\\y=1`, "", false},
	} {
		f, err := index.ParseAnnotationFilter(c.filter)
		if err != nil {
			t.Errorf("%s: %v", c.filter, err)
			continue
		}
		if got := f.Matches(map[string]string{"key": c.value}); got != c.want {
			t.Errorf("%s on %q: got %v", c.filter, c.value, got)
		}
		if f.Matches(map[string]string{"other": c.value}) {
			t.Errorf("%s matches without the annotation", c.filter)
		}
	}
}

func TestTheKeyOfAFilterMayHaveOddCharacters(t *testing.T) {
	for _, key := range []string{"a b", "a!b", "a=b", `a\b`, "<", ">=", "!=", "ключ", `\`} {
		f, err := index.NewAnnotationFilter(key, index.OpNotEqual, "x")
		if err != nil {
			t.Fatal(err)
		}
		again, err := index.ParseAnnotationFilter(f.String())
		if err != nil || again != f {
			t.Errorf("%q: %s is read as %+v, %v", key, f, again, err)
		}
	}
	if f, err := index.ParseAnnotationFilter("a!b!=c"); err != nil || f.Key() != "a!b" || f.Value() != "c" {
		t.Errorf("got %+v, %v", f, err)
	}
}

func TestSort(t *testing.T) {
	entry := func(name, artifactType, created, version string) oci.Descriptor {
		annotations := map[string]string{"name": name}
		if created != "" {
			annotations[index.AnnotationCreated] = created
		}
		if version != "" {
			annotations[index.AnnotationVersion] = version
		}
		// The digests are in the order of the names.
		return oci.Descriptor{
			Digest:       digest.NewDigestFromEncoded(digest.SHA256, fmt.Sprintf("%x%063d", name, 0)[:64]),
			ArtifactType: artifactType, Annotations: annotations,
		}
	}
	entries := []oci.Descriptor{
		entry("a", "z/z", "2026-03-01T00:00:00Z", "1.10.0"),
		entry("b", "", "yesterday", "latest"),
		entry("c", "a/a", "2026-01-01T00:00:00+01:00", "v1.9.0"),
		entry("d", "a/a", "2025-12-31T23:00:00Z", "1.10.0-rc.1"),
	}
	for order, want := range map[string]string{
		"":              "abcd",
		"digest":        "abcd",
		"-digest":       "dcba",
		"created":       "bcda",
		"-created":      "adcb",
		"artifactType":  "cdab",
		"-artifactType": "adcb",
		"version":       "cdab",
		"-version":      "adcb",
	} {
		q, err := index.ParseQuery(url.Values{"sort": {order}})
		if err != nil {
			t.Fatal(err)
		}
		got := slices.Clone(entries)
		slices.Reverse(got)
		q.Sort(got)
		names := ""
		for _, d := range got {
			names += d.Annotations["name"]
		}
		if names != want {
			t.Errorf("%s: got %s, want %s", order, names, want)
		}
	}
}

func TestCreatedElseSeen(t *testing.T) {
	order := index.Order{By: index.SortCreated}
	seen := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	says := oci.Descriptor{Annotations: map[string]string{index.AnnotationCreated: "2025-01-01T00:00:00Z"}}
	if order.Key(says, seen) >= order.Key(oci.Descriptor{}, seen) {
		t.Error("what says when it was created does not come first")
	}
	if order.Key(says, seen) != order.Key(says, time.Time{}) {
		t.Error("the time of what says when it was created depends on when it was seen")
	}
}

// FuzzParseQuery checks that what is read is written so that it is read the
// same, and that no query makes a descriptor fail.
func FuzzParseQuery(f *testing.F) {
	f.Add("artifactType=a/*&annotation=a!=b&sort=-version&n=3", "1.2.3-rc.1")
	f.Add(`annotation=a\=b>2026-01-02T03:04:05Z&annotation=c<-1.50`, "2026-01-02T03:04:05+01:00")
	f.Add("annotation=a>=v1&last="+index.Cursor{Digest: digest.FromString("x")}.Encode("digest"), "-000.1")
	f.Fuzz(func(t *testing.T, text, value string) {
		values, err := url.ParseQuery(text)
		if err != nil {
			return
		}
		q, err := index.ParseQuery(values)
		if err != nil {
			var wrong *index.QueryError
			if !errors.As(err, &wrong) {
				t.Fatalf("%q: error %v", text, err)
			}
			return
		}
		again, err := index.ParseQuery(q.Values())
		if err != nil || !reflect.DeepEqual(again, q) {
			t.Fatalf("%q is read as %+v, and again as %+v, %v", text, q, again, err)
		}
		annotations := map[string]string{index.AnnotationVersion: value, index.AnnotationCreated: value}
		for _, filter := range q.Annotations {
			annotations[filter.Key()] = value
		}
		q.Matches(oci.Descriptor{ArtifactType: value, Annotations: annotations})
		q.Order.Key(oci.Descriptor{Annotations: annotations}, time.Time{})
	})
}

// FuzzParseCursor checks that a cursor that is read is one that is written.
func FuzzParseCursor(f *testing.F) {
	f.Add(index.Cursor{Digest: digest.FromString("x")}.Encode("digest"), "digest")
	f.Add(index.Cursor{Key: "a \x00", Digest: digest.FromString("x")}.Encode("-created"), "-created")
	f.Add("MSBzaGEyNTY6", "digest")
	f.Fuzz(func(t *testing.T, text, scope string) {
		cursor, err := index.ParseCursor(text, scope)
		if err != nil {
			return
		}
		if err := cursor.Digest.Validate(); err != nil {
			t.Errorf("%q gave %q: %v", text, cursor.Digest, err)
		}
		if cursor.Encode(scope) != text {
			t.Errorf("%q is written as %q", text, cursor.Encode(scope))
		}
	})
}

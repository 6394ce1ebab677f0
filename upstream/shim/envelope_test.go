package shim

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/oci"
)

// sample is an envelope with a blob of each kind.
func sample() envelope {
	body := `{"schemaVersion":2,"config":{}}`
	return envelope{
		Named: digest.SHA512.FromString(body), Kept: digest.FromString(body), MediaType: "application/vnd.oci.image.manifest.v1+json", Size: int64(len(body)),
		Blobs: []envelopeBlob{
			{Named: digest.FromString("a"), Kept: digest.FromString("a"), Size: 1},
			{Named: digest.SHA512.FromString("b"), Kept: digest.FromString("b"), Size: 1},
		},
	}
}

func TestEnvelope(t *testing.T) {
	for _, kind := range envelopeKinds() {
		body, err := sample().encode(kind)
		if err != nil {
			t.Fatal(err)
		}
		again, err := sample().encode(kind)
		if err != nil || string(again) != string(body) {
			t.Errorf("equal manifests have the envelopes %s and %s, error %v", body, again, err)
		}
		got, err := decodeEnvelope(body)
		if err != nil || !reflect.DeepEqual(got, sample()) {
			t.Errorf("%s: got %+v, error %v; want %+v", kind.manifest, got, err, sample())
		}
		// By what a registry knows of an image all blobs are held.
		parts, err := oci.ReadParts(body, maxParts)
		if err != nil || parts.MediaType != kind.manifest || len(parts.AllBlobs()) != 4 {
			t.Errorf("as an image it has the parts %+v, error %v", parts, err)
		}
	}
}

func TestWhatIsNoEnvelope(t *testing.T) {
	body, err := sample().encode(envelopeKinds()[0])
	if err != nil {
		t.Fatal(err)
	}
	text := string(body)
	for name, wrong := range map[string]string{
		"nothing":               "",
		"an image":              `{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{},"layers":[]}`,
		"annotations elsewhere": strings.Replace(text, `{"schemaVersion":2,`, `{"schemaVersion":2, `, 1),
		"cut":                   text[:len(text)-2],
		"too many":              strings.Replace(text, `"layers":[`, `"layers":[`+strings.Repeat(`{"digest":"`+sample().Named.String()+`"},`, maxParts+1), 1),
		"a long media type":     strings.Replace(text, "application/vnd.oci.image.manifest.v1+json", "application/"+strings.Repeat("x", maxMediaType), 1),
		"no layer":              before(text, `"layers":[`) + `"layers":[]}`,
		"no digest":             strings.Replace(text, sample().Named.String(), "sha512:abc", 1),
		"a blob without one":    strings.Replace(text, digest.FromString("a").String(), "a", 1),
		"an alias that is none": strings.Replace(text, digest.SHA512.FromString("b").String(), "b", 1),
		"a media type of lines": strings.Replace(text, `manifest.v1+json"},`, `manifest.v1+json\r\nX: y"},`, 1),
	} {
		if e, err := decodeEnvelope([]byte(wrong)); !errors.Is(err, errNoEnvelope) {
			t.Errorf("%s: got %+v, error %v", name, e, err)
		}
	}
}

func FuzzEnvelope(f *testing.F) {
	for _, kind := range envelopeKinds() {
		body, err := sample().encode(kind)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		e, err := decodeEnvelope(body)
		if err != nil {
			return
		}
		written, err := e.encode(envelopeKinds()[0])
		if err != nil {
			t.Fatal(err)
		}
		if again, err := decodeEnvelope(written); err != nil || !reflect.DeepEqual(again, e) {
			t.Errorf("read as %+v, and written and read again as %+v, error %v", e, again, err)
		}
	})
}

// before returns what of a text is before a part of it.
func before(text, part string) string {
	start, _, _ := strings.Cut(text, part)
	return start
}

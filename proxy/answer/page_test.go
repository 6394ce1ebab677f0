package answer

import (
	"net/http"
	"reflect"
	"testing"
)

// A page says what it is by the bytes alone: the same bytes have the same ETag,
// whatever they answer.
func TestPages(t *testing.T) {
	plain := New("application/json", []byte("{}"), nil, "")
	want := http.Header{
		"Content-Type": {"application/json"}, "Content-Length": {"2"}, "Cache-Control": {"private, no-cache"},
		"Etag": {`"44136fa355b3678a1146ad16f7e8649e"`},
	}
	if !reflect.DeepEqual(plain.Header, want) {
		t.Errorf("header %v, want %v", plain.Header, want)
	}
	filtered := New("application/json", []byte("{}"), []string{"artifactType", "annotation"}, `</v2/a/referrers/x?n=1>; rel="next"`)
	want["Oci-Filters-Applied"] = []string{"artifactType,annotation"}
	want["Link"] = []string{`</v2/a/referrers/x?n=1>; rel="next"`}
	if !reflect.DeepEqual(filtered.Header, want) || filtered.ETag != plain.ETag {
		t.Errorf("header %v, want %v; ETag %s, want %s", filtered.Header, want, filtered.ETag, plain.ETag)
	}
}

package shim_test

import (
	"testing"

	"github.com/backref/backref/upstream/shim"
)

// A registry that can't say how far an upload is has it said by what passed.
func TestStatusOfAnUpload(t *testing.T) {
	const begin, upload, next = "/v2/app/blobs/uploads/", "/v2/app/blobs/uploads/17", "/v2/app/blobs/uploads/17?state=b"
	begun := said{202, map[string]string{"Location": upload + "?state=a", "Range": "0-0"}, ""}
	uploaded := said{202, map[string]string{"Location": next, "Range": "0-9"}, ""}
	told := func(uploaded, at string) said {
		return said{204, map[string]string{"Range": uploaded, "Location": at}, ""}
	}
	refusal := func(status int, body string) said { return said{status, map[string]string{}, body} }
	unknown := refusal(404, `{"errors":[{"code":"BLOB_UPLOAD_UNKNOWN"}]}`)
	nameInvalid := refusal(400, `{"errors":[{"code":"NAME_INVALID"}]}`)
	for name, c := range map[string]struct {
		// changes are what is sent before: method, and what is answered.
		changes map[string]said
		order   []string
		status  said
		want    said
	}{
		"begun":                 {nil, nil, nameInvalid, told("0-0", upload+"?state=a")},
		"a chunk":               {map[string]said{"PATCH": uploaded}, []string{"PATCH"}, nameInvalid, told("0-9", next)},
		"no such method":        {map[string]said{"PATCH": uploaded}, []string{"PATCH"}, refusal(405, ""), told("0-9", next)},
		"no such page":          {map[string]said{"PATCH": uploaded}, []string{"PATCH"}, refusal(404, "404 page not found"), told("0-9", next)},
		"the registry's own":    {map[string]said{"PATCH": uploaded}, []string{"PATCH"}, told("0-4", upload), told("0-4", upload)},
		"an upload that ended":  {map[string]said{"PATCH": uploaded}, []string{"PATCH"}, unknown, unknown},
		"who may not ask":       {map[string]said{"PATCH": uploaded}, []string{"PATCH"}, refusal(401, "sign in"), refusal(401, "sign in")},
		"after its end":         {map[string]said{"PUT": {status: 201}}, []string{"PUT"}, nameInvalid, nameInvalid},
		"after it was canceled": {map[string]said{"DELETE": {status: 204}}, []string{"DELETE"}, nameInvalid, nameInvalid},
		"not canceled":          {map[string]said{"DELETE": nameInvalid}, []string{"DELETE"}, nameInvalid, told("0-0", upload+"?state=a")},
		"after a failure":       {map[string]said{"PATCH": {status: 500}}, []string{"PATCH"}, nameInvalid, nameInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			answers := map[string]said{"POST " + begin: begun, "GET " + upload: c.status}
			for method, answer := range c.changes {
				answers[method+" "+upload] = answer
			}
			l := newLacking(t, shim.Options{Chunks: true}, answers)
			want := []string{"POST " + begin}
			l.send(t, "POST", begin, "", nil)
			for _, method := range c.order {
				l.send(t, method, upload+"?state=a", "", nil)
				want = append(want, method+" "+upload)
			}
			if got := l.send(t, "GET", upload+"?state=a", "", nil, "Range", "Location"); !got.is(c.want) {
				t.Errorf("%v, not %v", got, c.want)
			}
			l.wantSeen(t, append(want, "GET "+upload)...)
		})
	}
}

// A chunk that is out of its order is refused by 416, whatever the registry calls it,
// and the upload goes on from where it was.
func TestChunksThatARegistryRefuses(t *testing.T) {
	const begin, upload = "/v2/app/blobs/uploads/", "/v2/app/blobs/uploads/17"
	uploaded := said{202, map[string]string{"Location": upload, "Range": "0-9"}, ""}
	for name, c := range map[string]struct {
		method, chunk string
		status        int
		want          said
	}{
		"out of order":             {"PATCH", "20-29", 416, said{416, map[string]string{}, "refused"}},
		"out of order, and wrong":  {"PUT", "20-29", 400, said{416, map[string]string{"Location": upload, "Range": "0-9"}, "go on from there"}},
		"in order, of that digest": {"PUT", "10-19", 400, said{400, map[string]string{}, "refused"}},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLackingFunc(t, shim.Options{Chunks: true}, func(asked string) said {
				switch asked {
				case "POST " + begin:
					return said{202, map[string]string{"Location": upload}, ""}
				case "PATCH " + upload:
					if c.method == "PATCH" && len(c.want.body) > 0 {
						return said{c.status, nil, "refused"}
					}
					return uploaded
				case "PUT " + upload:
					return said{c.status, nil, "refused"}
				default:
					return said{400, nil, "no such method"}
				}
			})
			l.send(t, "POST", begin, "", nil)
			if c.method == "PUT" {
				l.send(t, "PATCH", upload, "0123456789", map[string]string{"Content-Range": "0-9"})
			}
			got := l.send(t, c.method, upload, "0123456789", map[string]string{"Content-Range": c.chunk}, "Range", "Location")
			if !got.is(c.want) {
				t.Errorf("%v, not %v", got, c.want)
			}
			status := l.send(t, "GET", upload, "", nil)
			if known := status.status == 204; known != (c.want.status == 416) {
				t.Errorf("the status of the upload: %v", status)
			}
		})
	}
}

package artifact

import (
	"encoding/json"
	"maps"
	"slices"
)

// simpleSigning reads the payload that a signature of cosign is of
// (containers/image, "containers-signature.5", "JSON data format").
func (r *reader) simpleSigning(body []byte, level int) {
	d := decode[struct {
		Critical struct {
			Type     string `json:"type"`
			Identity struct {
				Reference string `json:"docker-reference"`
			} `json:"identity"`
			Image struct {
				Digest string `json:"docker-manifest-digest"`
			} `json:"image"`
		} `json:"critical"`
		Optional map[string]json.RawMessage `json:"optional"`
	}](r, body)
	c := d.Critical
	if c.Image.Digest == "" {
		return
	}
	r.is(SimpleSigning, "", level)
	signed := &Signed{Type: clip(c.Type), Reference: clip(c.Identity.Reference), Digest: clip(c.Image.Digest)}
	names := slices.Sorted(maps.Keys(d.Optional))
	r.all("annotations", min(len(names), MaxFew), len(names))
	for _, name := range names[:min(len(names), MaxFew)] {
		var value loose
		if json.Unmarshal(d.Optional[name], &value) == nil && value != "" {
			if signed.Optional == nil {
				signed.Optional = map[string]string{}
			}
			signed.Optional[clip(name)] = clip(string(value))
		}
	}
	r.document.Signed = signed
}

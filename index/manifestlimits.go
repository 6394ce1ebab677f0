package index

import "github.com/backref/backref/strictjson"

// ManifestLimits bounds what is read of a manifest. A zero field is no bound.
// An error names the bound by the key that it is configured with.
type ManifestLimits struct {
	// Depth is how deep objects and arrays may be nested.
	Depth int
	// Descriptors is how many descriptors there may be: subject, config,
	// layers, manifests and blobs together.
	Descriptors int
	// Annotations is how many annotations the manifest itself may have.
	Annotations int
}

// check makes sure that whoever else reads the manifest finds in it what we
// find.
func (l ManifestLimits) check(body []byte) error {
	shape := l.shape()
	return strictjson.Check(body, &shape, strictjson.Bound{Name: "limits.manifestDepth", Most: l.Depth})
}

// shape names the fields of [document], and the version of the schema, by
// which registries tell formats apart.
func (l ManifestLimits) shape() strictjson.Shape {
	descriptors := &strictjson.Bound{Name: "limits.manifestDescriptors", Most: l.Descriptors}
	target := &strictjson.Shape{Fields: []strictjson.Field{{Name: "mediaType"}, {Name: "digest"}}, Bound: descriptors}
	layer1 := &strictjson.Shape{Fields: []strictjson.Field{{Name: "blobSum"}}, Bound: descriptors}
	annotations := &strictjson.Shape{
		Every: true, Bound: &strictjson.Bound{Name: "limits.manifestAnnotations", Most: l.Annotations},
	}
	return strictjson.Shape{Fields: []strictjson.Field{
		{Name: "schemaVersion"},
		{Name: "mediaType"},
		{Name: "artifactType"},
		{Name: "config", Shape: target},
		{Name: "layers", Shape: target},
		{Name: "manifests", Shape: target},
		{Name: "blobs", Shape: target},
		{Name: "subject", Shape: target},
		{Name: "annotations", Shape: annotations},
		{Name: "fsLayers", Shape: layer1},
	}}
}

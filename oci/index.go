package oci

// What stands around the descriptors of an image index without fields of its
// own (image-spec, "Image Index").
const (
	indexHead = `{"schemaVersion":2,"mediaType":"` + MediaTypeImageIndex + `","manifests":[`
	indexTail = `]}`
)

// EncodeIndex returns the image index that lists count descriptors, each encoded
// by [Descriptor.Encode], in their order: at gives each by its number from 0.
func EncodeIndex(count int, at func(i int) []byte) []byte {
	size := len(indexHead) + len(indexTail)
	for i := range count {
		size += len(at(i)) + 1
	}
	body := append(make([]byte, 0, size), indexHead...)
	for i := range count {
		if i > 0 {
			body = append(body, ',')
		}
		body = append(body, at(i)...)
	}
	return append(body, indexTail...)
}

// IndexFrameSize is what an image index without entries takes, in bytes.
const IndexFrameSize = len(indexHead) + len(indexTail)

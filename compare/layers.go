package compare

import (
	"slices"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/backref/backref/client"
)

// compareLayers compares the layers of two images, or the blobs of two artifacts.
func compareLayers(a, b client.Contents, configA, configB *config) Layers {
	var l Layers
	as, bs := slices.Concat(a.Layers, a.Blobs), slices.Concat(b.Layers, b.Blobs)
	l.SizeA, l.SizeB = sizeOf(as), sizeOf(bs)
	for l.Shared < min(len(as), len(bs)) && as[l.Shared].Digest == bs[l.Shared].Digest {
		l.SharedSize += as[l.Shared].Size
		l.Shared++
	}
	// Of the others each counts as often as both have it.
	left := map[digest.Digest]int{}
	for _, layer := range bs[l.Shared:] {
		left[layer.Digest]++
	}
	stepsA, stepsB := configA.layerSteps(), configB.layerSteps()
	for i, layer := range as[l.Shared:] {
		if left[layer.Digest] > 0 {
			left[layer.Digest]--
			l.Moved++
			continue
		}
		l.Removed = append(l.Removed, newLayer(layer, stepsA, l.Shared+i))
	}
	for i := len(bs) - 1; i >= l.Shared; i-- {
		// What is left over of a digest are its last ones.
		if left[bs[i].Digest] > 0 {
			left[bs[i].Digest]--
			l.Added = append(l.Added, newLayer(bs[i], stepsB, i))
		}
	}
	slices.Reverse(l.Added)
	return l
}

func newLayer(d ocispec.Descriptor, steps []string, at int) Layer {
	layer := Layer{Digest: d.Digest, MediaType: d.MediaType, Size: d.Size}
	if at < len(steps) {
		layer.CreatedBy = steps[at]
	}
	return layer
}

func sizeOf(layers []ocispec.Descriptor) int64 {
	var size int64
	for _, layer := range layers {
		size += layer.Size
	}
	return size
}

// same reports whether the layers are equal, in their order.
func (l Layers) same() bool { return l.Moved == 0 && len(l.Added) == 0 && len(l.Removed) == 0 }

package oci

import "strings"

// Media types that decide how a manifest is read.
const (
	MediaTypeImageManifest = "application/vnd.oci.image.manifest.v1+json"
	MediaTypeImageIndex    = "application/vnd.oci.image.index.v1+json"
	MediaTypeDockerImage   = "application/vnd.docker.distribution.manifest.v2+json"
	MediaTypeDockerList    = "application/vnd.docker.distribution.manifest.list.v2+json"
)

// Media types of the configs of images, which say of which platform an image is
// and when it was made.
const (
	MediaTypeImageConfig  = "application/vnd.oci.image.config.v1+json"
	MediaTypeDockerConfig = "application/vnd.docker.container.image.v1+json"
)

// Media types of retired manifests.
const (
	MediaTypeArtifact      = "application/vnd.oci.artifact.manifest.v1+json"
	MediaTypeORASArtifact  = "application/vnd.cncf.oras.artifact.manifest.v1+json"
	MediaTypeDocker1       = "application/vnd.docker.distribution.manifest.v1+json"
	MediaTypeDocker1Signed = "application/vnd.docker.distribution.manifest.v1+prettyjws"
)

// IsManifestType reports whether what has a media type, or none, is a manifest:
// everything else that an image index lists is a blob.
func IsManifestType(mediaType string) bool {
	switch mediaType {
	case "", MediaTypeImageManifest, MediaTypeImageIndex, MediaTypeDockerImage, MediaTypeDockerList,
		MediaTypeArtifact, MediaTypeORASArtifact, MediaTypeDocker1, MediaTypeDocker1Signed:
		return true
	default:
		return false
	}
}

// IsIndexType reports whether a media type is that of a manifest which lists
// others: the image index, or Docker's manifest list.
func IsIndexType(mediaType string) bool {
	return mediaType == MediaTypeImageIndex || mediaType == MediaTypeDockerList
}

// IsImageConfigType reports whether a media type is that of the config of an image.
func IsImageConfigType(mediaType string) bool {
	return mediaType == MediaTypeImageConfig || mediaType == MediaTypeDockerConfig
}

// IsBlobType reports whether a media type is known to be none of a manifest:
// those of layers and configs, and of BuildKit's cache. What is neither that nor
// [IsManifestType] may be either.
func IsBlobType(mediaType string) bool {
	for _, prefix := range []string{
		"application/vnd.oci.image.layer.", "application/vnd.oci.image.config.", "application/vnd.oci.empty.",
		"application/vnd.docker.image.rootfs.", "application/vnd.docker.container.image.", "application/vnd.docker.plugin.",
		"application/vnd.buildkit.cacheconfig.",
	} {
		if strings.HasPrefix(mediaType, prefix) {
			return true
		}
	}
	return false
}

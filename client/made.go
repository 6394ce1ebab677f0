package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/backref/backref/index"
)

// maxConfig bounds the config of an image that is read for its date.
const maxConfig = 4 << 20

// made returns when an image was made, as backref tells it: by its annotation,
// else by its config, and an index by the latest of its images. It is the zero
// Time where nothing tells.
func made(ctx context.Context, from Graph, m Manifest) (time.Time, error) {
	if at := index.StatedMade(m.Annotations); !at.IsZero() || !m.MadeElsewhere() {
		return at, nil
	}
	contents, err := m.Contents()
	if err != nil {
		return time.Time{}, err
	}
	if m.ImageConfig() != "" && contents.Config != nil {
		return configMade(ctx, from, *contents.Config)
	}
	var latest time.Time
	for _, child := range contents.Children() {
		image, is, err := from.Entry(ctx, child)
		if errors.Is(err, ErrNotFound) || err == nil && !is {
			continue
		}
		if err != nil {
			return time.Time{}, err
		}
		at, err := imageMade(ctx, from, image)
		if err != nil {
			return time.Time{}, err
		}
		if at.After(latest) {
			latest = at
		}
	}
	return latest, nil
}

// imageMade is made for what need not look at the images that it lists.
func imageMade(ctx context.Context, from Graph, m Manifest) (time.Time, error) {
	if at := index.StatedMade(m.Annotations); !at.IsZero() || m.ImageConfig() == "" {
		return at, nil
	}
	return made(ctx, from, m)
}

// configMade returns the time in the config of an image. A tag is there whether
// or not its config is.
func configMade(ctx context.Context, from Graph, config ocispec.Descriptor) (time.Time, error) {
	if config.Size > maxConfig {
		return time.Time{}, nil
	}
	blob, err := from.Blob(ctx, config)
	if errors.Is(err, ErrNotFound) {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, err
	}
	defer func() { _ = blob.Close() }()
	body, err := io.ReadAll(io.LimitReader(blob, maxConfig+1))
	if err != nil {
		return time.Time{}, fmt.Errorf("read config %s: %w", config.Digest, err)
	}
	if config.Digest.Algorithm().FromBytes(body) != config.Digest {
		return time.Time{}, nil
	}
	return index.ConfigMade(body), nil
}

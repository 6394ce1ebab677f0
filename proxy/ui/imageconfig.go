package ui

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/backref/backref/client"
	"github.com/backref/backref/index"
)

// maxConfig bounds the config of an image that is read, in bytes.
const maxConfig = 4 << 20

// configShown is what the config of an image says (image-spec, "Image
// Configuration").
type configShown struct {
	// Trouble says why the config isn't shown.
	Trouble  string `json:"trouble,omitempty"`
	Platform string `json:"platform,omitempty"`
	Author   string `json:"author,omitempty"`
	User     string `json:"user,omitempty"`
	WorkDir  string `json:"workingDir,omitempty"`
	// Entrypoint and Cmd are written as Dockerfiles have them.
	Entrypoint string   `json:"entrypoint,omitempty"`
	Cmd        string   `json:"cmd,omitempty"`
	StopSignal string   `json:"stopSignal,omitempty"`
	Ports      []string `json:"ports,omitempty"`
	Volumes    []string `json:"volumes,omitempty"`
	Env        []string `json:"env,omitempty"`
	Labels     pairs    `json:"labels"`
}

// readConfig reads the config of the page's image, and what it says of the layers.
func (p *imagePage) readConfig(ctx context.Context, from *client.Repository, blob ocispec.Descriptor) {
	body, err := from.SmallBlob(ctx, blob, maxConfig)
	var image ocispec.Image
	if err == nil {
		err = json.Unmarshal(body, &image)
	}
	if err != nil {
		p.Config = &configShown{Trouble: troubleOf(err)}
		return
	}
	p.Config = newConfig(image)
	if at := index.ConfigMade(body); p.Created == nil && !at.IsZero() {
		p.Created = &at
	}
	p.addHistory(image.History)
}

// addHistory says of each layer what made it, where the history tells of as many.
func (p *imagePage) addHistory(history []ocispec.History) {
	var made []string
	for _, h := range history {
		if !h.EmptyLayer {
			made = append(made, clipped(h.CreatedBy, shownValue))
		}
	}
	if len(made) != len(p.Layers)+p.MoreRows {
		return
	}
	for i := range p.Layers {
		p.Layers[i].CreatedBy = made[i]
	}
}

func newConfig(image ocispec.Image) *configShown {
	c := image.Config
	shown := &configShown{
		Platform: client.PlatformName(&image.Platform), Author: clipped(image.Author, shownValue),
		User: clipped(c.User, shownValue), WorkDir: clipped(c.WorkingDir, shownValue), StopSignal: clipped(c.StopSignal, shownValue),
		Entrypoint: commandWords(c.Entrypoint), Cmd: commandWords(c.Cmd),
		Ports: few(slices.Sorted(maps.Keys(c.ExposedPorts))), Volumes: few(slices.Sorted(maps.Keys(c.Volumes))), Env: few(c.Env),
		Labels: pairsOf(c.Labels, shownAnnotations),
	}
	if shown.Platform == "/" {
		shown.Platform = ""
	}
	return shown
}

// commandWords writes the words of a command as Dockerfiles have them; empty for none.
func commandWords(all []string) string {
	if len(all) == 0 {
		return ""
	}
	var text strings.Builder
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(few(all)); err != nil {
		return ""
	}
	return strings.TrimSpace(text.String())
}

// few returns as many texts as are shown, each clipped.
func few(all []string) []string {
	var kept []string
	for i, text := range all {
		if i == shownAnnotations {
			return append(kept, "…")
		}
		kept = append(kept, clipped(text, shownValue))
	}
	return kept
}

// troubleOf says for people why something can't be shown that stands on a page with
// others.
func troubleOf(err error) string {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.Is(err, client.ErrBlobSize):
		return "It is larger than what is shown here."
	case errors.Is(err, client.ErrBlobChanged):
		return "Its content is not what its digest says: it was changed, and is not shown."
	case errors.As(err, &syntax), errors.As(err, &kind):
		return "It is not of the form that it should have."
	default:
		return failureOf(err).Message
	}
}

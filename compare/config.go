package compare

import (
	"context"
	"encoding/json"
	"maps"
	"strconv"
	"strings"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/backref/backref/oci"
)

// maxSteps is how many steps of a history are kept, maxStep how long one is in
// bytes.
const (
	maxSteps = 1000
	maxStep  = 1 << 10
)

// config is the configuration of an image (image-spec, "Image Configuration", and
// what Docker adds to it).
type config struct {
	Created      string       `json:"created"`
	Author       string       `json:"author"`
	OS           string       `json:"os"`
	OSVersion    string       `json:"os.version"`
	Architecture string       `json:"architecture"`
	Variant      string       `json:"variant"`
	Config       configRun    `json:"config"`
	History      []configStep `json:"history"`
}

type configRun struct {
	User         string              `json:"User"`
	WorkingDir   string              `json:"WorkingDir"`
	StopSignal   string              `json:"StopSignal"`
	Env          []string            `json:"Env"`
	Entrypoint   []string            `json:"Entrypoint"`
	Cmd          []string            `json:"Cmd"`
	Shell        []string            `json:"Shell"`
	OnBuild      []string            `json:"OnBuild"`
	ExposedPorts map[string]struct{} `json:"ExposedPorts"`
	Volumes      map[string]struct{} `json:"Volumes"`
	Labels       map[string]string   `json:"Labels"`
	Healthcheck  *configHealth       `json:"Healthcheck"`
}

type configHealth struct {
	Test     []string      `json:"Test"`
	Interval time.Duration `json:"Interval"`
	Timeout  time.Duration `json:"Timeout"`
	Retries  int           `json:"Retries"`
}

type configStep struct {
	CreatedBy  string `json:"created_by"`
	Comment    string `json:"comment"`
	EmptyLayer bool   `json:"empty_layer"`
}

// config reads the configuration of an image; nil for one that is of something
// else, or that could not be read.
func (s *side) config(ctx context.Context, d *ocispec.Descriptor) (*config, error) {
	if d == nil || !oci.IsImageConfigType(d.MediaType) {
		return nil, nil
	}
	body, err := s.blob(ctx, "configuration", *d)
	if body == nil || err != nil {
		return nil, err
	}
	var c config
	if err := json.Unmarshal(body, &c); err != nil {
		s.leave("configuration", d.Digest, "it is none: "+err.Error())
		return nil, nil //nolint:nilerr // What it is is told as unread.
	}
	return &c, nil
}

// compareConfigs compares two configurations, or their digests where they are none
// of images.
func compareConfigs(a, b *ocispec.Descriptor, configA, configB *config) Config {
	if configA == nil || configB == nil {
		return Config{Changes: changes("config ", named(a), named(b))}
	}
	valuesA, valuesB := configA.values(), configB.values()
	return Config{Changes: changes("", valuesA, valuesB), History: compareHistories(configA.steps(false), configB.steps(false))}
}

// named returns what tells a config that is not looked into from another.
func named(d *ocispec.Descriptor) map[string]string {
	if d == nil {
		return nil
	}
	return map[string]string{"digest": d.Digest.String(), "mediaType": d.MediaType}
}

// values returns all that is compared, by its name.
func (c *config) values() map[string]string {
	run := c.Config
	all := map[string]string{
		"created": c.Created, "author": c.Author, "os": c.OS, "os.version": c.OSVersion, "architecture": c.Architecture, "variant": c.Variant,
		"user": run.User, "workdir": run.WorkingDir, "stopsignal": run.StopSignal,
		"entrypoint": list(run.Entrypoint), "cmd": list(run.Cmd), "shell": list(run.Shell), "onbuild": list(run.OnBuild),
	}
	if h := run.Healthcheck; h != nil {
		all["healthcheck"] = list(h.Test) + " every " + h.Interval.String() + " within " + h.Timeout.String() + ", " + strconv.Itoa(h.Retries) + " retries"
	}
	for _, variable := range run.Env {
		name, value, _ := strings.Cut(variable, "=")
		all["env "+name] = value
	}
	for name, value := range run.Labels {
		all["label "+name] = value
	}
	for port := range run.ExposedPorts {
		all["port "+port] = "exposed"
	}
	for volume := range run.Volumes {
		all["volume "+volume] = "a volume"
	}
	// What is empty is not set, but for variables and labels.
	maps.DeleteFunc(all, func(name, value string) bool { return value == "" && !strings.Contains(name, " ") })
	return all
}

// list writes the words of a command.
func list(words []string) string {
	if len(words) == 0 {
		return ""
	}
	var text strings.Builder
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(words) // texts can always be encoded
	return strings.TrimSpace(text.String())
}

// steps returns the history, or the steps of it that made a layer.
func (c *config) steps(ofLayers bool) []string {
	var steps []string
	for _, step := range c.History {
		if ofLayers && step.EmptyLayer {
			continue
		}
		if len(steps) == maxSteps {
			break
		}
		text := step.CreatedBy
		if text == "" {
			text = step.Comment
		}
		if len(text) > maxStep {
			text = strings.ToValidUTF8(text[:maxStep], "") + "…"
		}
		steps = append(steps, text)
	}
	return steps
}

// layerSteps returns the step that made each layer; none where the history is not
// known.
func (c *config) layerSteps() []string {
	if c == nil {
		return nil
	}
	return c.steps(true)
}

func compareHistories(a, b []string) History {
	var h History
	for h.Shared < min(len(a), len(b)) && a[h.Shared] == b[h.Shared] {
		h.Shared++
	}
	h.Removed, h.Added = a[h.Shared:], b[h.Shared:]
	return h
}

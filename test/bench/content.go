package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/test/rig"
)

const mediaTypeIndex = rig.ImageIndex

// The two artifact types of referrers, in turn.
const (
	typeSignature   = "application/vnd.dev.sigstore.bundle.v0.3+json"
	typeAttestation = "application/vnd.in-toto+json"
)

// subjectOf returns the descriptor of an image that need not be there.
func subjectOf(name string) rig.Descriptor {
	return rig.Image(name).Descriptor()
}

// referrer returns the manifest of a signature or attestation. Its descriptor
// has 350 bytes or some more.
func referrer(subject rig.Descriptor, name string, number int) rig.Manifest {
	artifactType := typeSignature
	if number%2 == 1 {
		artifactType = typeAttestation
	}
	m := rig.Artifact(artifactType, name, subject)
	m.Annotations = map[string]string{
		"org.opencontainers.image.created": fmt.Sprintf("2026-%02d-%02dT%02d:%02d:00Z", 1+number%12, 1+number%28, number%24, number%60),
		"dev.sigstore.bundle.content":      "dsse-envelope",
		"org.example.build":                fmt.Sprintf("%s-%d", name, number),
	}
	return m
}

// client talks to registries.
type client struct{ http.Client }

func newClient() *client {
	return &client{http.Client{
		Transport: newTransport(),
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		},
	}}
}

// send sends a request and returns its answer, whose body is read. The status
// has to be the one given.
func (c *client) send(ctx context.Context, want int, method, url string, body []byte, headers ...string) (http.Header, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return nil, nil, err
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := c.Do(req)
	if err != nil {
		return nil, nil, err
	}
	read, err := io.ReadAll(resp.Body)
	if err := errors.Join(err, resp.Body.Close()); err != nil {
		return nil, nil, fmt.Errorf("%s %s: %w", method, url, err)
	}
	if resp.StatusCode != want {
		return nil, nil, fmt.Errorf("%s %s: status %d, want %d: %.300s", method, url, resp.StatusCode, want, read)
	}
	return resp.Header, read, nil
}

// upload begins an upload and returns where it goes on, which has to be at
// the same server.
func (c *client) upload(ctx context.Context, base, repository string) (string, error) {
	header, _, err := c.send(ctx, http.StatusAccepted, http.MethodPost, base+"/v2/"+repository+"/blobs/uploads/", nil)
	if err != nil {
		return "", err
	}
	return location(base, header)
}

// location reads where an upload goes on.
func location(base string, header http.Header) (string, error) {
	root, err := url.Parse(base)
	if err != nil {
		return "", err
	}
	next, err := root.Parse(header.Get("Location"))
	if err != nil {
		return "", err
	}
	if next.Host != root.Host {
		return "", fmt.Errorf("the upload goes on at %s, past %s", next.Host, root.Host)
	}
	return next.String(), nil
}

// finish ends an upload with the rest of its content.
func (c *client) finish(ctx context.Context, location string, sum digest.Digest, rest []byte) error {
	separator := "?"
	if strings.Contains(location, "?") {
		separator = "&"
	}
	_, _, err := c.send(ctx, http.StatusCreated, http.MethodPut, location+separator+"digest="+url.QueryEscape(sum.String()), rest,
		"Content-Type", "application/octet-stream")
	return err
}

// pushBlob pushes a blob in two requests.
func (c *client) pushBlob(ctx context.Context, base, repository string, sum digest.Digest, content []byte) error {
	next, err := c.upload(ctx, base, repository)
	if err != nil {
		return err
	}
	return c.finish(ctx, next, sum, content)
}

// pushEmpty pushes the blob that all manifests of [rig] name.
func (c *client) pushEmpty(ctx context.Context, base, repository string) error {
	return c.pushBlob(ctx, base, repository, digest.FromString(rig.Empty), []byte(rig.Empty))
}

// pushManifest pushes a manifest under a tag, or under its digest where the
// tag is empty.
func (c *client) pushManifest(ctx context.Context, base, repository, tag string, m rig.Manifest) (http.Header, error) {
	body := m.Bytes()
	if tag == "" {
		tag = digest.FromBytes(body).String()
	}
	header, _, err := c.send(ctx, http.StatusCreated, http.MethodPut, base+"/v2/"+repository+"/manifests/"+tag, body, "Content-Type", m.MediaType)
	return header, err
}

// pages returns the paths and bodies of a listing that begins at path, to its
// end.
func (c *client) pages(ctx context.Context, base, path string) (paths []string, bodies [][]byte, err error) {
	for path != "" {
		header, body, err := c.send(ctx, http.StatusOK, http.MethodGet, base+path, nil)
		if err != nil {
			return nil, nil, err
		}
		paths, bodies = append(paths, path), append(bodies, body)
		path = strings.TrimSuffix(strings.TrimPrefix(header.Get("Link"), "<"), `>; rel="next"`)
	}
	return paths, bodies, nil
}

// entries returns the digests that a listing names.
func entries(body []byte) ([]digest.Digest, error) {
	var listing struct{ Manifests []rig.Descriptor }
	if err := json.Unmarshal(body, &listing); err != nil {
		return nil, fmt.Errorf("read listing: %w", err)
	}
	digests := make([]digest.Digest, 0, len(listing.Manifests))
	for _, m := range listing.Manifests {
		digests = append(digests, m.Digest)
	}
	return digests, nil
}

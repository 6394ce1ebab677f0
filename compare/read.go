package compare

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/backref/backref/client"
)

// unread gathers what could not be looked at. It is safe for concurrent use.
type unread struct {
	mutex sync.Mutex
	items []Unread
}

// leave notes that something is not looked at.
func (s *side) leave(what string, sum digest.Digest, reason string) {
	s.of.mutex.Lock()
	defer s.of.mutex.Unlock()
	item := Unread{s.letter, what, sum, reason}
	if !slices.Contains(s.of.items, item) {
		s.of.items = append(s.of.items, item)
	}
}

// all returns what was noted, in an order that stays.
func (u *unread) all() []Unread {
	u.mutex.Lock()
	defer u.mutex.Unlock()
	slices.SortFunc(u.items, func(a, b Unread) int {
		return cmp.Or(strings.Compare(a.Side, b.Side), strings.Compare(a.What, b.What), strings.Compare(string(a.Digest), string(b.Digest)))
	})
	return u.items
}

// blob reads a blob and compares it with its digest. One that is missing or too
// large is noted, and nil.
func (s *side) blob(ctx context.Context, what string, d ocispec.Descriptor) ([]byte, error) {
	if d.Size > s.of.options.MaxBlob {
		s.leave(what, d.Digest, fmt.Sprintf("it has %d bytes, and at most %d are read", d.Size, s.of.options.MaxBlob))
		return nil, nil
	}
	if err := d.Digest.Validate(); err != nil {
		s.leave(what, d.Digest, err.Error())
		return nil, nil //nolint:nilerr // What it is is told as unread.
	}
	content, err := s.From.Blob(ctx, d)
	switch {
	case errors.Is(err, client.ErrNotFound):
		s.leave(what, d.Digest, "the registry has it not")
		return nil, nil
	case err != nil:
		return nil, err
	}
	defer func() { _ = content.Close() }()
	body, err := io.ReadAll(io.LimitReader(content, d.Size+1))
	if err != nil {
		return nil, fmt.Errorf("read blob %s: %w", d.Digest, err)
	}
	if int64(len(body)) != d.Size || d.Digest.Algorithm().FromBytes(body) != d.Digest {
		return nil, fmt.Errorf("read blob %s: its digest or size is another: it was changed on its way or in the registry", d.Digest)
	}
	return body, nil
}

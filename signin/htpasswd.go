package signin

import (
	"bufio"
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/maypok86/otter/v2"
	"golang.org/x/crypto/bcrypt"
)

const (
	// maxCost is the dearest bcrypt cost that is accepted: each step doubles
	// the time of a check, and 15 takes seconds.
	maxCost = 15
	// maxRemembered is how many passwords that were right are remembered.
	maxRemembered = 10_000
	maxFile       = 16 << 20
)

// htpasswd checks passwords against a file of bcrypt hashes, as it was read.
type htpasswd struct {
	users *users
	// content tells the file from one that says something else.
	content [sha256.Size]byte
	*checked
}

// checked is what is known of passwords whatever the file says, and what bounds
// the work to know it.
type checked struct {
	// slots bounds the checks at once, which cost a processor each.
	slots chan struct{}
	// right remembers passwords that were right, by a keyed hash that takes in
	// the line of the file: with the line ends what was remembered of it. It is nil
	// where nothing is to be remembered.
	right *otter.Cache[[sha256.Size]byte, struct{}]
	ttl   time.Duration
	key   [32]byte
}

// users are the lines of a file.
type users struct {
	hashes map[string][]byte
	// stranger is a hash that no password has. Checking it costs a name that
	// is not in the file what a name costs that is.
	stranger []byte
}

// newHtpasswd reads a file; before may be nil.
func newHtpasswd(path string, remember time.Duration, before *htpasswd) (*htpasswd, error) {
	content, err := readFile(path)
	if err != nil {
		return nil, fmt.Errorf("auth.htpasswdFile: %w", err)
	}
	h := &htpasswd{content: sha256.Sum256(content)}
	if before != nil && before.content == h.content {
		h.users = before.users
	} else if h.users, err = parseUsers(content); err != nil {
		return nil, fmt.Errorf("auth.htpasswdFile: %s: %w", path, err)
	}
	if before != nil && before.ttl == remember {
		h.checked = before.checked
	} else if h.checked, err = newChecked(remember); err != nil {
		return nil, err
	}
	return h, nil
}

func newChecked(remember time.Duration) (*checked, error) {
	c := &checked{slots: make(chan struct{}, max(1, runtime.GOMAXPROCS(0))), ttl: remember}
	if _, err := rand.Read(c.key[:]); err != nil {
		return nil, err
	}
	if remember > 0 {
		c.right = otter.Must(&otter.Options[[sha256.Size]byte, struct{}]{
			MaximumSize:      maxRemembered,
			ExpiryCalculator: otter.ExpiryCreating[[sha256.Size]byte, struct{}](remember),
		})
	}
	return c, nil
}

// check returns nil where the password is that of the user.
func (h *htpasswd) check(ctx context.Context, name, password string) error {
	hash, known := h.users.hashes[name]
	if !known {
		hash = h.users.stranger
	}
	id := h.id(name, password, hash)
	if h.right != nil {
		if _, hit := h.right.GetIfPresent(id); hit {
			return nil
		}
	}
	select {
	case h.slots <- struct{}{}:
		defer func() { <-h.slots }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if err := bcrypt.CompareHashAndPassword(hash, []byte(password)); err != nil || !known {
		return ErrRefused
	}
	if h.right != nil {
		h.right.Set(id, struct{}{})
	}
	return nil
}

func (c *checked) id(name, password string, hash []byte) [sha256.Size]byte {
	mac := hmac.New(sha256.New, c.key[:])
	_, _ = fmt.Fprintf(mac, "%d:%s%d:%s%s", len(name), name, len(password), password, hash)
	return [sha256.Size]byte(mac.Sum(nil))
}

func readFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() > maxFile {
		return nil, fmt.Errorf("%s is larger than %d bytes", path, maxFile)
	}
	return os.ReadFile(path)
}

// parseUsers reads the lines "user:hash". Errors name the line, not what is in
// it.
func parseUsers(content []byte) (*users, error) {
	read := &users{hashes: map[string][]byte{}}
	dearest := bcrypt.DefaultCost
	lines := bufio.NewScanner(bytes.NewReader(content))
	for number := 1; lines.Scan(); number++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, hash, found := strings.Cut(line, ":")
		if !found || name == "" {
			return nil, fmt.Errorf("line %d is not user:hash", number)
		}
		cost, err := bcrypt.Cost([]byte(hash))
		switch {
		case err != nil:
			return nil, fmt.Errorf("line %d has no bcrypt hash: write it with htpasswd -B", number)
		case cost > maxCost:
			return nil, fmt.Errorf("line %d has cost %d: %d is the most, or signing in takes too long", number, cost, maxCost)
		case read.hashes[name] != nil:
			return nil, fmt.Errorf("line %d has a user that an earlier one has", number)
		}
		read.hashes[name] = []byte(hash)
		if len(read.hashes) == 1 || cost > dearest {
			dearest = cost
		}
	}
	if err := lines.Err(); err != nil {
		return nil, errors.New("a line is too long")
	}
	var err error
	read.stranger, err = bcrypt.GenerateFromPassword([]byte(rand.Text()), dearest)
	return read, err
}

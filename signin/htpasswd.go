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
	"io/fs"
	"os"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/maypok86/otter/v2"
	"go.uber.org/zap"
	"golang.org/x/crypto/bcrypt"
)

const (
	// maxCost is the dearest bcrypt cost that is accepted: each step doubles
	// the time of a check, and 15 takes seconds.
	maxCost = 15
	// lookEvery is how often the file is looked at for a change.
	lookEvery = time.Second
	// maxRemembered is how many passwords that were right are remembered.
	maxRemembered = 10_000
	maxFile       = 16 << 20
)

// htpasswd checks passwords against a file of bcrypt hashes.
type htpasswd struct {
	path string
	log  *zap.Logger
	// slots bounds the checks at once, which cost a processor each.
	slots chan struct{}
	// right remembers passwords that were right, by a keyed hash that takes in
	// the line of the file: with the line ends what was remembered of it.
	right *otter.Cache[[sha256.Size]byte, struct{}]
	key   [32]byte

	mutex  sync.Mutex
	looked time.Time
	state  fileState
	users  *users
}

// fileState tells a file from what it was before.
type fileState struct {
	info     fs.FileInfo
	size     int64
	modified time.Time
}

// users are the lines of a file.
type users struct {
	hashes map[string][]byte
	// stranger is a hash that no password has. Checking it costs a name that
	// is not in the file what a name costs that is.
	stranger []byte
}

func newHtpasswd(path string, remember time.Duration, log *zap.Logger) (*htpasswd, error) {
	h := &htpasswd{path: path, log: log, slots: make(chan struct{}, max(1, runtime.GOMAXPROCS(0)))}
	if _, err := rand.Read(h.key[:]); err != nil {
		return nil, err
	}
	if remember > 0 {
		h.right = otter.Must(&otter.Options[[sha256.Size]byte, struct{}]{
			MaximumSize:      maxRemembered,
			ExpiryCalculator: otter.ExpiryCreating[[sha256.Size]byte, struct{}](remember),
		})
	}
	state, read, err := readUsers(path)
	if err != nil {
		return nil, fmt.Errorf("auth.htpasswdFile: %w", err)
	}
	h.state, h.users, h.looked = state, read, time.Now()
	return h, nil
}

// check returns nil where the password is that of the user.
func (h *htpasswd) check(ctx context.Context, name, password string) error {
	users := h.current()
	hash, known := users.hashes[name]
	if !known {
		hash = users.stranger
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

func (h *htpasswd) id(name, password string, hash []byte) [sha256.Size]byte {
	mac := hmac.New(sha256.New, h.key[:])
	_, _ = fmt.Fprintf(mac, "%d:%s%d:%s%s", len(name), name, len(password), password, hash)
	return [sha256.Size]byte(mac.Sum(nil))
}

// current returns the users, after a look at the file. One that can't be read
// leaves them as they were: who was let in stays so until it can.
func (h *htpasswd) current() *users {
	h.mutex.Lock()
	defer h.mutex.Unlock()
	now := time.Now()
	if now.Sub(h.looked) < lookEvery {
		return h.users
	}
	h.looked = now
	info, err := os.Stat(h.path)
	if err == nil && h.state.is(info) {
		return h.users
	}
	state, read, err := readUsers(h.path)
	if err != nil {
		h.log.Error("auth.htpasswdFile can't be read again; the users of before stay", zap.Error(err))
		return h.users
	}
	h.state, h.users = state, read
	h.log.Info("auth.htpasswdFile was read again", zap.Int("users", len(read.hashes)))
	return read
}

func (s fileState) is(info fs.FileInfo) bool {
	return os.SameFile(s.info, info) && s.size == info.Size() && s.modified.Equal(info.ModTime())
}

func readUsers(path string) (fileState, *users, error) {
	// Its state is that of before it is read, so that a change during that is
	// seen at the next look.
	info, err := os.Stat(path)
	if err != nil {
		return fileState{}, nil, err
	}
	if info.Size() > maxFile {
		return fileState{}, nil, fmt.Errorf("%s is larger than %d bytes", path, maxFile)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return fileState{}, nil, err
	}
	read, err := parseUsers(content)
	if err != nil {
		return fileState{}, nil, fmt.Errorf("%s: %w", path, err)
	}
	return fileState{info, info.Size(), info.ModTime()}, read, nil
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

package rig

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Refusal is a request that a registry refuses, and how: one row of what
// [NewStrict] has a registry refuse.
type Refusal struct {
	// refuses returns whether a request is refused, and what the answer names.
	refuses func(a asked) (named string, refused bool)
	status  int
	// body is the answer's, in which the sign %s stands for what it names.
	body string
}

// asked is a request as the rows see it.
type asked struct {
	*http.Request
	// pushed is the manifest that it pushes, nil where it does something else.
	pushed *pushed
}

// pushed is a manifest on its way in.
type pushed struct {
	MediaType    string
	ArtifactType string
	Config       struct{ MediaType string }
	Subject      struct{ Digest string }
	// has asks the registry for a manifest of the same repository.
	has func(digest string) bool
}

// NewStrict starts a relay to a registry that refuses what the first fitting row
// refuses, before the registry sees it. [Relay.Before] is taken by it.
func NewStrict(t testing.TB, upstream string, rows ...Refusal) *Relay {
	t.Helper()
	paths := regexp.MustCompile(`^/v2/.+/manifests/`)
	relay := NewRelay(t, upstream)
	relay.Before(func(w http.ResponseWriter, r *http.Request) bool {
		a := asked{Request: r}
		if prefix := paths.FindString(r.URL.Path); prefix != "" && r.Method == http.MethodPut {
			p, err := readPushed(r)
			if err != nil {
				t.Errorf("read a push: %v", err)
				return false
			}
			a.pushed = p
			a.pushed.has = func(digest string) bool {
				reply, err := Send(t, http.MethodHead, upstream+prefix+digest, nil, "Authorization", r.Header.Get("Authorization"),
					"Accept", strings.Join([]string{ImageManifest, ImageIndex, DockerManifest, DockerList}, ", "))
				return err == nil && reply.Status == http.StatusOK
			}
		}
		for _, row := range rows {
			if named, refused := row.refuses(a); refused {
				row.answer(w, named)
				return true
			}
		}
		return false
	})
	return relay
}

// readPushed reads the manifest that is pushed, and leaves it there to be passed on.
// What is no JSON has no fields; the type is the request's before the manifest's own.
func readPushed(r *http.Request) (*pushed, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	p := &pushed{}
	_ = json.Unmarshal(body, p)
	if mediaType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err == nil {
		p.MediaType = mediaType
	}
	return p, nil
}

// answer writes what the registry would.
func (row Refusal) answer(w http.ResponseWriter, named string) {
	w.Header().Set("Docker-Distribution-Api-Version", "registry/2.0")
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	if !strings.HasPrefix(row.body, "{") {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	}
	w.WriteHeader(row.status)
	_, _ = io.WriteString(w, strings.ReplaceAll(row.body, "%s", named))
}

// unknownType returns how registries answer a manifest of a type that they don't
// know, by the status that they do it with.
func unknownType(status int) string {
	bodies := map[int]string{
		// Docker's registries of before the OCI's types, Docker Hub until 2019.
		http.StatusBadRequest: `{"errors":[{"code":"MANIFEST_INVALID","message":"manifest invalid","detail":{}}]}` + "\n",
		// Docker Hub until 2023, on a manifest with a subject.
		http.StatusNotFound: "404 page not found\n",
		// Amazon ECR until 2024.
		http.StatusMethodNotAllowed: `{"errors":[{"code":"UNSUPPORTED","message":"Invalid parameter at 'ImageManifest' failed to satisfy constraint: 'Invalid JSON syntax'"}]}` + "\n",
		// Quay.
		http.StatusUnsupportedMediaType: `{"errors":[{"code":"MANIFEST_INVALID","detail":{"message":"manifest schema version not supported"},"message":"manifest invalid"}]}` + "\n",
	}
	body, known := bodies[status]
	if !known {
		panic(fmt.Sprintf("no registry is known that answers a type that it doesn't know with %d", status))
	}
	return body
}

// DockerTypesOnly refuses manifests of all types but Docker's, with status 400,
// 404, 405 or 415.
func DockerTypesOnly(status int) Refusal {
	return manifests(status, unknownType(status), func(p *pushed) (string, bool) {
		return p.MediaType, p.MediaType != DockerManifest && p.MediaType != DockerList
	})
}

// OCIIndexes refuses indexes of the OCI's type, with a status as that of
// [DockerTypesOnly].
func OCIIndexes(status int) Refusal {
	return manifests(status, unknownType(status), func(p *pushed) (string, bool) {
		return p.MediaType, p.MediaType == ImageIndex
	})
}

// AbsentSubjects refuses manifests whose subject the repository doesn't have, as
// GitLab's registry does on a file system.
func AbsentSubjects() Refusal {
	const body = `{"errors":[{"code":"MANIFEST_BLOB_UNKNOWN","message":"blob unknown to registry","detail":"%s"}]}` + "\n"
	return manifests(http.StatusBadRequest, body, func(p *pushed) (string, bool) {
		return p.Subject.Digest, p.Subject.Digest != "" && !p.has(p.Subject.Digest)
	})
}

// TypesBut refuses manifests whose config, or artifactType, is of another type than
// the given, as GitLab's registry does with its database.
func TypesBut(known ...string) Refusal {
	const body = `{"errors":[{"code":"MANIFEST_INVALID","message":"manifest invalid","detail":"unknown media type: %s"}]}` + "\n"
	return manifests(http.StatusBadRequest, body, func(p *pushed) (string, bool) {
		for _, named := range []string{p.Config.MediaType, p.ArtifactType} {
			if named != "" && !slices.Contains(known, named) {
				return named, true
			}
		}
		return "", false
	})
}

// manifests is a row about manifests that are pushed.
func manifests(status int, body string, refuses func(*pushed) (named string, refused bool)) Refusal {
	return Refusal{status: status, body: body, refuses: func(a asked) (string, bool) {
		if a.pushed == nil {
			return "", false
		}
		return refuses(a.pushed)
	}}
}

// SHA512 refuses blobs by that digest, pushed and pulled: the registry knows
// sha256 alone.
func SHA512() Refusal {
	const body = `{"errors":[{"code":"DIGEST_INVALID","message":"digest invalid: provided digest did not match uploaded content"}]}` + "\n"
	blobs := regexp.MustCompile(`^/v2/.+/blobs/sha512:`)
	uploads := regexp.MustCompile(`^/v2/.+/blobs/uploads/`)
	return Refusal{status: http.StatusBadRequest, body: body, refuses: func(a asked) (string, bool) {
		return "", blobs.MatchString(a.URL.Path) ||
			uploads.MatchString(a.URL.Path) && strings.HasPrefix(a.URL.Query().Get("digest"), "sha512:")
	}}
}

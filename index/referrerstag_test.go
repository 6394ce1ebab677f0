package index_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/index"
	"github.com/backref/backref/oci"
)

// shelf is the manifests of one repository by tag and digest.
type shelf map[string]index.Manifest

func (s shelf) read(_ context.Context, reference string) (index.Manifest, error) {
	m, found := s[reference]
	switch {
	case !found:
		return m, fmt.Errorf("%s: %w", reference, index.ErrNotFound)
	case m.MediaType == "broken":
		return m, fmt.Errorf("%s: %w", reference, index.ErrManifest)
	case m.MediaType == "unreachable":
		return m, errUnreachable
	}
	return m, nil
}

var errUnreachable = errors.New("no answer")

// add puts a manifest of a media type and further fields on the shelf.
func (s shelf) add(t *testing.T, mediaType string, fields map[string]any) index.Manifest {
	t.Helper()
	fields["schemaVersion"], fields["mediaType"] = 2, mediaType
	body, err := json.Marshal(fields)
	if err != nil {
		t.Fatal(err)
	}
	m, err := index.ParseManifest(mediaType, digest.SHA256, body)
	if err != nil {
		t.Fatal(err)
	}
	s[m.Digest.String()] = m
	return m
}

func (s shelf) image(t *testing.T, name string, subject digest.Digest) index.Manifest {
	t.Helper()
	fields := map[string]any{"layers": []any{}, "annotations": map[string]string{"name": name}}
	if subject != "" {
		fields["subject"] = map[string]any{"digest": subject}
	}
	return s.add(t, oci.MediaTypeImageManifest, fields)
}

func entry(m index.Manifest) map[string]any {
	return map[string]any{"mediaType": m.MediaType, "digest": m.Digest, "size": m.Size}
}

func (s shelf) list(t *testing.T, about digest.Digest, entries ...map[string]any) index.Manifest {
	t.Helper()
	if entries == nil {
		entries = []map[string]any{}
	}
	fields := map[string]any{"manifests": entries}
	if about != "" {
		fields["annotations"] = map[string]string{index.AnnotationSubject: about.String()}
	}
	return s.add(t, oci.MediaTypeImageIndex, fields)
}

func TestJudgeTag(t *testing.T) {
	subject, other := digest.FromString("subject"), digest.FromString("other")
	tag := oci.ReferrersTag(subject)
	gone := map[string]any{"mediaType": oci.MediaTypeImageManifest, "digest": digest.FromString("gone"), "size": 1}
	layer := map[string]any{"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": digest.FromString("layer"), "size": 1}
	for name, test := range map[string]struct {
		put       func(t *testing.T, s shelf) index.Manifest
		want      index.TagKind
		reason    string
		referrers int
		gone      int
	}{
		"none": {want: index.TagAbsent},
		"a list": {
			put: func(t *testing.T, s shelf) index.Manifest {
				return s.list(t, "", entry(s.image(t, "a", subject)), entry(s.image(t, "b", subject)))
			},
			want: index.TagReferrers, referrers: 2,
		},
		"a list with one gone": {
			put: func(t *testing.T, s shelf) index.Manifest {
				return s.list(t, "", gone, entry(s.image(t, "a", subject)))
			},
			want: index.TagReferrers, referrers: 1, gone: 1,
		},
		"all gone": {
			put:  func(t *testing.T, s shelf) index.Manifest { return s.list(t, "", gone) },
			want: index.TagOther, gone: 1, reason: "nothing",
		},
		"empty": {
			put:  func(t *testing.T, s shelf) index.Manifest { return s.list(t, "") },
			want: index.TagOther, reason: "nothing",
		},
		"empty, of the mirror": {
			put:  func(t *testing.T, s shelf) index.Manifest { return s.list(t, subject) },
			want: index.TagReferrers,
		},
		"all gone, of the mirror": {
			put:  func(t *testing.T, s shelf) index.Manifest { return s.list(t, subject, gone) },
			want: index.TagReferrers, gone: 1,
		},
		"empty, of the mirror, about another": {
			put:  func(t *testing.T, s shelf) index.Manifest { return s.list(t, other) },
			want: index.TagOther, reason: "nothing",
		},
		"empty, about what is no digest": {
			put:  func(t *testing.T, s shelf) index.Manifest { return s.list(t, subject[:15]) },
			want: index.TagOther, reason: "nothing",
		},
		"of the mirror, with an entry of another": {
			put: func(t *testing.T, s shelf) index.Manifest {
				return s.list(t, subject, entry(s.image(t, "a", subject)), entry(s.image(t, "b", other)))
			},
			want: index.TagOther, referrers: 1, reason: "whose subject is " + other.String(),
		},
		"a multi-arch image": {
			put: func(t *testing.T, s shelf) index.Manifest {
				return s.list(t, "", entry(s.image(t, "amd64", "")), entry(s.image(t, "arm64", "")))
			},
			want: index.TagOther, reason: "which has no subject",
		},
		"a mixed list": {
			put: func(t *testing.T, s shelf) index.Manifest {
				return s.list(t, "", entry(s.image(t, "a", subject)), entry(s.image(t, "plain", "")))
			},
			want: index.TagOther, referrers: 1, reason: "which has no subject",
		},
		"a build cache": {
			put:  func(t *testing.T, s shelf) index.Manifest { return s.list(t, "", layer) },
			want: index.TagOther, reason: "which is a blob",
		},
		"a list and a layer": {
			put: func(t *testing.T, s shelf) index.Manifest {
				return s.list(t, "", entry(s.image(t, "a", subject)), layer)
			},
			want: index.TagOther, referrers: 1, reason: "which is a blob",
		},
		"an image": {
			put:  func(t *testing.T, s shelf) index.Manifest { return s.image(t, "a", "") },
			want: index.TagOther, reason: "no image index",
		},
		"a referrer": {
			put:  func(t *testing.T, s shelf) index.Manifest { return s.image(t, "a", subject) },
			want: index.TagOther, reason: "no image index",
		},
		"an index with a subject": {
			put: func(t *testing.T, s shelf) index.Manifest {
				return s.add(t, oci.MediaTypeImageIndex, map[string]any{
					"subject": map[string]any{"digest": subject}, "manifests": []any{entry(s.image(t, "a", subject))},
				})
			},
			want: index.TagOther, reason: "a referrer itself",
		},
		"a Docker list of referrers": {
			put: func(t *testing.T, s shelf) index.Manifest {
				return s.add(t, oci.MediaTypeDockerList, map[string]any{"manifests": []any{entry(s.image(t, "a", subject))}})
			},
			want: index.TagOther, reason: "no image index",
		},
		"what can't be read": {
			put: func(_ *testing.T, _ shelf) index.Manifest {
				return index.Manifest{MediaType: "broken", Digest: digest.FromString("broken")}
			},
			want: index.TagOther, reason: index.ErrManifest.Error(),
		},
		"an entry that can't be read": {
			put: func(t *testing.T, s shelf) index.Manifest {
				broken := s.image(t, "broken", subject)
				s[broken.Digest.String()] = index.Manifest{MediaType: "broken"}
				return s.list(t, "", entry(broken), entry(s.image(t, "a", subject)))
			},
			want: index.TagOther, referrers: 1, reason: "can't be read",
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := shelf{}
			var list index.Manifest
			if test.put != nil {
				list = test.put(t, s)
				s[tag] = list
			}
			got, err := index.JudgeTag(t.Context(), tag, s.read, 4)
			if err != nil {
				t.Fatal(err)
			}
			if got.Kind != test.want || got.Digest != list.Digest || len(got.Referrers) != test.referrers || len(got.Gone) != test.gone {
				t.Errorf("got %+v", got)
			}
			if !strings.Contains(got.Reason, test.reason) || (got.Reason == "") != (got.Kind != index.TagOther) {
				t.Errorf("reason %q, want %q", got.Reason, test.reason)
			}
			if want := map[bool]digest.Digest{true: subject}[got.Kind == index.TagReferrers]; got.Subject != want {
				t.Errorf("subject %q, want %q", got.Subject, want)
			}
		})
	}
}

// oc-mirror and cosign tag an image with its own digest, and GitLab answers
// such a tag with the manifest though there is none.
func TestJudgeTagOfTheSubjectItself(t *testing.T) {
	s := shelf{}
	image := s.list(t, "", entry(s.image(t, "amd64", "")))
	tag := oci.ReferrersTag(image.Digest)
	s[tag] = image
	got, err := index.JudgeTag(t.Context(), tag, s.read, 1)
	if err != nil || got.Kind != index.TagOther || got.Digest != image.Digest || !strings.Contains(got.Reason, "named after") {
		t.Errorf("%+v, %v", got, err)
	}
}

// The tag of an sha512 digest is cut, so that it may stand for several.
func TestJudgeTagThatIsCut(t *testing.T) {
	subject := digest.SHA512.FromString("subject")
	alike := subject[:len(subject)-8] + "01234567"
	tag := oci.ReferrersTag(subject)
	s := shelf{}
	a, b := s.image(t, "a", subject), s.image(t, "b", alike)
	s[tag] = s.list(t, "", entry(a))
	got, err := index.JudgeTag(t.Context(), tag, s.read, 1)
	if err != nil || got.Kind != index.TagReferrers || got.Subject != subject {
		t.Errorf("%+v, %v", got, err)
	}
	for _, list := range []index.Manifest{s.list(t, "", entry(a), entry(b)), s.list(t, alike, entry(a))} {
		s[tag] = list
		got, err := index.JudgeTag(t.Context(), tag, s.read, 1)
		if err != nil || got.Kind != index.TagOther || got.Subject != "" || len(got.Referrers) == 0 {
			t.Errorf("%+v, %v", got, err)
		}
	}
}

func TestJudgeTagNeverGuesses(t *testing.T) {
	subject := digest.FromString("subject")
	tag := oci.ReferrersTag(subject)
	s := shelf{tag: {MediaType: "unreachable"}}
	if got, err := index.JudgeTag(t.Context(), tag, s.read, 1); !errors.Is(err, errUnreachable) || got.Kind != index.TagAbsent {
		t.Errorf("%+v, %v", got, err)
	}
	away := s.image(t, "away", subject)
	s[away.Digest.String()] = index.Manifest{MediaType: "unreachable"}
	s[tag] = s.list(t, subject, entry(away), entry(s.image(t, "a", subject)))
	if got, err := index.JudgeTag(t.Context(), tag, s.read, 1); !errors.Is(err, errUnreachable) || len(got.Referrers) > 0 {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestBlobsOfAnIndexAreNoManifests(t *testing.T) {
	body := `{"manifests":[{"digest":"` + digest.FromString("a").String() + `"},` +
		`{"mediaType":"application/vnd.buildkit.cacheconfig.v0","digest":"` + digest.FromString("b").String() + `"}]}`
	m, err := index.ParseManifest(oci.MediaTypeImageIndex, digest.SHA256, []byte(body))
	want := []index.Edge{{Kind: index.EdgeManifest, Target: digest.FromString("a")}, {Kind: index.EdgeBlob, Target: digest.FromString("b")}}
	if err != nil || !slices.Equal(m.Edges, want) {
		t.Errorf("%v, %v", m.Edges, err)
	}
}

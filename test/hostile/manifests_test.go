package hostile

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/test/rig"
)

// pushed is a manifest that a client pushes, and what has to come of it.
type pushed struct {
	name, source string
	mediaType    string
	// body is the manifest; SUBJECT stands for a descriptor of the subject,
	// CONFIG and LAYERS for fields that the registry takes.
	body   string
	status int
	code   string
	// says is a part of the error's message.
	says string
}

// oci returns an image manifest with more fields.
func oci(fields string) string {
	return `{"schemaVersion":2,"mediaType":"` + rig.ImageManifest + `",CONFIG,LAYERS` + fields + `}`
}

func ambiguous() []pushed {
	const twice = "CVE-2017-12635"
	const kinds = "CVE-2021-41190"
	refused := func(name, source, mediaType, body, says string) pushed {
		return pushed{name, source, mediaType, body, 400, "MANIFEST_INVALID", says}
	}
	image := rig.ImageManifest
	return []pushed{
		refused("two subjects", twice, image, oci(`,"subject":SUBJECT,"subject":null`), `"subject" is given twice`),
		refused("two subjects, one escaped", twice, image, oci(`,"subject":SUBJECT,"\u0073ubject":SUBJECT`), `"subject" is given twice`),
		refused("a subject in another case", "CWE-178", image, oci(`,"Subject":SUBJECT`), `written as "Subject"`),
		refused("a subject with a long s", "CWE-176", image, oci(`,"ſubject":SUBJECT`), "written as"),
		refused("a subject of two digests", twice, image, oci(`,"subject":{"digest":"DIGEST","digest":"OTHER"}`), `"digest" is given twice`),
		refused("two media types", twice, "", `{"mediaType":"`+image+`","mediaType":"`+rig.ImageIndex+`",CONFIG,LAYERS}`, "given twice"),
		refused("two configs", twice, image, oci(`,CONFIG`), `"config" is given twice`),
		refused("an annotation twice", twice, image, oci(`,"annotations":{"a":"1","a":"2"}`), `"a" is given twice`),
		refused("image and index", kinds, image, oci(`,"manifests":[]`), "manifests"),
		refused("image and index without a media type", kinds, rig.ImageIndex, `{"schemaVersion":2,LAYERS,"manifests":[]}`, "manifests"),
		refused("image and index of no known kind", kinds, "application/json", `{"schemaVersion":2,CONFIG,"manifests":[]}`, "manifests"),
		refused("image sent as index", kinds, rig.ImageIndex, oci(``), "its mediaType is"),
		refused("image sent as index without saying", kinds, rig.ImageIndex, `{"schemaVersion":2,CONFIG,LAYERS}`, "fields of an image"),
		refused("index sent as image", kinds, image, `{"schemaVersion":2,"manifests":[]}`, "field of an index"),
		refused("Docker list with layers", kinds, rig.DockerList, `{"schemaVersion":2,LAYERS}`, "fields of an image"),
		refused("two texts", "CWE-436", image, oci(`,"subject":SUBJECT`)+oci(``), "not one JSON text"),
		refused("a byte order mark", "CWE-436", image, "\ufeff"+oci(`,"subject":SUBJECT`), "not one JSON text"),
		refused("a comment", "CWE-436", image, `/**/`+oci(`,"subject":SUBJECT`), "not one JSON text"),
		refused("bytes that are no UTF-8", "CWE-176", image, oci(",\"annotations\":{\"a\xc0\xaf\":\"\"}"), "not UTF-8"),
		refused("UTF-16", "CWE-176", image, "{\x00}\x00", "not one JSON text"),
		refused("compressed", "CWE-436", image, compressed(oci(`,"subject":SUBJECT`)), "not one JSON text"),
		refused("deep", "CWE-674", image, oci(`,"a":`+strings.Repeat("[", 5_000)+strings.Repeat("]", 5_000)), "limits.manifestDepth"),
		refused("deeper than any parser goes", "CWE-674", image, strings.Repeat(`{"subject":`, 300_000), "not one JSON text"),
		refused("thousands of annotations", "CWE-770", image, oci(`,"annotations":{`+numbered(5_000, `"a%d":""`)+`}`), "limits.manifestAnnotations"),
		refused("a million descriptors", "CWE-770", rig.ImageIndex, `{"schemaVersion":2,"manifests":[`+strings.Repeat(`{},`, 1_000_000)+`{}]}`, "limits.manifestDescriptors"),
		refused("a subject that is a text", "CWE-436", image, oci(`,"subject":"DIGEST"`), "has a subject but"),
		refused("a subject without a digest", "CWE-436", image, oci(`,"subject":{"size":1}`), "has a subject but"),
		refused("a subject of a broken algorithm", "CWE-328", image, oci(`,"subject":{"digest":"md5:d41d8cd98f00b204e9800998ecf8427e"}`), "has a subject but"),
		refused("a subject in a list", "CWE-436", image, oci(`,"subject":[SUBJECT]`), "has a subject but"),
		{"larger than a manifest may be", "CVE-2017-11468", image, oci(`,"a":"` + strings.Repeat("a", 5<<20) + `"`), 413, "SIZE_INVALID", "4MiB"},
	}
}

func compressed(text string) string {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, _ = w.Write([]byte(text))
	_ = w.Close()
	return out.String()
}

func numbered(n int, format string) string {
	all := make([]string, 0, n)
	for i := range n {
		all = append(all, fmt.Sprintf(format, i))
	}
	return strings.Join(all, ",")
}

func (s stage) expand(body string) []byte {
	entry := fmt.Sprintf(`{"mediaType":%q,"digest":%q,"size":%d}`, rig.ImageManifest, s.subject.Digest(), len(s.subject.Bytes()))
	blob := fmt.Sprintf(`{"mediaType":%q,"digest":%q,"size":2}`, rig.ImageConfig, digest.FromString(rig.Empty))
	return []byte(strings.NewReplacer("SUBJECT", entry, "CONFIG", `"config":`+blob, "LAYERS", `"layers":[`+blob+`]`,
		"DIGEST", s.subject.Digest().String(), "OTHER", digest.FromString("other").String()).Replace(body))
}

// TestManifests pushes each by its digest, by a tag, and by a referrers tag.
func TestManifests(t *testing.T) {
	rig.Each(t, func(t *testing.T, version rig.Distribution) {
		s := newStage(t, version)
		for _, c := range ambiguous() {
			t.Run(c.name, func(t *testing.T) {
				body := s.expand(c.body)
				for _, reference := range []string{digest.FromBytes(body).String(), "evil", "sha256-" + s.subject.Digest().Encoded()} {
					s.push(t, c, reference, body)
				}
			})
		}
	})
}

func (s stage) push(t *testing.T, c pushed, reference string, body []byte) {
	t.Helper()
	count(t)
	before := export(t, s.backref)
	s.witness.requests()
	got := rig.Do(t, http.MethodPut, s.backref.URL+"/v2/app/manifests/"+reference, body, "Content-Type", c.mediaType)
	if got.Status != c.status || !strings.Contains(strings.ReplaceAll(string(got.Body), `\"`, `"`), c.says) {
		t.Errorf("[%s] status %d, want %d with %q: %.300s", c.source, got.Status, c.status, c.says, got.Body)
	}
	wantError(t, string(got.Body), c.code)
	wantSeen(t, s.witness)
	if after := export(t, s.backref); after != before {
		t.Errorf("the index was\n%sand is\n%s", before, after)
	}
}

// TestManifestWithoutLength sends one without end in chunks.
func TestManifestWithoutLength(t *testing.T) {
	rig.Each(t, func(t *testing.T, version rig.Distribution) {
		s := newStage(t, version)
		count(t)
		s.witness.requests()
		chunk := "100000\r\n" + strings.Repeat(" ", 1<<20) + "\r\n"
		got := raw(t, s.backref.Host, put("Transfer-Encoding: chunked")+strings.Repeat(chunk, 8))
		if got.status != http.StatusRequestEntityTooLarge {
			t.Errorf("[CVE-2017-11468] status %d: %s", got.status, got.body)
		}
		wantError(t, got.body, "SIZE_INVALID")
		wantSeen(t, s.witness)
	})
}

// TestReferrerOfItself pushes by a digest that is named as the subject too. No
// manifest can hold its own digest, so the registry finds that it is another.
func TestReferrerOfItself(t *testing.T) {
	rig.Each(t, func(t *testing.T, version rig.Distribution) {
		s := newStage(t, version)
		count(t)
		before := export(t, s.backref)
		self := digest.FromString("self")
		m := rig.Artifact("application/vnd.example.x", "self", rig.Descriptor{MediaType: rig.ImageManifest, Digest: self, Size: 1})
		got := rig.Do(t, http.MethodPut, s.backref.URL+"/v2/app/manifests/"+self.String(), m.Bytes(), "Content-Type", m.MediaType)
		if got.Status != http.StatusBadRequest || got.Header.Get("OCI-Subject") != "" {
			t.Errorf("status %d, header %v", got.Status, got.Header)
		}
		wantError(t, string(got.Body), "DIGEST_INVALID")
		if listed := rig.Listing(t, s.backref.URL, "app", self); len(listed) > 0 {
			t.Errorf("listed %v", listed)
		}
		if after := export(t, s.backref); after != before {
			t.Errorf("the index was\n%sand is\n%s", before, after)
		}
	})
}

// TestHarmlessOddities pushes what is odd but can be read in one way only: it
// is taken, and listed as it is.
func TestHarmlessOddities(t *testing.T) {
	rig.Each(t, func(t *testing.T, version rig.Distribution) {
		s := newStage(t, version)
		for name, fields := range map[string]string{
			"a name nobody interprets, twice": `,"x":1,"x":2`,
			"annotations in two cases":        `,"annotations":{"a":"1","A":"2"}`,
			"an escaped name":                 `,"\u0061rtifactType":"application/vnd.example"`,
			"no manifests":                    `,"manifests":null`,
			"a surrogate without its other":   `,"annotations":{"a":"\ud800"}`,
			"a thousand annotations":          `,"annotations":{` + numbered(1_000, `"a%d":"b"`) + `}`,
			"as deep as may be":               `,"a":` + strings.Repeat("[", 63) + strings.Repeat("]", 63),
		} {
			t.Run(name, func(t *testing.T) {
				count(t)
				body := s.expand(oci(`,"subject":SUBJECT` + fields))
				sum := digest.FromBytes(body)
				rig.Do(t, http.MethodPut, s.backref.URL+"/v2/app/manifests/"+sum.String(), body, "Content-Type", rig.ImageManifest).Want(t, http.StatusCreated)
				for _, entry := range rig.Listing(t, s.backref.URL, "app", s.subject.Digest()) {
					if entry.Digest == sum {
						return
					}
				}
				t.Error("not listed")
			})
		}
	})
}

package hostile

import (
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/test/rig"
)

// request is what a client sends, and what has to come of it.
type request struct {
	name string
	// source is the advisory or rule that the case comes from.
	source string
	// raw is sent as it is. DIGEST stands for the subject's, HEX for its
	// hexadecimal part.
	raw string
	// status is the answer's; code that of the error JSON, empty where the
	// HTTP server refuses the request before anyone sees it.
	status int
	code   string
	// seen is what the registry sees, nothing by default.
	seen []string
}

// get writes a request for a path.
func get(path string) string {
	return "GET " + path + " HTTP/1.1\r\nHost: backref\r\nConnection: close\r\n\r\n"
}

// put writes a push of an empty object with more lines in its header.
func put(header ...string) string {
	return "PUT /v2/app/manifests/evil HTTP/1.1\r\nHost: backref\r\nContent-Type: " + rig.ImageManifest + "\r\n" +
		strings.Join(header, "\r\n") + "\r\n\r\n"
}

// smuggled is what an attacker hides behind a body.
const smuggled = "DELETE /v2/app/manifests/DIGEST HTTP/1.1\r\nHost: backref\r\n\r\n"

func paths() []request {
	const traversal = "CWE-22"
	return []request{
		{"dot segments", traversal, get("/v2/app/../other/manifests/v1"), 400, "UNSUPPORTED", nil},
		{"dot segments at the start", traversal, get("/../v2/app/manifests/v1"), 400, "UNSUPPORTED", nil},
		{"encoded dots", "CVE-2021-41773", get("/v2/app/.%2e/other/manifests/v1"), 400, "UNSUPPORTED", nil},
		{"doubly encoded dots", "CVE-2021-42013", get("/v2/app/%%32%65%%32%65/other/manifests/v1"), 400, "", nil},
		{"doubly encoded slash", traversal, get("/v2/app%252Fother/manifests/v1"), 400, "UNSUPPORTED", nil},
		{"encoded slash", traversal, get("/v2/app%2Fother/manifests/v1"), 400, "UNSUPPORTED", nil},
		{"encoded backslash", traversal, get("/v2/app%5C..%5Cother/manifests/v1"), 400, "UNSUPPORTED", nil},
		{"two slashes", traversal, get("/v2//app/manifests/v1"), 400, "UNSUPPORTED", nil},
		{"two slashes at the start", traversal, get("//v2/app/manifests/v1"), 400, "UNSUPPORTED", nil},
		{"parameters of a dot segment", "CVE-2020-5902", get("/v2/app/..;/other/x"), 400, "UNSUPPORTED", nil},
		{"parameters of an endpoint", "CWE-436", get("/v2/app/manifests;a=b/v1"), 400, "UNSUPPORTED", nil},
		{"slash at the end", "CWE-436", get("/v2/app/manifests/v1/"), 400, "UNSUPPORTED", nil},
		{"endpoint in capitals", "CWE-178", get("/v2/app/Manifests/v1"), 400, "UNSUPPORTED", nil},
		{"version in capitals", "CWE-178", get("/V2/app/manifests/v1"), 400, "UNSUPPORTED", nil},
		{"NUL", "CWE-158", get("/v2/app/manifests/v1%00.json"), 400, "UNSUPPORTED", nil},
		{"line break", "CWE-93", get("/v2/app/manifests/v1%0d%0aX-Injected:%201"), 400, "UNSUPPORTED", nil},
		{"overlong UTF-8", "CVE-2008-2938", get("/v2/app/%c0%ae%c0%ae/other"), 400, "UNSUPPORTED", nil},
		{"full width dots and slash", "CWE-176", get("/v2/app/%ef%bc%8e%ef%bc%8e%ef%bc%8fother"), 400, "UNSUPPORTED", nil},
		{"longer than a header may be", "CWE-400", get("/v2/" + strings.Repeat("a", 100<<10) + "/manifests/v1"), 431, "", nil},
		{"another host in the first line", "CWE-918", get("http://169.254.169.254/latest/meta-data"), 404, "", []string{"GET /latest/meta-data"}},
		{"no path", "RFC 9112, 3.2.4", get("*"), 400, "UNSUPPORTED", nil},
		{"a tunnel", "CWE-441", "CONNECT 169.254.169.254:80 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 400, "UNSUPPORTED", nil},
	}
}

func names() []request {
	const grammar = "distribution-spec, Pulling manifests"
	bad := func(name, path, code string) request {
		return request{name, grammar, get(path), 400, code, nil}
	}
	return []request{
		bad("repository in capitals", "/v2/App/manifests/v1", "NAME_INVALID"),
		bad("repository with Cyrillic letters", "/v2/%d0%b0pp/manifests/v1", "NAME_INVALID"),
		bad("repository with full width letters", "/v2/%ef%bd%81pp/referrers/DIGEST", "NAME_INVALID"),
		bad("repository with a hyphen first", "/v2/-app/tags/list", "NAME_INVALID"),
		bad("repository with two dots", "/v2/a..pp/tags/list", "NAME_INVALID"),
		bad("repository with three underscores", "/v2/a___pp/tags/list", "NAME_INVALID"),
		bad("repository with a space", "/v2/a%20pp/tags/list", "NAME_INVALID"),
		bad("repository beyond 255 letters", "/v2/"+strings.Repeat("a", 256)+"/tags/list", "NAME_INVALID"),
		bad("tag that is hidden", "/v2/app/manifests/.v1", "TAG_INVALID"),
		bad("tag beyond 128 letters", "/v2/app/manifests/"+strings.Repeat("v", 129), "TAG_INVALID"),
		bad("tag that turns the writing", "/v2/app/manifests/v1%e2%80%aegnp", "TAG_INVALID"),
		bad("digest in capitals", "/v2/app/referrers/sha256:UPPER", "DIGEST_INVALID"),
		bad("algorithm in capitals", "/v2/app/referrers/SHA256:HEX", "DIGEST_INVALID"),
		bad("digest too short", "/v2/app/referrers/sha256:abc", "DIGEST_INVALID"),
		bad("digest too long", "/v2/app/referrers/DIGEST00", "DIGEST_INVALID"),
		bad("digest of a broken algorithm", "/v2/app/manifests/md5:d41d8cd98f00b204e9800998ecf8427e", "DIGEST_INVALID"),
		bad("digest of no algorithm", "/v2/app/referrers/:HEX", "DIGEST_INVALID"),
		bad("digest with full width digits", "/v2/app/referrers/sha256:%ef%bc%90"+strings.Repeat("0", 63), "DIGEST_INVALID"),
		bad("digest of a blob with dots", "/v2/app/blobs/..", "UNSUPPORTED"),
		bad("page of no size", "/v2/app/referrers/DIGEST?n=0", "UNSUPPORTED"),
		bad("page of a negative size", "/v2/app/referrers/DIGEST?n=-1", "UNSUPPORTED"),
		bad("cursor of one's own making", "/v2/app/referrers/DIGEST?last=Li4vLi4v", "UNSUPPORTED"),
	}
}

func framing() []request {
	const smuggling = "RFC 9112, 6.3 (CWE-444)"
	pushed := []string{"PUT /v2/app/manifests/evil"}
	return []request{
		{"two lengths", smuggling, put("Content-Length: 2", "Content-Length: 20") + "{}" + smuggled, 400, "", nil},
		{"two lengths in one line", smuggling, put("Content-Length: 2, 20") + "{}" + smuggled, 400, "", nil},
		{"length with a sign", smuggling, put("Content-Length: +2") + "{}", 400, "", nil},
		{"negative length", smuggling, put("Content-Length: -1") + "{}", 400, "", nil},
		{"length of other digits", smuggling, put("Content-Length: 0x2") + "{}", 400, "", nil},
		{"length and chunks", smuggling, put("Content-Length: 50", "Transfer-Encoding: chunked", "Connection: close") + "2\r\n{}\r\n0\r\n\r\n" + smuggled, 500, "UNKNOWN", pushed},
		{"unknown encoding", "CVE-2022-1705", put("Transfer-Encoding: xchunked", "Content-Length: 2") + "{}", 501, "", nil},
		{"encoding given twice", smuggling, put("Transfer-Encoding: chunked", "Transfer-Encoding: identity") + "0\r\n\r\n", 501, "", nil},
		{"list of encodings", smuggling, put("Transfer-Encoding: gzip, chunked") + "0\r\n\r\n", 501, "", nil},
		{"space before the colon", "CVE-2019-16276", put("Transfer-Encoding : chunked", "Content-Length: 2") + "{}", 400, "", nil},
		{"chunk size that ends early", "CVE-2025-22871", put("Transfer-Encoding: chunked", "Connection: close") + "2\n{}\r\n0\r\n\r\n" + smuggled, 400, "MANIFEST_INVALID", nil},
		{"chunk size beyond all numbers", smuggling, put("Transfer-Encoding: chunked", "Connection: close") + "fffffffffffffffff\r\n{}", 400, "MANIFEST_INVALID", nil},
		{"NUL in a header", "CWE-158", put("X-Test: a\x00b", "Content-Length: 2") + "{}", 400, "", nil},
		{"line break in a header", "CWE-93", put("X-Test: a\rX-Injected: b", "Content-Length: 2") + "{}", 400, "", nil},
		{"no host", "RFC 9112, 3.2", "GET /v2/ HTTP/1.1\r\n\r\n", 400, "", nil},
		{"two hosts", "RFC 9112, 3.2", "GET /v2/ HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400, "", nil},
		{"host with a path", "CVE-2023-29406", "GET /v2/ HTTP/1.1\r\nHost: a/b c\r\n\r\n", 400, "", nil},
		{"unknown expectation", "RFC 9110, 10.1.1", put("Expect: 200-ok", "Content-Length: 2", "Connection: close") + "{}", 417, "", nil},
		{"headers without end", "CVE-2023-45288", "GET /v2/ HTTP/1.1\r\nHost: a\r\n" + strings.Repeat("X-A: b\r\n", 20_000) + "\r\n", 431, "", nil},
		{"other protocol asked for", "CWE-444", "GET /v2/ HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n", 200, "", []string{"GET /v2/"}},
		{"connection names credentials", "CVE-2021-33197", "GET /v2/app/manifests/v1 HTTP/1.1\r\nHost: a\r\nAuthorization: Basic YTpi\r\nConnection: close, authorization\r\n\r\n", 400, "UNSUPPORTED", nil},
		{"connection names the media type", "CVE-2021-33197", put("Content-Length: 2", "Connection: close, content-type") + "{}", 400, "UNSUPPORTED", nil},
		{"connection names a condition", "CVE-2021-33197", put("Content-Length: 2", "If-None-Match: *", "Connection: if-none-match, close") + "{}", 400, "UNSUPPORTED", nil},
	}
}

// TestRequests sends what breaks a rule, to backref before each registry.
func TestRequests(t *testing.T) {
	rig.Each(t, func(t *testing.T, version rig.Distribution) {
		s := newStage(t, version)
		fill := replacer(s.subject.Digest())
		for _, list := range [][]request{paths(), names(), framing()} {
			for _, c := range list {
				t.Run(c.name, func(t *testing.T) { s.exchange(t, c, fill) })
			}
		}
	})
}

func replacer(subject digest.Digest) *strings.Replacer {
	return strings.NewReplacer("DIGEST", subject.String(), "HEX", subject.Encoded(), "UPPER", strings.ToUpper(subject.Encoded()))
}

// exchange sends one request and looks at everything that it may have done.
func (s stage) exchange(t *testing.T, c request, fill *strings.Replacer) {
	count(t)
	before := export(t, s.backref)
	s.witness.requests()
	got := raw(t, s.backref.Host, fill.Replace(c.raw))
	if got.status != c.status {
		t.Errorf("[%s] status %d, want %d: %.300s", c.source, got.status, c.status, got.body)
	}
	if c.code != "" {
		wantError(t, got.body, c.code)
	}
	if got.more {
		t.Error("what was hidden behind the request was answered")
	}
	if got.header.Get("X-Injected") != "" {
		t.Error("a header was injected")
	}
	wantSeen(t, s.witness, c.seen...)
	if after := export(t, s.backref); after != before {
		t.Errorf("the index was\n%sand is\n%s", before, after)
	}
}

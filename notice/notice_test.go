package notice

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"io"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/index"
)

// The signature is that of the specification's own example.
func TestSign(t *testing.T) {
	secrets, err := ParseSecrets([]byte("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n"))
	if err != nil {
		t.Fatal(err)
	}
	got := sign(secrets, "msg_p5jXN8AQM9LWM0D4loKWxJek", time.Unix(1614265330, 0), []byte(`{"test": 2432232314}`))
	if want := "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="; got != want {
		t.Errorf("signature %q, want %q", got, want)
	}
}

func TestSecretsAreNeverQuoted(t *testing.T) {
	for _, text := range []string{"", "plain-secret", "whsec_c2hvcnQ=", "whsec_%%%", "whsec_" + base64.StdEncoding.EncodeToString(make([]byte, 65))} {
		_, err := ParseSecrets([]byte(text))
		if err == nil {
			t.Errorf("%q is taken", text)
		} else if text != "" && strings.Contains(err.Error(), text) {
			t.Errorf("%q is quoted", text)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Duration{
		"": 0, "7": 7 * time.Second, "-1": 0, "x": 0, "999999999": maxRetryAfter,
		"Thu, 01 Jan 2026 00:01:00 GMT": time.Minute, "Thu, 01 Jan 2015 00:01:00 GMT": 0,
	} {
		if got := retryAfter(text, now); got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}

func arrivalAt(number uint64, annotations map[string]string) index.Arrival {
	return index.Arrival{Number: number, At: time.Unix(int64(number), 0), Record: index.Record{Repository: "app", Manifest: index.Manifest{
		Digest: digest.FromString(string(rune(number))), ArtifactType: "a/b", Annotations: annotations,
		Edges: []index.Edge{{Kind: index.EdgeSubject, Target: digest.FromString("subject")}},
	}}}
}

// A page ends after so many that it looked at, and leads on without leaving one out.
func TestPagesOfAFeedAreBounded(t *testing.T) {
	reader := Reader{
		Latest: func(_ context.Context, before uint64, limit int) (all []index.Arrival, err error) {
			if before == 0 {
				before = 2*feedScan + 1
			}
			for n := before - 1; n > 0 && len(all) < limit; n-- {
				annotations := map[string]string{}
				if n == 3 {
					annotations["wanted"] = ""
				}
				all = append(all, arrivalAt(n, annotations))
			}
			return all, nil
		},
		Listed: func(context.Context, index.Arrival) (bool, error) { return true, nil },
	}
	q, err := ParseFeedQuery(url.Values{"annotation": {"wanted"}}, false)
	if err != nil {
		t.Fatal(err)
	}
	first, next, err := reader.Page(t.Context(), q)
	if err != nil || len(first) != 0 || next == 0 {
		t.Fatalf("got %v, next %d, %v", first, next, err)
	}
	q.Before = next
	second, _, err := reader.Page(t.Context(), q)
	if err != nil || len(second) != 1 || second[0].Number != 3 {
		t.Fatalf("got %v, %v", second, err)
	}
}

// FuzzFeedQuery checks that what is read is within bounds and reads the same again.
func FuzzFeedQuery(f *testing.F) {
	for _, seed := range []string{"", "n=7&before=9", "repository=a/**&artifactType=x*&annotation=a%3Db", "before=0", "x=y"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		values, err := url.ParseQuery(raw)
		if err != nil {
			return
		}
		q, err := ParseFeedQuery(values, true)
		if err != nil {
			if bad := (*index.QueryError)(nil); !errors.As(err, &bad) {
				t.Fatalf("%q: %v is no error of a query", raw, err)
			}
			return
		}
		if q.Limit < 1 || q.Limit > maxFeed {
			t.Fatalf("%q gave %+v", raw, q)
		}
		if again, err := ParseFeedQuery(q.Values(), true); err != nil || !reflect.DeepEqual(again, q) {
			t.Fatalf("%q gave %+v, read again %+v, %v", raw, q, again, err)
		}
	})
}

// FuzzRender checks that a feed is well-formed whatever a referrer says of itself.
func FuzzRender(f *testing.F) {
	f.Add("a/b", "key", "</content>]]>\x00")
	f.Fuzz(func(t *testing.T, artifactType, key, value string) {
		a := arrivalAt(1, map[string]string{key: value})
		a.Record.ArtifactType, a.Record.MediaType = artifactType, value
		feed := Feed{About: "x", Title: key}
		feed.References(FeedQuery{Limit: feedEntries}, 1)
		body, err := feed.Render([]Notice{Of(a)})
		if err != nil {
			t.Fatal(err)
		}
		for decoder := xml.NewDecoder(bytes.NewReader(body)); ; {
			if _, err := decoder.Token(); errors.Is(err, io.EOF) {
				return
			} else if err != nil {
				t.Fatalf("%v: %s", err, body)
			}
		}
	})
}

package client

import (
	"strings"
	"testing"
)

const sum = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"

func TestParseReference(t *testing.T) {
	for text, want := range map[string]Reference{
		"localhost:8080/app":                   {Host: "localhost:8080", Repository: "app"},
		"localhost:8080/app:v1":                {Host: "localhost:8080", Repository: "app", Tag: "v1"},
		"registry.example.com/a/b@" + sum:      {Host: "registry.example.com", Repository: "a/b", Digest: sum},
		"registry.example.com/a/b:v1.2@" + sum: {Host: "registry.example.com", Repository: "a/b", Tag: "v1.2", Digest: sum},
		"[::1]:5000/a:v1":                      {Host: "[::1]:5000", Repository: "a", Tag: "v1"},
	} {
		got, err := ParseReference(text)
		if err != nil || got != want {
			t.Errorf("%s: %#v, %v", text, got, err)
		}
		if got.String() != text {
			t.Errorf("%s is written %s", text, got)
		}
	}
	for _, text := range []string{"", "app", "app:v1", "localhost:8080/", "localhost:8080/App:v1", "localhost:8080/app@sha256:1234", "localhost:8080/app:", "localhost:8080/a--/b"} {
		if got, err := ParseReference(text); err == nil || !strings.Contains(err.Error(), "localhost:8080/app:v1") && !strings.Contains(err.Error(), "repository") {
			t.Errorf("%q: %#v, %v", text, got, err)
		}
	}
}

func TestReferenceOfNothing(t *testing.T) {
	if got := (Reference{Host: "h", Repository: "r"}).Reference(); got != "latest" {
		t.Error(got)
	}
}

func TestLoopback(t *testing.T) {
	for host, want := range map[string]bool{
		"localhost": true, "localhost:5000": true, "127.0.0.1:80": true, "127.9.9.9": true, "[::1]:5000": true, "[::1]": true, "registry.localhost:80": true,
		"registry.example.com": false, "10.0.0.1:5000": false, "localhost.example.com": false,
	} {
		if loopback(host) != want {
			t.Errorf("%s: %t", host, !want)
		}
	}
}

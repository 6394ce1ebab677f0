package config

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

// No key is a secret so far, so these are made of one that is declared so.
func TestSecretsAreNotShown(t *testing.T) {
	var wait time.Duration
	var token string
	l := newLoader(&Config{})
	l.fields = map[string]field{
		"wait":  {path: "wait", secret: true, value: reflect.ValueOf(&wait).Elem()},
		"token": {path: "token", secret: true, value: reflect.ValueOf(&token).Elem()},
	}
	l.set("BACKREF_WAIT", "wait", "hunter2")
	if got := l.errs[0].Error(); got != "BACKREF_WAIT: wait: is not valid, and not shown: it is a secret" {
		t.Error(got)
	}
	l.set("backref.yaml:1", "token", hidden)
	if got := l.errs[1].Error(); !strings.Contains(got, "is what a printed configuration shows for a secret") {
		t.Error(got)
	}
	l.set("backref.yaml:1", "token", "hunter2")
	if token != "hunter2" || len(l.errs) != 2 {
		t.Errorf("a secret was not read: %v", l.errs)
	}
	if node := l.fields["token"].node(); node.Value != hidden {
		t.Errorf("printed as %q", node.Value)
	}
	if _, shown := l.fields["token"].schema()["default"]; shown {
		t.Error("the schema has a secret's default")
	}
}

package registry

import (
	"context"
	"errors"
	"reflect"
	"testing"

	"github.com/backref/backref/index"
)

// TestEveryMethodWaitsOrDoesNot checks that each method of a store has been
// decided on: one that reads what a push records waits until that is written.
func TestEveryMethodWaitsOrDoesNot(t *testing.T) {
	waits := map[string]bool{
		"Get": true, "Referrers": true, "Manifests": true, "Parents": true, "Subjects": true, "Around": true, "Unsettled": true, "Open": true, "Removals": true, "Removing": true,
		"Made": false, "SetMade": false, "SetUnheld": false, "Mark": false, "Observe": false,
		// That of a delete does, and Remove of a manifest: see below.
		"Remove": false,
		"Begin":  false, "Confirm": false, "Cancel": false, "Settle": false, "Close": false,
	}
	methods := reflect.TypeFor[index.Store]()
	for i := range methods.NumMethod() {
		name := methods.Method(i).Name
		want, decided := waits[name]
		if !decided {
			t.Errorf("%s: decide whether it waits", name)
			continue
		}
		if got := methodWaits(t, name, nil); got != want {
			t.Errorf("%s waits: %t, want %t", name, got, want)
		}
		delete(waits, name)
	}
	for name := range waits {
		t.Errorf("%s is no method of a store", name)
	}
	if !methodWaits(t, "Begin", index.Intent{Kind: index.IntentDelete, Record: index.Record{Repository: "app"}}) {
		t.Error("Begin of a delete does not wait")
	}
	if !methodWaits(t, "Remove", []index.Key{{Repository: "app"}}) {
		t.Error("Remove does not wait")
	}
	store := reflect.TypeFor[confirmingStore]()
	for i := range store.NumField() {
		if store.Field(i).Anonymous {
			t.Errorf("%s is embedded: its methods would wait for nothing", store.Field(i).Name)
		}
	}
}

// methodWaits calls a method while an outcome is under way in the repository
// app, for a caller that has gone. Where it waits it returns without having
// asked the store, of which there is none.
func methodWaits(t *testing.T, name string, last any) (waits bool) {
	t.Helper()
	s := newConfirmingStore(nil)
	if !s.enter("app", make(chan struct{})) {
		t.Fatal("no room")
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	method := reflect.ValueOf(s).MethodByName(name)
	var args []reflect.Value
	for i := range method.Type().NumIn() {
		switch in := method.Type().In(i); {
		case in == reflect.TypeFor[context.Context]():
			args = append(args, reflect.ValueOf(gone))
		case in.Kind() == reflect.String && len(args) == 1:
			args = append(args, reflect.ValueOf("app").Convert(in))
		case method.Type().IsVariadic() && i == method.Type().NumIn()-1:
		default:
			args = append(args, reflect.Zero(in))
		}
	}
	call := method.Call
	if last != nil {
		if method.Type().IsVariadic() {
			call, args = method.CallSlice, append(args, reflect.Value{})
		}
		args[len(args)-1] = reflect.ValueOf(last)
	}
	defer func() { waits = recover() == nil }()
	results := call(args)
	if err, _ := results[len(results)-1].Interface().(error); !errors.Is(err, context.Canceled) {
		t.Errorf("%s: got error %v", name, err)
	}
	return true
}

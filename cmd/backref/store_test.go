package main

import (
	"reflect"
	"testing"

	"github.com/backref/backref/index/bolt"
	"github.com/backref/backref/index/postgres"
)

// A store that is measured can do all that it can without: what it can do beside an
// index is found by its methods.
func TestMeasuredStoresCanDoTheSame(t *testing.T) {
	for _, pair := range [][2]reflect.Type{
		{reflect.TypeFor[*bolt.Store](), reflect.TypeFor[measuredFile]()},
		{reflect.TypeFor[*postgres.Store](), reflect.TypeFor[measuredDatabase]()},
	} {
		for i := range pair[0].NumMethod() {
			want := pair[0].Method(i)
			got, able := pair[1].MethodByName(want.Name)
			if !able || got.Type.NumIn() != want.Type.NumIn() || got.Type.NumOut() != want.Type.NumOut() {
				t.Errorf("%v has no %s", pair[1], want.Name)
			}
		}
	}
}

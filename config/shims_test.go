package config_test

import (
	"reflect"
	"testing"

	"github.com/backref/backref/config"
)

// Every shim can be named by its key for a registry beside the first.
func TestShimsOfFurtherRegistries(t *testing.T) {
	on := config.Default().Upstream.Shims
	if got := on.Of(nil); got != on {
		t.Errorf("without names: %+v", got)
	}
	if got := on.Of([]string{"none"}); got != (config.UpstreamShims{}) {
		t.Errorf("none: %+v", got)
	}
	shims := reflect.TypeFor[config.UpstreamShims]()
	for i := range shims.NumField() {
		want := config.UpstreamShims{}
		reflect.ValueOf(&want).Elem().Field(i).SetBool(true)
		if key := shims.Field(i).Tag.Get("key"); on.Of([]string{key}) != want {
			t.Errorf("%s: %+v", key, on.Of([]string{key}))
		}
	}
}

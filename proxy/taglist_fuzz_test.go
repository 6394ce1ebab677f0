package proxy

import (
	"encoding/json"
	"slices"
	"testing"
)

// What is read the short way is what any reader of JSON finds.
func FuzzPlainStrings(f *testing.F) {
	for _, list := range []string{
		`["a","b"]`, `["a", "b"]`, `[""]`, `[]`, `["a\",\"b"]`, `["ä"]`, `["a","b",null]`, `["a",["b"]]`, ` ["a"]`, `null`, `"]["`, `["\u0061"]`, `["a",1,"b"]`,
	} {
		f.Add([]byte(list))
	}
	f.Fuzz(func(t *testing.T, list []byte) {
		var raw json.RawMessage
		if json.Unmarshal(list, &raw) != nil {
			return
		}
		plain, is := plainStrings(raw)
		if !is {
			return
		}
		var want []string
		if err := json.Unmarshal(raw, &want); err != nil || !slices.Equal(plain, want) {
			t.Errorf("%q: %q, not %q, %v", raw, plain, want, err)
		}
	})
}

// Lists of tags as registries send them are read the short way.
func TestTagListsArePlain(t *testing.T) {
	list, err := parseTagList([]byte(`{"name":"app","tags":["v1","sha256-aa.referrer"]}` + "\n"))
	if _, is := plainStrings(list.fields["tags"]); err != nil || !is || !slices.Equal(list.tags, []string{"v1", "sha256-aa.referrer"}) {
		t.Errorf("%q, %t, %v", list.tags, is, err)
	}
}

package strictjson_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/backref/backref/strictjson"
)

// document is a shape with all there is: a plain name, an object, a list of
// objects, and a map.
func document(most int) *strictjson.Shape {
	item := &strictjson.Shape{
		Fields: []strictjson.Field{{Name: "digest"}},
		Bound:  &strictjson.Bound{Name: "limits.items", Most: most},
	}
	return &strictjson.Shape{Fields: []strictjson.Field{
		{Name: "mediaType"},
		{Name: "subject", Shape: item},
		{Name: "layers", Shape: item},
		{Name: "annotations", Shape: &strictjson.Shape{Every: true, Bound: &strictjson.Bound{Name: "limits.names", Most: most}}},
	}}
}

func TestCheck(t *testing.T) {
	for name, c := range map[string]struct {
		body string
		want error
	}{
		"nothing of interest":            {`{"a":[1,{"b":null}],"a":"\"","c":-1.5e9}`, nil},
		"each name once":                 {` { "mediaType" : "x" , "subject" : { "digest" : "y" } , "layers" : [ { } , { "digest" : "z" } ] } `, nil},
		"the same name at other places":  {`{"subject":{"digest":"x","subject":1},"layers":[{"digest":"x"},{"digest":"x"}]}`, nil},
		"an escaped name":                {`{"\u0073ubject":{}}`, nil},
		"annotations in two cases":       {`{"annotations":{"a":"1","A":"2"}}`, nil},
		"no object":                      {`[{"subject":1},{"subject":1}]`, nil},
		"as many as may be":              {`{"subject":{},"layers":[{},{}]}`, nil},
		"a name twice":                   {`{"subject":{},"subject":{}}`, strictjson.ErrAmbiguous},
		"a name twice, once null":        {`{"subject":{},"subject":null}`, strictjson.ErrAmbiguous},
		"a name twice, once escaped":     {`{"subject":{},"\u0073ubject":{}}`, strictjson.ErrAmbiguous},
		"another case":                   {`{"Subject":{}}`, strictjson.ErrAmbiguous},
		"another case beside it":         {`{"subject":{},"SUBJECT":{}}`, strictjson.ErrAmbiguous},
		"a long s":                       {`{"ſubject":{}}`, strictjson.ErrAmbiguous},
		"an escaped long s":              {`{"\u017fubject":{}}`, strictjson.ErrAmbiguous},
		"a name twice within":            {`{"subject":{"digest":"a","digest":"b"}}`, strictjson.ErrAmbiguous},
		"a name twice in a list":         {`{"layers":[{},{"digest":"a","digest":"b"}]}`, strictjson.ErrAmbiguous},
		"an annotation twice":            {`{"annotations":{"a":"1","b":"","a":"2"}}`, strictjson.ErrAmbiguous},
		"annotations that no text tells": {`{"annotations":{"\ud800":"1","\ud801":"2"}}`, strictjson.ErrAmbiguous},
		"bytes that are no UTF-8":        {"{\"a\":\"\xff\"}", strictjson.ErrAmbiguous},
		"too many in a list":             {`{"layers":[0,null,{},[]]}`, strictjson.ErrLimit},
		"too many together":              {`{"layers":[{},{},{}],"subject":{}}`, strictjson.ErrLimit},
		"too many annotations":           {`{"annotations":{"a":1,"b":1,"c":1,"d":1}}`, strictjson.ErrLimit},
		"too deep":                       {`{"x":[[[[[[[[]]]]]]]]}`, strictjson.ErrLimit},
		"much too deep":                  {strings.Repeat("[", 1<<20), strictjson.ErrSyntax},
		"something behind it":            {`{} {}`, strictjson.ErrSyntax},
		"a byte order mark":              {"\ufeff{}", strictjson.ErrSyntax},
		"a comment":                      {`{}//`, strictjson.ErrSyntax},
		"nothing":                        {``, strictjson.ErrSyntax},
		"half of it":                     {`{"subject":`, strictjson.ErrSyntax},
	} {
		t.Run(name, func(t *testing.T) {
			err := strictjson.Check([]byte(c.body), document(3), strictjson.Bound{Name: "limits.depth", Most: 8})
			if !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
			if errors.Is(err, strictjson.ErrLimit) && !strings.Contains(err.Error(), "limits.") {
				t.Errorf("the error does not name the limit: %v", err)
			}
		})
	}
}

// FuzzCheck holds the check against the decoders of the standard library: what
// passes is read alike by one that tells cases apart and one that doesn't, by
// one that lets the first of two names win and one that takes the last.
func FuzzCheck(f *testing.F) {
	for _, seed := range []string{
		`{"mediaType":"a","subject":{"digest":"b"},"annotations":{"c":"d"}}`, `{"Subject":{"digest":"x"}}`,
		`{"subject":{"digest":"a"},"\u0073ubject":{}}`, `{"layers":[{"digest":"a"},[],1]}`, `[`, `{"a":"\\","subject":{}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if strictjson.Check(body, document(0), strictjson.Bound{}) != nil {
			return
		}
		if !json.Valid(body) || !utf8.Valid(body) {
			t.Fatal("accepted what is no JSON")
		}
		var folding struct {
			MediaType   any `json:"mediaType"`
			Subject     any `json:"subject"`
			Annotations any `json:"annotations"`
		}
		var exact map[string]any
		if json.Unmarshal(body, &exact) != nil || json.Unmarshal(body, &folding) != nil {
			return
		}
		for name, value := range map[string]any{"mediaType": folding.MediaType, "subject": folding.Subject, "annotations": folding.Annotations} {
			if a, b := encode(t, value), encode(t, exact[name]); a != b {
				t.Errorf("%s is %s to one reader and %s to another", name, a, b)
			}
		}
		if first := firstSubject(t, body); first != encode(t, exact["subject"]) {
			t.Errorf("the first subject is %s, the last %s", first, encode(t, exact["subject"]))
		}
	})
}

// firstSubject returns the value of the first subject of an object.
func firstSubject(t *testing.T, body []byte) string {
	t.Helper()
	tokens := json.NewDecoder(strings.NewReader(string(body)))
	if start, err := tokens.Token(); err != nil || start != json.Delim('{') {
		return encode(t, nil)
	}
	for tokens.More() {
		name, err := tokens.Token()
		if err != nil {
			t.Fatal(err)
		}
		var value any
		if err := tokens.Decode(&value); err != nil {
			t.Fatal(err)
		}
		if name == "subject" {
			return encode(t, value)
		}
	}
	return encode(t, nil)
}

func encode(t *testing.T, value any) string {
	t.Helper()
	encoded, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(encoded)
}

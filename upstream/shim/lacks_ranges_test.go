package shim_test

import (
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/upstream/shim"
)

func TestRangesThatAreRefused(t *testing.T) {
	blob := "/v2/app/blobs/" + digest.FromString("blob").String()
	refusal := said{416, map[string]string{}, "no such range"}
	sized := said{416, map[string]string{"Content-Range": "bytes */10"}, "no such range"}
	part := func(between string) said {
		return said{206, map[string]string{"Content-Range": "bytes " + between}, "part"}
	}
	head := said{status: 200, header: map[string]string{"Content-Length": "10"}}
	get := "GET " + blob + " bytes="
	for asked, c := range map[string]struct {
		first, again said
		// spelled is the range that is asked for then, where the size says so.
		spelled string
		want    said
		heads   bool
	}{
		"5-":    {refusal, part("5-9/10"), "5-9", part("5-9/10"), true},
		"-3":    {refusal, part("7-9/10"), "7-9", part("7-9/10"), true},
		"-30":   {refusal, part("0-9/10"), "0-9", part("0-9/10"), true},
		"8-20":  {refusal, part("8-9/10"), "8-9", part("8-9/10"), true},
		"9-":    {sized, part("9-9/10"), "9-9", part("9-9/10"), false},
		"7-":    {refusal, refusal, "7-9", refusal, true},
		"2-4":   {refusal, said{}, "", refusal, true},
		"10-":   {refusal, said{}, "", refusal, true},
		"11-":   {sized, said{}, "", sized, false},
		"-0":    {refusal, said{}, "", refusal, true},
		"6-2":   {refusal, said{}, "", refusal, false},
		"x-":    {refusal, said{}, "", refusal, false},
		"-":     {refusal, said{}, "", refusal, false},
		"0-1,3": {refusal, said{}, "", refusal, false},
		"1-2":   {part("1-2/10"), said{}, "", part("1-2/10"), false},
		"500-0": {part("500-0/10"), said{}, "", said{416, map[string]string{"Content-Range": "bytes */10"}, "RANGE_INVALID"}, false},
		"3-0":   {said{200, map[string]string{}, "all"}, said{}, "", said{200, map[string]string{}, "all"}, false},
	} {
		t.Run(asked, func(t *testing.T) {
			l := newLacking(t, shim.Options{Ranges: true}, map[string]said{"HEAD " + blob: head, get + asked: c.first, get + c.spelled: c.again})
			got := l.send(t, "GET", blob, "", map[string]string{"Range": "bytes=" + asked}, "Content-Range")
			if !got.is(c.want) {
				t.Errorf("%v, not %v", got, c.want)
			}
			want := []string{get + asked}
			if c.heads {
				want = append(want, "HEAD "+blob)
			}
			if c.spelled != "" {
				want = append(want, get+c.spelled)
			}
			l.wantSeen(t, want...)
		})
	}
}

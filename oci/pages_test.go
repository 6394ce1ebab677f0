package oci_test

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"testing"

	"github.com/backref/backref/oci"
)

// lister answers for a page of a list, by its n and last; n is 0 where none is
// asked for.
type lister func(n int, last string) (names []string, link string, status int)

// read goes through all pages and returns the names and how many questions were
// asked.
func (l lister) read(t testing.TB) (all []string, asked int, err error) {
	t.Helper()
	pages := oci.NewPages("/v2/app/tags/list")
	for page := pages.Next(); page != nil; page = pages.Next() {
		if asked++; asked > 10_000 {
			t.Fatal("no end")
		}
		n, _ := strconv.Atoi(page.Query().Get("n"))
		names, link, status := l(n, page.Query().Get("last"))
		if status != http.StatusOK {
			if pages.Refused(status) {
				continue
			}
			return all, asked, fmt.Errorf("status %d", status)
		}
		var next *url.URL
		if link != "" {
			next = &url.URL{Path: page.Path, RawQuery: link}
		}
		fresh, err := pages.Take(names, next)
		if all = append(all, fresh...); err != nil {
			return all, asked, err
		}
	}
	return all, asked, nil
}

func names(count int) []string {
	all := make([]string, count)
	for i := range all {
		all[i] = fmt.Sprintf("%06d", i)
	}
	return all
}

// behind returns the first n names behind last.
func behind(all []string, n int, last string) []string {
	start, found := slices.BinarySearch(all, last)
	if found {
		start++
	}
	return all[start:min(len(all), start+cmp.Or(n, len(all)))]
}

// Registries page in all sorts of ways, and each list is read to its end.
func TestPages(t *testing.T) {
	linking := func(all []string, most int) lister {
		return func(n int, last string) ([]string, string, int) {
			n = cmp.Or(n, most)
			page := behind(all, min(n, most), last)
			if len(page) > 0 && page[len(page)-1] < all[len(all)-1] {
				return page, url.Values{"n": {strconv.Itoa(n)}, "last": {page[len(page)-1]}}.Encode(), http.StatusOK
			}
			return page, "", http.StatusOK
		}
	}
	for _, count := range []int{0, 1, 99, 100, 999, 1000, 1001, 1500, 2000, 2500} {
		all := names(count)
		backwards := slices.Clone(all)
		slices.Reverse(backwards)
		for registry, list := range map[string]lister{
			"links":                 linking(all, 1000),
			"links, in small pages": linking(all, 50),
			"ignores n and last":    func(int, string) ([]string, string, int) { return backwards, "", http.StatusOK },
			"cuts without a link":   func(n int, last string) ([]string, string, int) { return behind(all, n, last), "", http.StatusOK },
			"begins anew at the end": func(n int, last string) ([]string, string, int) {
				page := behind(all, n, last)
				if len(page) == 0 {
					page = behind(all, n, "")
				}
				return page, "", http.StatusOK
			},
			"cuts and ignores last": func(n int, _ string) ([]string, string, int) { return behind(all, n, ""), "", http.StatusOK },
			"refuses large pages": func(n int, last string) ([]string, string, int) {
				if n > 100 {
					return nil, "", http.StatusBadRequest
				}
				return linking(all, 100)(n, last)
			},
			"refuses large pages, cuts without a link": func(n int, last string) ([]string, string, int) {
				if n > 10 {
					return nil, "", http.StatusRequestEntityTooLarge
				}
				return behind(all, cmp.Or(n, 10), last), "", http.StatusOK
			},
			"refuses any n": func(n int, last string) ([]string, string, int) {
				if n > 0 {
					return nil, "", http.StatusUnprocessableEntity
				}
				return behind(all, 70, last), "", http.StatusOK
			},
			"refuses last, and ignores n": func(_ int, last string) ([]string, string, int) {
				if last != "" {
					return nil, "", http.StatusBadRequest
				}
				return all, "", http.StatusOK
			},
			"has empty pages between": func(n int, last string) ([]string, string, int) {
				if last == "" {
					return nil, "last=0", http.StatusOK
				}
				return linking(all, n)(n, last)
			},
		} {
			if registry == "refuses last, and ignores n" && count == 1000 {
				continue // That can't be told from a list that goes on.
			}
			t.Run(fmt.Sprintf("%s/%d", registry, count), func(t *testing.T) {
				got, asked, err := list.read(t)
				slices.Sort(got)
				if err != nil || !slices.Equal(got, all) {
					t.Errorf("%d of %d names in %d questions, %v", len(got), count, asked, err)
				}
			})
		}
	}
}

// A list that is whole as it came is asked for once.
func TestPagesAreNotAskedForInVain(t *testing.T) {
	for count, want := range map[int]int{0: 1, 1: 1, 999: 1, 1000: 2, 1500: 2} {
		all := names(count)
		list := lister(func(n int, last string) ([]string, string, int) { return behind(all, n, last), "", http.StatusOK })
		if _, asked, err := list.read(t); err != nil || asked != want {
			t.Errorf("%d names: %d questions, %v", count, asked, err)
		}
	}
}

func TestPagesWithoutEnd(t *testing.T) {
	for name, list := range map[string]lister{
		"the same page": func(int, string) ([]string, string, int) { return []string{"a"}, "n=1000", http.StatusOK },
		"a circle of two": func(_ int, last string) ([]string, string, int) {
			return []string{"a" + last}, map[string]string{"": "last=x"}[last] + "&", http.StatusOK
		},
		"ever other links": func(_ int, last string) ([]string, string, int) {
			return []string{"a"}, "last=" + last + "x", http.StatusOK
		},
		"nothing for ever": func(_ int, last string) ([]string, string, int) {
			n, _ := strconv.Atoi(last)
			return nil, "last=" + strconv.Itoa(n+1), http.StatusOK
		},
	} {
		if _, asked, err := list.read(t); !errors.Is(err, oci.ErrEndless) || asked > 1100 {
			t.Errorf("%s: %d questions, %v", name, asked, err)
		}
	}
}

// What is no matter of the page's size is the caller's error.
func TestPagesThatFail(t *testing.T) {
	for _, status := range []int{401, 403, 404, 408, 429, 500, 503, 302} {
		list := lister(func(int, string) ([]string, string, int) { return nil, "", status })
		if _, asked, err := list.read(t); err == nil || asked != 1 {
			t.Errorf("%d: %d questions, %v", status, asked, err)
		}
	}
	list := lister(func(int, string) ([]string, string, int) { return nil, "", http.StatusBadRequest })
	if _, asked, err := list.read(t); err == nil || asked != 4 {
		t.Errorf("400: %d questions, %v", asked, err)
	}
	all := names(1000)
	list = func(_ int, last string) ([]string, string, int) {
		if last != "" {
			return nil, "", http.StatusInternalServerError
		}
		return all, "", http.StatusOK
	}
	if _, _, err := list.read(t); err == nil {
		t.Error("a list that may go on was taken for whole")
	}
}

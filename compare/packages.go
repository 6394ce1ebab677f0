package compare

import (
	"cmp"
	"slices"
	"strings"

	"github.com/backref/backref/artifact"
)

// comparePackages compares the packages of two SBOMs: those with the same package
// URL but for the version and what qualifies it, and of the rest those with the same
// name, where not both have a URL. Where a package is there in several versions,
// those that both have cancel out. The image itself, which some documents list
// among its packages, is left out. Formats that differ tell licences differently, so
// that one which says nothing differs from none.
func comparePackages(a, b []artifact.Package, sameFormat bool) SBOMDifference {
	c := packageComparison{sameFormat: sameFormat}
	restA, restB := c.match(kept(a), kept(b), func(p artifact.Package) string { return identity(p.PURL) })
	// By name: only where one of both can't tell by its URL.
	named := func(p artifact.Package) string { return strings.ToLower(p.Name) }
	plainA, urlA := divided(restA)
	plainB, urlB := divided(restB)
	plainA, plainB = c.match(plainA, plainB, named)
	plainA, urlB = c.match(plainA, urlB, named)
	urlA, plainB = c.match(urlA, plainB, named)
	for _, p := range slices.Concat(plainA, urlA) {
		c.found.Removed = append(c.found.Removed, newPackage(p))
	}
	for _, p := range slices.Concat(plainB, urlB) {
		c.found.Added = append(c.found.Added, newPackage(p))
	}
	byName := func(a, b Package) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.Version, b.Version), strings.Compare(a.PURL, b.PURL))
	}
	slices.SortFunc(c.found.Added, byName)
	slices.SortFunc(c.found.Removed, byName)
	slices.SortFunc(c.found.Changed, func(a, b PackageChange) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.PURL, b.PURL), strings.Compare(a.VersionA, b.VersionA), strings.Compare(a.VersionB, b.VersionB))
	})
	return c.found
}

// kept returns packages in an order of their own, without those that have no name,
// the image itself, and what is listed more than once: the same package at several
// places.
func kept(all []artifact.Package) []artifact.Package {
	all = slices.DeleteFunc(slices.Clone(all), func(p artifact.Package) bool { return p.Name == "" || p.Type == "container" || p.Type == "file" })
	slices.SortStableFunc(all, func(a, b artifact.Package) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.Version, b.Version), strings.Compare(a.PURL, b.PURL), slices.Compare(a.Licences, b.Licences))
	})
	return slices.CompactFunc(all, func(a, b artifact.Package) bool {
		return a.Name == b.Name && a.Version == b.Version && a.PURL == b.PURL
	})
}

// divided tells packages without a package URL from those with one.
func divided(all []artifact.Package) (plain, url []artifact.Package) {
	for _, p := range all {
		if identity(p.PURL) == "" {
			plain = append(plain, p)
		} else {
			url = append(url, p)
		}
	}
	return plain, url
}

// packageComparison gathers what differs.
type packageComparison struct {
	sameFormat bool
	found      SBOMDifference
}

// match compares the packages that have the same key, and returns the others. Those
// of an empty key have none.
func (c *packageComparison) match(a, b []artifact.Package, key func(artifact.Package) string) (restA, restB []artifact.Package) {
	byKey := map[string][]artifact.Package{}
	for _, p := range b {
		byKey[key(p)] = append(byKey[key(p)], p)
	}
	of := map[string][]artifact.Package{}
	var order []string
	for _, p := range a {
		k := key(p)
		if k == "" || len(byKey[k]) == 0 {
			restA = append(restA, p)
			continue
		}
		if of[k] == nil {
			order = append(order, k)
		}
		of[k] = append(of[k], p)
	}
	for _, p := range b {
		if k := key(p); k == "" || of[k] == nil {
			restB = append(restB, p)
		}
	}
	for _, k := range order {
		moreA, moreB := c.versions(of[k], byKey[k])
		for _, p := range moreA {
			c.found.Removed = append(c.found.Removed, newPackage(p))
		}
		for _, p := range moreB {
			c.found.Added = append(c.found.Added, newPackage(p))
		}
	}
	return restA, restB
}

// versions compares the versions of one package. Of those that only one side has, as
// many as both have count as changed, in the order of the texts; it returns the
// others.
func (c *packageComparison) versions(a, b []artifact.Package) (moreA, moreB []artifact.Package) {
	byVersion := map[string][]artifact.Package{}
	for _, p := range b {
		byVersion[p.Version] = append(byVersion[p.Version], p)
	}
	for _, p := range a {
		same := byVersion[p.Version]
		if len(same) == 0 {
			moreA = append(moreA, p)
			continue
		}
		c.pair(p, same[0])
		byVersion[p.Version] = same[1:]
	}
	for _, p := range slices.Backward(b) {
		// What is left over of a version are its last ones.
		if left := byVersion[p.Version]; len(left) > 0 {
			byVersion[p.Version] = left[:len(left)-1]
			moreB = append(moreB, p)
		}
	}
	slices.Reverse(moreB)
	both := min(len(moreA), len(moreB))
	for i := range both {
		c.pair(moreA[i], moreB[i])
	}
	return moreA[both:], moreB[both:]
}

// pair compares two packages of the same name.
func (c *packageComparison) pair(a, b artifact.Package) {
	told := c.sameFormat || len(a.Licences) > 0 && len(b.Licences) > 0
	if a.Version == b.Version && (!told || slices.Equal(a.Licences, b.Licences)) {
		c.found.Unchanged++
		return
	}
	change := PackageChange{Name: a.Name, PURL: identity(a.PURL), VersionA: a.Version, VersionB: b.Version}
	if told && !slices.Equal(a.Licences, b.Licences) {
		change.LicencesA, change.LicencesB = a.Licences, b.Licences
	}
	c.found.Changed = append(c.found.Changed, change)
}

func newPackage(p artifact.Package) Package {
	return Package{Name: p.Name, Version: p.Version, PURL: p.PURL, Licences: p.Licences}
}

// identity returns a package URL without version, qualifiers and subpath (purl-spec,
// "Rules for each purl component"); empty for what is none.
func identity(purl string) string {
	rest, is := strings.CutPrefix(purl, "pkg:")
	if !is {
		return ""
	}
	rest, _, _ = strings.Cut(rest, "#")
	rest, _, _ = strings.Cut(rest, "?")
	rest = strings.Trim(rest, "/")
	// The version stands behind the last @ of the last segment; elsewhere an @ is one
	// of the name, as npm's were written of old.
	last := strings.LastIndexByte(rest, '/')
	if at := strings.LastIndexByte(rest, '@'); at > last+1 {
		rest = rest[:at]
	}
	kind, name, _ := strings.Cut(rest, "/")
	return "pkg:" + strings.ToLower(kind) + "/" + strings.ReplaceAll(name, "@", "%40")
}

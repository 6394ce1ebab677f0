package main

import (
	"os"
	"path/filepath"
)

// build is a build of backref that is measured.
type build struct {
	program string
	// linked is this program with the store of the build.
	linked string
	// suffix tells its files and processes from those of today's build.
	suffix string
	// before says that it is not today's.
	before bool
}

// today is the build that the goals are about.
func (b *bench) today() build { return build{program: b.backref, linked: "/proc/self/exe"} }

// builds are today's build, and the one that it is compared with where one is
// given.
func (b *bench) builds() []build {
	all := []build{b.today()}
	if b.before != "" {
		all = append(all, build{program: b.before, linked: filepath.Join(filepath.Dir(b.before), "bench"), suffix: "-before", before: true})
	}
	return all
}

// schema is where the build has its index in a database.
func (of build) schema() string {
	if of.before {
		return "before"
	}
	return "backref"
}

// contender is the name of a contender with this build.
func (of build) contender(name string) string {
	if of.before {
		return name + ", before"
	}
	return name
}

// bench is this program, linked with the store that the build has.
func (of build) bench() string { return of.linked }

// withoutBench says why there is no such program; empty where there is.
func (of build) withoutBench() string {
	if _, err := os.Stat(of.bench()); err != nil {
		return "beside its backref is no program bench that has its store"
	}
	return ""
}

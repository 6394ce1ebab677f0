package main

// build is a build of backref that is measured.
type build struct {
	program string
	// suffix tells its files and processes from those of today's build.
	suffix string
	// before says that it is not today's.
	before bool
}

// today is the build that the goals are about.
func (b *bench) today() build { return build{program: b.backref} }

// builds are today's build, and the one that it is compared with where one is
// given.
func (b *bench) builds() []build {
	all := []build{b.today()}
	if b.before != "" {
		all = append(all, build{program: b.before, suffix: "-before", before: true})
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

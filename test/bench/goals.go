package main

import (
	"fmt"
	"slices"
	"strings"
)

// goal is a figure that has to be reached.
type goal struct {
	Text string `json:"text"`
	// Figure is what was measured.
	Figure *spread `json:"figure,omitempty"`
	// Least or Most is what it has to be.
	Least float64 `json:"least,omitempty"`
	Most  float64 `json:"most,omitempty"`
	// Reached is empty where the goal was not measured.
	Reached string `json:"reached,omitempty"`

	scenario, contender, base, metric string
}

// coldLeast is how much of the rate of a static file a listing of 100 entries
// has to have that is made anew: ten times the 735 of a registry with native
// referrers on a machine where the file was sent 51,100 times a second.
const coldLeast = 10 * 735.0 / 51_100

// smallListing is how many entries most images have at the most.
const smallListing = 10

// goals are those of backref.
func goals() []goal {
	return slices.Concat(listingGoals(), proxyGoals(), tlsGoals(), pushGoals(), indexGoals(), sidecarGoals())
}

// listingGoals are those of warm listings.
func listingGoals() []goal {
	var all []goal
	for _, c := range listingCases() {
		least := goal{Text: "static nginx", base: nginxFiles, Least: 0.25}
		if c.kind == allEntries {
			least.Least = 0.5
			handler := 0.7
			if c.entries <= smallListing {
				handler = 0.85
				all = append(all, ratioGoal(c.name(), backrefName, native, "native", metricRequests, 1.2))
			}
			all = append(all, ratioGoal(c.name(), backrefName, handlerOnly, "net/http handler", metricRequests, handler))
		}
		all = append(all, ratioGoal(c.name(), backrefName, least.base, least.Text, metricRequests, least.Least))
	}
	all = append(all, ratioGoal("referrers/100", noPageCache, nginxFiles, "static nginx", metricRequests, coldLeast))
	for _, c := range sharedCases() {
		least := 5.0
		if c.entries >= 1000 {
			least = 20
		}
		all = append(all,
			ratioGoal(c.name(), backrefPostgres, sharedBefore, sharedBefore, metricRequests, least),
			ratioGoal(c.name(), backrefPostgres, embeddedName, embeddedName, metricRequests, 0.7))
	}
	return all
}

// proxyGoals are those of what is passed on.
func proxyGoals() []goal {
	var all []goal
	for _, name := range manifestsFamily().cases {
		all = append(all, ratioGoal(name, backrefName, nginxProxy, "nginx", metricRequests, 1))
		// What a tag stands for has to be asked each time.
		if strings.HasSuffix(name, "-by-digest") {
			all = append(all, ratioGoal(name, cacheName, direct2, "direct", metricRequests, 3))
		}
		if strings.HasPrefix(name, "manifests/get-") {
			all = append(all, costGoal(name, backrefName, nginxProxy, "nginx", metricCPURequest, 1.75))
		}
	}
	all = append(all, costGoal("blobs/get", backrefName, reverseProxy, "ReverseProxy", metricCPUMebibyte, 0.35))
	for _, least := range []goal{{scenario: "blobs/get", Least: 1.1}, {scenario: "blobs/put", Least: 1}, {scenario: "blobs/patch", Least: 1}} {
		all = append(all,
			ratioGoal(least.scenario, backrefName, reverseProxy, "ReverseProxy", metricMegabyte, least.Least),
			ratioGoal(least.scenario, backrefName, direct2, "direct", metricMegabyte, 0.9))
	}
	all = append(all, goal{
		Text: fmt.Sprintf("blobs/streams: growth of memory under %d streams, in MiB, less than one blob", streams), Most: blobSize >> 20,
		scenario: "blobs/streams", contender: backrefName, metric: metricGrowth,
	})
	for _, name := range []string{backrefName, withHashes} {
		all = append(all, ratioGoal(digestsPut, name, withoutShims, "without shims", metricMegabyte, 0.9))
	}
	return all
}

// tlsGoals are those of HTTPS.
func tlsGoals() []goal {
	var all []goal
	for _, c := range tlsCases() {
		metric := metricRequests
		if c.what == tlsBlob {
			metric = metricMegabyte
		}
		all = append(all,
			ratioGoal(c.name(), backrefName, nginxProxy, "nginx", metric, 1),
			ratioGoal(c.name(), backrefName, reverseProxy, "ReverseProxy", metric, 1.1))
	}
	return all
}

// pushGoals are those of pushes.
func pushGoals() []goal {
	var all []goal
	for _, c := range pushCases() {
		least := goal{base: directByTag, Text: "direct, by tag", Least: 0.85}
		if c.many {
			least = goal{base: direct2, Text: "direct", Least: 0.8}
		}
		all = append(all,
			ratioGoal(c.name(), backrefName, least.base, least.Text, metricPushes, least.Least),
			ratioGoal(c.name(), backrefPostgres, least.base, least.Text, metricPushes, 0.8))
	}
	all = append(all,
		ratioGoal(hiddenManifests, backrefName, directByTag, "direct, by tag", metricPushes, 0.9),
		ratioGoal(hiddenAttach, backrefName, withoutHidden, withoutHidden, metricPushes, 0.9),
		ratioGoal(hiddenAttach, backrefName, directByTag, "direct, by tag", metricPushes, 0.95),
		ratioGoal(hiddenTagLists, backrefName, withoutHidden, withoutHidden, metricRequests, 0.5))
	return all
}

// indexGoals are those of the index by itself.
func indexGoals() []goal {
	var all []goal
	for _, name := range []string{typedScenario, typedPostgresScenario} {
		all = append(all, costGoal(name, filtered, unfiltered, unfiltered, metricP50, 3))
	}
	all = append(all, goal{
		Text: openScenario + ": " + metricOpen + " after a kill amid mass deletes", Most: 1000,
		scenario: openScenario, contender: embeddedName, metric: metricOpen,
	})
	all = append(all, copyGoals()...)
	return append(all,
		ratioGoal("rebuild", rebuildName, bareFetcher, bareFetcher, metricManifests, 0.9),
		ratioGoal(verifyScenario, verifyName, bareFetcher, bareFetcher, metricManifests, 0.9))
}

// sidecarGoals say that backref takes no more than a registry does.
func sidecarGoals() []goal {
	var all []goal
	for _, metric := range []string{metricIdle, metricUsed, metricSlow, metricStart, metricProgram} {
		for _, base := range []string{direct2, direct3, native} {
			all = append(all, costGoal(sidecarScenario, backrefName, base, base, metric, 1))
		}
	}
	return all
}

func ratioGoal(scenario, contender, base, baseText, metric string, least float64) goal {
	return goal{
		Text: fmt.Sprintf("%s: %s / %s", scenario, contender, baseText), Least: least,
		scenario: scenario, contender: contender, base: base, metric: metric,
	}
}

// costGoal is a ratio that may be at most so much.
func costGoal(scenario, contender, base, baseText, metric string, most float64) goal {
	g := ratioGoal(scenario, contender, base, baseText, metric, 0)
	g.Text += ", " + metric
	g.Most = most
	return g
}

// sizeGoals are those of each index but the first.
func sizeGoals(r result) []goal {
	var all []goal
	first := r.Contenders[0].Name
	for _, c := range r.Contenders[1:] {
		for _, kind := range []string{"", ofLarge} {
			for _, metric := range []string{metricQueryP50, metricQueryP99, metricPushP50, metricPushP99} {
				all = append(all, goal{
					Text: fmt.Sprintf("%s: %s%s, %s / %s", r.Name, kind, metric, c.Name, first), Most: 1.5,
					scenario: r.Name, contender: c.Name, base: first, metric: kind + metric,
				})
			}
		}
		for _, metric := range []string{metricOpen, metricOpenKill} {
			all = append(all, goal{
				Text: fmt.Sprintf("%s: %s, %s", r.Name, metric, c.Name), Most: 1000,
				scenario: r.Name, contender: c.Name, metric: metric,
			})
		}
	}
	return all
}

// judge says which goals the results reach. Those of scenarios that were not
// run are left out.
func judge(results []result) []goal {
	all := goals()
	for _, r := range results {
		if r.Name == sizeScenario || r.Name == postgresSizeScenario {
			all = append(all, sizeGoals(r)...)
		}
	}
	named := func(scenario string) int {
		return slices.IndexFunc(results, func(r result) bool { return r.Name == scenario })
	}
	all = slices.DeleteFunc(all, func(g goal) bool { return named(g.scenario) < 0 })
	for i := range all {
		g := &all[i]
		at := named(g.scenario)
		if g.base == "" {
			g.Figure = results[at].values(g.contender, g.metric)
		} else {
			g.Figure = results[at].ratio(g.contender, g.base, g.metric)
		}
		switch {
		case g.Figure == nil:
		case g.Least > 0 && g.Figure.Median < g.Least, g.Most > 0 && g.Figure.Median > g.Most:
			g.Reached = "not reached"
		default:
			g.Reached = "reached"
		}
	}
	return all
}

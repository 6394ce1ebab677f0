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

// goals are those of backref.
func goals() []goal {
	var all []goal
	for _, c := range listingCases() {
		least := goal{Text: "static nginx", base: nginxFiles, Least: 0.25}
		if c.kind == allEntries {
			least.Least = 0.5
			all = append(all, ratioGoal(c.name(), backrefName, handlerOnly, "net/http handler", metricRequests, 0.7))
		}
		all = append(all, ratioGoal(c.name(), backrefName, least.base, least.Text, metricRequests, least.Least))
	}
	all = append(all, ratioGoal("referrers/100", noPageCache, nginxFiles, "static nginx", metricRequests, coldLeast))
	for _, name := range manifestsFamily().cases {
		all = append(all, ratioGoal(name, backrefName, nginxProxy, "nginx", metricRequests, 1))
		// What a tag stands for has to be asked each time.
		if strings.HasSuffix(name, "-by-digest") {
			all = append(all, ratioGoal(name, cacheName, direct2, "direct", metricRequests, 3))
		}
	}
	for _, name := range []string{"blobs/get", "blobs/put", "blobs/patch"} {
		all = append(all,
			ratioGoal(name, backrefName, reverseProxy, "ReverseProxy", metricMegabyte, 1),
			ratioGoal(name, backrefName, direct2, "direct", metricMegabyte, 0.9))
	}
	all = append(all, goal{
		Text: fmt.Sprintf("blobs/streams: growth of memory under %d streams, in MiB, less than one blob", streams), Most: blobSize >> 20,
		scenario: "blobs/streams", contender: backrefName, metric: metricGrowth,
	})
	for _, name := range []string{backrefName, withHashes} {
		all = append(all, ratioGoal(digestsPut, name, withoutShims, "without shims", metricMegabyte, 0.9))
	}
	for _, c := range pushCases() {
		all = append(all, ratioGoal(c.name(), backrefName, direct2, "direct", metricPushes, 0.8))
	}
	all = append(all,
		ratioGoal(hiddenManifests, backrefName, directByTag, "direct, by tag", metricPushes, 0.9),
		ratioGoal(hiddenAttach, backrefName, withoutHidden, withoutHidden, metricPushes, 0.9),
		ratioGoal(hiddenTagLists, backrefName, withoutHidden, withoutHidden, metricRequests, 0.5))
	all = append(all, copyGoals()...)
	return append(all,
		ratioGoal("rebuild", rebuildName, bareFetcher, bareFetcher, metricManifests, 0.9),
		ratioGoal("rebuild", verifyName, bareFetcher, bareFetcher, metricManifests, 0.9))
}

func ratioGoal(scenario, contender, base, baseText, metric string, least float64) goal {
	return goal{
		Text: fmt.Sprintf("%s: %s / %s", scenario, contender, baseText), Least: least,
		scenario: scenario, contender: contender, base: base, metric: metric,
	}
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

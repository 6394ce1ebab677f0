package main

import (
	"slices"
	"strings"
	"testing"
)

func TestWrkIsRead(t *testing.T) {
	got, err := parseWrk("Running 2s test\nmeasured 2000000 4000 8000000 1500 9000 0 0 0 0 0\n")
	if err != nil {
		t.Fatal(err)
	}
	want := sample{metricRequests: 2000, metricMegabyte: 4, metricP50: 1.5, metricP99: 9}
	for metric, value := range want {
		if got[metric] != value {
			t.Errorf("%s: %g, want %g", metric, got[metric], value)
		}
	}
}

func TestWrkWithErrorsIsInvalid(t *testing.T) {
	for name, output := range map[string]string{
		"a connection": "measured 2000000 4000 8000000 1500 9000 1 0 0 0 0\n",
		"a status":     "measured 2000000 4000 8000000 1500 9000 0 0 0 7 0\n",
		"nothing":      "measured 2000000 0 0 0 0 0 0 0 0 0\n",
		"other text":   "unable to connect\n",
		"too few":      "measured 1 2 3\n",
	} {
		if values, err := parseWrk(output); err == nil {
			t.Errorf("%s: %v, want an error", name, values)
		}
	}
}

func TestSpread(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   spread
	}{
		{[]float64{3}, spread{3, 3, 3}},
		{[]float64{9, 1, 5}, spread{5, 1, 9}},
		{[]float64{4, 1, 9, 2}, spread{3, 1, 9}},
	} {
		if got := newSpread(c.values); *got != c.want {
			t.Errorf("%v: %+v, want %+v", c.values, *got, c.want)
		}
	}
	if got := newSpread(nil); got != nil {
		t.Errorf("no values: %v, want none", got)
	}
}

// pushResult is a result with rounds in pairs: directly, by backref. 0 is an
// invalid round.
func pushResult(rounds ...[2]float64) result {
	r := newResult(comparison{
		name: pushCases()[0].name(), metrics: []string{metricPushes}, bases: []string{direct2},
		contenders: []contender{{name: direct2}, {name: backrefName}},
	})
	for _, round := range rounds {
		for i, value := range round {
			measured := measured{Values: sample{metricPushes: value}}
			if value == 0 {
				measured.Values, measured.Invalid = nil, "broken"
			}
			r.Contenders[i].Rounds = append(r.Contenders[i].Rounds, measured)
		}
	}
	return r
}

func TestRatiosAreTakenWithinRounds(t *testing.T) {
	r := pushResult([2]float64{100, 90}, [2]float64{0, 1000}, [2]float64{10, 7}, [2]float64{50, 0})
	got := r.ratio(backrefName, direct2, metricPushes)
	if got == nil || got.Min != 0.7 || got.Max != 0.9 {
		t.Errorf("ratio %v, want 0.7 to 0.9", got)
	}
}

func TestGoals(t *testing.T) {
	for _, c := range []struct {
		name   string
		result result
		want   string
	}{
		{"reached", pushResult([2]float64{100, 90}), "reached"},
		{"missed", pushResult([2]float64{100, 79}), "not reached"},
		{"invalid", pushResult([2]float64{100, 0}), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			judged := judge([]result{c.result})
			if len(judged) == 0 || judged[0].Reached != c.want {
				t.Errorf("%+v, want the first goal %q", judged, c.want)
			}
		})
	}
}

func TestEveryGoalIsMeasured(t *testing.T) {
	var names []string
	for _, f := range families(options{}) {
		names = append(names, f.cases...)
	}
	for _, g := range goals() {
		if !slices.Contains(names, g.scenario) {
			t.Errorf("%s: no scenario %s", g.Text, g.scenario)
		}
	}
}

func TestReportShowsInvalidRounds(t *testing.T) {
	r := report{Results: []result{pushResult([2]float64{100, 0}, [2]float64{100, 80})}}
	r.Results[0].summarize()
	text := r.markdown()
	for _, want := range []string{"Round 1 of backref is not valid: broken", "| backref | 80.0 | 0.80 |"} {
		if !strings.Contains(text, want) {
			t.Errorf("report lacks %q:\n%s", want, text)
		}
	}
}

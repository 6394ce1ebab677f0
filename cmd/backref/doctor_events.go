package main

import (
	"context"
)

// howToNotify says how the registry is set up to tell of what happens past backref.
const howToNotify = "where clients push or delete past backref, have the registry send notifications to /events of admin.listen: " +
	"\"The way of an event\" in docs/architecture.md has the lines for CNCF Distribution"

// eventChecks look at what the registry tells of.
func (d *doctor) eventChecks() []check {
	return []check{{"events", d.checkEvents}}
}

// checkEvents tells whether notifications arrive. A registry that sends any tells of
// pushes through backref too.
func (d *doctor) checkEvents(context.Context) []finding {
	if d.server == nil {
		return one(notCheckedf("%s", d.noServer))
	}
	all, known := d.metric("backref_events_total")
	if !known {
		return one(notCheckedf("the server does not say"))
	}
	failed, _ := d.metric("backref_events_total", "result", "failed")
	pushes, _ := d.metric("backref_intents_total", "kind", "push", "outcome", "carried out")
	return one(judgeEvents(int(all), int(failed), int(pushes)))
}

// judgeEvents judges by how many events came, how many of them could not be worked
// off, and how many pushes were carried out since the server started.
func judgeEvents(all, failed, pushes int) finding {
	switch {
	case failed > 0:
		return warnf("%d of %d events since the server started could not be worked off; the registry sends them again", failed, all).
			advise("see the log of the server; events need upstream.service")
	case all > 0:
		return okf("%d events since the server started, and %d pushes through backref", all, pushes)
	case pushes > 0:
		return warnf("%d pushes went through the server since it started, and the registry told of none: no notifications arrive", pushes).advise(howToNotify)
	default:
		return notCheckedf("no events and no pushes since the server started").advise(howToNotify)
	}
}

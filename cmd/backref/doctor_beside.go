package main

import (
	"context"

	"github.com/backref/backref/cmd/options"
	"github.com/backref/backref/upstream"
)

// checkBeside asks each registry that stands beside the first whether it can be used,
// and takes the credentials of its section. Where there is none nothing is told.
func (d *doctor) checkBeside(ctx context.Context) []finding {
	var found []finding
	for i := range d.cfg.Referrers.Upstream {
		found = append(found, besideFinding(ctx, options.Store(d.cfg, i)))
	}
	for i := range d.cfg.Referrers.Sources {
		found = append(found, besideFinding(ctx, options.FurtherSource(d.cfg, i)))
	}
	return found
}

func besideFinding(ctx context.Context, to upstream.Options) finding {
	registry, err := upstream.New(to)
	if err != nil {
		return failf("%v", err).advise("mend the key that is named")
	}
	defer registry.Close()
	if fault := registry.Check(ctx); fault != nil {
		return failf("%s: %v", to.URL.Redacted(), fault.Unwrap()).advise("%s", fault.At(to.Key).Mend())
	}
	return okf("%s can be used (%s)", to.URL.Redacted(), to.Key)
}

// Package reconcile is what runs beside requests to keep the index right: it
// settles intents that were left behind, rebuilds the index from the registry,
// and compares the two. It also looks from time to time whether the registry can
// be used at all.
//
// It works by package registry, as the service: manifests are read by its reader,
// and tags written and deleted by its OwnTags, within a rate and a number of
// questions at once. It gives way when the registry says that it is busy. It
// drops a record only when the registry has answered "not found" twice, some
// time apart. A rebuild that could not read everything says so and changes
// nothing, unless it is told to.
//
// What a record, an intent or a generation is, and how they are stored, is the
// matter of package index; who may see a listing is that of package registry.
package reconcile

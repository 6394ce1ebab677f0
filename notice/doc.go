// Package notice tells of new referrers: by a feed that is read (Atom, RFC 4287), and
// by webhooks that are sent, signed by the Standard Webhooks specification.
//
// What is new is what package index keeps as news ([index.News]): an arrival enters
// in the transaction that records the referrer. A [Service] reads them in their order
// and sends those that a hook is about, each hook by itself, one after the other. How
// far a hook is stands in the journal of the index before the next is sent, so that
// every notice is sent at least once however processes end; one that was answered just
// before an end may be sent again, under the same identifier. What can't be delivered
// within the hook's time and number of attempts becomes a dead letter, which is kept
// until somebody sends it again or drops it.
//
// The package leaves to others who may read a feed, and who one replica is that sends.
package notice

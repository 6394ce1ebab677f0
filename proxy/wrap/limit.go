package wrap

import (
	"hash/maphash"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/maypok86/otter/v2"
	"golang.org/x/time/rate"

	"github.com/backref/backref/oci"
)

// LimitOptions say how many requests are let in. Now and Fail are required.
type LimitOptions struct {
	// Rate is the most requests a second of all clients together, and Burst how
	// many at once may exceed it after a pause. A Rate of 0 sets no bound.
	Rate, Burst int
	// ClientRate and ClientBurst are the same for each client.
	ClientRate, ClientBurst int
	// Concurrency is the most requests that are served at once, and
	// ClientConcurrency the most of one client; 0 sets no bound.
	Concurrency, ClientConcurrency int
	// TrackedClients is the most clients that are told apart; those that ask
	// seldom are forgotten first.
	TrackedClients int
	// Proxies are those whose word counts for where a request comes from.
	Proxies Proxies
	// Now tells the time.
	Now func() time.Time
	// Fail answers who is not let in.
	Fail Fail
}

// Limit lets requests in as the options allow. It has to be within a wrapper
// whose writer knows the status of the answer, such as [Pace].
func Limit(o LimitOptions) func(http.Handler) http.Handler {
	l := newLimiter(o)
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			var c *client
			var unproven clientKey
			if l.clients != nil {
				c, unproven = l.clientOf(r)
			}
			if refusal := l.enter(c, o.Now()); refusal != nil {
				o.Fail(w, r, refusal)
				return
			}
			defer l.leave(c)
			next.ServeHTTP(w, r)
			if status, known := statusOf(w); unproven != 0 && known && status >= http.StatusOK && status < http.StatusBadRequest {
				l.track(unproven)
			}
		})
	}
}

// limiter lets in as many requests as the limits allow, overall and per
// client.
type limiter struct {
	limits   LimitOptions
	all      *rate.Limiter
	inFlight atomic.Int64
	// clients are those that were seen lately; nil without limits for them.
	clients *otter.Cache[clientKey, *client]
	seed    maphash.Seed
}

// clientKey is a keyed hash over credentials or an address.
type clientKey uint64

// client is what one client has used.
type client struct {
	rate     *rate.Limiter
	inFlight atomic.Int64
}

func newLimiter(limits LimitOptions) *limiter {
	l := &limiter{limits: limits, seed: maphash.MakeSeed()}
	if limits.Rate > 0 {
		l.all = rate.NewLimiter(rate.Limit(limits.Rate), limits.Burst)
	}
	if limits.ClientRate > 0 || limits.ClientConcurrency > 0 {
		l.clients = otter.Must(&otter.Options[clientKey, *client]{MaximumSize: limits.TrackedClients})
	}
	return l
}

// clientOf returns the client that a request counts for, and the key of its
// credentials where these are not known to be good. Whoever makes up new ones
// for each request is still one address.
func (l *limiter) clientOf(r *http.Request) (c *client, unproven clientKey) {
	if credentials := r.Header["Authorization"]; len(credentials) > 0 && credentials[0] != "" {
		key := clientKey(maphash.String(l.seed, credentials[0]))
		if c, known := l.clients.GetIfPresent(key); known {
			return c, 0
		}
		unproven = key
	}
	address := network(l.limits.Proxies.clientAddress(r)).As16()
	key := clientKey(maphash.Bytes(l.seed, address[:]))
	if c, known := l.clients.GetIfPresent(key); known {
		return c, unproven
	}
	return l.track(key), unproven
}

func (l *limiter) track(key clientKey) *client {
	c := &client{}
	if l.limits.ClientRate > 0 {
		c.rate = rate.NewLimiter(rate.Limit(l.limits.ClientRate), l.limits.ClientBurst)
	}
	c, _ = l.clients.SetIfAbsent(key, c)
	return c
}

// enter lets a request in, or says why not. Who is let in has to leave.
func (l *limiter) enter(c *client, now time.Time) *oci.Error {
	if c != nil {
		if c.rate != nil && !c.rate.AllowN(now, 1) {
			return overLimit(http.StatusTooManyRequests, limitClientRate, time.Second, "you send more requests than this proxy takes from one client; slow down")
		}
		if !within(&c.inFlight, l.limits.ClientConcurrency) {
			return overLimit(http.StatusTooManyRequests, limitClientConcurrency, oci.RetryAfter, "you have more requests under way than this proxy takes from one client; wait for some to end")
		}
	}
	refusal := l.enterAll(now)
	if refusal != nil && c != nil {
		c.inFlight.Add(-1)
	}
	return refusal
}

func (l *limiter) enterAll(now time.Time) *oci.Error {
	if l.all != nil && !l.all.AllowN(now, 1) {
		return overLimit(http.StatusServiceUnavailable, limitRate, time.Second, "this proxy gets more requests than it takes just now; try again later")
	}
	if !within(&l.inFlight, l.limits.Concurrency) {
		return overLimit(http.StatusServiceUnavailable, limitConcurrency, oci.RetryAfter, "this proxy has more requests under way than it takes just now; try again later")
	}
	return nil
}

func (l *limiter) leave(c *client) {
	l.inFlight.Add(-1)
	if c != nil {
		c.inFlight.Add(-1)
	}
}

// within counts one more, unless that is more than the limit; 0 is none.
func within(count *atomic.Int64, limit int) bool {
	if count.Add(1) > int64(limit) && limit > 0 {
		count.Add(-1)
		return false
	}
	return true
}

// overLimit is the answer where a limit was reached.
func overLimit(status int, limit string, wait time.Duration, message string) *oci.Error {
	code := oci.CodeUnavailable
	if status == http.StatusTooManyRequests {
		code = oci.CodeTooManyRequests
	}
	return &oci.Error{
		Status: status, Code: code, Message: message, Limit: limit,
		Header: http.Header{"Retry-After": {strconv.Itoa(int(wait / time.Second))}},
	}
}

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

// Bounds say how many requests are let in.
type Bounds struct {
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
}

// LimitOptions are what [Limit] needs; all but Proxies are required.
type LimitOptions struct {
	// Bounds returns those of the moment. What clients have used of a rate counts
	// on for as long as the rate and its burst are the same; requests under way
	// count whatever the bounds were when they came.
	Bounds func() Bounds
	// Proxies are those whose word counts for where a request comes from.
	Proxies Proxies
	// Now tells the time.
	Now func() time.Time
	// Fail answers who is not let in.
	Fail Fail
	// Proves tells whether the answer to a request shows that its credentials are good;
	// nil where each does that is no error.
	Proves func(r *http.Request) bool
}

func (o LimitOptions) proves(r *http.Request) bool { return o.Proves == nil || o.Proves(r) }

// Limit lets requests in as the options allow. It has to be within a wrapper
// whose writer knows the status of the answer, such as [Pace].
func Limit(o LimitOptions) func(http.Handler) http.Handler {
	l := newLimiter(o)
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			bounds := o.Bounds()
			var c *client
			var unproven clientKey
			if bounds.ClientRate > 0 || bounds.ClientConcurrency > 0 {
				l.trackUpTo(bounds.TrackedClients)
				c, unproven = l.clientOf(r)
			}
			if refusal := l.enter(c, bounds, o.Now()); refusal != nil {
				o.Fail(w, r, refusal)
				return
			}
			defer l.leave(c)
			next.ServeHTTP(w, r)
			if status, known := statusOf(w); unproven != 0 && known && status >= http.StatusOK && status < http.StatusBadRequest && o.proves(r) {
				l.track(unproven)
			}
		})
	}
}

// limiter lets in as many requests as the limits allow, overall and per
// client.
type limiter struct {
	proxies Proxies
	all     client
	// clients are those that were seen lately, tracked at most.
	clients *otter.Cache[clientKey, *client]
	tracked atomic.Int64
	seed    maphash.Seed
}

// clientKey is a keyed hash over credentials or an address.
type clientKey uint64

// client is what one client has used.
type client struct {
	// budget is of the rate that held for the last request; nil before one with
	// a bound.
	budget   atomic.Pointer[budget]
	inFlight atomic.Int64
}

// budget is what is left of a rate.
type budget struct {
	*rate.Limiter
	rate, burst int
}

// may takes one request from the client's budget; a rate of 0 is no bound. A
// new rate or burst begins with all that the burst allows.
func (c *client) may(now time.Time, perSecond, burst int) bool {
	if perSecond <= 0 {
		return true
	}
	left := c.budget.Load()
	if left == nil || left.rate != perSecond || left.burst != burst {
		fresh := &budget{rate.NewLimiter(rate.Limit(perSecond), burst), perSecond, burst}
		if c.budget.CompareAndSwap(left, fresh) {
			left = fresh
		} else {
			left = c.budget.Load()
		}
	}
	return left.AllowN(now, 1)
}

func newLimiter(o LimitOptions) *limiter {
	l := &limiter{proxies: o.Proxies, seed: maphash.MakeSeed()}
	most := max(1, o.Bounds().TrackedClients)
	l.clients = otter.Must(&otter.Options[clientKey, *client]{MaximumSize: most})
	l.tracked.Store(int64(most))
	return l
}

// trackUpTo has so many clients told apart from now on.
func (l *limiter) trackUpTo(most int) {
	if before := l.tracked.Load(); before != int64(most) && l.tracked.CompareAndSwap(before, int64(most)) {
		l.clients.SetMaximum(uint64(max(1, most)))
	}
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
	address := network(l.proxies.clientAddress(r)).As16()
	key := clientKey(maphash.Bytes(l.seed, address[:]))
	if c, known := l.clients.GetIfPresent(key); known {
		return c, unproven
	}
	return l.track(key), unproven
}

func (l *limiter) track(key clientKey) *client {
	c, _ := l.clients.SetIfAbsent(key, &client{})
	return c
}

// enter lets a request in, or says why not. Who is let in has to leave.
func (l *limiter) enter(c *client, bounds Bounds, now time.Time) *oci.Error {
	if c != nil {
		if !c.may(now, bounds.ClientRate, bounds.ClientBurst) {
			return overLimit(http.StatusTooManyRequests, limitClientRate, time.Second, "you send more requests than this proxy takes from one client; slow down")
		}
		if !within(&c.inFlight, bounds.ClientConcurrency) {
			return overLimit(http.StatusTooManyRequests, limitClientConcurrency, oci.RetryAfter, "you have more requests under way than this proxy takes from one client; wait for some to end")
		}
	}
	refusal := l.enterAll(bounds, now)
	if refusal != nil && c != nil {
		c.inFlight.Add(-1)
	}
	return refusal
}

func (l *limiter) enterAll(bounds Bounds, now time.Time) *oci.Error {
	if !l.all.may(now, bounds.Rate, bounds.Burst) {
		return overLimit(http.StatusServiceUnavailable, limitRate, time.Second, "this proxy gets more requests than it takes just now; try again later")
	}
	if !within(&l.all.inFlight, bounds.Concurrency) {
		return overLimit(http.StatusServiceUnavailable, limitConcurrency, oci.RetryAfter, "this proxy has more requests under way than it takes just now; try again later")
	}
	return nil
}

func (l *limiter) leave(c *client) {
	l.all.inFlight.Add(-1)
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

package proxy

import (
	"context"
	"net/http"

	"github.com/backref/backref/oci"
	"github.com/backref/backref/policy"
)

// Visitor is whom a part of this program asks the door for, within the process: who
// that is was found out elsewhere. A visitor only reads.
type Visitor struct {
	// Operator says that it is who runs this proxy: all may be read, and the registry
	// is asked with the service's credentials, whatever auth.mode is.
	Operator bool
	// Client is who has signed in elsewhere. It counts in auth.mode service, in the
	// place of what the request's header says, and is not for operators. The zero
	// Client leaves it to the header.
	Client policy.Client
}

// visitorKey is the key by which the context of a request has its [Visitor].
type visitorKey struct{}

// As returns a context in which requests to [Proxy.ServeHTTP] are the visitor's. No
// request that comes by the network has such a context.
func (v Visitor) As(ctx context.Context) context.Context {
	return context.WithValue(ctx, visitorKey{}, v)
}

// visitorOf returns whose a request is, where it was made within the process.
func visitorOf(r *http.Request) (Visitor, bool) {
	v, ok := r.Context().Value(visitorKey{}).(Visitor)
	return v, ok
}

// operator is how the rules know an operator.
func operator() policy.Client { return policy.Client{User: "operator"} }

// operatorRules let an operator read everything, and nobody else.
func operatorRules() (*policy.Access, error) {
	return policy.NewAccess([]policy.Rule{{
		Repositories: []string{"**"}, Users: []string{operator().User}, Allow: []policy.Action{policy.Admin},
	}})
}

// refuseVisitor says that a visitor only reads; nil for what it may do.
func refuseVisitor(method string) error {
	if method == http.MethodGet || method == http.MethodHead {
		return nil
	}
	return &oci.Error{
		Status: http.StatusMethodNotAllowed, Code: oci.CodeUnsupported, Message: "the pages only read: use a client of registries",
		Header: http.Header{"Allow": {"GET, HEAD"}},
	}
}

// asService tells whether the registry sees the service in place of who asks.
func (p *Proxy) asService(r *http.Request) bool {
	return p.access != nil || entryOf(r).operator
}

package registry

import "context"

// Asker is who a request is of, as far as others may be told.
type Asker struct {
	// User is the name of who signed in. Claimed says that nobody here has vouched
	// for the name: the upstream judges the credentials that it stands in.
	User    string
	Claimed bool
	// Client is the address that the request comes from, UserAgent the program that
	// it says it is of, and Listener the listener that it came by.
	Client, UserAgent, Listener string
}

// AskerOf returns who the request is of that a context is of; the zero Asker for
// another context, such as that of work beside requests.
func AskerOf(ctx context.Context) Asker {
	if request, ok := ctx.Value(RequestKey{}).(interface{ Asker() Asker }); ok {
		return request.Asker()
	}
	return Asker{}
}

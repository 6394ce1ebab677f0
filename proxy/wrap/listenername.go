package wrap

import "context"

// MainListener is the name of the listener that a server has where it has one.
const MainListener = "main"

type listenerKey struct{}

// WithListener returns a context for the requests that come by a listener of that
// name, such as what a [http.Server.BaseContext] returns.
func WithListener(ctx context.Context, name string) context.Context {
	return context.WithValue(ctx, listenerKey{}, name)
}

// ListenerOf returns the name of the listener that the request of a context came
// by: [MainListener] where nothing says another.
func ListenerOf(ctx context.Context) string {
	if name, given := ctx.Value(listenerKey{}).(string); given {
		return name
	}
	return MainListener
}

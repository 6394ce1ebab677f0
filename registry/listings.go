package registry

import (
	"context"
	"net/http"
)

// listings is the [Writer] by which a listing that was served under a referrers
// tag can be deleted: a client that keeps the tag itself deletes what it read
// there, once it has written its own, and the upstream never had that.
type listings struct {
	registry *Registry
	next     Writer
}

// Push implements [Writer].
func (w listings) Push(ctx context.Context, push *Push) (*http.Response, error) {
	return w.next.Push(ctx, push)
}

// Delete implements [Writer].
func (w listings) Delete(ctx context.Context, deletion *Deletion) (*http.Response, error) {
	resp, err := w.next.Delete(ctx, deletion)
	if err != nil {
		return nil, err
	}
	if _, served := w.registry.ServedUnder(ctx, deletion.Caller, deletion.Digest, resp); served {
		_ = resp.Body.Close()
		return deleted(), nil
	}
	return resp, nil
}

// deleted is the answer to a delete of what is not there any more.
func deleted() *http.Response {
	return &http.Response{StatusCode: http.StatusAccepted, Header: http.Header{}, Body: http.NoBody}
}

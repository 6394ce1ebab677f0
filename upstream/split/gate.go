package split

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/upstream"
)

// mayRead tells whether the primary lets who asks read in the repository: it says that
// it has the subject of what they want, or shows them its tags. A subject that is not
// known is empty. Where the rules have decided already nobody is asked.
func (q *question) mayRead(subject digest.Digest) (bool, error) {
	if q.as.AreOfService() {
		return true, nil
	}
	if subject != "" {
		_, err := q.primary.Resolve(q.like.Context(), q.as, q.Repository, subject.String())
		var status *upstream.StatusError
		switch {
		case err == nil:
			return true, nil
		case errors.Is(err, upstream.ErrNotFound):
		case errors.As(err, &status) && status.Denied():
			return false, nil
		case errors.As(err, &status) && status.Status == http.StatusInternalServerError:
			// Distribution 2.8 says so of the digest of a blob.
		default:
			return false, err
		}
	}
	resp, err := q.ask(http.MethodGet, "/v2/"+q.Repository+"/tags/list", "n=1")
	if err != nil {
		return false, err
	}
	_ = resp.Body.Close() // Old registries send all tags.
	switch {
	case resp.StatusCode == http.StatusOK:
		// A page to sign in on is there for everybody.
		return !upstream.IsPage(resp), nil
	case resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode >= http.StatusInternalServerError:
		return false, &upstream.StatusError{Status: resp.StatusCode, Header: resp.Header}
	default:
		return false, nil
	}
}

// mayPush asks the primary whether it lets who asks push in the repository: by an
// upload, which is begun and given up. Its refusal is the error. Where the rules have
// decided already nobody is asked.
func (q *question) mayPush() error {
	if q.as.AreOfService() {
		return nil
	}
	resp, err := q.ask(http.MethodPost, "/v2/"+q.Repository+"/blobs/uploads/", "")
	if err != nil {
		return err
	}
	switch {
	case resp.StatusCode >= http.StatusBadRequest:
		return &refused{resp}
	case resp.StatusCode != http.StatusAccepted:
		// It is about the question, and nothing that the client asked for.
		upstream.Discard(resp)
		return fmt.Errorf("%w: %s to the begin of an upload", upstream.ErrInvalid, resp.Status)
	}
	upstream.Discard(resp)
	here := *q.like.URL
	here.Path, here.RawPath, here.RawQuery = "/v2/"+q.Repository+"/blobs/uploads/", "", ""
	upload, err := q.primary.UploadPath(&here, resp)
	if err != nil {
		return nil //nolint:nilerr // It is elsewhere, and ends by itself.
	}
	if ended, err := q.ask(http.MethodDelete, upload.Path, upload.RawQuery); err == nil {
		upstream.Discard(ended)
	}
	return nil
}

// hidden is the subject of what isn't there: those who may not read are asked about as
// much as if it was, so that neither the questions nor their time tell them.
func hidden() digest.Digest { return digest.FromString(rand.Text()) }

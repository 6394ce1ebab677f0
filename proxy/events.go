package proxy

import (
	"errors"
	"fmt"
	"io"
	"net/http"

	"go.uber.org/zap"

	"github.com/backref/backref/oci"
	"github.com/backref/backref/registry"
)

// Bounds of an envelope of events.
const (
	maxEnvelope = 1 << 20
)

// events takes the notifications of the registry.
type events struct {
	proxy *Proxy
	*registry.Events
}

// Events returns the handler of notifications, for the operators' listener.
func (p *Proxy) Events() http.Handler {
	return &events{p, p.registry.Events()}
}

// ServeHTTP works off an envelope. The registry sends one again until it is
// accepted, so an event that can't be worked off just now is refused together
// with those behind it, and one that never can is accepted.
func (e *events) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	notifications, err := readNotifications(w, r)
	if err == nil {
		err = e.WorkOff(r.Context(), notifications)
	}
	if err == nil {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	e.proxy.log.Warn("notifications were refused", zap.String("peer", r.RemoteAddr), zap.Error(err))
	var answer *oci.Error
	if !errors.As(err, &answer) {
		// Whatever the registry said to a question of ours is not for its
		// sender of notifications to see.
		answer = oci.Unavailable(http.StatusServiceUnavailable, "an event can't be worked off just now; send it again", err)
	}
	answer.Write(w)
}

func readNotifications(w http.ResponseWriter, r *http.Request) ([]registry.Notification, error) {
	if !registry.IsNotificationType(r.Header.Get("Content-Type")) {
		return nil, &oci.Error{
			Status: http.StatusUnsupportedMediaType, Code: oci.CodeUnsupported,
			Message: "send the notifications of CNCF Distribution, with their media type",
		}
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxEnvelope))
	var exceeded *http.MaxBytesError
	switch {
	case errors.As(err, &exceeded):
		return nil, &oci.Error{
			Status: http.StatusRequestEntityTooLarge, Code: oci.CodeSizeInvalid,
			Message: fmt.Sprintf("the envelope is larger than %d bytes", maxEnvelope),
		}
	case err != nil:
		return nil, oci.BadRequest(oci.CodeUnknown, "the envelope could not be read to its end")
	}
	notifications, err := registry.ParseNotifications(body)
	if err != nil {
		return nil, oci.BadRequest(oci.CodeUnknown, "the envelope can't be read: "+err.Error())
	}
	return notifications, nil
}

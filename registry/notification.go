package registry

import (
	"encoding/json"
	"errors"
	"fmt"
	"mime"

	"github.com/opencontainers/go-digest"

	"github.com/backref/backref/oci"
	"github.com/backref/backref/strictjson"
)

// IsNotificationType tells whether CNCF Distribution sends its notifications in
// a media type: that of version 2 or of version 3, whose additions are of
// no concern here. Some relays know no more than that they hold JSON.
func IsNotificationType(contentType string) bool {
	mediaType, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		return false
	}
	switch mediaType {
	case "application/vnd.docker.distribution.events.v1+json",
		"application/vnd.docker.distribution.events.v2+json",
		"application/json":
		return true
	default:
		return false
	}
}

// Actions of a notification.
const (
	actionPush   = "push"
	actionMount  = "mount"
	actionPull   = "pull"
	actionDelete = "delete"
	// actionOther stands for all that are not known.
	actionOther = "other"
)

// What can be wrong with an event.
var (
	errRepository = errors.New("repository name is not valid")
	errDigest     = errors.New("digest is not valid")
)

// Notification is one event that a registry tells of.
type Notification struct {
	action string
	// concerns says that the event is about a manifest, or may be. Then the
	// repository and digest are valid.
	concerns   bool
	repository string
	digest     digest.Digest
	// tag is empty where the event names none.
	tag string
	// err is why an event about a manifest can't be used.
	err error
}

// ParseNotifications reads an envelope of events, as CNCF Distribution sends it. What is no business of the
// index is marked so and not looked at any closer.
func ParseNotifications(body []byte) ([]Notification, error) {
	var envelope struct {
		Events *[]struct {
			Action string `json:"action"`
			Target struct {
				MediaType  string `json:"mediaType"`
				Digest     string `json:"digest"`
				Repository string `json:"repository"`
				Tag        string `json:"tag"`
			} `json:"target"`
		} `json:"events"`
	}
	if err := checkEnvelope(body); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(body, &envelope); err != nil {
		return nil, err
	}
	if envelope.Events == nil {
		return nil, errors.New("it has no events")
	}
	all := make([]Notification, 0, len(*envelope.Events))
	for _, event := range *envelope.Events {
		n := Notification{action: knownAction(event.Action)}
		target := event.Target
		switch n.action {
		case actionPush, actionMount:
			n.concerns = target.MediaType != "" && oci.IsManifestType(target.MediaType)
		case actionDelete:
			// It does not say whether of a blob or of a manifest. That of a tag
			// or a repository has no digest: it leaves the manifests.
			n.concerns = target.Digest != ""
		}
		if n.concerns {
			n.repository, n.digest, n.tag = target.Repository, digest.Digest(target.Digest), target.Tag
			n.err = n.check()
		}
		all = append(all, n)
	}
	return all, nil
}

// maxEnvelopeDepth is far beyond what an event holds.
const maxEnvelopeDepth = 64

// checkEnvelope refuses an envelope that says two things: whoever filters
// events on their way here must not see another one than is worked off.
func checkEnvelope(body []byte) error {
	target := &strictjson.Shape{Fields: []strictjson.Field{
		{Name: "mediaType"}, {Name: "digest"}, {Name: "repository"}, {Name: "tag"},
	}}
	event := &strictjson.Shape{Fields: []strictjson.Field{{Name: "action"}, {Name: "target", Shape: target}}}
	envelope := &strictjson.Shape{Fields: []strictjson.Field{{Name: "events", Shape: event}}}
	return strictjson.Check(body, envelope, strictjson.Bound{Name: "the depth of an envelope", Most: maxEnvelopeDepth})
}

// knownAction maps what a client may send to what a metric may have.
func knownAction(action string) string {
	switch action {
	case actionPush, actionMount, actionPull, actionDelete:
		return action
	default:
		return actionOther
	}
}

func (n Notification) check() error {
	if !oci.ValidRepository(n.repository) {
		return fmt.Errorf("%w: %.300q", errRepository, n.repository)
	}
	if err := n.digest.Validate(); err != nil {
		return fmt.Errorf("%w: %.300q: %w", errDigest, n.digest, err)
	}
	return nil
}

package notice

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// The headers of a message (Standard Webhooks, "Webhook metadata").
const (
	headerID        = "webhook-id"
	headerTimestamp = "webhook-timestamp"
	headerSignature = "webhook-signature"
)

const (
	// secretPrefix is in front of a secret (Standard Webhooks, "Symmetric").
	secretPrefix = "whsec_"
	// Bounds of a secret, in bytes.
	minSecret = 24
	maxSecret = 64
	// maxSecrets is how many may sign at once, while one takes the place of another.
	maxSecrets = 4
)

// ParseSecrets reads the content of a secret file: one secret a line, each whsec_ and
// the base64 of 24 to 64 bytes, at most four. All of them sign, so that a receiver can
// be given another one before the old one goes. The error never quotes a secret.
func ParseSecrets(content []byte) ([][]byte, error) {
	var secrets [][]byte
	for line := range bytes.Lines(content) {
		text := strings.TrimSpace(string(line))
		if text == "" {
			continue
		}
		encoded, prefixed := strings.CutPrefix(text, secretPrefix)
		secret, err := base64.StdEncoding.DecodeString(encoded)
		if !prefixed || err != nil || len(secret) < minSecret || len(secret) > maxSecret {
			return nil, fmt.Errorf("line %d is no secret: need %s and the base64 of %d to %d bytes, as of openssl rand -base64 32",
				len(secrets)+1, secretPrefix, minSecret, maxSecret)
		}
		if secrets = append(secrets, secret); len(secrets) > maxSecrets {
			return nil, fmt.Errorf("has more than %d secrets", maxSecrets)
		}
	}
	if len(secrets) == 0 {
		return nil, errors.New("has no secret: need a line of whsec_ and the base64 of 24 to 64 bytes")
	}
	return secrets, nil
}

// sign returns the value of the header webhook-signature: one signature for each secret
// (Standard Webhooks, "Signature scheme"). The specification's own library is not used:
// it signs with one secret, and has no more to it than this.
func sign(secrets [][]byte, id string, at time.Time, body []byte) string {
	signatures := make([]string, len(secrets))
	for i, secret := range secrets {
		mac := hmac.New(sha256.New, secret)
		mac.Write([]byte(id + "." + strconv.FormatInt(at.Unix(), 10) + "."))
		mac.Write(body)
		signatures[i] = "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	}
	return strings.Join(signatures, " ")
}

package artifact

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/hex"
	"encoding/pem"
	"time"
)

// Certificate is what a certificate of a signer says. That its issuer made it is
// not verified.
type Certificate struct {
	// Identities are its names: addresses, URIs, hosts, user names (RFC 5280,
	// 4.2.1.6; Fulcio's OID 1.3.6.1.4.1.57264.1.7).
	Identities []string `json:"identities,omitempty"`
	// Issuer is who signed the identity in, an issuer of OpenID Connect (Fulcio, OIDs
	// 1.3.6.1.4.1.57264.1.1 and .8); empty where it doesn't tell.
	Issuer string `json:"issuer,omitempty"`
	// Subject and Authority are the distinguished names of whose it is, and who made
	// it.
	Subject   string    `json:"subject,omitempty"`
	Authority string    `json:"authority,omitempty"`
	NotBefore time.Time `json:"notBefore"`
	NotAfter  time.Time `json:"notAfter"`
	// SHA256 is the hash of its bytes in hexadecimal digits.
	SHA256 string `json:"sha256"`
}

// ReadCertificate reads a certificate in DER, or the first one in PEM; nil for
// anything else.
func ReadCertificate(raw []byte) *Certificate {
	if block, _ := pem.Decode(raw); block != nil {
		raw = block.Bytes
	}
	parsed, err := x509.ParseCertificate(raw)
	if err != nil {
		return nil
	}
	sum := sha256.Sum256(parsed.Raw)
	c := &Certificate{
		Subject: clip(parsed.Subject.String()), Authority: clip(parsed.Issuer.String()),
		NotBefore: parsed.NotBefore.UTC(), NotAfter: parsed.NotAfter.UTC(), SHA256: hex.EncodeToString(sum[:]),
	}
	for _, address := range parsed.EmailAddresses {
		c.named(address)
	}
	for _, uri := range parsed.URIs {
		c.named(uri.String())
	}
	for _, host := range parsed.DNSNames {
		c.named(host)
	}
	for _, extension := range parsed.Extensions {
		switch extension.Id.String() {
		case "1.3.6.1.4.1.57264.1.1":
			if c.Issuer == "" {
				c.Issuer = clip(string(extension.Value))
			}
		case "1.3.6.1.4.1.57264.1.8":
			// The newer of the two, a text of ASN.1.
			var issuer string
			if rest, err := asn1.Unmarshal(extension.Value, &issuer); err == nil && len(rest) == 0 {
				c.Issuer = clip(issuer)
			}
		case "2.5.29.17":
			c.otherNames(extension.Value)
		}
	}
	return c
}

func (c *Certificate) named(name string) {
	if len(c.Identities) < MaxFew {
		c.Identities = append(c.Identities, clip(name))
	}
}

// otherNames reads the names of users that the standard library leaves out.
func (c *Certificate) otherNames(value []byte) {
	var names []asn1.RawValue
	if _, err := asn1.Unmarshal(value, &names); err != nil {
		return
	}
	for _, name := range names {
		if name.Class != asn1.ClassContextSpecific || name.Tag != 0 {
			continue
		}
		var other struct {
			ID    asn1.ObjectIdentifier
			Value asn1.RawValue `asn1:"tag:0,explicit"`
		}
		_, err := asn1.UnmarshalWithParams(name.FullBytes, &other, "tag:0")
		if err == nil && other.ID.String() == "1.3.6.1.4.1.57264.1.7" {
			var user string
			if _, err := asn1.Unmarshal(other.Value.Bytes, &user); err == nil {
				c.named(user)
			} else if _, err := asn1.Unmarshal(other.Value.FullBytes, &user); err == nil {
				c.named(user)
			}
		}
	}
}

package upstream

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
)

// clientTLS returns how TLS is spoken to the registry. The authorities are
// read now; the certificate anew for each connection, since such ones are
// short-lived. key names a key of the configuration.
func clientTLS(o TLS, key func(name string) string) (*tls.Config, error) {
	speak := &tls.Config{MinVersion: tls.VersionTLS12}
	if o.CAFile != "" {
		content, err := os.ReadFile(o.CAFile)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", key("tls.caFile"), err)
		}
		roots, err := x509.SystemCertPool()
		if err != nil {
			roots = x509.NewCertPool()
		}
		if !roots.AppendCertsFromPEM(content) {
			return nil, errors.New(key("tls.caFile") + ": the file holds no certificate in PEM")
		}
		speak.RootCAs = roots
	}
	if o.CertFile != "" {
		first, err := tls.LoadX509KeyPair(o.CertFile, o.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", key("tls"), err)
		}
		speak.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			pair, err := tls.LoadX509KeyPair(o.CertFile, o.KeyFile)
			if err != nil {
				// Half of a pair is new while the other is being written.
				return &first, nil
			}
			return &pair, nil
		}
	}
	return speak, nil
}

package upstream

import (
	"crypto/sha256"
	"crypto/tls"
	"fmt"
	"os"

	"oras.land/oras-go/v2/registry/remote/auth"

	"github.com/backref/backref/upstream/wire"
)

// ways are how the registry, and what belongs to it, is reached. They never
// change: others take their place.
type ways struct {
	// transport is the way to the registry, realm that to its token service,
	// elsewhere that to where it redirects to.
	transport, realm, elsewhere *wire.Transport
	// service signs the questions that backref asks for itself.
	service *auth.Client
	// certificate returns what is shown to the registry; nil for none.
	certificate func(*tls.CertificateRequestInfo) (*tls.Certificate, error)
	// trust and secrets tell apart what the transports and the service were made of.
	trust, secrets made
}

// made is what something was made of: settings, and the files that they name.
type made struct {
	tls     TLS
	service Service
	files   [sha256.Size]byte
}

// newWays returns the ways that o describes. It takes over what was made of the
// same; before may be nil.
func (r *Registry) newWays(o Options, before *ways) (*ways, error) {
	w := &ways{}
	var err error
	if w.trust, err = (made{tls: o.TLS}).of(o.key("tls.caFile"), o.TLS.CAFile); err != nil {
		return nil, err
	}
	if w.secrets, err = (made{service: o.Service}).of(o.key("service.passwordFile"), o.Service.PasswordFile); err != nil {
		return nil, err
	}
	if o.Service.DockerConfig != "" {
		if w.secrets, err = (made{service: o.Service}).of(o.key("service.dockerConfig"), o.Service.DockerConfig); err != nil {
			return nil, err
		}
	}
	// The pair is read anew for each connection, and has to be right now.
	speak, err := clientTLS(o.TLS, o.key)
	if err != nil {
		return nil, err
	}
	w.certificate = speak.GetClientCertificate
	if before != nil && before.trust == w.trust {
		w.transport, w.realm, w.elsewhere = before.transport, before.realm, before.elsewhere
		if before.secrets == w.secrets {
			w.service = before.service
			return w, nil
		}
	} else {
		options := wireOptions(o, speak)
		w.transport = wire.New(r.metrics.watch("", options))
		w.realm = newRealmTransport(o, r.metrics.watch(kindToken, options))
		w.elsewhere = newElsewhereTransport(o, r.metrics.watch(kindElsewhere, options))
	}
	w.service, err = newServiceClient(o, byHost{host: r.base.Host, registry: r.by(w.transport, true), others: r.by(w.realm, false)})
	if err != nil {
		return nil, err
	}
	return w, nil
}

// of adds the content of a file; key is where it is named.
func (m made) of(key, path string) (made, error) {
	if path == "" {
		return m, nil
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return m, fmt.Errorf("%s: %w", key, err)
	}
	m.files = sha256.Sum256(content)
	return m, nil
}

// Certificate returns the certificate that is shown to the registry just now; nil
// for none.
func (r *Registry) Certificate() *tls.Certificate {
	shown := r.ways.Load().certificate
	if shown == nil {
		return nil
	}
	pair, err := shown(nil)
	if err != nil {
		return nil
	}
	return pair
}

func (w *ways) close() {
	w.transport.Close()
	w.realm.Close()
	w.elsewhere.Close()
}

// Prepare reads how TLS is spoken to the registry, and the service's own
// credentials, with the files that they name. What it returns has them count for
// requests that begin from then on, by connections of their own where the trusted
// authorities or the files of the certificate are others. Whether there are such
// credentials at all stays as it was at first.
func (r *Registry) Prepare(service Service, speak TLS) (apply func(), err error) {
	o := r.options
	o.Service, o.TLS = service, speak
	before := r.ways.Load()
	next, err := r.newWays(o, before)
	if err != nil {
		return nil, err
	}
	return func() {
		r.ways.Store(next)
		if next.transport != before.transport {
			before.close()
		}
	}, nil
}

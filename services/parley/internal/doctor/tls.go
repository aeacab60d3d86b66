package doctor

import (
	"context"
	"crypto/x509"
	"strings"
	"time"

	"github.com/parley-chat/parley/pkg/certs"
)

// renewal is how long before its end a certificate should have been renewed: who
// renews does so a month before.
const renewal = 14 * 24 * time.Hour

// ofTLS reports whether a connection failed because one side does not take the other's
// certificate. Drivers hand such errors on as text.
func ofTLS(err error) bool {
	return strings.Contains(err.Error(), "tls: ") || strings.Contains(err.Error(), "x509: ")
}

// tls looks at the certificate that clients are served with.
func (e *examination) tls(_ context.Context, f *findings) {
	pair, err := certs.Load(certs.Options{CertFile: e.s.TLS.CertFile, KeyFile: e.s.TLS.KeyFile})
	if err != nil {
		f.fail("correct --tls-cert-file or PARLEY_TLS_CERT_FILE, and its key", "%v", err)
		return
	}
	judgeCertificate(f, pair.Leaf(), time.Now())
}

func judgeCertificate(f *findings, leaf *x509.Certificate, now time.Time) {
	const renew = "renew it; services read it again by themselves"
	until := leaf.NotAfter.UTC().Format(time.DateOnly)
	switch {
	case len(leaf.DNSNames)+len(leaf.IPAddresses) == 0:
		f.fail("have it issued for the names that clients connect to", "the certificate has no names, and clients look at nothing else")
	case now.Before(leaf.NotBefore):
		f.fail("set the clock, or wait", "the certificate is not valid before %s", leaf.NotBefore.UTC().Format(time.RFC3339))
	case !now.Before(leaf.NotAfter):
		f.fail(renew, "the certificate of %v ended on %s", leaf.DNSNames, until)
	case leaf.NotAfter.Sub(now) < renewal && leaf.NotAfter.Sub(leaf.NotBefore) > 2*renewal:
		f.warn(renew, "the certificate of %v ends on %s", leaf.DNSNames, until)
	default:
		f.ok("the certificate of %v is valid until %s", leaf.DNSNames, until)
	}
}

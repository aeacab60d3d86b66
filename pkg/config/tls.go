package config

import (
	"flag"
	"fmt"
)

// TLS is the certificate that clients are served with.
type TLS struct {
	CertFile, KeyFile string // PEM; "": plain TCP
}

// Register declares --tls-cert-file and --tls-key-file.
func (g *TLS) Register(fs *flag.FlagSet) {
	fs.StringVar(&g.CertFile, "tls-cert-file", g.CertFile,
		"serve clients with TLS, and the certificates in this PEM `file`, which is read again when it changes;\nnone: without TLS, for a proxy that has it")
	fs.StringVar(&g.KeyFile, "tls-key-file", g.KeyFile, "the key of that certificate, as a PEM `file`")
}

// Validate demands both or none.
func (g *TLS) Validate() error { return pair("tls", g.CertFile, g.KeyFile) }

// pair demands a certificate and its key, or neither.
func pair(prefix, certFile, keyFile string) error {
	if (certFile == "") != (keyFile == "") {
		return fmt.Errorf("a certificate without its key, or a key without its certificate: set %s and %s",
			both(prefix+"-cert-file"), both(prefix+"-key-file"))
	}
	return nil
}

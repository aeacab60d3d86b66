package config

import (
	"errors"
	"flag"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// Listen is where a binary is reached.
type Listen struct {
	Addr    string // clients
	OpsAddr string // probes, metrics, profiles; never open to the world
}

// Register declares --listen and --ops-listen.
func (g *Listen) Register(fs *flag.FlagSet) {
	fs.StringVar(&g.Addr, "listen", or(g.Addr, ":8080"), "serve clients at this `address`")
	fs.StringVar(&g.OpsAddr, "ops-listen", or(g.OpsAddr, ":9090"),
		"serve /livez, /readyz, /metrics and /debug/pprof at this `address`;\nnever open it to the world")
}

// Validate checks the form of both.
func (g *Listen) Validate() error {
	return errors.Join(checkAddr("listen", g.Addr), checkAddr("ops-listen", g.OpsAddr))
}

func checkAddr(name, addr string) error {
	if _, port, err := net.SplitHostPort(addr); err != nil || port == "" {
		return fmt.Errorf("%q is no address to listen on: set %s, e.g. :8080 or 127.0.0.1:8080", addr, both(name))
	}
	return nil
}

// Mongo is where the store is.
type Mongo struct {
	URI URI // also where it came from a file
	// Optional is for the all-in-one binary, which has a store of its own.
	Optional bool

	file uriFile
}

// Register declares --mongo-uri and --mongo-uri-file.
func (g *Mongo) Register(fs *flag.FlagSet) {
	usage := "the MongoDB, as a connection `uri`"
	if g.Optional {
		usage += ";\nnone: the embedded store, in the directory --data"
	}
	fs.Var(&g.URI, "mongo-uri", usage)
	fs.StringVar(&g.file.path, "mongo-uri-file", g.file.path, "that URI, in this `file`; a binary that waits for its MongoDB reads it again")
}

// Validate reads the file, if there is one, and demands a URI, unless it is optional.
// It may be called again, for what is in the file now.
func (g *Mongo) Validate() error {
	if err := g.file.load("mongo-uri", &g.URI); err != nil {
		return err
	}
	const example = "e.g. mongodb://localhost:27017/parley"
	switch {
	case g.URI == "" && g.Optional:
		return nil
	case g.URI == "":
		return fmt.Errorf("no MongoDB: set %s, %s", both("mongo-uri"), example)
	case !hasScheme(g.URI, "mongodb", "mongodb+srv"):
		return fmt.Errorf("the MongoDB's URI does not begin with mongodb:// or mongodb+srv://: set %s, %s", both("mongo-uri"), example)
	}
	return nil
}

// NATSFiles is bus.Files, whose comments say what they are for.
type NATSFiles struct{ URLFile, CredsFile, CAFile, CertFile, KeyFile string }

// NATS is where the pods' bus is.
type NATS struct {
	URL   URI // also where it came from a file
	Files NATSFiles
	// Optional is for the all-in-one binary, which has a server of its own.
	Optional bool

	file uriFile
}

// Register declares --nats-url, --nats-url-file, --nats-creds-file, --nats-ca-file,
// --nats-cert-file and --nats-key-file.
func (g *NATS) Register(fs *flag.FlagSet) {
	usage := "the NATS servers, as one `url` or several with commas between them"
	if g.Optional {
		usage += ";\nnone: the embedded server"
	}
	fs.Var(&g.URL, "nats-url", usage)
	fs.StringVar(&g.Files.URLFile, "nats-url-file", g.Files.URLFile, "that URL, in this `file`; its user and password are read again for each connection")
	fs.StringVar(&g.Files.CredsFile, "nats-creds-file", g.Files.CredsFile, "the user's JWT and seed, in this `file`, read again for each connection")
	fs.StringVar(&g.Files.CAFile, "nats-ca-file", g.Files.CAFile, "use TLS, and trust the authorities in this PEM `file`, read again for each connection;\nnone: TLS where a URL is tls://…, and the authorities of the system")
	fs.StringVar(&g.Files.CertFile, "nats-cert-file", g.Files.CertFile, "show NATS the certificate in this PEM `file`, read again for each connection")
	fs.StringVar(&g.Files.KeyFile, "nats-key-file", g.Files.KeyFile, "the key of that certificate, as a PEM `file`")
}

// Validate reads the file, if there is one, and demands a URL, unless it is optional.
// Its form is checked by the bus.
func (g *NATS) Validate() error {
	g.file.path = g.Files.URLFile
	if err := errors.Join(g.file.load("nats-url", &g.URL), pair("nats", g.Files.CertFile, g.Files.KeyFile)); err != nil {
		return err
	}
	if g.URL == "" && g.Files.CredsFile+g.Files.CAFile+g.Files.CertFile != "" {
		return fmt.Errorf("credentials or authorities for no NATS: set %s", both("nats-url"))
	}
	if g.URL == "" && !g.Optional {
		return fmt.Errorf("no NATS: set %s, e.g. nats://localhost:4222", both("nats-url"))
	}
	return nil
}

// JWT is how tokens are checked: what package auth loads its key from.
type JWT struct {
	HS256SecretFile, PublicKeyFile, JWKSURL string
	Issuer, Audience                        string
	// Optional is for the all-in-one binary, which makes a secret of its own and
	// takes tokens without audience.
	Optional bool
}

// Register declares --jwt-hs256-secret-file, --jwt-public-key-file, --jwks-url,
// --jwt-issuer and --jwt-audience.
func (g *JWT) Register(fs *flag.FlagSet) {
	fs.StringVar(&g.HS256SecretFile, "jwt-hs256-secret-file", g.HS256SecretFile,
		"check HS256 tokens with the secret in this `file`, of at least 32 bytes")
	fs.StringVar(&g.PublicKeyFile, "jwt-public-key-file", g.PublicKeyFile,
		"check RS256, ES256 or EdDSA tokens with the public key in this PEM `file`")
	fs.StringVar(&g.JWKSURL, "jwks-url", g.JWKSURL, "check RS256, ES256 or EdDSA tokens with the keys that their issuer publishes at this https `url`;\nneeds --jwt-issuer")
	fs.StringVar(&g.Issuer, "jwt-issuer", g.Issuer, "take only tokens with this `iss`")
	fs.StringVar(&g.Audience, "jwt-audience", g.Audience, "take only tokens with this `aud`")
}

// Validate demands one key and an audience: without one, a token that was made
// for another service of the same issuer would be good here.
func (g *JWT) Validate() error {
	var errs []error
	var keys int
	for _, k := range []string{g.HS256SecretFile, g.PublicKeyFile, g.JWKSURL} {
		if k != "" {
			keys++
		}
	}
	names := both("jwt-hs256-secret-file") + ", or " + both("jwt-public-key-file") + ", or " + both("jwks-url")
	switch {
	case keys == 0 && !g.Optional:
		errs = append(errs, errors.New("no key for tokens: set "+names))
	case keys > 1:
		errs = append(errs, errors.New("more than one key for tokens: set only one of "+names))
	}
	if g.JWKSURL != "" && g.Issuer == "" {
		errs = append(errs, fmt.Errorf("keys of an issuer are good for its tokens alone: set %s", both("jwt-issuer")))
	}
	if g.Audience == "" && !g.Optional {
		errs = append(errs, fmt.Errorf("no audience for tokens: set %s to what the issuer writes into \"aud\" for Parley", both("jwt-audience")))
	}
	return errors.Join(errs...)
}

// Origins is which web pages may connect besides those of the same host.
type Origins struct {
	// Allowed has hosts or origins, in which * stands for anything but a slash. Nil:
	// the same host only.
	Allowed []string
}

// Register declares --allowed-origins.
func (g *Origins) Register(fs *flag.FlagSet) {
	fs.Var((*commaList)(&g.Allowed), "allowed-origins",
		"let web pages of these `origins` connect, with commas between them,\ne.g. https://chat.example.com,https://*.example.org; none: the same host only")
}

// appSchemes are those of pages that are part of an app or of a browser's extension.
var appSchemes = []string{"capacitor", "ionic", "tauri", "chrome-extension", "moz-extension", "safari-web-extension"}

// Validate checks the form of each.
func (g *Origins) Validate() error {
	for _, o := range g.Allowed {
		scheme, host, ok := strings.Cut(o, "://")
		if !ok {
			scheme, host = "https", o
		}
		web := scheme == "https" || scheme == "http"
		wrong := !web && !slices.Contains(appSchemes, scheme) || host == "" || strings.ContainsAny(host, "/?#@ ") || !web && strings.Contains(host, "*")
		if wrong || strings.Trim(host, "*.:") == "" {
			return fmt.Errorf("%q is not an origin: set %s to e.g. https://chat.example.com or https://*.example.com", o, both("allowed-origins"))
		}
		if strings.Contains(scheme, "*") || !wildcardsAreWhole(host) {
			return fmt.Errorf("in %q a * stands for a part of a name, so that it would allow names of others: set %s to e.g. https://*.example.com", o, both("allowed-origins"))
		}
	}
	return nil
}

// wildcardsAreWhole reports whether each * stands for the first names of a host, or
// for its port: *example.com would allow badexample.com, and example.* everybody.
func wildcardsAreWhole(host string) bool {
	if inner, ok := strings.CutPrefix(host, "["); ok {
		inner, _, _ = strings.Cut(inner, "]")
		_, err := netip.ParseAddr(inner)
		return err == nil
	}
	name, port, _ := strings.Cut(host, ":")
	if strings.Contains(port, "*") && port != "*" {
		return false
	}
	return !strings.ContainsAny(strings.TrimPrefix(name, "*."), "*?[")
}

// Data is where the all-in-one binary keeps what it stores.
type Data struct{ Dir string }

// Register declares --data.
func (g *Data) Register(fs *flag.FlagSet) {
	fs.StringVar(&g.Dir, "data", or(g.Dir, "./data"), "keep the embedded store in this `directory`")
}

// Validate demands a directory.
func (g *Data) Validate() error {
	if g.Dir == "" {
		return fmt.Errorf("no directory for the embedded store: set %s, e.g. ./data", both("data"))
	}
	return nil
}

// Gateway is where history forwards what changes something.
type Gateway struct {
	URL    string // "": nowhere
	CAFile string // who may say that it is the gateway; "": whom the system trusts
}

// Register declares --gateway-url and --gateway-ca-file.
func (g *Gateway) Register(fs *flag.FlagSet) {
	fs.StringVar(&g.URL, "gateway-url", g.URL, "forward requests that change something to the gateways at this `url`;\nnone: refuse them")
	fs.StringVar(&g.CAFile, "gateway-ca-file", g.CAFile, "trust the authorities in this PEM `file` to say who the gateways are;\nnone: those of the system")
}

// Validate checks its form.
func (g *Gateway) Validate() error {
	if g.CAFile != "" && !strings.HasPrefix(g.URL, "https://") {
		return fmt.Errorf("%s is for gateways with TLS: set %s to https://…", both("gateway-ca-file"), both("gateway-url"))
	}
	if g.URL == "" {
		return nil
	}
	u, err := url.Parse(g.URL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil || u.RawQuery != "" {
		return fmt.Errorf("the gateways' URL is not of the form http://host:port: set %s", both("gateway-url"))
	}
	return nil
}

// Routing is how entries reach the pods whose sessions want them.
type Routing struct{ Way string }

// Register declares --routing.
func (g *Routing) Register(fs *flag.FlagSet) {
	fs.StringVar(&g.Way, "routing", or(g.Way, "broadcast"), "send entries to all gateways (`broadcast`), or those of direct conversations\nand small groups only to those of their users (users)")
}

// Validate takes the two ways that there are.
func (g *Routing) Validate() error {
	if g.Way != "broadcast" && g.Way != "users" {
		return fmt.Errorf("there is no routing %q: set %s to broadcast or users", g.Way, both("routing"))
	}
	return nil
}

// commaList is a flag of several values. Set again it replaces them.
type commaList []string

func (l *commaList) String() string { return strings.Join(*l, ",") }

func (l *commaList) Set(s string) error {
	*l = nil
	for part := range strings.SplitSeq(s, ",") {
		if part = strings.TrimSpace(part); part != "" {
			*l = append(*l, part)
		}
	}
	return nil
}

// both names a setting in its two forms.
func both(flagName string) string { return "--" + flagName + " or " + EnvName(flagName) }

func hasScheme(u URI, schemes ...string) bool {
	scheme, _, ok := strings.Cut(string(u), "://")
	for _, s := range schemes {
		if ok && scheme == s {
			return true
		}
	}
	return false
}

func or(s, fallback string) string {
	if s == "" {
		return fallback
	}
	return s
}

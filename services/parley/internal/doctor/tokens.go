package doctor

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"time"

	"github.com/parley-chat/parley/pkg/auth"
	"github.com/parley-chat/parley/services/parley/internal/allinone"
)

// tokens checks the key that tokens are checked with.
func (e *examination) tokens(ctx context.Context, f *findings) {
	j := e.s.JWT
	if e.s.As == AllInOne && e.s.devTokens && !loopback(e.s.Addr) {
		f.warn("set --dev-tokens=false, or --listen 127.0.0.1:8080", "dev tokens are on: whoever reaches %s can be anybody", e.s.Addr)
	}
	file := j.HS256SecretFile
	if file == "" && j.PublicKeyFile == "" && j.JWKSURL == "" {
		if !j.Optional {
			return // configuration has said so
		}
		if file = allinone.SecretFile(e.s.Dir); !exists(file) {
			f.ok("no key is set: parley up makes a secret of its own at its first start")
			return
		}
	}
	opts, err := auth.LoadFiles(auth.FileOptions{HS256SecretFile: file, PublicKeyFile: j.PublicKeyFile, JWKSURL: j.JWKSURL,
		Issuer: j.Issuer, Audience: j.Audience, Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
	if err == nil {
		_, err = auth.NewVerifier(opts)
	}
	if err != nil {
		f.fail("make a key, or correct the path: no token can be checked", "%v", err)
		return
	}
	switch {
	case opts.Keys != nil:
		info, err := opts.Keys.Inspect(ctx)
		judgeKeySet(f, info, err)
	case len(opts.HS256Secret) > 0:
		f.ok("the HS256 secret has %d bytes", len(opts.HS256Secret))
		judgeMode(f, file)
	default:
		f.ok("the public key in %s can be used", j.PublicKeyFile)
	}
	if j.Audience != "" {
		f.ok("tokens must be made for the audience %q", j.Audience)
	} else {
		f.warn("set --jwt-audience or PARLEY_JWT_AUDIENCE before anybody else can reach it", "tokens for any audience are taken")
	}
	if j.Issuer == "" && len(opts.HS256Secret) == 0 {
		f.warn("set --jwt-issuer or PARLEY_JWT_ISSUER", "tokens of any issuer that has the key are taken")
	}
}

// loopback reports whether only this machine reaches an address to listen on.
func loopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	ip := net.ParseIP(host)
	return err == nil && (host == "localhost" || ip != nil && ip.IsLoopback())
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// judgeMode looks at who may read a secret.
func judgeMode(f *findings, path string) {
	info, err := os.Stat(path)
	if err != nil {
		return // it was read a moment ago
	}
	if mode := info.Mode().Perm(); mode&0o007 != 0 {
		f.warn("chmod o-rwx "+path, "everybody on this machine may read the secret (mode %04o)", mode)
	}
}

func judgeKeySet(f *findings, info auth.KeySetInfo, err error) {
	if err != nil {
		f.fail("see whether this machine may reach the issuer, and what it answers there: until then new tokens are refused with 503", "keys of %s: %v", info.Host, err)
		return
	}
	f.ok("%s publishes %d keys that can be used", info.Host, info.Keys)
	for _, skipped := range info.Skipped {
		f.warn("tokens that are signed with it are refused; tell the issuer", "a published key is not used: %v", skipped)
	}
	if !info.Date.IsZero() {
		// The header is exact to a second.
		judgeClock(f, "the issuer's server", info.Date.Sub(info.Asked.Truncate(time.Second)), time.Second+info.Took.Truncate(time.Second))
	}
}

// judgeClock compares clocks: ahead is how far the other's is before this machine's,
// give or take exact.
func judgeClock(f *findings, whose string, ahead, exact time.Duration) {
	off := max(ahead, -ahead) - exact
	which := "behind"
	if ahead < 0 {
		which = "ahead of"
	}
	text := fmt.Sprintf("this machine's clock is %v %s that of %s", max(ahead, -ahead).Round(time.Millisecond), which, whose)
	switch {
	case off > 30*time.Second:
		f.fail("run a time service (chrony, systemd-timesyncd): tokens expire, and are good, at the wrong time", "%s", text)
	case off > 2*time.Second:
		f.warn("run a time service (chrony, systemd-timesyncd)", "%s", text)
	default:
		f.ok("the clocks of this machine and of %s agree to %v", whose, max(max(ahead, -ahead), exact).Round(time.Millisecond))
	}
}

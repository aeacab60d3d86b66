package auth

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"
)

// FileOptions is [Options] as a deployment gives it: keys are in files, so that
// they are in no command line, environment or log. Exactly one source must be set.
type FileOptions struct {
	HS256SecretFile string // one line break at the end is not part of the secret
	PublicKeyFile   string
	JWKSURL         string // see [KeySetOptions]; needs Issuer

	Issuer, Audience string
	Now              func() time.Time // nil: time.Now
	Log              *slog.Logger     // of a key set; nil: slog.Default()
}

// maxKeyFile bounds what is read of a file that was named by mistake.
const maxKeyFile = 64 << 10

// LoadFiles reads the key. Its errors name the file and what to set, and never
// contain a secret. Where it returns Keys, the caller runs them.
func LoadFiles(f FileOptions) (Options, error) {
	o := Options{Issuer: f.Issuer, Audience: f.Audience, Now: f.Now}
	var set int
	for _, s := range []string{f.HS256SecretFile, f.PublicKeyFile, f.JWKSURL} {
		if s != "" {
			set++
		}
	}
	const names = "PARLEY_JWT_HS256_SECRET_FILE (--jwt-hs256-secret-file), PARLEY_JWT_PUBLIC_KEY_FILE (--jwt-public-key-file) or PARLEY_JWKS_URL (--jwks-url)"
	switch {
	case set == 0:
		return o, errors.New("no token key: set " + names)
	case set > 1:
		return o, errors.New("two token keys: set only one of " + names)
	case f.JWKSURL != "" && f.Issuer == "":
		return o, errors.New("PARLEY_JWKS_URL (--jwks-url) needs the issuer whose keys they are: set PARLEY_JWT_ISSUER (--jwt-issuer)")
	}
	var err error
	if f.JWKSURL != "" {
		if o.Keys, err = NewKeySet(KeySetOptions{URL: f.JWKSURL, Log: f.Log}); err != nil {
			return o, fmt.Errorf("use PARLEY_JWKS_URL: %w", err)
		}
		return o, nil
	}
	if f.HS256SecretFile != "" {
		if o.HS256Secret, err = readKey(f.HS256SecretFile); err != nil {
			return o, fmt.Errorf("read PARLEY_JWT_HS256_SECRET_FILE: %w", err)
		}
		o.HS256Secret = trimLineBreak(o.HS256Secret)
		return o, nil
	}
	if o.PublicKeyPEM, err = readKey(f.PublicKeyFile); err != nil {
		return o, fmt.Errorf("read PARLEY_JWT_PUBLIC_KEY_FILE: %w", err)
	}
	return o, nil
}

func readKey(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxKeyFile+1))
	switch {
	case err != nil:
		return nil, err
	case len(b) > maxKeyFile:
		return nil, fmt.Errorf("%s has more than %d bytes: it is not a key", name, maxKeyFile)
	case len(bytes.TrimSpace(b)) == 0:
		return nil, fmt.Errorf("%s is empty", name)
	}
	return b, nil
}

func trimLineBreak(b []byte) []byte {
	return bytes.TrimSuffix(bytes.TrimSuffix(b, []byte("\n")), []byte("\r"))
}

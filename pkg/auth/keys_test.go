package auth_test

import (
	"crypto/elliptic"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/parley-chat/parley/pkg/auth"
)

func TestNewVerifierSaysWhatIsWrong(t *testing.T) {
	rsaPriv := rsaKey(t, 2048)
	edPub, edPriv := edKey(t)
	good := publicPEM(t, edPub)
	private, err := x509.MarshalPKCS8PrivateKey(edPriv)
	if err != nil {
		t.Fatal(err)
	}
	const canary = "canary"
	for _, c := range []struct {
		name string
		o    auth.Options
		want string
	}{
		{"nothing", auth.Options{}, "no token key"},
		{"both", auth.Options{HS256Secret: []byte(secret), PublicKeyPEM: good}, "two token keys"},
		{"short", auth.Options{HS256Secret: []byte(secret[:31])}, "has 31 bytes"},
		{"a PEM file", auth.Options{HS256Secret: good}, "set it as the public key"},
		{"jwt.io's", auth.Options{HS256Secret: []byte("a-string-secret-at-least-256-bits-long")}, "published example"},
		{"a tutorial's", auth.Options{HS256Secret: []byte("404E635266556A586E3272357538782F413F4428472B4B6250645367566B5970")}, "published example"},
		{"one letter", auth.Options{HS256Secret: []byte(strings.Repeat("a", 64))}, "too regular"},
		{"a word again and again", auth.Options{HS256Secret: []byte(strings.Repeat(canary+"change", 4))}, "too regular"},
		{"few letters", auth.Options{HS256Secret: []byte("abcabdacdbcdaabbccddabcdefabcdefadefbcdef")}, "too regular"},
		{"zeros", auth.Options{HS256Secret: make([]byte, 32)}, "too regular"},
		{"no PEM", auth.Options{PublicKeyPEM: []byte(canary)}, "not a PEM block"},
		{"two keys", auth.Options{PublicKeyPEM: append(good, good...)}, "more than one PEM block"},
		{"a private key", auth.Options{PublicKeyPEM: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})}, "private key"},
		{"a certificate", auth.Options{PublicKeyPEM: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: private})}, "CERTIFICATE"},
		{"garbage in the block", auth.Options{PublicKeyPEM: pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: []byte(canary)})}, "read the public key"},
		{"RSA with 1024 bits", auth.Options{PublicKeyPEM: publicPEM(t, weakRSA(t))}, "1024 bits"},
		{"P-384", auth.Options{PublicKeyPEM: publicPEM(t, &ecKey(t, elliptic.P384()).PublicKey)}, "P-384"},
	} {
		_, err := auth.NewVerifier(c.o)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q", c.name, err, c.want)
		}
		if err != nil && (strings.Contains(err.Error(), canary) || strings.Contains(err.Error(), string(c.o.HS256Secret)) && len(c.o.HS256Secret) > 0) {
			t.Errorf("%s: the error has the secret: %v", c.name, err)
		}
	}
	pkcs1 := pem.EncodeToMemory(&pem.Block{Type: "RSA PUBLIC KEY", Bytes: x509.MarshalPKCS1PublicKey(&rsaPriv.PublicKey)})
	if _, err := auth.NewVerifier(auth.Options{PublicKeyPEM: pkcs1}); err != nil {
		t.Errorf("RSA PUBLIC KEY: %v", err)
	}
	if _, err := auth.NewVerifier(auth.Options{HS256Secret: auth.NewSecret()}); err != nil {
		t.Errorf("NewSecret: %v", err)
	}
}

// weakRSA is the public half of a 1024-bit key; Go no longer makes such.
func weakRSA(t *testing.T) any {
	t.Helper()
	der, err := hex.DecodeString("30819f300d06092a864886f70d010101050003818d0030818902818100" +
		"c" + strings.Repeat("1", 254) + "d" + "0203010001")
	if err != nil {
		t.Fatal(err)
	}
	key, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestLoadFiles(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	edPub, _ := edKey(t)
	secretFile, keyFile := file("secret", secret+"\n"), file("key.pem", string(publicPEM(t, edPub)))

	o, err := auth.LoadFiles(auth.FileOptions{HS256SecretFile: secretFile, Issuer: "idp", Audience: "parley"})
	if err != nil || string(o.HS256Secret) != secret || o.Issuer != "idp" || o.Audience != "parley" {
		t.Errorf("secret: %+v, %v", o, err)
	}
	o, err = auth.LoadFiles(auth.FileOptions{HS256SecretFile: file("crlf", secret+"\r\n")})
	if err != nil || string(o.HS256Secret) != secret {
		t.Errorf("secret with CR LF: %v", err)
	}
	o, err = auth.LoadFiles(auth.FileOptions{PublicKeyFile: keyFile})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := auth.NewVerifier(o); err != nil {
		t.Errorf("key: %v", err)
	}

	for _, c := range []struct {
		name string
		f    auth.FileOptions
		want string
	}{
		{"nothing", auth.FileOptions{}, "set PARLEY_JWT_HS256_SECRET_FILE"},
		{"both", auth.FileOptions{HS256SecretFile: secretFile, PublicKeyFile: keyFile}, "only one of"},
		{"JWKS without issuer", auth.FileOptions{JWKSURL: "https://idp/jwks"}, "PARLEY_JWT_ISSUER"},
		{"JWKS over http", auth.FileOptions{JWKSURL: "http://idp/jwks", Issuer: "idp"}, "not https"},
		{"JWKS and a file", auth.FileOptions{JWKSURL: "https://idp/jwks", PublicKeyFile: keyFile}, "only one of"},
		{"no such file", auth.FileOptions{HS256SecretFile: filepath.Join(dir, "nope")}, "nope"},
		{"a directory", auth.FileOptions{PublicKeyFile: dir}, "PARLEY_JWT_PUBLIC_KEY_FILE"},
		{"empty", auth.FileOptions{HS256SecretFile: file("empty", "\n")}, "is empty"},
		{"large", auth.FileOptions{PublicKeyFile: file("large", strings.Repeat(secret, 4096))}, "it is not a key"},
	} {
		_, err := auth.LoadFiles(c.f)
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: error %v, want %q", c.name, err, c.want)
		}
	}
}

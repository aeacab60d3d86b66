package natstest_test

import (
	"context"
	"crypto/tls"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nkeys"

	"github.com/parley-chat/parley/pkg/bus"
	"github.com/parley-chat/parley/pkg/certs/certstest"
	"github.com/parley-chat/parley/services/parley/internal/natstest"
)

// run runs a server with these options on the loopback interface until the test ends.
func run(t *testing.T, o *server.Options) (s *server.Server, port int) {
	t.Helper()
	o.Host, o.NoSigs = "127.0.0.1", true
	if o.Port == 0 {
		o.Port = natstest.Port(t)
	}
	s, err := server.NewServer(o)
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	if !s.ReadyForConnections(patience) {
		t.Fatal("the server does not start")
	}
	t.Cleanup(func() { stop(s) })
	_, port = withPassword(t, s, "")
	return s, port
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// A password that changes on both sides needs no restart, and neither the old nor the
// new one is seen.
func TestPasswordIsReadAgain(t *testing.T) {
	s, _ := guarded(t, natstest.Port(t), "canary-0ld")
	u, port := withPassword(t, s, "canary-0ld")
	file := filepath.Join(t.TempDir(), "url")
	write(t, file, u+"\n")
	var log lines
	o := bus.Options{Files: bus.Files{URLFile: file}, Logger: log.logger()}
	changes := states(&o)
	b := connect(t, o)

	write(t, file, "") // half written
	stop(s)
	want(t, changes, bus.StateDisconnected)
	s, _ = guarded(t, port, "canary-0ld")
	want(t, changes, bus.StateConnected)
	if !strings.Contains(log.String(), "the ones before are used") {
		t.Errorf("nothing is said of a file that cannot be read: %s", log.String())
	}

	stop(s)
	want(t, changes, bus.StateDisconnected)
	_, refusals := guarded(t, port, "canary-n3w")
	next(t, refusals)
	write(t, file, strings.Replace(u, "0ld", "n3w", 1))
	want(t, changes, bus.StateConnected)
	flush(t, b)
	if strings.Contains(log.String(), "canary") {
		t.Errorf("a password is in the log: %s", log.String())
	}
}

// The same with a token, which is a user without a password.
func TestTokenFromFile(t *testing.T) {
	_, port := run(t, &server.Options{Authorization: "canary-t0ken"})
	file := filepath.Join(t.TempDir(), "url")
	write(t, file, "nats://canary-t0ken@127.0.0.1:"+strconv.Itoa(port))
	flush(t, connect(t, bus.Options{Files: bus.Files{URLFile: file}}))
	if _, err := bus.Connect(t.Context(), bus.Options{Files: bus.Files{URLFile: file + ".none"}, Cluster: "test"}); err == nil {
		t.Error("there is no such file")
	}
}

// refused has Connect fail, until its error has one of the texts, and returns the last
// error. A machine that stands still for 2 s brings others: a time is over then.
func refused(t *testing.T, o bus.Options, texts ...string) (last string) {
	t.Helper()
	o.Cluster = "test"
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	h := o.Logger.Handler()
	for end := time.Now().Add(patience); time.Now().Before(end); {
		ctx, cancel := context.WithCancel(t.Context())
		o.Logger = slog.New(after{h, cancel}) // the first line says that a try has failed
		b, err := bus.Connect(ctx, o)
		cancel()
		if err == nil {
			_ = b.Drain(t.Context())
			t.Fatal("it connected")
		}
		last = err.Error()
		if slices.ContainsFunc(texts, func(text string) bool { return strings.Contains(last, text) }) {
			return last
		}
	}
	t.Errorf("not refused for %q: %s", texts, last)
	return last
}

func secured(t *testing.T, port int, ca *certstest.Authority, names ...string) *server.Server {
	t.Helper()
	f := ca.Files(t.TempDir(), names...)
	pair, err := tls.LoadX509KeyPair(f.Cert, f.Key)
	if err != nil {
		t.Fatal(err)
	}
	s, _ := run(t, &server.Options{Port: port, TLS: true, TLSTimeout: 5, TLSVerify: true, TLSConfig: &tls.Config{
		MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: ca.Pool,
	}})
	return s
}

// Who we talk to is checked, who we are is shown, and both may be rotated.
func TestTLSToNATS(t *testing.T) {
	ca, other := certstest.NewAuthority(t), certstest.NewAuthority(t)
	s := secured(t, 0, ca, "127.0.0.1")
	_, port := withPassword(t, s, "")
	dir := t.TempDir()
	f := ca.Files(dir, "gateway")
	o := bus.Options{URL: "nats://127.0.0.1:" + strconv.Itoa(port), Files: bus.Files{CAFile: f.CA, CertFile: f.Cert, KeyFile: f.Key}}
	changes := states(&o)
	b := connect(t, o)
	flush(t, b)

	bare := bus.Options{URL: o.URL, Files: bus.Files{CAFile: f.CA}}
	refused(t, bare, "certificate required", "TLS") // without a certificate of our own
	stranger := bus.Options{URL: o.URL, Files: bus.Files{CAFile: other.Files(t.TempDir(), "x").CA, CertFile: f.Cert, KeyFile: f.Key}}
	refused(t, stranger, "unknown authority")
	gone := bus.Options{URL: o.URL, Files: bus.Files{CAFile: f.CA + ".none", CertFile: f.Cert, KeyFile: f.Key}}
	refused(t, gone, "certificates of authorities")
	gone = bus.Options{URL: o.URL, Files: bus.Files{CAFile: f.CA, CertFile: f.Cert + ".none", KeyFile: f.Key}}
	refused(t, gone, "read the certificate for NATS")

	stop(s)
	want(t, changes, bus.StateDisconnected)
	other.Files(dir, "gateway")
	secured(t, port, other, "127.0.0.1")
	want(t, changes, bus.StateConnected)
	flush(t, b)
}

// The certificate must be of the host that was asked for, and a server without TLS is
// none for whoever wants it.
func TestTLSToNATSIsNotOptional(t *testing.T) {
	ca := certstest.NewAuthority(t)
	f := ca.Files(t.TempDir(), "gateway")
	s := secured(t, 0, ca, "nats")
	_, port := withPassword(t, s, "")
	o := bus.Options{URL: "nats://127.0.0.1:" + strconv.Itoa(port), Files: bus.Files{CAFile: f.CA, CertFile: f.Cert, KeyFile: f.Key}}
	if text := refused(t, o, "x509"); !strings.Contains(text, "127.0.0.1") {
		t.Errorf("a server of another name: %s", text)
	}
	_, port = run(t, &server.Options{})
	o.URL = "nats://127.0.0.1:" + strconv.Itoa(port)
	refused(t, o, "secure connection not available")
}

// Users of a NATS with operators have a JWT and a seed in one file.
func TestCredsFile(t *testing.T) {
	operator, account, user := pair(t, nkeys.CreateOperator), pair(t, nkeys.CreateAccount), pair(t, nkeys.CreateUser)
	operatorKey, accountKey, userKey := public(t, operator), public(t, account), public(t, user)
	claims, err := jwt.NewAccountClaims(accountKey).Encode(operator)
	if err != nil {
		t.Fatal(err)
	}
	resolver := &server.MemAccResolver{}
	if err := resolver.Store(accountKey, claims); err != nil {
		t.Fatal(err)
	}
	_, port := run(t, &server.Options{AccountResolver: resolver, TrustedKeys: []string{operatorKey}, NoSystemAccount: true})
	token, err := jwt.NewUserClaims(userKey).Encode(account)
	if err != nil {
		t.Fatal(err)
	}
	seed, err := user.Seed()
	if err != nil {
		t.Fatal(err)
	}
	text, err := jwt.FormatUserConfig(token, seed)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "parley.creds")
	o := bus.Options{URL: "nats://127.0.0.1:" + strconv.Itoa(port), Files: bus.Files{CredsFile: file}}
	refused(t, o, "parley.creds") // there is no such file
	write(t, file, string(text))
	flush(t, connect(t, o))
	o.Files.CredsFile = ""
	refused(t, o, "Authorization Violation")
}

func pair(t *testing.T, create func() (nkeys.KeyPair, error)) nkeys.KeyPair {
	t.Helper()
	kp, err := create()
	if err != nil {
		t.Fatal(err)
	}
	return kp
}

func public(t *testing.T, kp nkeys.KeyPair) string {
	t.Helper()
	key, err := kp.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// A user who may not do what the bus needs is connected, and hears nothing: that is
// said, once a connection and not with every message.
func TestMissingPermissionIsSaid(t *testing.T) {
	o := &server.Options{Users: []*server.User{{Username: "parley", Password: "canary", Permissions: &server.Permissions{
		Publish:   &server.SubjectPermission{Allow: []string{"other.>"}},
		Subscribe: &server.SubjectPermission{Allow: []string{"other.>"}},
	}}}}
	s, port := run(t, o)
	var log lines
	denied := make(chan string, 1000)
	bo := bus.Options{URL: "nats://parley:canary@127.0.0.1:" + strconv.Itoa(port), Logger: log.logger(), OnDenied: func(reason string) { denied <- reason }}
	changes := states(&bo)
	b := connect(t, bo)
	listen(t, b, bus.TopicEntries)
	if reason := next(t, denied); !strings.Contains(strings.ToLower(reason), `permissions violation for subscription to "parley.test.entries"`) || strings.Contains(reason, "canary") {
		t.Errorf("the reason is %q", reason)
	}
	for range 100 {
		publish(t, b, bus.TopicEntries, "x")
	}
	flush(t, b)
	if !strings.Contains(log.String(), "let it publish and subscribe parley.test.>") || strings.Contains(log.String(), "canary") {
		t.Errorf("the log: %s", log.String())
	}

	stop(s)
	want(t, changes, bus.StateDisconnected)
	o.Port = port
	run(t, o)
	want(t, changes, bus.StateConnected)
	next(t, denied) // the subscription again
	flush(t, b)
	nothing(t, denied)
}

package doctor

import (
	"errors"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/parley-chat/parley/pkg/auth"
	"github.com/parley-chat/parley/pkg/bus"
	"github.com/parley-chat/parley/pkg/ops"
	"github.com/parley-chat/parley/pkg/store/mongostore"
	"github.com/parley-chat/parley/services/gateway"
	"github.com/parley-chat/parley/services/parley/pebblestore"
)

// found is what a judge found, as a report.
func found(judge func(f *findings)) *Report {
	f := &findings{check: "x"}
	judge(f)
	return &Report{Results: f.list}
}

func TestJudgeMembers(t *testing.T) {
	for _, c := range []struct {
		in     mongostore.Inspection
		status Status
		words  string
	}{
		{mongostore.Inspection{SetName: "rs", Members: []string{"a", "b", "c"}}, OK, "3 members"},
		{mongostore.Inspection{SetName: "rs", Members: []string{"a", "b"}, Passives: []string{"c"}}, OK, "3 members"},
		{mongostore.Inspection{SetName: "rs", Members: []string{"a", "b"}, Arbiters: []string{"c:1"}}, Fail, "arbiters: c:1"},
		{mongostore.Inspection{SetName: "rs", Members: []string{"a"}}, Warn, "one member"},
		{mongostore.Inspection{SetName: "rs", Members: []string{"a", "b", "c", "d"}}, Warn, "4 members"},
		{mongostore.Inspection{}, Warn, "standalone"},
		{mongostore.Inspection{Sharded: true}, OK, "mongos"},
	} {
		found(func(f *findings) { judgeMembers(f, c.in) }).says(t, "x", c.status, c.words)
	}
	denied := mongostore.Inspection{SetName: "rs", Members: []string{"a", "b", "c"}, Stage: "list indexes"}
	found(func(f *findings) { judgeMongo(f, denied, errors.New("not authorized")) }).says(t, "x", Fail, "list indexes", "readWrite")
}

// TestJudgeTLS: who is refused for a certificate is told of certificates.
func TestJudgeTLS(t *testing.T) {
	unknown := errors.New("tls: failed to verify certificate: x509: certificate signed by unknown authority")
	found(func(f *findings) { judgeMongo(f, mongostore.Inspection{Stage: "connect"}, unknown) }).says(t, "x", Fail, "tlsCAFile")
	for _, err := range []error{unknown, errors.New("remote error: tls: certificate required")} {
		in := bus.Inspection{Unreached: map[string]error{"nats:4222": err}}
		found(func(f *findings) { judgeNATS(f, in, errors.New("no servers")) }).says(t, "x", Fail, "--nats-ca-file", "--nats-cert-file")
	}
}

func TestJudgeWrite(t *testing.T) {
	found(func(f *findings) { judgeWrite(f, time.Millisecond, 100*time.Millisecond, nil) }).says(t, "x", OK, "1ms")
	found(func(f *findings) { judgeWrite(f, time.Second, 100*time.Millisecond, nil) }).says(t, "x", Warn, "1s", "disks")
	found(func(f *findings) {
		judgeWrite(f, 0, 100*time.Millisecond, errors.New("waiting for replication timed out"))
	}).says(t, "x", Fail, "timed out", "rs.status()")
}

func TestJudgeClock(t *testing.T) {
	for _, c := range []struct {
		ahead, exact time.Duration
		status       Status
		words        string
	}{
		{0, 0, OK, "agree"},
		{900 * time.Millisecond, time.Second, OK, "agree to 1s"},
		{-5 * time.Second, time.Second, Warn, "5s ahead of"},
		{time.Hour, 0, Fail, "1h0m0s behind"},
	} {
		found(func(f *findings) { judgeClock(f, "it", c.ahead, c.exact) }).says(t, "x", c.status, c.words)
	}
}

func TestKeySet(t *testing.T) {
	var behind time.Duration
	var body string
	issuer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Date", time.Now().Add(-behind).UTC().Format(http.TimeFormat))
		_, _ = w.Write([]byte(body))
	}))
	defer issuer.Close()
	run := func() *Report {
		t.Helper()
		return examine(t, settings(t, nil, "--jwks-url", issuer.URL+"/keys?token="+secret, "--jwt-issuer", "x", "--jwt-audience", "y", "--data", t.TempDir()))
	}
	body = `{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"1","alg":"EdDSA","use":"sig","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},{"kty":"oct","kid":"2","k":"AAAA"}]}`
	r := run()
	r.says(t, "tokens", OK, "publishes 1 keys")
	r.says(t, "tokens", OK, "clocks")
	r.says(t, "tokens", Warn, "not used")
	behind = time.Hour
	run().says(t, "tokens", Fail, "clock", "ahead of")
	body = `{"keys":[]}`
	run().says(t, "tokens", Fail, "503")
	found(func(f *findings) { judgeKeySet(f, auth.KeySetInfo{Host: "h"}, errors.New("status 404")) }).says(t, "x", Fail, "keys of h: status 404")
}

func TestJudgePods(t *testing.T) {
	pod := func(id, name, server, routing string) gateway.PodStatus {
		return gateway.PodStatus{Pod: id, Name: name, Server: server, Routing: routing, Sessions: 5}
	}
	two := []gateway.PodStatus{pod("1", "a", "parley 1", "broadcast"), pod("2", "b", "parley 1", "broadcast")}
	found(func(f *findings) { judgePods(f, two, []string{"1", "2"}, "broadcast") }).says(t, "x", OK, "2 gateways are heard, with 10 sessions")
	found(func(f *findings) { judgePods(f, two, []string{"1", "2", "3"}, "broadcast") }).says(t, "x", Warn, "not heard over NATS: 3", "another NATS")
	found(func(f *findings) { judgePods(f, two, nil, "users") }).says(t, "x", Warn, "these settings say routing users")
	found(func(f *findings) { judgePods(f, nil, nil, "users") }).says(t, "x", OK, "no gateway")
	two[1].Server, two[1].Routing, two[1].Lag = "parley 2", "users", 5000
	r := found(func(f *findings) { judgePods(f, two, nil, "users") })
	r.says(t, "x", Warn, "2 versions", "parley 1 (a); parley 2 (b)", "upgrade")
	r.says(t, "x", Warn, "route in 2 ways")
	r.says(t, "x", Warn, "b has not heard 5000")
}

func TestDevTokens(t *testing.T) {
	for addr, status := range map[string]bool{":0": true, "0.0.0.0:0": true, "127.0.0.1:0": false, "localhost:0": false, "[::1]:0": false} {
		for _, args := range [][]string{{"--dev-tokens=true"}, {"--dev-tokens=false"}} {
			r := examine(t, settings(t, nil, append(args, "--listen", addr, "--data", t.TempDir())...))
			warned := slices.ContainsFunc(r.Results, func(x Result) bool { return strings.Contains(x.Found, "dev tokens are on") })
			if want := status && args[0] == "--dev-tokens=true"; warned != want {
				t.Errorf("%s %s: warned %v", addr, args[0], warned)
			}
		}
	}
}

func TestJudgeFiles(t *testing.T) {
	found(func(f *findings) { judgeFiles(f, 1<<20, 10_000) }).says(t, "x", OK, "1048576 files")
	found(func(f *findings) { judgeFiles(f, 10_000, 10_000) }).says(t, "x", Warn, "9488 connections", "10512")
	found(func(f *findings) { judgeFiles(f, 1024, 10_000) }).says(t, "x", Fail, "512 connections")
	found(func(f *findings) { judgeFiles(f, 100, 1) }).says(t, "x", Warn, "0 connections")
	found(func(f *findings) { judgeFiles(f, math.MaxUint64, 1) }).says(t, "x", OK, "any number")
}

func TestMemory(t *testing.T) {
	const mib = 1 << 20
	for _, c := range []struct {
		cgroup, limit int64
		status        Status
		words         string
	}{
		{0, math.MaxInt64, OK, "no limit"},
		{0, 100 * mib, OK, "100 MiB"},
		{1000 * mib, math.MaxInt64, Warn, "GOMEMLIMIT=900MiB"},
		{1000 * mib, 900 * mib, OK, "900 MiB"},
		{1000 * mib, 990 * mib, Warn, "nothing is left"},
		{1000 * mib, 2000 * mib, Fail, "1000 MiB only"},
		{1000 * mib, 100 * mib, Warn, "less than half"},
	} {
		found(func(f *findings) { judgeMemory(f, c.cgroup, c.limit) }).says(t, "x", c.status, c.words)
	}
	for text, want := range map[string]int64{"max\n": 0, "1048576\n": mib, "9223372036854771712\n": 0, "?": 0} {
		root := t.TempDir()
		dir := filepath.Join(root, "sys/fs/cgroup")
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "memory.max"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := cgroupLimit(root); got != want {
			t.Errorf("%q: %d", text, got)
		}
	}
}

func TestData(t *testing.T) {
	run := func(dir string) *Report {
		t.Helper()
		return examine(t, settings(t, nil, "--data", dir))
	}
	dir := t.TempDir()
	run(filepath.Join(dir, "none")).says(t, "data folder", OK, "is not there yet")
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	run(file).says(t, "data folder", Fail, "is no folder")
	r := run(dir)
	r.says(t, "data folder", OK, "can be written")
	r.says(t, "data folder", OK, "no store in it yet")
	if os.Geteuid() != 0 { // who is root may write everywhere
		closed := filepath.Join(dir, "closed")
		if err := os.Mkdir(closed, 0o500); err != nil {
			t.Fatal(err)
		}
		run(closed).says(t, "data folder", Fail, "permission denied")
	}
	st, err := pebblestore.Open(pebblestore.Options{Dir: filepath.Join(dir, "store")})
	if err != nil {
		t.Fatal(err)
	}
	run(dir).says(t, "data folder", OK, "has the store open")
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	run(dir).says(t, "data folder", OK, "no process has the store open")
	found(func(f *findings) { judgeDisk(f, 1<<20, 1<<40) }).says(t, "x", Fail, "make room")
	found(func(f *findings) { judgeDisk(f, 1<<30, 1<<40) }).says(t, "x", Warn, "1.0 of 1024.0 GiB")
}

func TestPorts(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	examine(t, settings(t, nil, "--listen", taken.Addr().String())).says(t, "ports", Fail, "not by Parley", "ss -ltnp")
	examine(t, settings(t, nil, "--listen", "192.0.2.1:80")).says(t, "ports", Fail, "address of this machine")

	port := ops.New(ops.Options{Version: "v9"})
	port.SetReady(true)
	port.Degraded("nats", "not connected")
	srv := httptest.NewServer(port.Handler())
	defer srv.Close()
	r := examine(t, settings(t, nil, "--listen", taken.Addr().String(), "--ops-listen", strings.TrimPrefix(srv.URL, "http://")))
	r.says(t, "ports", OK, "Parley v9 runs here and is degraded")
	r.says(t, "ports", Warn, "it says of nats: not connected")
	r.says(t, "ports", OK, "taken, and Parley runs here")
}

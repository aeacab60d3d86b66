package manifests

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/golang-jwt/jwt/v5"
	"github.com/nats-io/nats-server/v2/server"

	"github.com/parley-chat/parley/pkg/certs"
	"github.com/parley-chat/parley/pkg/certs/certstest"
	"github.com/parley-chat/parley/pkg/wire"
	"github.com/parley-chat/parley/services/parley/internal/procs"
)

// production is gateway and history as processes on this machine, with the variables
// and files of the production overlay. Real are the certificates, NATS with its
// configuration, and an issuer of tokens; MongoDB is mongomem behind TLS, which knows
// neither users nor replica sets. Addresses are replaced, and nothing else.
type production struct {
	t   *testing.T
	ctx context.Context
	w   *world
	ca  *certstest.Authority
	dir string
	key ed25519.PrivateKey // of the issuer

	gateway, history *procs.Process
	files            certstest.Files // of the gateway's certificate
}

func startProduction(t *testing.T) *production {
	t.Helper()
	p := &production{t: t, w: overlay(t, "production"), ca: certstest.NewAuthority(t), dir: t.TempDir()}
	for _, name := range []string{"gateway", "history"} { // which may take minutes, if nothing is cached
		cmd := exec.CommandContext(t.Context(), "go", "build", "-o", filepath.Join(p.dir, "bin", name), "./services/"+name+"/cmd/"+name)
		cmd.Dir = root
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("build %s: %v: %s", name, err, out)
		}
	}
	var cancel context.CancelFunc
	p.ctx, cancel = context.WithTimeout(t.Context(), 3*time.Minute)
	t.Cleanup(cancel)
	first := takePorts(t, 4)
	places := strings.NewReplacer(
		"parley:PASSWORD@mongodb-0.mongodb:27017,mongodb-1.mongodb:27017,mongodb-2.mongodb:27017", p.mongo(), "replicaSet=rs0", "directConnection=true",
		"@nats:4222", "@"+p.nats(), "https://gateway:8080", fmt.Sprintf("https://127.0.0.1:%d", first), "https://login.example.com/.well-known/jwks.json", p.issue())
	p.gateway = p.run("gateway", first, places)
	p.files = certstest.Files{Cert: p.path("gateway", "/run/secrets/tls/tls.crt"), Key: p.path("gateway", "/run/secrets/tls/tls.key"), CA: p.path("gateway", "/run/secrets/tls/ca.crt")}
	p.history = p.run("history", first+2, places)
	return p
}

// takePorts takes ports in a row until the test has ended, and gives the first.
func takePorts(t *testing.T, n int) int {
	t.Helper()
	ports, err := procs.TakePorts(n)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := ports.Release(); err != nil {
			t.Error(err)
		}
	})
	return ports.First
}

func (p *production) path(owner, inPod string) string { return filepath.Join(p.dir, owner, inPod) }

// mount writes the files of a workload's Secrets below a folder of its own.
func (p *production) mount(l workload, places *strings.Replacer) {
	p.t.Helper()
	for _, m := range l.pod.Spec.Containers[0].VolumeMounts {
		for _, v := range l.pod.Spec.Volumes {
			if v.Name != m.Name || v.Secret == nil {
				continue
			}
			dir := p.path(l.name, m.MountPath)
			if err := os.MkdirAll(dir, 0o700); err != nil {
				p.t.Fatal(err)
			}
			if names := p.w.issued[v.Secret.SecretName]; len(names) > 0 {
				p.ca.Files(dir, append([]string{"127.0.0.1"}, names...)...)
				continue
			}
			files := map[string]string{}
			for name, text := range p.w.files(p.t, l.name, v) {
				files[name] = strings.ReplaceAll(places.Replace(text), "/run/secrets/", p.path(l.name, "/run/secrets")+"/")
			}
			writeAll(p.t, dir, files)
		}
	}
}

func (p *production) run(name string, port int, places *strings.Replacer) *procs.Process {
	p.t.Helper()
	l := p.w.workload(p.t, name)
	p.mount(l, places)
	var env []string
	for k, v := range p.w.env(l.pod.Spec.Containers[0]) {
		switch k {
		case "PARLEY_LISTEN":
			v = fmt.Sprintf("127.0.0.1:%d", port)
		case "PARLEY_OPS_LISTEN":
			v = fmt.Sprintf("127.0.0.1:%d", port+1)
		case "PARLEY_DRAIN_WINDOW":
			v = "0s"
		}
		env = append(env, k+"="+strings.ReplaceAll(places.Replace(v), "/run/secrets/", p.path(name, "/run/secrets")+"/"))
	}
	issuers := filepath.Join(p.dir, "issuers.pem") // what the image trusts
	writeAll(p.t, p.dir, map[string]string{"issuers.pem": string(p.ca.PEM)})
	process := procs.New(procs.Program{Name: name, Path: filepath.Join(p.dir, "bin", name), Port: port, OpsPort: port + 1, Logs: p.dir})
	process.SetEnv(append(env, "SSL_CERT_FILE="+issuers)...)
	if err := process.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() {
		if err := process.Stop(); err != nil {
			p.t.Error(err)
		}
	})
	if err := process.Ready(p.ctx); err != nil {
		p.t.Fatal(err)
	}
	return process
}

// mongo is a MongoDB with TLS.
func (p *production) mongo() string {
	p.t.Helper()
	f := p.ca.Files(p.t.TempDir(), "127.0.0.1")
	ln, err := certs.Listen(p.ctx, "127.0.0.1:0", certs.Options{CertFile: f.Cert, KeyFile: f.Key})
	if err != nil {
		p.t.Fatal(err)
	}
	serveMongo(p.t, ln)
	return ln.Addr().String()
}

// nats is a server with the configuration of its pod.
func (p *production) nats() string {
	p.t.Helper()
	l := p.w.workload(p.t, "nats")
	p.mount(l, strings.NewReplacer())
	for _, data := range p.w.config {
		if text, ok := data["tls.conf"]; ok {
			data["tls.conf"] = strings.ReplaceAll(text, "/run/secrets/", p.path("nats", "/run/secrets")+"/")
		}
	}
	o := natsFiles(p.t, p.w, p.t.TempDir())
	if o.Cluster.TLSConfig == nil || o.TLSConfig == nil || o.TLSConfig.ClientAuth != tls.RequireAndVerifyClientCert {
		p.t.Errorf("TLS of the cluster %v, of clients %v", o.Cluster.TLSConfig != nil, o.TLSConfig)
	}
	o.Host, o.Port, o.HTTPPort, o.Cluster, o.Routes, o.NoSigs = "127.0.0.1", server.RANDOM_PORT, 0, server.ClusterOpts{}, nil, true
	s, err := server.NewServer(o)
	if err != nil {
		p.t.Fatal(err)
	}
	s.Start()
	p.t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(time.Minute) {
		p.t.Fatal("NATS does not start")
	}
	return s.Addr().String()
}

// issue publishes a key, and says where.
func (p *production) issue() string {
	p.t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		p.t.Fatal(err)
	}
	p.key = private
	set := fmt.Sprintf(`{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"k1","use":"sig","alg":"EdDSA","x":%q}]}`, base64.RawURLEncoding.EncodeToString(public))
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, set) }))
	f := p.ca.Files(p.t.TempDir(), "127.0.0.1")
	pair, err := tls.LoadX509KeyPair(f.Cert, f.Key)
	if err != nil {
		p.t.Fatal(err)
	}
	srv.TLS = &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}}
	srv.StartTLS()
	p.t.Cleanup(srv.Close)
	return srv.URL
}

func (p *production) token(user string) string {
	p.t.Helper()
	token := jwt.NewWithClaims(jwt.SigningMethodEdDSA, jwt.MapClaims{"iss": "https://login.example.com/", "aud": "parley", "sub": user, "exp": time.Now().Add(time.Hour).Unix()})
	token.Header["kid"] = "k1"
	text, err := token.SignedString(p.key)
	if err != nil {
		p.t.Fatal(err)
	}
	return text
}

func (p *production) client() *http.Client {
	transport := &http.Transport{TLSClientConfig: p.ca.Client(""), ForceAttemptHTTP2: true}
	p.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func (p *production) do(method, url, token, body string) *http.Response {
	p.t.Helper()
	r, err := http.NewRequestWithContext(p.ctx, method, url, strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Content-Type", "application/json")
	resp, err := p.client().Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	text, _ := io.ReadAll(resp.Body)
	resp.Body.Close()
	resp.Body = io.NopCloser(strings.NewReader(string(text)))
	return resp
}

// TestProductionRuns: what the production overlay tells the programs works, over TLS
// everywhere.
func TestProductionRuns(t *testing.T) {
	p := startProduction(t)
	token := p.token("alice")
	https := func(process *procs.Process) string { return strings.Replace(process.URL(), "http:", "https:", 1) }

	read := p.do("GET", https(p.history)+"/v1/conversations", token, "")
	if read.StatusCode != http.StatusOK || read.ProtoMajor != 2 {
		t.Errorf("history answers %s in %s", read.Status, read.Proto)
	}
	write := p.do("POST", https(p.history)+"/v1/messages", token, `{"to":"bob","cmid":"c1","body":{"text":"hello"}}`)
	if write.StatusCode/100 != 2 {
		text, _ := io.ReadAll(write.Body)
		t.Errorf("a write by way of history: %s %s", write.Status, text)
	}

	conn, _, err := websocket.Dial(p.ctx, "wss"+strings.TrimPrefix(p.gateway.URL(), "http")+"/v1/ws", &websocket.DialOptions{
		Subprotocols: []string{wire.Subprotocol}, HTTPClient: p.client(), HTTPHeader: http.Header{"Authorization": {"Bearer " + token}}})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()
	if err := conn.Write(p.ctx, websocket.MessageText, []byte(`{"type":"hello","ref":"h","device":"d1"}`)); err != nil {
		t.Fatal(err)
	}
	if _, text, err := conn.Read(p.ctx); err != nil || !strings.Contains(string(text), `"welcome"`) {
		t.Errorf("%s %v", text, err)
	}
	if plain := p.do("GET", p.gateway.URL()+"/v1/ws", token, ""); plain.StatusCode != http.StatusBadRequest { // net/http's answer
		t.Errorf("without TLS: %s", plain.Status)
	}
	p.rotate()
	for _, name := range []string{"gateway", "history"} {
		log := string(readAt(t, filepath.Join(p.dir, name+".log")))
		if !strings.Contains(log, "TLS certificate read") || strings.Contains(log, "PASSWORD") || strings.Contains(log, token) {
			t.Errorf("the log of %s: %s", name, log)
		}
	}
}

func readAt(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// rotate renews the gateway's certificate, and waits until it is served.
func (p *production) rotate() {
	p.t.Helper()
	serial := func() string {
		nc, err := (&tls.Dialer{Config: p.ca.Client("gateway")}).DialContext(p.ctx, "tcp", net.JoinHostPort("127.0.0.1", fmt.Sprint(p.gateway.Port)))
		if err != nil {
			p.t.Fatal(err)
		}
		defer nc.Close()
		return nc.(*tls.Conn).ConnectionState().PeerCertificates[0].SerialNumber.String()
	}
	before := serial()
	p.ca.Files(filepath.Dir(p.files.Cert), "gateway", "127.0.0.1")
	deadline := time.NewTimer(time.Minute + certs.Every)
	defer deadline.Stop()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for serial() == before {
		select {
		case <-tick.C:
		case <-deadline.C:
			p.t.Fatal("the renewed certificate is not served")
		}
	}
}

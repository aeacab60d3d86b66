package manifests

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"image"
	"image/png"
	"io"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/parley-chat/parley/pkg/blob/s3fake"
	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/client"
	"github.com/parley-chat/parley/pkg/wire"
	"github.com/parley-chat/parley/services/parley/internal/mongotest/mongomem"
	"github.com/parley-chat/parley/services/parley/internal/natstest"
	"github.com/parley-chat/parley/services/parley/internal/procs"
)

// composition is what compose.yaml describes, as processes on this machine: our
// programs with the variables and secrets that it gives them, a NATS server, mongomem
// for MongoDB and s3fake for the store of files. Names and addresses of containers are
// those of this machine, and nothing else is replaced.
type composition struct {
	t    *testing.T
	ctx  context.Context
	all  map[string]*procs.Process
	page string // where people go
}

func compose(t *testing.T) *composition {
	t.Helper()
	file, dir := readComposed(t), t.TempDir()
	c := &composition{t: t, ctx: t.Context(), all: map[string]*procs.Process{}}
	secret := func(name string) string { return filepath.Join(root, file.Secrets[name].File) }
	key := func(name string) string { return strings.TrimSpace(string(readAt(t, secret(name)))) }
	env := file.Services["gateway-1"].Environment
	files := s3fake.StartAs(t, s3fake.Account{Bucket: env["PARLEY_S3_BUCKET"], AccessKey: key("files-user"), SecretKey: key("files-password")})
	order := []string{"gateway-1", "gateway-2", "history", signer, "web"}
	first := takePorts(t, 2*len(order))
	c.page = fmt.Sprintf("http://localhost:%d", first+2*(len(order)-1))
	names := []string{env["PARLEY_S3_PUBLIC_ENDPOINT"], c.page, "http://files:9000", files.URL, "nats://nats:4222", natstest.Start(t).URL,
		"mongo:27017", c.mongo(), "replicaSet=rs0", "directConnection=true", file.Services["web"].Networks["default"].IPv4, "127.0.0.1"}
	for i, name := range order {
		names = append(names, name+":8080", fmt.Sprintf("127.0.0.1:%d", first+2*i))
	}
	for name := range file.Secrets {
		names = append(names, "/run/secrets/"+name, secret(name))
	}
	here := strings.NewReplacer(names...)
	programs := map[string]string{}
	for _, name := range order { // which may take minutes, if nothing is cached
		program := strings.TrimSuffix(filepath.Base(file.Services[name].Build.Dockerfile), ".Dockerfile")
		programs[name] = c.build(dir, program)
	}
	var cancel context.CancelFunc
	c.ctx, cancel = context.WithTimeout(t.Context(), 3*time.Minute)
	t.Cleanup(cancel)
	for i, name := range order {
		s := file.Services[name]
		c.start(name, programs[name], first+2*i, &s, here)
	}
	return c
}

func (c *composition) build(dir, program string) string {
	c.t.Helper()
	path := filepath.Join(dir, program)
	of := map[string]string{"web": "./web/cmd/web"}[program]
	if of == "" {
		of = "./services/" + program + "/cmd/" + program
	}
	cmd := exec.CommandContext(c.ctx, "go", "build", "-o", path, of)
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		c.t.Fatalf("build %s: %v: %s", program, err, out)
	}
	return path
}

func (c *composition) mongo() string {
	c.t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		c.t.Fatal(err)
	}
	serveMongo(c.t, ln)
	return ln.Addr().String()
}

// serveMongo serves an empty MongoDB until the test ends.
func serveMongo(t *testing.T, ln net.Listener) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = mongomem.New().Serve(ctx, ln) // ends with ctx
	}()
	t.Cleanup(func() { cancel(); <-ended })
}

func (c *composition) start(name, path string, port int, s *containerSpec, here *strings.Replacer) {
	c.t.Helper()
	env := []string{fmt.Sprintf("PARLEY_LISTEN=127.0.0.1:%d", port), fmt.Sprintf("PARLEY_OPS_LISTEN=127.0.0.1:%d", port+1), "PARLEY_DRAIN_WINDOW=0s"}
	for k, v := range s.Environment {
		v = here.Replace(v)
		if secret, ok := strings.CutPrefix(v, root); ok { // the process has another folder
			abs, err := filepath.Abs(root)
			if err != nil {
				c.t.Fatal(err)
			}
			v = abs + secret
		}
		env = append(env, k+"="+v)
	}
	p := procs.New(procs.Program{Name: name, Path: path, Port: port, OpsPort: port + 1, Args: s.Command})
	p.SetEnv(env...)
	if err := p.Start(); err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() {
		if err := p.Stop(); err != nil {
			c.t.Error(err)
		}
	})
	if err := p.Ready(c.ctx); err != nil {
		c.t.Fatal(err)
	}
	c.all[name] = p
}

// do asks at the page's address, unless url has one of its own.
func (c *composition) do(method, url, token string, body []byte, out any, header ...string) *http.Response {
	c.t.Helper()
	if strings.HasPrefix(url, "/") {
		url = c.page + url
	}
	r, err := http.NewRequestWithContext(c.ctx, method, url, bytes.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i < len(header); i += 2 {
		if r.Header.Set(header[i], header[i+1]); header[i] == "Host" {
			r.Host = header[i+1]
		}
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	resp.Body = io.NopCloser(bytes.NewReader(text))
	if out != nil && resp.StatusCode/100 == 2 {
		if err := json.Unmarshal(text, out); err != nil {
			c.t.Fatalf("%s %s: %v: %s", method, url, err, text)
		}
	}
	return resp
}

func (c *composition) want(status int, resp *http.Response) {
	c.t.Helper()
	if resp.StatusCode != status {
		text, _ := io.ReadAll(resp.Body)
		c.t.Errorf("%s %s: %s, want %d: %s", resp.Request.Method, resp.Request.URL, resp.Status, status, text)
	}
}

// signIn is what the page does with a name.
func (c *composition) signIn(user chat.User) string {
	c.t.Helper()
	var out wire.Token
	c.want(http.StatusOK, c.do("POST", "/dev/token", "", fmt.Appendf(nil, `{"user":%q}`, user), &out))
	return out.Token
}

// person is a client at the page's address and the entries that it got.
func (c *composition) person(user chat.User) (*client.Client, <-chan wire.Entry) {
	c.t.Helper()
	entries, synced := make(chan wire.Entry, 100), make(chan struct{}, 10)
	p, err := client.Start(c.ctx, client.Options{URLs: []string{c.page}, Token: func(context.Context) (string, error) { return c.signIn(user), nil },
		Handler: func(ev client.Event) {
			switch ev := ev.(type) {
			case client.Entry:
				entries <- ev.Entry
			case client.Frame:
				if _, ok := ev.Frame.(*wire.Synced); ok {
					synced <- struct{}{}
				}
			}
		}})
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(p.Close)
	take(c, synced, "synced")
	return p, entries
}

func take[T any](c *composition, from <-chan T, what string) T {
	c.t.Helper()
	select {
	case v := <-from:
		return v
	case <-c.ctx.Done():
		c.t.Fatalf("no %s", what)
		panic("unreachable")
	}
}

// TestComposeRuns: with what compose.yaml says, two people open the page, sign in by a
// name, chat and send a file, all at one address, also when a gateway is killed.
func TestComposeRuns(t *testing.T) {
	c := compose(t)
	page := c.do("GET", "/", "", nil, nil)
	c.want(http.StatusOK, page)
	if csp := page.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "connect-src 'self';") || !strings.Contains(csp, "default-src 'none'") {
		t.Errorf("the page's policy is %q", csp)
	}
	c.want(http.StatusNotFound, c.do("POST", "/dev/token", "", []byte(`{"user":"alice"}`), nil, "Host", "chat.example"))
	c.want(http.StatusForbidden, c.do("POST", "/dev/token", "", []byte(`{"user":"alice"}`), nil, "Origin", "https://evil.example"))
	c.want(http.StatusNotFound, c.do("GET", "/nothing", "", nil, nil))
	c.want(http.StatusUnauthorized, c.do("GET", "/v1/conversations", "", nil, nil))
	c.want(http.StatusOK, c.do("GET", "/openapi.json", "", nil, nil))

	alice, _ := c.person("alice")
	_, heard := c.person("bob")
	conv := c.say(alice, heard, "m1")
	if err := c.all["gateway-1"].Kill(); err != nil {
		t.Fatal(err)
	}
	c.say(alice, heard, "m2")
	c.reads(conv)
	c.file()
	c.origins()
	c.tokensAway(conv)
}

// tokensAway: where nothing signs, nobody new gets in, and who is in stays.
func (c *composition) tokensAway(conv chat.ConvID) {
	c.t.Helper()
	bob := c.signIn("bob")
	if err := c.all[signer].Kill(); err != nil {
		c.t.Fatal(err)
	}
	c.want(http.StatusServiceUnavailable, c.do("POST", "/dev/token", "", []byte(`{"user":"alice"}`), nil))
	c.want(http.StatusOK, c.do("GET", "/v1/conversations/"+string(conv)+"/messages", bob, nil, nil))
}

// say sends from alice to bob, who hears it.
func (c *composition) say(alice *client.Client, heard <-chan wire.Entry, cmid chat.CMID) chat.ConvID {
	c.t.Helper()
	sent, err := alice.SendTo("bob", client.Message{Text: "hello", CMID: cmid})
	if err != nil {
		c.t.Fatal(err)
	}
	ack, err := sent.Wait(c.ctx)
	if err != nil {
		c.t.Fatal(err)
	}
	if e := take(c, heard, "entry"); e.ID != ack.ID {
		c.t.Errorf("bob hears %+v, alice was acked %+v", e, ack)
	}
	return ack.Conv
}

func (c *composition) reads(conv chat.ConvID) {
	c.t.Helper()
	token := c.signIn("bob")
	c.want(http.StatusOK, c.do("POST", "/v1/messages", token, []byte(`{"to":"alice","cmid":"m3","body":{"text":"by REST"}}`), nil))
	var list struct{ Items []struct{ Seq chat.Seq } }
	c.want(http.StatusOK, c.do("GET", "/v1/conversations/"+string(conv)+"/messages", token, nil, &list))
	if len(list.Items) != 3 {
		c.t.Errorf("history has %+v", list.Items)
	}
	c.want(http.StatusNotFound, c.do("GET", "/v1/conversations/"+string(conv)+"/messages", c.signIn("eve"), nil, nil))
}

// file sends a picture: up and down by way of the page's address alone.
func (c *composition) file() {
	c.t.Helper()
	var pic bytes.Buffer
	if err := png.Encode(&pic, image.NewGray(image.Rect(0, 0, 64, 48))); err != nil {
		c.t.Fatal(err)
	}
	alice, bob := c.signIn("alice"), c.signIn("bob")
	var f wire.File
	c.want(http.StatusCreated, c.do("POST", "/v1/attachments", alice, fmt.Appendf(nil, `{"to":"bob","name":"a.png","type":"image/png","size":%d,"cmid":"f1"}`, pic.Len()), &f))
	if !strings.HasPrefix(f.Upload.URL, c.page+"/") {
		c.t.Fatalf("the page may not put a file at %s", f.Upload.URL)
	}
	c.want(http.StatusMethodNotAllowed, c.do("DELETE", f.Upload.URL, "", nil, nil))
	c.want(http.StatusForbidden, c.do("PUT", f.Upload.URL, "", []byte("longer, or shorter"), nil))
	c.want(http.StatusOK, c.do(f.Upload.Method, f.Upload.URL, alice, pic.Bytes(), nil))
	c.want(http.StatusOK, c.do("POST", "/v1/messages", alice, fmt.Appendf(nil, `{"to":"bob","cmid":"m4","body":{"attachments":[{"id":%q,"name":"","type":"","size":0}]}}`, f.ID), nil))
	var got wire.File
	c.want(http.StatusOK, c.do("GET", "/v1/attachments/"+string(f.ID)+"?redirect=0", bob, nil, &got))
	resp := c.do("GET", got.URL, "", nil, nil)
	c.want(http.StatusOK, resp)
	if text, _ := io.ReadAll(resp.Body); !bytes.Equal(text, pic.Bytes()) || !strings.HasPrefix(got.URL, c.page+"/") {
		c.t.Errorf("%d bytes from %s", len(text), got.URL)
	}
	if h := resp.Header; !strings.Contains(h.Get("Content-Security-Policy"), "sandbox") || h.Get("X-Content-Type-Options") != "nosniff" {
		c.t.Errorf("a file is shown as the page's own: %v", h)
	}
}

// origins: the page's own may open a socket, another may not.
func (c *composition) origins() {
	c.t.Helper()
	for origin, status := range map[string]int{c.page: http.StatusSwitchingProtocols, "https://evil.example": http.StatusForbidden} {
		conn, resp, err := websocket.Dial(c.ctx, c.page+"/v1/ws", &websocket.DialOptions{Subprotocols: []string{wire.Subprotocol},
			HTTPHeader: http.Header{"Origin": {origin}, "Authorization": {"Bearer " + c.signIn("alice")}}})
		if conn != nil {
			_ = conn.CloseNow()
		}
		if resp == nil || resp.StatusCode != status {
			c.t.Errorf("a socket for a page of %s: %v", origin, err)
		}
	}
}

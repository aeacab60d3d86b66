package allinone

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/go-json-experiment/json"

	"github.com/parley-chat/parley/pkg/auth"
	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/guard"
	"github.com/parley-chat/parley/pkg/ops"
	index "github.com/parley-chat/parley/pkg/search"
	"github.com/parley-chat/parley/pkg/store/memstore"
	"github.com/parley-chat/parley/pkg/wire"
	"github.com/parley-chat/parley/services/gateway"
	"github.com/parley-chat/parley/services/parley/internal/natsserver"
)

// canaries are secrets, each with a name of its own, and everything that was said
// where none of them may be heard.
type canaries struct {
	t *testing.T

	mu      sync.Mutex
	secrets map[string]string // by what it stands for
	heard   []sound
}

// named begins the kind of what an error tells its sender, and nobody else: names of
// fields and frames that there are not.
const named = "name of a "

type sound struct{ where, text string }

// Write is for logs.
func (c *canaries) Write(p []byte) (int, error) {
	c.hear("log", string(p))
	return len(p), nil
}

func (c *canaries) hear(where, text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.heard = append(c.heard, sound{where, text})
}

// new makes a secret.
func (c *canaries) new(kind string) string {
	secret := "canary-" + strings.ReplaceAll(kind, " ", "-") + "-" + base64.RawURLEncoding.EncodeToString([]byte(kind))
	c.keep(kind, secret)
	return secret
}

func (c *canaries) keep(kind, secret string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.secrets[kind] = secret
	return secret
}

func (c *canaries) check(least int) {
	c.t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.heard {
		for kind, secret := range c.secrets {
			if strings.HasPrefix(kind, named) && s.where != "log" {
				continue
			}
			for _, form := range []string{secret, url.QueryEscape(secret), url.PathEscape(secret)} {
				if strings.Contains(s.text, form) {
					c.t.Errorf("%s in %s: %.300s", kind, s.where, s.text)
					break
				}
			}
		}
	}
	if n := len(c.heard); n < least {
		c.t.Errorf("only %d sounds: did the test hear anything?", n)
	}
}

// searchable is a memstore as the cluster wants it.
type searchable struct{ *memstore.Store }

func (s searchable) Search() index.Store { return s.Store.Search() }

// bird is what goes through the cluster with the secrets.
type bird struct {
	*canaries
	base   string
	client *http.Client
	token  string
}

// ask does a request and hears the answer, if it is an error.
func (b *bird) ask(method, path, token, body string) (status int, answer string) {
	b.t.Helper()
	target := path
	if !strings.Contains(path, "://") {
		target = b.base + path
	}
	req, err := http.NewRequestWithContext(b.t.Context(), method, target, strings.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := b.client.Do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	if res.StatusCode >= 400 {
		b.hear(fmt.Sprintf("answer %d to %s", res.StatusCode, method), fmt.Sprint(string(data), res.Header))
	}
	return res.StatusCode, string(data)
}

// socket opens a session, says what it is told, and hears errors and the close frame.
func (b *bird) socket(header http.Header, protocols []string, frames ...string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), time.Minute)
	defer cancel()
	ws, res, err := websocket.Dial(ctx, b.base+"/v1/ws", &websocket.DialOptions{HTTPHeader: header, Subprotocols: append([]string{wire.Subprotocol}, protocols...), HTTPClient: b.client})
	if err != nil {
		if res != nil && res.Body != nil {
			data, _ := io.ReadAll(res.Body)
			b.hear(fmt.Sprint("handshake ", res.StatusCode), fmt.Sprint(string(data), res.Header))
		}
		return
	}
	defer ws.CloseNow()
	b.hear("handshake 101", fmt.Sprint(res.Header))
	for _, f := range append(frames, `{"type":"ping","ref":"last"}`) {
		if err := ws.Write(ctx, websocket.MessageText, []byte(f)); err != nil {
			break
		}
	}
	for {
		_, data, err := ws.Read(ctx)
		var closed websocket.CloseError
		if errors.As(err, &closed) {
			b.hear("close frame", closed.Reason)
		}
		if err != nil {
			return
		}
		if strings.Contains(string(data), `"type":"error"`) {
			b.hear("error frame", string(data))
		}
		if strings.Contains(string(data), `"ref":"last"`) {
			return
		}
	}
}

// Secrets go in everywhere where users, issuers and operators put some, along good
// and bad paths, with everything logged that can be. None comes out in a log, an
// error, a close frame or what the operations port shows.
func TestSecretsStayInside(t *testing.T) {
	c := &canaries{t: t, secrets: map[string]string{}}
	log := slog.New(slog.NewJSONHandler(c, &slog.HandlerOptions{Level: slog.LevelDebug}))
	data := t.TempDir()
	secretFile := filepath.Join(data, "jwt")
	if err := os.WriteFile(secretFile, []byte(c.new("signing key")+"-which-is-long-enough-0123456789"), 0o600); err != nil {
		t.Fatal(err)
	}
	nats, err := natsserver.Start(natsserver.Options{})
	if err != nil {
		t.Fatal(err)
	}
	natsURL := strings.Replace(nats.URL(), "://", "://user:"+c.new("nats password")+"@", 1)
	st := memstore.New(memstore.Options{})
	cluster, err := Start(t.Context(), Options{Data: data, Store: searchable{st}, NATSURL: natsURL, Gateways: 2, Log: log, JWT: auth.FileOptions{HS256SecretFile: secretFile},
		Guard: guard.Options{UserSends: 30, Local: true, Failures: 1000}})
	if err != nil {
		nats.Stop()
		t.Fatal(err)
	}
	stopped := false
	defer func() {
		if !stopped {
			nats.Stop()
			stop(t, cluster)
		}
	}()
	key, err := auth.LoadFiles(auth.FileOptions{HS256SecretFile: secretFile})
	if err != nil {
		t.Fatal(err)
	}
	signer, err := auth.NewSigner(auth.SignerOptions{HS256Secret: key.HS256Secret})
	if err != nil {
		t.Fatal(err)
	}
	sign := func(user chat.User, scopes ...string) string {
		token, err := signer.Sign(auth.Identity{User: user, ID: c.new("jti of " + string(user)), Scopes: scopes}, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		parts := strings.Split(token, ".")
		c.keep("claims of "+string(user), parts[1])
		c.keep("signature of "+string(user), parts[2])
		return token
	}
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	b := &bird{canaries: c, base: cluster.URLs[0], client: client, token: sign("alice")}
	operator := sign("operator", auth.ScopeOperator, auth.ScopeRevokeAny)

	b.life(operator)
	st.Inject(memstore.Fault{Op: memstore.OpAny, Kind: memstore.Fail, Times: 60, When: func(k memstore.Call) bool { return k.Op != memstore.OpRevocations }})
	b.life(operator)
	nats.Stop()
	b.life(operator)
	b.operations(cluster, log)
	stop(t, cluster)
	stopped = true
	c.check(100)
}

// life goes through what a user does, right and wrong.
func (b *bird) life(operator string) {
	b.t.Helper()
	text, name, q, title := b.new("message text"), b.new("attachment name"), b.new("search words"), b.new("group title")
	bad := b.new("bad token")
	header := http.Header{"Authorization": {"Bearer " + b.token}}
	body := fmt.Sprintf(`{"text":%q,"data":{"k":%q}}`, text, b.new("message data"))
	b.ask("POST", "/v1/messages", b.token, fmt.Sprintf(`{"to":"bob","cmid":"m1","body":%s}`, body))
	b.ask("POST", "/v1/messages", b.token, fmt.Sprintf(`{"to":"bob","cmid":"m1","body":{"text":"%s, otherwise"}}`, text))  // conflict
	b.ask("POST", "/v1/messages", b.token, fmt.Sprintf(`{"to":"bob","cmid":"m2","body":{"text":%q,"data":%q`, text, text)) // cut off
	b.ask("POST", "/v1/messages", b.token, fmt.Sprintf(`{"to":"bob","cmid":"m2","body":{"%s":1}}`, b.new(named+"field")))
	b.ask("POST", "/v1/messages", b.token, fmt.Sprintf(`{"to":"bob","cmid":"m2","body":{"text":"%s%s"}}`, text, strings.Repeat("x", 17<<10)))
	b.ask("POST", "/v1/messages", b.token, fmt.Sprintf(`{"to":%q,"cmid":"m2","body":{"text":"x"}}`, "no user "+text))
	b.ask("POST", "/v1/messages/batch", b.token, fmt.Sprintf(`{"messages":[{"to":"bob","cmid":"b1","body":%s},{"to":%q,"cmid":"b2","body":%s}]}`, body, "no user "+text, body))
	b.ask("POST", "/v1/conversations", b.token, fmt.Sprintf(`{"title":%q,"members":["bob"],"cmid":"g1"}`, title))
	b.ask("POST", "/v1/conversations", b.token, fmt.Sprintf(`{"title":"%s%s","members":["bob"],"cmid":"g2"}`, title, strings.Repeat("x", 300)))
	b.ask("POST", "/v1/conversations", b.token, fmt.Sprintf(`{"title":{"$gt":%q}}`, title))
	conv := chat.DirectID(chat.DefaultNS, "alice", "bob")
	b.ask("PATCH", fmt.Sprintf("/v1/conversations/%s/messages/1", conv), b.token, fmt.Sprintf(`{"cmid":"e1","body":{"text":%q}}`, text))
	_, answer := b.ask("POST", "/v1/attachments", b.token, fmt.Sprintf(`{"to":"bob","name":%q,"type":"image/png","size":3,"cmid":"f1"}`, name))
	var file wire.File
	if json.Unmarshal([]byte(answer), &file) == nil && file.Upload != nil {
		if u, err := url.Parse(file.Upload.URL); err == nil {
			b.keep("signature of an upload", u.Query().Get("s"))
		}
		b.ask("PUT", file.Upload.URL, "", "xyz")
		b.ask("PUT", file.Upload.URL+"0", "", b.new("file content"))
		b.ask("POST", "/v1/attachments/"+string(file.ID), b.token, "")
	}
	b.ask("POST", "/v1/attachments", b.token, fmt.Sprintf(`{"to":"bob","name":%q,"type":"image/png","size":-3,"cmid":"f2"}`, name))
	for _, path := range []string{"/v1/search?q=" + url.QueryEscape(q), "/v1/search?sort=x&q=" + url.QueryEscape(q), "/v1/search?q=x&cursor=" + url.QueryEscape(q),
		"/v1/conversations", "/v1/conversations?cursor=" + url.QueryEscape(q), "/v1/me?access_token=" + bad, "/v1/export"} {
		b.ask("GET", path, b.token, "")
		b.ask("GET", path, bad, "")
		b.ask("GET", path, b.token[:len(b.token)-4]+"AAAA", "")
	}
	b.ask("POST", "/v1/revocations", operator, fmt.Sprintf(`{"token":%q,"expires":"2100-01-01T00:00:00Z"}`, b.new("revoked jti")))
	b.ask("POST", "/v1/revocations", operator, fmt.Sprintf(`{"token":%q}`, b.new("jti without end")))
	b.ask("PUT", "/v1/bans/carol", operator, `{}`)

	hello := `{"type":"hello","device":"d"}`
	b.socket(header, nil, hello, fmt.Sprintf(`{"type":"send","ref":"s","to":"bob","cmid":"w1","body":%s}`, body),
		fmt.Sprintf(`{"type":"send","ref":"s","to":"bob","cmid":"w1","body":{"text":"%s otherwise"}}`, text),
		fmt.Sprintf(`{"type":"send","ref":"s","to":%q,"cmid":"w2","body":%s}`, "no user "+text, body),
		fmt.Sprintf(`{"type":%q}`, b.new(named+"frame")), fmt.Sprintf(`{"type":"send","to":"bob","cmid":"w3","body":{"text":%q,"text":"x"}}`, text), text,
		fmt.Sprintf(`{"type":"auth","token":%q}`, bad))
	b.socket(nil, nil, fmt.Sprintf(`{"type":"hello","token":%q}`, bad))
	b.socket(nil, []string{wire.BearerPrefix + bad}, hello)
	b.socket(http.Header{"Authorization": {"Bearer " + bad}}, nil)
	b.socket(http.Header{"Authorization": {"Bearer " + b.token}, "Origin": {"https://" + strings.ReplaceAll(b.new("origin"), " ", "")}}, nil)
	var many []string
	for i := range 70 { // more than a user may send
		many = append(many, fmt.Sprintf(`{"type":"send","ref":"s","to":"bob","cmid":"many%d","body":%s}`, i, body))
	}
	b.socket(header, nil, append([]string{hello}, many...)...)
}

// operations hears everything that the operations port shows.
func (b *bird) operations(cluster *Cluster, log *slog.Logger) {
	o := ops.New(ops.Options{Version: "test", Logger: log})
	gateway.RegisterMetrics(&o.Metrics, func() gateway.Stats { return gateway.Sum(cluster.Stats()) })
	cluster.Search().RegisterMetrics(&o.Metrics)
	o.HandleJSON("/presence", func() any { return cluster.Online() })
	for _, path := range []string{"/metrics", "/readyz", "/livez", "/presence", "/debug/pprof/", "/debug/pprof/cmdline"} {
		w := httptest.NewRecorder()
		o.Handler().ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		b.hear("operations port "+path, w.Body.String())
	}
}

// A database or a bus that is not there is named without its password.
func TestPasswordsStayInsideWhenStartingFails(t *testing.T) {
	for name, o := range map[string]Options{
		"mongodb": {MongoURI: "mongodb://user:%s@127.0.0.1:1/parley?connectTimeoutMS=300"},
		"nats":    {NATSURL: "nats://user:%s@127.0.0.1:1"},
	} {
		t.Run(name, func(t *testing.T) {
			c := &canaries{t: t, secrets: map[string]string{}}
			password := c.new("password")
			for _, uri := range []*string{&o.MongoURI, &o.NATSURL} {
				if *uri != "" {
					*uri = fmt.Sprintf(*uri, password)
				}
			}
			o.Data, o.Log = t.TempDir(), slog.New(slog.NewJSONHandler(c, &slog.HandlerOptions{Level: slog.LevelDebug}))
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			cluster, err := Start(ctx, o)
			if err == nil { // it waits for it while it runs
				stop(t, cluster)
			} else {
				c.hear("error", err.Error())
			}
			c.check(1)
		})
	}
}

package authz

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/parley-chat/parley/pkg/auth"
	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/contract/spec"
	"github.com/parley-chat/parley/pkg/wire"
)

// Server is what cells are asked of.
type Server struct {
	URL  string
	Sign func(auth.Identity) (string, error)
	HTTP *http.Client // default http.DefaultClient
	// Sent has a file sent to the group of each realm, as {sent}. The server needs
	// attachments then; else only an upload is announced.
	Sent bool
}

// Realm is a tenant with one group, for one role.
type Realm struct {
	Server
	NS   chat.NS
	Role string
	fill *strings.Replacer
}

// NewRealm makes one; ns must be new.
func (s Server) NewRealm(ctx context.Context, ns, role string) (*Realm, error) {
	r := &Realm{Server: s, NS: chat.NS(ns), Role: role}
	if r.HTTP == nil {
		r.HTTP = http.DefaultClient
	}
	b := builder{ctx: ctx, r: r}
	var group wire.Conversation
	b.do("owner", "POST", "/v1/conversations", `{"title":"g","members":["admin","member","muted","former","victim"],"cmid":"g"}`, &group)
	path := "/v1/conversations/" + string(group.Conv)
	foreign := b.post("victim", group.Conv)
	own := foreign
	switch role {
	case "former", "muted", "member", "admin", "owner":
		own = b.post(role, group.Conv)
	}
	switch role {
	case "member", "admin", "owner": // what unreact takes back
		b.do(role, "PUT", path+"/messages/"+foreign+"/reactions/%F0%9F%91%8D?cmid=reaction", "", nil)
	}
	file, sent := b.announce(group.Conv, "f"), wire.File{}
	if s.Sent {
		sent = b.send(group.Conv)
	}
	b.do("owner", "PUT", path+"/members/admin", `{"role":"admin","cmid":"admin"}`, nil)
	b.do("owner", "PUT", path+"/members/muted", `{"role":"muted","cmid":"muted"}`, nil)
	b.do("owner", "DELETE", path+"/members/former?cmid=former", "", nil)
	r.fill = strings.NewReplacer("{conv}", string(group.Conv), "{own}", own, "{foreign}", foreign, "{seq}", foreign,
		"{file}", string(file.ID), "{id}", string(file.ID), "{sent}", string(sent.ID), "{me}", role)
	return r, b.err
}

// Token is of a user of the realm, "" of nobody.
func (r *Realm) Token(user string) (string, error) {
	id := auth.Identity{NS: r.NS, User: chat.User(user)}
	switch user {
	case "none":
		return "", nil
	case "service":
		id.Scopes = []string{auth.ScopeSendAny}
	case "elsewhere":
		id.NS, id.User = r.NS+"-x", "owner"
	case "operator":
		id.Scopes = []string{auth.ScopeOperator, auth.ScopeRevokeAny, auth.ScopeEraseAny}
	}
	return r.Sign(id)
}

// Ask does a row's request as the realm's role.
func (r *Realm) Ask(ctx context.Context, op spec.Operation, row Row) (status int, err error) {
	path := op.Path
	if row.Path != "" {
		path = row.Path
	}
	return r.do(ctx, r.Role, op.Method, r.fill.Replace(path), r.fill.Replace(row.Body), nil)
}

func (r *Realm) do(ctx context.Context, user, method, path, body string, out any) (int, error) {
	url := path
	if !strings.Contains(path, "://") {
		url = r.URL + path
	}
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader([]byte(body)))
	if err != nil {
		return 0, fmt.Errorf("make a request: %w", err)
	}
	token, err := r.Token(user)
	if err != nil {
		return 0, err
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	client := *r.HTTP
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	res, err := client.Do(req)
	if err != nil {
		return 0, fmt.Errorf("%s %s: %w", method, path, err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err == nil && out != nil && res.StatusCode/100 == 2 {
		err = json.Unmarshal(answer, out)
	}
	if err != nil {
		return 0, fmt.Errorf("%s %s: %w", method, path, err)
	}
	return res.StatusCode, nil
}

// builder does requests until one fails.
type builder struct {
	ctx context.Context
	r   *Realm
	err error
}

func (b *builder) do(user, method, path, body string, out any) {
	if b.err != nil {
		return
	}
	status, err := b.r.do(b.ctx, user, method, path, body, out)
	if err == nil && status/100 != 2 {
		err = fmt.Errorf("%s %s by %s: %d", method, path, user, status)
	}
	b.err = err
}

// post sends a message and returns its seq.
func (b *builder) post(user string, conv chat.ConvID) string {
	var ack wire.Ack
	b.do(user, "POST", "/v1/messages", fmt.Sprintf(`{"conv":%q,"cmid":"m","body":{"text":"x"}}`, conv), &ack)
	return fmt.Sprint(ack.Seq)
}

// picture is a GIF of one pixel.
const picture = "GIF89a\x01\x00\x01\x00\x80\x00\x00\xff\xff\xff\x00\x00\x00!\xf9\x04\x00\x00\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;"

func (b *builder) announce(conv chat.ConvID, cmid string) (f wire.File) {
	b.do("victim", "POST", "/v1/attachments", fmt.Sprintf(`{"conv":%q,"name":"a.gif","type":"image/gif","size":%d,"cmid":%q}`, conv, len(picture), cmid), &f)
	return f
}

// send uploads a file and sends it to the group.
func (b *builder) send(conv chat.ConvID) wire.File {
	f := b.announce(conv, "s")
	if b.err == nil && f.Upload != nil {
		b.do("none", "PUT", f.Upload.URL, picture, nil)
	}
	b.do("victim", "POST", "/v1/messages", fmt.Sprintf(`{"conv":%q,"cmid":"s","body":{"attachments":[{"id":%q,"name":"","type":"","size":0}]}}`, conv, f.ID), nil)
	return f
}

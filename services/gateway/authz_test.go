package gateway

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/parley-chat/parley/pkg/auth"
	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/contract/spec"
	"github.com/parley-chat/parley/pkg/wire"
)

// roles are who asks, in the order of a row. Elsewhere is the owner's name in
// another tenant; a service has send:any, an operator the scopes operator and revoke:any,
// and neither is in a group.
var roles = []string{"none", "stranger", "former", "muted", "member", "admin", "owner", "service", "elsewhere", "operator"}

// access is a row of the matrix: one request, and what each role gets. In path and
// body {conv}, {own} and {foreign} stand for the group and for messages of the caller
// (of others, where the caller never was a member) and of another member; {file} for
// another member's upload.
type access struct {
	id, name   string // operation of the contract; what it is about
	path, body string // "": the operation's
	want       string // a status for each role
}

var matrix = []access{
	{"connect", "", "", "", "401 101 101 101 101 101 101 101 101 101"},
	{"createGroup", "", "", `{"title":"t","cmid":"new"}`, "401 201 201 201 201 201 201 201 201 201"},
	{"renameGroup", "", "", `{"title":"t","cmid":"new"}`, "401 404 403 403 403 200 200 404 404 404"},
	{"leaveGroup", "", "/v1/conversations/{conv}?cmid=new", "", "401 404 403 204 204 204 204 404 404 404"},
	{"setMember", "add", "/v1/conversations/{conv}/members/new", `{"role":"member","cmid":"new"}`, "401 404 403 403 403 200 200 404 404 404"},
	{"setMember", "make an admin", "/v1/conversations/{conv}/members/victim", `{"role":"admin","cmid":"new"}`, "401 404 403 403 403 403 200 404 404 404"},
	{"setMember", "make oneself an owner", "/v1/conversations/{conv}/members/{me}", `{"role":"owner","cmid":"new"}`, "401 404 403 403 403 403 200 404 404 404"},
	{"removeMember", "a member", "/v1/conversations/{conv}/members/victim?cmid=new", "", "401 404 403 403 403 204 204 404 404 404"},
	{"removeMember", "the owner", "/v1/conversations/{conv}/members/owner?cmid=new", "", "401 404 403 403 403 403 403 404 404 404"},
	{"editMessage", "own", "/v1/conversations/{conv}/messages/{own}", `{"cmid":"new","body":{"text":"x"}}`, "401 404 403 403 200 200 200 404 404 404"},
	{"editMessage", "foreign", "/v1/conversations/{conv}/messages/{foreign}", `{"cmid":"new","body":{"text":"x"}}`, "401 404 403 403 403 403 403 404 404 404"},
	{"recallMessage", "own", "/v1/conversations/{conv}/messages/{own}?cmid=new", "", "401 404 403 200 200 200 200 404 404 404"},
	{"recallMessage", "foreign", "/v1/conversations/{conv}/messages/{foreign}?cmid=new", "", "401 404 403 403 403 200 200 404 404 404"},
	{"react", "", "/v1/conversations/{conv}/messages/{foreign}/reactions/%F0%9F%91%8D?cmid=new", "", "401 404 403 403 200 200 200 404 404 404"},
	{"unreact", "", "/v1/conversations/{conv}/messages/{foreign}/reactions/%F0%9F%91%8D?cmid=new", "", "401 404 403 403 200 200 200 404 404 404"},
	{"postMessage", "to the group", "", `{"conv":"{conv}","cmid":"new","body":{"text":"x"}}`, "401 404 403 403 200 200 200 404 404 404"},
	{"postMessage", "for a member", "", `{"from":"victim","conv":"{conv}","cmid":"new","body":{"text":"x"}}`, "401 403 403 403 403 403 403 200 403 403"},
	{"postMessage", "for who is not a member", "", `{"from":"nobody","conv":"{conv}","cmid":"new","body":{"text":"x"}}`, "401 403 403 403 403 403 403 404 403 403"},
	{"postMessages", "each message has a result of its own", "", `{"messages":[{"conv":"{conv}","cmid":"new","body":{"text":"x"}}]}`, "401 200 200 200 200 200 200 200 200 200"},
	{"setRetention", "", "", `{"floor":1}`, "401 404 403 403 403 403 200 404 404 200"},
	{"setMe", "", "", `{"muted":true}`, "401 404 200 200 200 200 200 404 404 404"},
	{"setProfile", "", "", `{"hide_read":true}`, "401 200 200 200 200 200 200 200 200 200"},
	{"block", "", "/v1/blocks/victim", "", "401 200 200 200 200 200 200 200 200 200"},
	{"unblock", "", "/v1/blocks/victim", "", "401 204 204 204 204 204 204 204 204 204"},
	{"removeDevice", "one's own, if there is one", "/v1/devices/phone", "", "401 204 204 204 204 204 204 204 204 204"},
	{"announceAttachment", "", "", `{"conv":"{conv}","name":"a.png","type":"image/png","size":9,"cmid":"new"}`, "401 404 403 403 201 201 201 404 404 404"},
	{"completeAttachment", "foreign", "/v1/attachments/{file}", "", "401 404 404 404 404 404 404 404 404 404"},
	{"revoke", "a user's tokens", "", `{"user":"victim"}`, "401 403 403 403 403 403 403 403 403 200"},
	{"revoke", "a token", "", `{"token":"x","expires":"2100-01-01T00:00:00Z"}`, "401 403 403 403 403 403 403 403 403 200"},
	{"ban", "", "/v1/bans/victim", `{}`, "401 403 403 403 403 403 403 403 403 200"},
	{"liftBan", "", "/v1/bans/victim", "", "401 403 403 403 403 403 403 403 403 204"},
	{"openapi", "", "", "", "200 200 200 200 200 200 200 200 200 200"},
	{"asyncapi", "", "", "", "200 200 200 200 200 200 200 200 200 200"},
}

// Who may do what, for every request of the contract.
func TestAuthorisation(t *testing.T) {
	c, _, _ := fileCluster(t, 1)
	ops := map[string]spec.Operation{}
	for _, o := range spec.Operations {
		if o.By&spec.Gateway != 0 {
			ops[o.ID] = o
		}
	}
	rows := map[string]bool{}
	for n, row := range matrix {
		op, ok := ops[row.id]
		want := strings.Fields(row.want)
		if !ok || len(want) != len(roles) {
			t.Errorf("row %d (%s) is of no operation of the gateway, or not one status a role", n, row.id)
			continue
		}
		rows[row.id] = true
		var got []string
		for _, role := range roles {
			w := newRealm(c, fmt.Sprintf("t%d-%s", n, role), role)
			got = append(got, fmt.Sprint(w.ask(op, row)))
		}
		if strings.Join(got, " ") != row.want {
			t.Errorf("%s %s:\n role %v\n got  %v\n want %v", row.id, row.name, roles, got, want)
		}
	}
	for id := range ops {
		if !rows[id] {
			t.Errorf("%s has no row in the matrix: say who may do it", id)
		}
	}
}

// realm is a tenant with one group, for one cell.
type realm struct {
	c    *cluster
	ns   chat.NS
	role string
	fill *strings.Replacer
}

func newRealm(c *cluster, ns, role string) *realm {
	c.t.Helper()
	r := &realm{c: c, ns: chat.NS(ns), role: role}
	var group wire.Conversation
	r.must("owner", "POST", "/v1/conversations", `{"title":"g","members":["admin","member","muted","former","victim"],"cmid":"g"}`, &group)
	path := "/v1/conversations/" + string(group.Conv)
	post := func(user string) (seq string) {
		var ack wire.Ack
		r.must(user, "POST", "/v1/messages", fmt.Sprintf(`{"conv":%q,"cmid":"m","body":{"text":"x"}}`, group.Conv), &ack)
		return fmt.Sprint(ack.Seq)
	}
	foreign := post("victim")
	own := foreign
	switch role {
	case "former", "muted", "member", "admin", "owner":
		own = post(role)
	}
	switch role {
	case "member", "admin", "owner": // what unreact takes back
		r.must(role, "PUT", path+"/messages/"+foreign+"/reactions/%F0%9F%91%8D?cmid=reaction", "", nil)
	}
	var file wire.File
	r.must("victim", "POST", "/v1/attachments", fmt.Sprintf(`{"conv":%q,"name":"a.png","type":"image/png","size":9,"cmid":"f"}`, group.Conv), &file)
	r.must("owner", "PUT", path+"/members/admin", `{"role":"admin","cmid":"admin"}`, nil)
	r.must("owner", "PUT", path+"/members/muted", `{"role":"muted","cmid":"muted"}`, nil)
	r.must("owner", "DELETE", path+"/members/former?cmid=former", "", nil)
	r.fill = strings.NewReplacer("{conv}", string(group.Conv), "{own}", own, "{foreign}", foreign, "{file}", string(file.ID), "{id}", string(file.ID), "{me}", role)
	return r
}

// token is of a user of the realm, "" of nobody.
func (r *realm) token(user string) string {
	id := auth.Identity{NS: r.ns, User: chat.User(user)}
	switch user {
	case "none":
		return ""
	case "service":
		id.Scopes = []string{auth.ScopeSendAny}
	case "operator":
		id.Scopes = []string{auth.ScopeOperator, auth.ScopeRevokeAny}
	case "elsewhere":
		id.NS, id.User = r.ns+"-x", "owner"
	}
	token, err := r.c.signer.Sign(id, time.Hour)
	if err != nil {
		r.c.t.Fatal(err)
	}
	return token
}

func (r *realm) ask(op spec.Operation, row access) (status int) {
	if op.ID == "connect" {
		return r.connect()
	}
	path := op.Path
	if row.path != "" {
		path = row.path
	}
	return r.do(r.role, op.Method, r.fill.Replace(path), r.fill.Replace(row.body), nil)
}

// connect asks with the token in the header, where nobody is refused with a status;
// a client without one may still say it in hello.
func (r *realm) connect() int {
	token := r.token(r.role)
	if token == "" {
		token = "none"
	}
	_, res, err := r.c.dialRaw(0, http.Header{"Authorization": {"Bearer " + token}})
	if res == nil {
		r.c.t.Fatal(err)
	}
	return res.StatusCode
}

func (r *realm) must(user, method, path, body string, out any) {
	r.c.t.Helper()
	if status := r.do(user, method, path, body, out); status/100 != 2 {
		r.c.t.Fatalf("%s %s by %s: %d", method, path, user, status)
	}
}

func (r *realm) do(user, method, path, body string, out any) int {
	r.c.t.Helper()
	req, err := http.NewRequestWithContext(r.c.t.Context(), method, r.c.urls[0]+path, bytes.NewReader([]byte(body)))
	if err != nil {
		r.c.t.Fatal(err)
	}
	if token := r.token(user); token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		r.c.t.Fatal(err)
	}
	defer res.Body.Close()
	defer http.DefaultClient.CloseIdleConnections()
	if out != nil && res.StatusCode/100 == 2 {
		if err := json.UnmarshalRead(res.Body, out); err != nil {
			r.c.t.Fatalf("%s %s: %v", method, path, err)
		}
	}
	return res.StatusCode
}

package gateway

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/go-json-experiment/json"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/contract/authz"
	"github.com/parley-chat/parley/pkg/contract/spec"
	"github.com/parley-chat/parley/pkg/store/memstore"
	"github.com/parley-chat/parley/pkg/wire"
	"github.com/parley-chat/parley/pkg/wire/hostile"
)

// bodies are valid bodies of every request that has one, with every field that it
// may have.
var bodies = map[string]string{
	"createGroup":        `{"title":"t","members":["bob","carol"],"cmid":"c","history":"all"}`,
	"renameGroup":        `{"title":"t","cmid":"c"}`,
	"setMember":          `{"role":"member","cmid":"c"}`,
	"editMessage":        `{"cmid":"c","body":{"text":"x"}}`,
	"postMessage":        `{"from":"mallory","to":"bob","cmid":"c","body":{"text":"x","attachments":[{"id":"a_gjpk4j7b36ucspkzkwvp6hgvxu","name":"n","type":"t","size":1,"w":1,"h":1,"ms":1}]},"reply_to":1,"mentions":["bob"],"silent":false}`,
	"postMessages":       `{"messages":[{"to":"bob","cmid":"c","body":{"text":"x"},"reply_to":1,"mentions":["bob"],"silent":false}]}`,
	"createBroadcast":    `{"users":["bob"],"body":{"text":"x"},"cmid":"c","from":"mallory","silent":false}`,
	"eraseUser":          `{"cmid":"c"}`,
	"retryJob":           `{"attempt":1}`,
	"setRetention":       `{"floor":1,"next":1}`,
	"setMe":              `{"muted":false}`,
	"setProfile":         `{"hide_read":false}`,
	"announceAttachment": `{"to":"bob","name":"n","type":"image/png","size":9,"cmid":"c"}`,
	"revoke":             `{"user":"bob","before":"2020-01-01T00:00:00Z","until":"2030-01-01T00:00:00Z"}`,
	"ban":                `{"until":"2100-01-01T00:00:00Z"}`,
}

// onlyIDs has a store refuse to be asked for anything but ids of the right form, and
// returns what it was asked for all the same.
func onlyIDs(s *memstore.Store) func() []string {
	var mu sync.Mutex
	var wrong []string
	note := func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		wrong = append(wrong, fmt.Sprintf(format, args...))
	}
	s.Inject(memstore.Fault{Op: memstore.OpAny, Kind: memstore.Pass, When: func(c memstore.Call) bool {
		for _, k := range c.Keys {
			if !k.NS.Valid() || !k.Conv.Valid() {
				note("%s of conversation %q of %q", c.Op, k.Conv, k.NS)
			}
		}
		if c.User != "" && !c.User.Valid() {
			note("%s of user %q", c.Op, c.User)
		}
		for _, e := range c.Batch.Entries {
			if !e.From.Valid() || !e.Key.Conv.Valid() || !e.CMID.Valid() && !strings.HasPrefix(string(e.CMID), "!") {
				note("an entry of %q, %q, %q", e.From, e.Key.Conv, e.CMID)
			}
		}
		return false
	}})
	return func() []string {
		mu.Lock()
		defer mu.Unlock()
		return wrong
	}
}

// Every field of every body, replaced by what a database would take for an operator,
// is a bad request; and no id reaches the store that was not looked at.
func TestHostileBodies(t *testing.T) {
	c, _, _ := fileCluster(t, 1)
	wrong := onlyIDs(c.store)
	realm := &authz.Realm{Server: c.authzServer(), NS: chat.DefaultNS}
	token, err := realm.Token("operator")
	if err != nil {
		t.Fatal(err)
	}
	service, err := realm.Token("service")
	if err != nil {
		t.Fatal(err)
	}
	group := string(c.group("operator", "bob"))
	path := strings.NewReplacer("{conv}", group, "{user}", "bob", "{seq}", "1", "{id}", "a_gjpk4j7b36ucspkzkwvp6hgvxu", "{device}", "d", "{emoji}", "%F0%9F%91%8D")
	tried := 0
	for _, op := range spec.Operations {
		if op.By&spec.Gateway == 0 || op.Body == nil {
			continue
		}
		body, ok := bodies[op.ID]
		if !ok {
			t.Errorf("%s has a body, and none that is valid here", op.ID)
			continue
		}
		cases, err := hostile.Fields(body, hostile.Values)
		if err != nil {
			t.Fatal(err)
		}
		by := token
		if op.ID == "createBroadcast" {
			by = service // else it is refused before it is looked at
		}
		for _, k := range cases {
			if _, boolean := k.Original.(bool); boolean && k.Value == "true" {
				continue // that is what it takes
			}
			tried++
			status, answer := c.ask(0, op.Method, path.Replace(op.Path), k.JSON, by)
			if op.ID == "postMessages" && status == http.StatusOK && strings.HasPrefix(answer, `{"items":[{"error":{"code":"bad_`) {
				continue
			}
			if status != http.StatusBadRequest {
				t.Errorf("%s, %s as %s: %d %s", op.ID, k.Path, k.Value, status, answer)
			}
		}
	}
	if tried < 300 {
		t.Errorf("only %d cases", tried)
	}
	if w := wrong(); len(w) > 0 {
		t.Errorf("the store was asked for %q", w)
	}
}

// Paths and queries are text: whatever stands there, no answer is a defect's, and the
// store is asked for ids alone.
func TestHostilePaths(t *testing.T) {
	c, _, _ := fileCluster(t, 1)
	wrong := onlyIDs(c.store)
	token, err := (&authz.Realm{Server: c.authzServer(), NS: chat.DefaultNS}).Token("operator")
	if err != nil {
		t.Fatal(err)
	}
	group := string(c.group("operator", "bob"))
	for _, op := range spec.Operations {
		if op.By&spec.Gateway == 0 || op.ID == "connect" || op.Open {
			continue
		}
		for _, text := range append([]string{`{"$gt":""}`, `[$ne]`, `*`, `..`, `%24where`}, hostile.Texts...) {
			escaped := strings.NewReplacer("%", "%25", "/", "%2F", "?", "%3F", "#", "%23", " ", "%20", "\x00", "%00", `"`, "%22", "{", "%7B", "}", "%7D", `\`, "%5C", "'", "%27", ";", "%3B", "|", "%7C").Replace(text)
			for _, name := range []string{"{conv}", "{user}", "{seq}", "{id}", "{device}", "{emoji}"} {
				if !strings.Contains(op.Path, name) {
					continue
				}
				r := strings.NewReplacer(name, escaped, "{conv}", group, "{user}", "bob", "{seq}", "1", "{id}", "a_gjpk4j7b36ucspkzkwvp6hgvxu", "{device}", "d", "{emoji}", "%F0%9F%91%8D")
				target := r.Replace(op.Path) + "?cmid=c&cmid[$ne]=1&limit[$gt]=" + escaped
				status, answer := c.ask(0, op.Method, target, bodies[op.ID], token)
				if status >= 500 || status/100 == 2 && name != "{emoji}" && !harmless(text) {
					t.Errorf("%s %s: %d %s", op.Method, target, status, answer)
				}
			}
		}
	}
	if w := wrong(); len(w) > 0 {
		t.Errorf("the store was asked for %q", w)
	}
}

// harmless says of a text that it is a valid user or device id.
func harmless(text string) bool { return chat.User(text).Valid() || chat.Device(text).Valid() }

// What is text stays the text that it was, however much it looks like a query.
func TestHostileTextIsKept(t *testing.T) {
	c := newCluster(t, 1)
	alice, _ := c.login(0, "alice", "")
	bob, _ := c.login(0, "bob", "")
	for i, text := range hostile.Texts {
		body := `{"text":` + hostile.Quoted(text+"x") + `,"data":{"$where":` + hostile.Quoted(text) + `,"a.b":{"$gt":""}}}`
		alice.send(`{"type":"send","to":"bob","cmid":"c%d","body":%s}`, i, body)
		got := expect[*wire.Entry](bob)
		var have, want any
		if err := json.Unmarshal(got.Body, &have); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(body), &want); err != nil {
			t.Fatal(err)
		}
		if fmt.Sprint(have) != fmt.Sprint(want) {
			t.Errorf("%s became %s", body, got.Body)
		}
	}
	for _, title := range hostile.Texts {
		if strings.ContainsRune(title, 0) {
			continue
		}
		var group wire.Conversation
		in := fmt.Sprintf(`{"title":%s,"cmid":%q}`, hostile.Quoted(title), fmt.Sprint("t", len(title), title[0]))
		if status := c.rest("POST", "/v1/conversations", "alice", in, &group); status == http.StatusCreated && group.Title != title {
			t.Errorf("%q became %q", title, group.Title)
		}
	}
}

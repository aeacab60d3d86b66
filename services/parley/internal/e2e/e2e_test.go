// Package e2e tests the production services as real processes: three gateways, a
// history service, a NATS server and a MongoDB-wire server.
package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/client"
	"github.com/parley-chat/parley/pkg/wire"
	"github.com/parley-chat/parley/services/parley/internal/mongotest"
	"github.com/parley-chat/parley/services/parley/internal/procs"
)

var cluster *procs.Cluster

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	// For building and starting: less than go test has for the package.
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Minute)
	defer cancel()
	dir, err := os.MkdirTemp("", "parley-e2e")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	mongo, err := mongotest.Open(ctx)
	if err != nil {
		fmt.Fprintln(os.Stderr, "start the MongoDB-wire server:", err)
		return 1
	}
	defer mongo.Close()
	uri, err := url.Parse(mongo.URI)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	uri.Path = fmt.Sprintf("/parley_e2e_%d", time.Now().UnixNano())
	cluster, err = procs.Start(ctx, procs.Options{Dir: dir, MongoURI: uri.String(), Race: true})
	if err != nil {
		fmt.Fprintln(os.Stderr, "start the cluster:", err)
		return 1
	}
	code := m.Run()
	if err := cluster.Stop(); err != nil {
		fmt.Fprintln(os.Stderr, "stop the cluster:", err)
		return 1
	}
	return code
}

// person is a client and what it got.
type person struct {
	*client.Client
	entries  chan wire.Entry
	receipts chan wire.Receipt
	synced   chan struct{}
}

func connect(t *testing.T, gateway int, user chat.User, device chat.Device) *person {
	t.Helper()
	p := &person{entries: make(chan wire.Entry, 1000), receipts: make(chan wire.Receipt, 1000), synced: make(chan struct{}, 10)}
	c, err := client.Start(t.Context(), client.Options{
		URLs: []string{cluster.URLs()[gateway]}, Device: device, RecvDelay: time.Millisecond,
		Token: func(context.Context) (string, error) { return cluster.Token(user) },
		Handler: func(ev client.Event) {
			switch ev := ev.(type) {
			case client.Entry:
				p.entries <- ev.Entry
			case client.Frame:
				switch f := ev.Frame.(type) {
				case *wire.Receipt:
					p.receipts <- *f
				case *wire.Synced:
					p.synced <- struct{}{}
				}
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	p.Client = c
	t.Cleanup(c.Close)
	wait(t, p.synced, "synced")
	return p
}

func wait[T any](t *testing.T, ch <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(time.Minute):
		t.Fatalf("no %s in a minute", what)
		panic("unreachable")
	}
}

func (p *person) send(t *testing.T, to chat.User, cmid, text string) wire.Ack {
	t.Helper()
	sent, err := p.SendTo(to, client.Message{Text: text, CMID: chat.CMID(cmid)})
	if err != nil {
		t.Fatal(err)
	}
	ack, err := sent.Wait(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return ack
}

// rest asks the history service, or through it a gateway.
func rest(t *testing.T, method, path string, user chat.User, body string, out any) int {
	t.Helper()
	token, err := cluster.Token(user)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), method, cluster.History.URL()+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if out != nil {
		if err := json.Unmarshal(data, out); err != nil {
			t.Fatalf("%s %s: %d %s", method, path, res.StatusCode, data)
		}
	}
	return res.StatusCode
}

type list[T any] struct {
	Items                 []T
	Head                  chat.Seq
	MoreBefore, MoreAfter bool
}

func TestPeopleOnDifferentGateways(t *testing.T) {
	alice := connect(t, 0, "e1-alice", "phone")
	bobPhone := connect(t, 1, "e1-bob", "phone")
	bobLaptop := connect(t, 2, "e1-bob", "laptop")
	var conv chat.ConvID
	for i := range 10 {
		ack := alice.send(t, "e1-bob", fmt.Sprint("m", i), fmt.Sprint("hello ", i))
		conv = ack.Conv
		for _, b := range []*person{bobPhone, bobLaptop} {
			if e := wait(t, b.entries, "entry"); e.Seq != chat.Seq(i+1) || e.ID != ack.ID || e.From != "e1-alice" {
				t.Fatalf("%+v, acked %+v", e, ack)
			}
		}
	}
	// A reply from the other side; both of bob's devices have everything.
	reply := bobLaptop.send(t, "e1-alice", "r1", "hello yourself")
	for _, p := range []*person{bobPhone, bobLaptop} {
		if e := wait(t, p.entries, "entry"); e.Seq != reply.Seq {
			t.Fatalf("%+v", e)
		}
	}
	bobPhone.MarkRead(conv, 10)
	for {
		r := wait(t, alice.receipts, "receipt")
		if r.User == "e1-bob" && r.Read == 10 {
			break
		}
	}
	var unread struct{ Unread, Read, Count, Own int }
	if status := rest(t, "GET", "/v1/conversations/"+string(conv)+"/unread", "e1-bob", "", &unread); status != 200 ||
		unread.Unread != 0 || unread.Read != 10 || unread.Count != 11 || unread.Own != 1 {
		t.Fatalf("%d %+v", status, unread)
	}
	var page list[struct {
		Seq   chat.Seq
		State string
		Body  struct{ Text string }
	}]
	if status := rest(t, "GET", "/v1/conversations/"+string(conv)+"/messages?before=11&limit=4", "e1-alice", "", &page); status != 200 || len(page.Items) != 4 {
		t.Fatalf("%d %+v", status, page)
	}
	for i, m := range page.Items {
		if m.Seq != chat.Seq(7+i) || m.State != "read" || m.Body.Text != fmt.Sprint("hello ", m.Seq-1) {
			t.Fatalf("%+v", m)
		}
	}
}

func TestOfflineFlushAndRepeat(t *testing.T) {
	alice := connect(t, 0, "e2-alice", "phone")
	bob := connect(t, 1, "e2-bob", "phone")
	first := alice.send(t, "e2-bob", "m0", "while you are here")
	wait(t, bob.entries, "entry")
	// recv is what counts as delivered: only then may the device forget.
	for {
		if r := wait(t, alice.receipts, "receipt"); r.User == "e2-bob" && r.Delivered == first.Seq {
			break
		}
	}
	bob.Close()
	for i := 1; i <= 30; i++ {
		alice.send(t, "e2-bob", fmt.Sprint("m", i), "while you are away")
	}
	// The same message again, over another gateway: the same answer, nothing new.
	other := connect(t, 2, "e2-alice", "laptop")
	if again := other.send(t, "e2-bob", "m30", "while you are away"); again.Seq != 31 || !again.Dup {
		t.Fatalf("%+v", again)
	}
	if _, err := mustSend(t, other, "e2-bob", "m30", "something else").Wait(t.Context()); err == nil || !strings.Contains(err.Error(), "cmid_conflict") {
		t.Fatalf("%v", err)
	}
	back := connect(t, 2, "e2-bob", "phone")
	for i := 2; i <= 31; i++ {
		if e := wait(t, back.entries, "missed entry"); e.Seq != chat.Seq(i) {
			t.Fatalf("%+v, want seq %d", e, i)
		}
	}
	if s := back.Stats(); s.Duplicates != 0 || s.Gaps != 0 {
		t.Fatalf("%+v", s)
	}
}

func mustSend(t *testing.T, p *person, to chat.User, cmid, text string) *client.Sent {
	t.Helper()
	sent, err := p.SendTo(to, client.Message{Text: text, CMID: chat.CMID(cmid)})
	if err != nil {
		t.Fatal(err)
	}
	return sent
}

func TestGroupOverAllGateways(t *testing.T) {
	members := []chat.User{"e3-alice", "e3-bob", "e3-carol"}
	var people []*person
	for i, u := range members {
		people = append(people, connect(t, i, u, "phone"))
	}
	var group wire.Conversation
	body := `{"title":"holidays","members":["e3-bob","e3-carol"],"cmid":"g1"}`
	if status := rest(t, "POST", "/v1/conversations", "e3-alice", body, &group); status != 201 || group.Members != 3 {
		t.Fatalf("%d %+v", status, group)
	}
	for _, p := range people {
		if e := wait(t, p.entries, "created"); e.Seq != 1 || e.Change != chat.ChangeCreated {
			t.Fatalf("%+v", e)
		}
	}
	for i, p := range people {
		sent, err := p.SendConv(group.Conv, client.Message{Text: "hi all"})
		if err != nil {
			t.Fatal(err)
		}
		if ack, err := sent.Wait(t.Context()); err != nil || ack.Seq != chat.Seq(i+2) {
			t.Fatalf("%+v %v", ack, err)
		}
		for _, p := range people {
			if e := wait(t, p.entries, "entry"); e.Seq != chat.Seq(i+2) || e.From != members[i] {
				t.Fatalf("%+v", e)
			}
		}
	}
	base := "/v1/conversations/" + string(group.Conv)
	if status := rest(t, "DELETE", base+"/members/e3-carol?cmid=rm", "e3-alice", "", nil); status != 204 {
		t.Fatalf("remove: %d", status)
	}
	for _, p := range people {
		if e := wait(t, p.entries, "removal"); e.Change != chat.ChangeRemoved {
			t.Fatalf("%+v", e)
		}
	}
	sent, err := people[2].SendConv(group.Conv, client.Message{Text: "wait"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sent.Wait(t.Context()); err == nil || !strings.Contains(err.Error(), "forbidden") {
		t.Fatalf("a removed member sent: %v", err)
	}
	if status := rest(t, "GET", base+"/messages", "e3-mallory", "", nil); status != 404 {
		t.Fatalf("a stranger reads: %d", status)
	}
	var memberList list[wire.Member]
	if status := rest(t, "GET", base+"/members", "e3-bob", "", &memberList); status != 200 || len(memberList.Items) != 2 {
		t.Fatalf("%d %+v", status, memberList)
	}
	var entries list[wire.Entry]
	if status := rest(t, "GET", base+"/entries", "e3-bob", "", &entries); status != 200 || len(entries.Items) != 5 || entries.Head != 5 {
		t.Fatalf("%d %+v", status, entries)
	}
}

func TestNewSessionOfADeviceOnAnotherGateway(t *testing.T) {
	old := connect(t, 0, "e4-bob", "phone")
	fresh := connect(t, 1, "e4-bob", "phone")
	wait(t, old.Done(), "end of the old session")
	if !strings.Contains(fmt.Sprint(old.Err()), "4409") {
		t.Fatalf("ended with %v", old.Err())
	}
	if err := fresh.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
}

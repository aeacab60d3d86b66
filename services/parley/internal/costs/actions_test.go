package costs

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/parley-chat/parley/pkg/config"
	"github.com/parley-chat/parley/pkg/wire"
	"github.com/parley-chat/parley/services/parley/internal/allinone"
	"github.com/parley-chat/parley/services/parley/internal/talk"
)

// behind is how many conversations have something new in the rows that say so.
const behind = 20

// rows are the actions in the order of the table.
var rows = []string{
	"connect, nothing new, 20 conversations", "connect, 20 conversations with one new message each", "connect, a new device, 20 conversations",
	"connect, nothing new, 5,000 conversations", "connect, a new device that has nothing to get, 5,000 conversations",
	"send, direct, this pod knows the conversation", "send, direct, this pod does not know it", "send, the first message to somebody",
	"send, group of 2,000", "the same `cmid` again", "`recv`", "`read`, 1 message on", "`edit`", "`recall`", "`react`", "`typing`, nobody of the conversation is on this pod",
	"`typing`, direct, to a user of this pod, the first in a minute", "`watch`, 100 users",
	"`history`, 50 entries in the middle of 2,000", "messages page, 50 in the middle of 2,000", "messages page around the first unread",
	"entries page, 50 in the middle of 2,000", "unread, 20 messages after `read`", "unread, more than 1,000 entries after `read`",
	"one conversation", "members page, group of 2,000", "messages page, group of 2,000",
	"conversation list, first page of 50, 20 conversations", "conversation list, first page of 50, 5,000 conversations",
	"conversation list, second page of 50, 5,000 conversations",
	"create a group of 10", "create a group of 2,000", "add a member", "remove a member", "rename a group",
	"announce a file", "complete a file", "send a message with a file", "download a file",
	rowBroadcast, rowErase,
	"search for one word, in 20 conversations", "search for one word, in one conversation",
}

// measure takes every row on one kind of store.
func measure(t *testing.T, kind func() backend) map[string]usage {
	all := map[string]usage{}
	for name, part := range map[string]func(*world){
		"conversations": measureConversations, "many": measureMany, "log": measureLog, "signals": measureSignals, "groups": measureGroups, "files": measureFiles,
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, kind(), func(o *allinone.Options) {
				if name != "files" { // where they are on, a recall looks for files, when it likes
					o.Files.Where = config.AttachmentsOff
				}
			})
			part(w)
			for row, u := range w.costs {
				all[row] = u
			}
		})
	}
	slow := true
	for end := time.Now().Add(patience); slow && time.Now().Before(end); {
		t.Run("jobs", func(t *testing.T) {
			w := newWorld(t, kind(), func(o *allinone.Options) { o.Files.Where = config.AttachmentsOff })
			slow = measureJobs(w)
			for row, u := range w.costs {
				if best, ok := all[row]; !ok || u.calls() < best.calls() {
					all[row] = u
				}
			}
		})
	}
	t.Run("search", func(t *testing.T) {
		w := newWorld(t, kind(), func(o *allinone.Options) { o.NoSearch = false })
		measureSearch(w)
		for row, u := range w.costs {
			all[row] = u
		}
	})
	return all
}

func measureConversations(w *world) {
	convs := w.seed("alice", 0, behind, 1)
	w.cost("connect, a new device, 20 conversations", 1, func(int) { w.login("alice", "phone") })
	w.cost("conversation list, first page of 50, 20 conversations", 3, func(int) { w.get("alice", "/v1/conversations", nil) })
	w.cost("one conversation", 3, func(int) { w.get("alice", "/v1/conversations/"+convs[0], nil) })
	w.cost("connect, 20 conversations with one new message each", 3, func(int) { w.login("alice", "phone") })
	phone := w.login("alice", "phone")
	for _, conv := range convs {
		phone.Send(`{"type":"recv","conv":%q,"seq":1}`, conv)
		phone.Type("receipt")
	}
	w.cost("connect, nothing new, 20 conversations", 3, func(int) { phone = w.login("alice", "phone") })
	w.cost("send, direct, this pod does not know it", 3, func(i int) { w.send(phone, convs[i]) })
	w.cost("send, direct, this pod knows the conversation", 3, func(int) { w.send(phone, convs[0]) })
	w.cost("send, the first message to somebody", 3, func(i int) {
		w.write(phone, `{"type":"send","to":"new%d","cmid":%q,"body":{"text":"hello"}}`, i)
	})
	w.cost("the same `cmid` again", 3, func(int) {
		phone.Send(`{"type":"send","conv":%q,"cmid":"%s","body":{"text":"good morning"}}`, convs[0], fmt.Sprint("c", 4))
		phone.Type("ack")
	})
	w.cost("`typing`, nobody of the conversation is on this pod", 3, func(i int) {
		phone.Send(`{"type":"typing","conv":%q,"on":true}`, convs[0])
		phone.Send(`{"type":"ping","ref":"p%d"}`, i)
		phone.Type("pong")
	})
}

// measureSignals takes what is never stored; a block may forbid it.
func measureSignals(w *world) {
	convs := w.seed("alice", 0, 3, 1)
	phone := w.login("alice", "phone")
	var peers []*talk.Socket
	for i, conv := range convs {
		peers = append(peers, w.login(other(i), "phone"))
		w.send(phone, conv)
		peers[i].Type("message")
	}
	w.cost("`typing`, direct, to a user of this pod, the first in a minute", 3, func(i int) {
		phone.Send(`{"type":"typing","conv":%q,"on":true}`, convs[i])
		peers[i].Type("typing")
	})
	w.cost("`watch`, 100 users", 3, func(i int) {
		users := make([]string, 100)
		for n := range users {
			users[n] = fmt.Sprintf("%q", fmt.Sprint("nobody", i, "-", n))
		}
		phone.Send(`{"type":"watch","users":[%s]}`, strings.Join(users, ","))
		for range users {
			phone.Type("presence")
		}
		phone.Send(`{"type":"unwatch","users":[%s]}`, strings.Join(users, ","))
	})
}

func measureMany(w *world) {
	w.seed("alice", 0, many, 1)
	readAll(w.T, w.store)
	// The lists before anybody is connected: from then on a sweep reads 200 conversations
	// every 2.4 s.
	w.cost("conversation list, first page of 50, 5,000 conversations", 3, func(int) { w.get("alice", "/v1/conversations", nil) })
	var page wire.List[wire.Conversation]
	w.get("alice", "/v1/conversations", &page)
	w.cost("conversation list, second page of 50, 5,000 conversations", 3, func(int) {
		w.get("alice", "/v1/conversations?cursor="+page.Next, nil)
	})
	w.cost("connect, a new device that has nothing to get, 5,000 conversations", 1, func(int) { w.login("alice", "phone") })
	w.cost("connect, nothing new, 5,000 conversations", 3, func(int) { w.login("alice", "phone") })
}

func measureLog(w *world) {
	const depth = 2000
	convs := w.seed("alice", 0, 1, depth)
	bobs := other(0)
	conv, path := convs[0], "/v1/conversations/"+convs[0]
	phone, bob := w.login("alice", "phone"), w.login(bobs, "phone")
	w.cost("unread, more than 1,000 entries after `read`", 3, func(int) { w.get("alice", path+"/unread", nil) })
	w.cost("`recv`", 3, func(i int) {
		phone.Send(`{"type":"recv","conv":%q,"seq":%d}`, conv, 1000+i)
		phone.Type("receipt")
	})
	w.cost("`read`, 1 message on", 3, func(i int) {
		phone.Send(`{"type":"read","conv":%q,"seq":%d}`, conv, depth-22+i)
		phone.Type("receipt")
	})
	w.cost("unread, 20 messages after `read`", 3, func(int) { w.get("alice", path+"/unread", nil) })
	w.cost("messages page around the first unread", 3, func(int) { w.get("alice", fmt.Sprintf("%s/messages?around=%d", path, depth-19), nil) })
	w.cost("messages page, 50 in the middle of 2,000", 3, func(int) { w.get("alice", path+"/messages?before=1000", nil) })
	w.cost("entries page, 50 in the middle of 2,000", 3, func(int) { w.get("alice", path+"/entries?before=1000", nil) })
	w.cost("`history`, 50 entries in the middle of 2,000", 3, func(int) {
		phone.Send(`{"type":"history","conv":%q,"before":1000}`, conv)
		phone.Type("page")
	})
	own := w.send(bob, conv).Seq
	w.cost("`edit`", 3, func(i int) {
		w.write(bob, `{"type":"edit","conv":%q,"target":%d,"body":{"text":"text %d"},"cmid":%q}`, conv, own, i)
	})
	w.cost("`react`", 3, func(i int) {
		w.write(phone, `{"type":"react","conv":%q,"target":%d,"emoji":%q,"on":true,"cmid":%q}`, conv, own, []string{"👍", "🎉", "🙂"}[i])
	})
	others := []talk.Frame{w.send(bob, conv), w.send(bob, conv), w.send(bob, conv)}
	w.cost("`recall`", 3, func(i int) {
		w.write(bob, `{"type":"recall","conv":%q,"target":%d,"cmid":%q}`, conv, others[i].Seq)
	})
}

// group makes one, and returns its id.
func (w *world) group(n int) string {
	w.Helper()
	var users []string
	for i := range n - 1 {
		users = append(users, fmt.Sprintf("%q", other(i)))
	}
	a := w.Do(http.MethodPost, w.url+"/v1/conversations", "alice",
		fmt.Sprintf(`{"title":"team","members":[%s],"cmid":%q}`, strings.Join(users, ","), w.cmid()))
	var c wire.Conversation
	w.Decode(a, &c)
	return string(c.Conv)
}

func measureGroups(w *world) {
	var small, large string
	w.cost("create a group of 10", 3, func(int) { small = w.group(10) })
	w.cost("create a group of 2,000", 2, func(int) { large = w.group(2000) })
	w.cost("members page, group of 2,000", 3, func(int) { w.get("alice", "/v1/conversations/"+large+"/members", nil) })
	w.cost("messages page, group of 2,000", 3, func(int) { w.get("alice", "/v1/conversations/"+large+"/messages", nil) })
	change := func(method, path, body string, want int) {
		if a := w.Do(method, w.url+"/v1/conversations/"+small+path, "alice", body); a.Status != want {
			w.Fatalf("%s %s: %d %s", method, path, a.Status, a.Body)
		}
	}
	w.cost("add a member", 3, func(i int) {
		change("PUT", fmt.Sprintf("/members/new%d", i), fmt.Sprintf(`{"role":"member","cmid":%q}`, w.cmid()), 200)
	})
	w.cost("remove a member", 3, func(i int) { change("DELETE", fmt.Sprintf("/members/new%d?cmid=%s", i, w.cmid()), "", 204) })
	w.cost("rename a group", 3, func(i int) { change("PATCH", "", fmt.Sprintf(`{"title":"team %d","cmid":%q}`, i, w.cmid()), 200) })
	alice := w.login("alice", "phone") // only now: a session reads more, when it likes
	w.send(alice, large)
	w.cost("send, group of 2,000", 3, func(int) { w.send(alice, large) })
}

func measureFiles(w *world) {
	alice := w.login("alice", "phone")
	conv := w.seed("alice", 0, 1, 1)[0]
	w.send(alice, conv)
	var files []wire.File
	w.cost("announce a file", 3, func(i int) {
		var f wire.File
		w.Decode(w.Do("POST", w.url+"/v1/attachments", "alice",
			fmt.Sprintf(`{"conv":%q,"name":"a.txt","type":"text/plain","size":5,"cmid":"f%d"}`, conv, i)), &f)
		files = append(files, f)
	})
	for _, f := range files {
		if a := w.Do("PUT", w.url+f.Upload.URL, "", "hello"); a.Status >= 300 {
			w.Fatalf("upload: %d %s", a.Status, a.Body)
		}
	}
	w.cost("complete a file", 3, func(i int) {
		if a := w.Do("POST", w.url+"/v1/attachments/"+string(files[i].ID), "alice", ""); a.Status != 200 {
			w.Fatalf("complete: %d %s", a.Status, a.Body)
		}
	})
	w.cost("send a message with a file", 3, func(i int) {
		w.write(alice, `{"type":"send","conv":%q,"body":{"attachments":[{"id":%q,"name":"","type":"","size":0}]},"cmid":%q}`, conv, files[i].ID)
	})
	w.cost("download a file", 3, func(i int) {
		if a := w.Do("GET", w.url+"/v1/attachments/"+string(files[i].ID), other(0), ""); a.Status != 302 {
			w.Fatalf("download: %d %s", a.Status, a.Body)
		}
	})
}

func measureSearch(w *world) {
	alice := w.login("alice", "phone")
	var conv string
	for i := range behind {
		conv = w.write(alice, `{"type":"send","to":%q,"body":{"text":"hello"},"cmid":%q}`, other(i)).Conv
	}
	found := func(query string) int {
		var list wire.SearchList
		w.get("alice", "/v1/search?q=hello"+query, &list)
		return len(list.Items)
	}
	deadline := time.After(patience)
	poll := time.NewTicker(50 * time.Millisecond)
	defer poll.Stop()
	for found("") < behind {
		select {
		case <-poll.C:
		case <-deadline:
			w.Fatalf("%d messages are indexed in time", found(""))
		}
	}
	w.cost("search for one word, in 20 conversations", 5, func(int) { found("") })
	w.cost("search for one word, in one conversation", 5, func(int) { found("&conv=" + conv) })
}

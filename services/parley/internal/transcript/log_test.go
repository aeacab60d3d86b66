package transcript

import (
	"fmt"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/parley-chat/parley/pkg/wire"
)

func playMessages(s *stage) {
	bob := s.connect("bob", `{"type":"hello","device":"phone"}`)
	alice := s.connect("alice", "")
	alice.send(`{"type":"send","ref":"1","to":"bob","cmid":"m1","body":{"text":"Hello Bob"}}`)
	conv := alice.get("ack").Conv
	bob.get("conversation")
	bob.get("message")
	s.say("the same cmid again: the same answer; with other content: refused")
	alice.send(`{"type":"send","ref":"2","to":"bob","cmid":"m1","body":{"text":"Hello Bob"}}`)
	alice.get("ack")
	alice.send(`{"type":"send","ref":"3","to":"bob","cmid":"m1","body":{"text":"something else"}}`)
	alice.refused()
	s.say("bob goes away; what he missed comes when he is back, from where his recv stood")
	bob.send(`{"type":"recv","conv":%q,"seq":1}`, conv)
	bob.hear("receipt")
	bob.Close()
	alice.hear("receipt")
	alice.send(`{"type":"send","to":"bob","cmid":"m2","body":{"text":"Are you there?"}}`)
	alice.get("ack")
	bob = s.connect("bob", `{"type":"hello","device":"phone","attempt":1}`)
	bob.get("conversation")
	bob.get("message")
}

// refused waits for an error frame.
func (d *device) refused() {
	d.s.Helper()
	d.get("error")
}

func playChanges(s *stage) {
	bob, alice := s.connect("bob", ""), s.connect("alice", "")
	alice.send(`{"type":"send","to":"bob","cmid":"m1","body":{"text":"Helo Bob"}}`)
	conv := alice.get("ack").Conv
	alice.send(`{"type":"edit","conv":%q,"target":1,"cmid":"e1","body":{"text":"Hello Bob"}}`, conv)
	alice.get("ack")
	bob.get("edited")
	bob.send(`{"type":"react","conv":%q,"target":1,"cmid":"r1","emoji":"👍","on":true}`, conv)
	alice.get("reacted")
	bob.send(`{"type":"send","conv":%q,"cmid":"m2","body":{"text":"Hi!"},"reply_to":1,"mentions":["alice"]}`, conv)
	bob.hear("ack")
	bob.get("ack")
	s.say("not one's own message")
	bob.send(`{"type":"edit","conv":%q,"target":1,"cmid":"e2","body":{"text":"Bye"}}`, conv)
	bob.refused()
	s.say("folded, and after the recall; the log keeps the place and loses the text, of the edit too")
	path := "/v1/conversations/" + conv
	s.rest("bob", "GET", path+"/messages", "")
	alice.send(`{"type":"recall","conv":%q,"target":1,"cmid":"x1"}`, conv)
	bob.get("recalled")
	s.rest("bob", "GET", path+"/messages?limit=2", "")
	s.rest("bob", "GET", path+"/entries", "")
}

func playReceipts(s *stage) {
	bob, alice := s.connect("bob", ""), s.connect("alice", "")
	var conv string
	for i := range 3 {
		alice.send(`{"type":"send","to":"bob","cmid":"m%d","body":{"text":"number %d"}}`, i, i)
		conv = alice.hear("ack").Conv
		bob.hear("message")
	}
	bob.send(`{"type":"recv","conv":%q,"seq":3}`, conv)
	alice.get("receipt")
	bob.send(`{"type":"read","conv":%q,"seq":1}`, conv)
	alice.get("receipt")
	s.say("two are unread; one is recalled")
	s.rest("bob", "GET", "/v1/conversations/"+conv+"/unread", "")
	alice.send(`{"type":"recall","conv":%q,"target":2,"cmid":"x1"}`, conv)
	bob.hear("recalled")
	s.rest("bob", "GET", "/v1/conversations/"+conv+"/unread", "")
	s.say("state and counts, for each message")
	s.rest("alice", "GET", "/v1/conversations/"+conv+"/messages", "")
}

func playSignals(s *stage) {
	alice := s.connect("alice", "")
	alice.send(`{"type":"watch","users":["bob"]}`)
	alice.get("presence")
	bob := s.connect("bob", "")
	alice.get("presence")
	alice.send(`{"type":"send","to":"bob","cmid":"m1","body":{"text":"Hello"}}`)
	conv := alice.hear("ack").Conv
	bob.hear("message")
	alice.hear("message") // her own: from then on her session is in the conversation
	bob.send(`{"type":"typing","conv":%q,"on":true}`, conv)
	alice.get("typing")
	s.say("bob's last session ends; 3 s later")
	bob.Close()
	alice.get("presence")
}

func playHistory(s *stage) {
	alice, bob := s.connect("alice", ""), s.connect("bob", "")
	var conv string
	for i := range 9 {
		alice.Send(`{"type":"send","to":"bob","cmid":"m%d","body":{"text":"number %d"}}`, i+1, i+1)
		conv = alice.hear("ack").Conv
		bob.hear("message")
	}
	bob.send(`{"type":"read","conv":%q,"seq":5}`, conv)
	bob.get("receipt")
	s.say("the list says where bob is: around the entry after read is the page around the first unread")
	path := "/v1/conversations/" + conv
	s.rest("bob", "GET", "/v1/conversations", "")
	s.rest("bob", "GET", path+"/messages?around=6&limit=2", "")
	s.rest("bob", "GET", path+"/messages?before=3&limit=1", "")
	s.rest("bob", "GET", path+"/messages?after=8&limit=1", "")
	s.say("the raw log, over HTTP and on the socket")
	s.rest("bob", "GET", path+"/entries?after=7&limit=1", "")
	bob.send(`{"type":"history","ref":"h","conv":%q,"before":3,"limit":1}`, conv)
	bob.get("page")
}

func playSearch(s *stage) {
	for i, text := range []string{"明天去北京吗", "The weather in Zürich", "No, to Zurich"} {
		s.rest("alice", "POST", "/v1/messages", fmt.Sprintf(`{"to":"bob","cmid":"m%d","body":{"text":%q}}`, i, text))
	}
	s.indexed("No, to Zurich")
	s.rest("bob", "GET", "/v1/search?q=zurich", "")
	s.rest("bob", "GET", "/v1/search?q=%E5%8C%97%E4%BA%AC", "")
	s.say("somebody else finds nothing")
	s.rest("eve", "GET", "/v1/search?q=zurich", "")
	s.say("a recalled message is found no more, at once")
	s.rest("alice", "DELETE", "/v1/conversations/"+s.direct()+"/messages/3?cmid=x1", "")
	s.rest("bob", "GET", "/v1/search?q=zurich", "")
}

// direct is the id of bob's only conversation.
func (s *stage) direct() string {
	var list wire.List[wire.Conversation]
	s.Decode(s.Do("GET", s.url+"/v1/conversations", "bob", ""), &list)
	if len(list.Items) == 0 {
		s.Fatal("bob has no conversation")
	}
	return string(list.Items[0].Conv)
}

// indexed waits until bob finds the last message: the index is there half a second
// behind the log.
func (s *stage) indexed(text string) {
	s.Helper()
	deadline := time.After(time.Minute)
	poll := time.NewTicker(20 * time.Millisecond)
	defer poll.Stop()
	for {
		var list wire.SearchList
		a := s.Do("GET", s.url+"/v1/search?q=zurich+no", "bob", "")
		if err := json.Unmarshal([]byte(a.Body), &list); err == nil && len(list.Items) > 0 && list.Exact {
			return
		}
		select {
		case <-poll.C:
		case <-deadline:
			s.Fatalf("%q is not indexed in time: %s", text, a.Body)
		}
	}
}

package transcript

import (
	"fmt"

	"github.com/parley-chat/parley/pkg/wire"
)

func playBlocks(s *stage) {
	alice, bob := s.connect("alice", ""), s.connect("bob", "")
	alice.send(`{"type":"send","to":"bob","cmid":"m1","body":{"text":"Hello Bob"}}`)
	conv := alice.hear("ack").Conv
	bob.hear("message")
	alice.hear("message") // her own
	alice.send(`{"type":"watch","users":["bob"]}`)
	alice.get("presence")
	s.say("bob blocks alice: she sees him leave, as somebody of whom no device is known, and what she sends is refused and not stored")
	s.rest("bob", "PUT", "/v1/blocks/alice", "")
	alice.get("presence")
	alice.send(`{"type":"send","ref":"2","conv":%q,"cmid":"m2","body":{"text":"Are you there?"}}`, conv)
	alice.refused()
	s.say("what was stored before is answered as ever")
	alice.send(`{"type":"send","to":"bob","cmid":"m1","body":{"text":"Hello Bob"}}`)
	alice.get("ack")
	s.say("the other way is open, and he sees her")
	bob.send(`{"type":"send","to":"alice","cmid":"b1","body":{"text":"Leave me alone"}}`)
	bob.hear("ack")
	alice.get("message")
	bob.send(`{"type":"watch","users":["alice"]}`)
	bob.get("presence")
	s.rest("bob", "GET", "/v1/blocks", "")
	s.rest("alice", "GET", "/v1/blocks", "")
	s.say("unblocked: what she types is told again, too; one's self cannot be blocked")
	s.rest("bob", "DELETE", "/v1/blocks/alice", "")
	alice.get("presence")
	alice.send(`{"type":"send","ref":"2","conv":%q,"cmid":"m2","body":{"text":"Are you there?"}}`, conv)
	alice.get("ack")
	alice.send(`{"type":"typing","conv":%q,"on":true}`, conv)
	bob.get("typing")
	s.rest("bob", "PUT", "/v1/blocks/bob", "")
}

func playSettings(s *stage) {
	phone := s.connect("bob", `{"type":"hello","device":"phone"}`)
	s.rest("alice", "POST", "/v1/messages", `{"to":"bob","cmid":"m1","body":{"text":"Hello"}}`)
	conv := phone.hear("conversation").Conv
	phone.hear("message")
	s.say("set over HTTP, told to one's sessions; what is not named stays")
	s.rest("bob", "PATCH", "/v1/conversations/"+conv+"/me", `{"muted":true,"pinned":true}`)
	phone.get("conversation")
	s.rest("bob", "PATCH", "/v1/conversations/"+conv+"/me", `{"muted":false,"archived":true}`)
	s.rest("alice", "GET", "/v1/conversations/"+conv, "")
	s.rest("bob", "PATCH", "/v1/conversations/"+conv+"/me", `{}`)
}

func playDevices(s *stage) {
	s.connect("bob", `{"type":"hello","device":"phone"}`)
	laptop := s.connect("bob", `{"type":"hello","device":"laptop"}`)
	s.rest("bob", "GET", "/v1/devices/phone", "")
	s.say("removed: its session ends, and its cursors are gone")
	s.rest("bob", "DELETE", "/v1/devices/laptop", "")
	code, reason := laptop.Closed()
	s.write("%-6s ← close %d %s", "bob", code, reason)
	s.rest("bob", "GET", "/v1/devices", "")
	s.rest("bob", "GET", "/v1/devices/laptop", "")
}

func playUnread(s *stage) {
	bob := s.connect("bob", "")
	var c wire.Conversation
	s.decode(s.rest("alice", "POST", "/v1/conversations", `{"title":"Tea","members":["carol"],"cmid":"g1"}`), &c)
	path := "/v1/conversations/" + string(c.Conv)
	say := func(user, cmid, more string) {
		s.Do("POST", s.url+"/v1/messages", "alice", fmt.Sprintf(`{"conv":%q,"cmid":%q,"body":{"text":"x"}%s}`, c.Conv, cmid, more))
	}
	s.say("alice says three things, adds bob, and says four more, one of which mentions him, and one she recalls; bob says one")
	for i := range 3 {
		say("alice", fmt.Sprint("before", i), "")
	}
	s.rest("alice", "PUT", path+"/members/bob", `{"role":"member","cmid":"g2"}`)
	for i := range 3 {
		say("alice", fmt.Sprint("after", i), "")
	}
	s.rest("alice", "POST", "/v1/messages", fmt.Sprintf(`{"conv":%q,"cmid":"hey","body":{"text":"@bob?"},"mentions":["bob"]}`, c.Conv))
	s.rest("alice", "DELETE", path+"/messages/6?cmid=x1", "")
	s.rest("bob", "POST", "/v1/messages", fmt.Sprintf(`{"conv":%q,"cmid":"b1","body":{"text":"Yes?"}}`, c.Conv))
	s.say("8 messages, 3 before he joined, 1 his own, 1 recalled")
	s.rest("bob", "GET", path+"/unread", "")
	s.say("he reads up to 7")
	bob.send(`{"type":"read","conv":%q,"seq":7}`, c.Conv)
	bob.get("receipt")
	s.rest("bob", "GET", path+"/unread", "")
}

func playSeen(s *stage) {
	bob, alice := s.connect("bob", ""), s.connect("alice", "")
	var c wire.Conversation
	s.decode(s.rest("alice", "POST", "/v1/conversations", `{"title":"Tea","members":["bob","carol"],"cmid":"g1"}`), &c)
	path := "/v1/conversations/" + string(c.Conv)
	alice.send(`{"type":"send","conv":%q,"cmid":"m1","body":{"text":"At eight?"}}`, c.Conv)
	alice.hear("ack")
	bob.hear("message")
	bob.send(`{"type":"read","conv":%q,"seq":2}`, c.Conv)
	alice.get("receipt")
	s.rest("alice", "GET", path+"/messages/2/seen", "")
	s.say("bob hides how far he reads: from now on it counts as delivered, and he does not see others' either")
	s.rest("bob", "PATCH", "/v1/me", `{"hide_read":true}`)
	s.rest("bob", "GET", "/v1/me", "")
	s.rest("alice", "GET", path+"/messages/2/seen", "")
	s.rest("alice", "GET", path+"/members", "")
	s.rest("bob", "GET", path+"/messages/2/seen", "")
	s.say("somebody else")
	s.rest("eve", "GET", path+"/messages/2/seen", "")
}

func playTrace(s *stage) {
	bob := s.connect("bob", "")
	s.rest("alice", "POST", "/v1/messages", `{"to":"bob","cmid":"m1","body":{"text":"Where is it?"}}`)
	m := bob.hear("message")
	path := "/v1/messages/" + fmt.Sprintf("%s-%d", m.Conv, m.Seq) + "/trace"
	s.say("stored and announced; nobody has it yet")
	s.rest("alice", "GET", path, "")
	bob.send(`{"type":"recv","conv":%q,"seq":1}`, m.Conv)
	bob.hear("receipt")
	s.rest("alice", "GET", path, "")
	bob.send(`{"type":"read","conv":%q,"seq":1}`, m.Conv)
	bob.hear("receipt")
	s.say("an operator may ask, too; who got it may not")
	s.rest(operator, "GET", path, "")
	s.rest("bob", "GET", path, "")
}

func playExport(s *stage) {
	bob := s.connect("bob", `{"type":"hello","device":"phone"}`)
	s.rest("alice", "POST", "/v1/messages", `{"to":"bob","cmid":"m1","body":{"text":"Not bob's words"}}`)
	conv := bob.hear("message").Conv
	bob.send(`{"type":"send","conv":%q,"cmid":"b1","body":{"text":"But these are"}}`, conv)
	bob.hear("ack")
	s.rest("bob", "PUT", "/v1/blocks/mallory", "")
	var f wire.File
	s.Decode(s.Do("POST", s.url+"/v1/attachments", "bob", fmt.Sprintf(`{"conv":%q,"name":"tea.txt","type":"text/plain","size":5,"cmid":"f1"}`, conv)), &f)
	s.Do("PUT", s.url+f.Upload.URL, "", "green")
	s.rest("bob", "POST", "/v1/messages", fmt.Sprintf(`{"conv":%q,"cmid":"b2","body":{"attachments":[{"id":%q,"name":"","type":"","size":0}]}}`, conv, f.ID))
	s.say("one JSON object a line; a last line of type next would say that there is more, and with which cursor")
	s.rest("bob", "GET", "/v1/export", "")
	s.say("the bytes of the file")
	s.rest("bob", "GET", "/v1/attachments/"+string(f.ID)+"?redirect=0", "")
	s.say("somebody else's is for operators")
	s.rest("alice", "GET", "/v1/export?user=bob", "")
}

func playRetention(s *stage) {
	alice := s.connect("alice", "")
	var c wire.Conversation
	s.decode(s.rest("alice", "POST", "/v1/conversations", `{"title":"Tea","members":["bob"],"cmid":"g1"}`), &c)
	path := "/v1/conversations/" + string(c.Conv)
	for i := range 3 {
		alice.send(`{"type":"send","conv":%q,"cmid":"m%d","body":{"text":"number %d"}}`, c.Conv, i, i)
		alice.hear("ack")
	}
	s.rest("bob", "PUT", path+"/retention", `{"floor":4}`)
	s.say("the owner takes away what is before the last message, for good")
	s.rest("alice", "PUT", path+"/retention", `{"floor":4}`)
	s.rest("bob", "GET", path+"/messages", "")
	s.rest("bob", "GET", path+"/unread", "")
	s.say("from now on messages are kept for 30 days, and then go without anybody asking")
	s.rest("alice", "PUT", path+"/retention", `{"keep":"30d"}`)
	alice.send(`{"type":"edit","ref":"e","conv":%q,"target":2,"cmid":"e1","body":{"text":"again"}}`, c.Conv)
	alice.refused()
	s.say("a device that stands before the floor is told where it goes on")
	bob := s.connect("bob", fmt.Sprintf(`{"type":"hello","device":"phone","resume":{"epoch":%q,"cursors":{%q:1}}}`, alice.epoch, c.Conv))
	bob.get("conversation")
	bob.get("reset")
	bob.get("message")
}

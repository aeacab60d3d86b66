package transcript

import (
	"bytes"
	"fmt"
	"image"
	"image/png"

	"github.com/parley-chat/parley/pkg/wire"
)

func playGroups(s *stage) {
	bob := s.connect("bob", "")
	var c wire.Conversation
	s.decode(s.rest("alice", "POST", "/v1/conversations", `{"title":"Tea","members":["bob","carol"],"cmid":"g1"}`), &c)
	conv, path := string(c.Conv), "/v1/conversations/"+string(c.Conv)
	bob.get("conversation")
	bob.get("members")
	s.rest("alice", "PUT", path+"/members/dave", `{"role":"member","cmid":"g2"}`)
	bob.get("members")
	s.rest("alice", "PUT", path+"/members/bob", `{"role":"admin","cmid":"g3"}`)
	bob.get("members")
	s.rest("bob", "PATCH", path, `{"title":"Coffee","cmid":"g4"}`)
	bob.hear("members")
	s.say("an admin may mention everybody; who is muted may not send")
	bob.send(`{"type":"send","conv":%q,"cmid":"m1","body":{"text":"At eight?"},"mentions":["*"]}`, conv)
	bob.get("ack")
	s.rest("bob", "PUT", path+"/members/carol", `{"role":"muted","cmid":"g5"}`)
	s.rest("carol", "POST", "/v1/messages", fmt.Sprintf(`{"conv":%q,"cmid":"m2","body":{"text":"Yes"}}`, conv))
	s.say("there is always one owner: she hands the group over before she leaves")
	s.rest("alice", "PUT", path+"/members/alice", `{"role":"member","cmid":"g6"}`)
	s.rest("alice", "PUT", path+"/members/bob", `{"role":"owner","cmid":"g7"}`)
	s.rest("alice", "DELETE", path+"?cmid=g8", "")
	s.rest("bob", "GET", path+"/members", "")
	s.say("who was removed sees nothing after the removal")
	s.rest("bob", "DELETE", path+"/members/dave?cmid=g9", "")
	s.rest("bob", "POST", "/v1/messages", fmt.Sprintf(`{"conv":%q,"cmid":"m3","body":{"text":"Dave is gone"}}`, conv))
	s.rest("dave", "GET", path+"/entries?limit=1", "")
	s.say("the owner closes it")
	s.rest("bob", "DELETE", path+"?cmid=g10", "")
	s.rest("carol", "POST", "/v1/messages", fmt.Sprintf(`{"conv":%q,"cmid":"m4","body":{"text":"Hello?"}}`, conv))
}

// decode reads an answer that was written down.
func (s *stage) decode(body string, v any) {
	s.Helper()
	a := answerOf(body)
	s.Decode(a, v)
}

func playFiles(s *stage) {
	bob := s.connect("bob", "")
	var picture bytes.Buffer
	if err := png.Encode(&picture, image.NewGray(image.Rect(0, 0, 640, 480))); err != nil {
		s.Fatal(err)
	}
	var f wire.File
	s.decode(s.rest("alice", "POST", "/v1/attachments",
		fmt.Sprintf(`{"to":"bob","name":"tea.png","type":"image/png","size":%d,"cmid":"f1"}`, picture.Len())), &f)
	a := s.Do("PUT", s.url+f.Upload.URL, "", picture.String())
	s.write("       PUT %s   (the bytes, without a token)", f.Upload.URL)
	s.write("       %d", a.Status)
	s.rest("alice", "POST", "/v1/messages",
		fmt.Sprintf(`{"to":"bob","cmid":"m1","body":{"text":"look","attachments":[{"id":%q,"name":"","type":"","size":0}]}}`, f.ID))
	bob.get("message")
	s.rest("bob", "GET", "/v1/attachments/"+string(f.ID)+"?redirect=0", "")
	s.rest("bob", "GET", "/v1/attachments/"+string(f.ID)+"/thumb?redirect=0", "")
	s.say("who is not in the conversation")
	s.rest("eve", "GET", "/v1/attachments/"+string(f.ID)+"?redirect=0", "")
	s.say("recalled: nobody gets it any more")
	s.rest("alice", "DELETE", "/v1/conversations/"+string(f.Conv)+"/messages/1?cmid=x1", "")
	s.rest("bob", "GET", "/v1/attachments/"+string(f.ID)+"?redirect=0", "")
}

func playServices(s *stage) {
	bob := s.connect("bob", "")
	s.say("billing's token has the scope send:any; the entry says who wrote it")
	s.rest(service, "POST", "/v1/messages", `{"from":"shop","to":"bob","cmid":"i1","body":{"text":"Your invoice is ready."}}`)
	bob.get("message")
	s.say("repeated: the same answer")
	s.rest(service, "POST", "/v1/messages", `{"from":"shop","to":"bob","cmid":"i1","body":{"text":"Your invoice is ready."}}`)
	s.say("without the scope, and without a token")
	s.rest("alice", "POST", "/v1/messages", `{"from":"shop","to":"bob","cmid":"i2","body":{"text":"Pay me"}}`)
	s.rest("", "POST", "/v1/messages", `{"to":"bob","cmid":"i3","body":{"text":"Hello"}}`)
}

func playContracts(s *stage) {
	for _, path := range []string{"/openapi.json", "/asyncapi.json"} {
		a := s.Do("GET", s.url+path, "", "")
		s.write("       GET %s", path)
		s.write("       %d %s %.60s…", a.Status, a.Header.Get("Content-Type"), squeeze(a.Body))
	}
	s.say("what is no frame")
	alice := s.connect("alice", "")
	alice.send(`{"type":"snd","ref":"1"}`)
	alice.refused()
}

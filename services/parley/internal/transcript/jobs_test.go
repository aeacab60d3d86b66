package transcript

import (
	"fmt"
	"time"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/wire"
)

func playJobs(s *stage) {
	bob := s.connect("bob", "")
	s.Do("PUT", s.url+"/v1/blocks/shop", "carol", "")
	s.say("a job: the answer comes before the messages; carol has blocked the shop")
	var b wire.Broadcast
	in := `{"from":"shop","users":["bob","carol"],"body":{"text":"We are closed on Monday."},"cmid":"b1"}`
	s.decode(s.rest(service, "POST", "/v1/broadcasts", in), &b)
	bob.get("message")
	s.done(service, "/v1/broadcasts/"+string(b.ID))
	s.say("repeated: the same one, and nobody gets a second message")
	s.rest(service, "POST", "/v1/broadcasts", in)
	s.rest("bob", "POST", "/v1/messages", `{"to":"shop","cmid":"m1","body":{"text":"What a pity"}}`)
	s.say("root's token has the scope erase:any")
	var e wire.Erasure
	s.decode(s.rest(operator, "POST", "/v1/users/shop/erase", `{"cmid":"x1"}`), &e)
	s.done(operator, "/v1/erasures/"+string(e.ID))
	s.rest("bob", "GET", "/v1/conversations/"+s.direct()+"/messages", "")
	s.say("without the scope")
	s.rest("bob", "POST", "/v1/users/bob/erase", `{"cmid":"x2"}`)
}

// done waits until a job is done, and shows it.
func (s *stage) done(user chat.User, path string) {
	s.Helper()
	poll := time.NewTicker(20 * time.Millisecond)
	defer poll.Stop()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); <-poll.C {
		var j wire.JobStatus
		s.Decode(s.Do("GET", s.url+path, user, ""), &j)
		if j.State == wire.JobDone {
			s.rest(user, "GET", path, "")
			return
		}
	}
	s.Fatal(fmt.Sprint(path, " is not done in time"))
}

package costs

import (
	"fmt"
	"time"

	"github.com/parley-chat/parley/pkg/auth"
	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/wire"
	"github.com/parley-chat/parley/services/parley/internal/allinone"
)

const (
	rowBroadcast = "broadcast to 1 user whom the sender knows, until it is done"
	rowErase     = "erase a user with 1 conversation of 150 messages, until it is done"
)

// measureJobs says whether a job took a second: then it has written down how far it is
// in between, and cost more than another time.
func measureJobs(w *world) (slow bool) {
	keys, err := auth.LoadFiles(auth.FileOptions{HS256SecretFile: allinone.SecretFile(w.data)})
	if err != nil {
		w.Fatal(err)
	}
	signer, err := auth.NewSigner(auth.SignerOptions{HS256Secret: keys.HS256Secret})
	if err != nil {
		w.Fatal(err)
	}
	w.Token = func(user chat.User) (string, error) {
		return signer.Sign(auth.Identity{User: user, Scopes: []string{auth.ScopeSendAny, auth.ScopeEraseAny}}, time.Hour)
	}
	w.seed("alice", 0, 1, 1)
	bob := other(0)
	w.seed(bob, 1, 1, 150) // messages of the other one, who is then erased
	polls := 0
	cost := func(name string, user chat.User, method, path, in, shown string) {
		begun := time.Now()
		w.cost(name, 1, func(int) {
			var j wire.JobStatus
			a := w.Do(method, w.url+path, user, in)
			if a.Status != 202 {
				w.Fatalf("%s %s: %d %s", method, path, a.Status, a.Body)
			}
			w.Decode(a, &j)
			polls = w.done(user, shown+string(j.ID))
		})
		slow = slow || time.Since(begun) >= time.Second
		for call, c := range w.costs[name] { // asking how far it is costs one read each time
			if call == "jobs" {
				w.costs[name][call] = count{calls: c.calls - polls}
			}
			if call == "find `jobs` by _id" {
				w.costs[name][call] = count{c.calls - polls, c.examined - polls, 0}
			}
		}
	}
	for range 2 { // only the second one finds the conversation known
		cost(rowBroadcast, "alice", "POST", "/v1/broadcasts", fmt.Sprintf(`{"users":[%q],"body":{"text":"x"},"cmid":%q}`, bob, w.cmid()), "/v1/broadcasts/")
	}
	cost(rowErase, "alice", "POST", "/v1/users/"+string(other(1))+"/erase", `{"cmid":"x"}`, "/v1/erasures/")
	return slow
}

// done waits until a job is done, and returns how often it asked.
func (w *world) done(user chat.User, path string) (polls int) {
	w.Helper()
	poll := time.NewTicker(5 * time.Millisecond)
	defer poll.Stop()
	for end := time.Now().Add(patience); time.Now().Before(end); <-poll.C {
		var j wire.JobStatus
		w.get(user, path, &j)
		if polls++; j.State == wire.JobDone {
			w.store.saved()
			return polls
		}
	}
	w.Fatalf("%s is not done in time", path)
	return 0
}

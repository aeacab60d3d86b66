package commit

import (
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store/memstore"
)

// group is the first message of a group of so many members, which brings the group along.
func group(name string, members int) *Request {
	r := message("m", nil)
	r.Key = chat.Key{NS: "_", Conv: chat.GroupID("_", "alice", chat.CMID(name))}
	r.New = &New{Conversation: chat.Conversation{Key: r.Key, Kind: chat.Group, Floor: 1}}
	for i := range members {
		u := chat.User(fmt.Sprint("user-", i))
		if i == 0 {
			u = "alice"
		}
		r.New.Members = append(r.New.Members, chat.Member{Key: r.Key, User: u, Role: chat.RoleMember, Joined: 1})
	}
	return r
}

// States are bounded by their members, too: those of large groups are large. What was
// used last is kept, however large it is.
func TestStatesAreBoundedByTheirMembers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memstore.New(memstore.Options{})
		p := newPod(t, s, func(o *Options) { o.MaxMembers = 100 * shards })
		for i := range 400 {
			mustAck(t, p.do(group(fmt.Sprint("small-", i), 10)), 1)
		}
		for i := range 40 {
			mustAck(t, p.do(group(fmt.Sprint("large-", i), 150)), 1)
		}
		synctest.Wait()
		lanes, members := 0, 0
		for i := range p.shards {
			sh := &p.shards[i]
			sum := 0
			for _, l := range sh.lanes {
				sum += l.state.Size()
			}
			if lanes, members = lanes+len(sh.lanes), members+sum; sum != sh.idle.members || len(sh.lanes) != sh.idle.n {
				t.Errorf("%d members in %d lanes, counted %d in %d", sum, len(sh.lanes), sh.idle.members, sh.idle.n)
			}
			if sum > 100 && len(sh.lanes) > 1 {
				t.Errorf("%d lanes with %d members", len(sh.lanes), sum)
			}
		}
		if lanes == 0 || members == 0 {
			t.Error("none is kept")
		}
		p.Forget()
		for i := range p.shards {
			if q := p.shards[i].idle; q.n != 0 || q.members != 0 {
				t.Errorf("%d lanes, %d members after all were forgotten", q.n, q.members)
			}
		}
	})
}

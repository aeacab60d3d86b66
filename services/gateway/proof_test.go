package gateway

import (
	"fmt"
	"testing"
	"time"

	"github.com/parley-chat/parley/pkg/bus"
	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store/memstore"
	"github.com/parley-chat/parley/pkg/wire"
	"github.com/parley-chat/parley/services/gateway/internal/route"
)

// nothing asks for a pong, and fails if an entry comes before it.
func (k *conn) nothing(why string) {
	k.t.Helper()
	k.send(`{"type":"ping"}`)
	for {
		switch f := k.next().(type) {
		case *wire.Entry:
			k.t.Fatalf("%s: got %+v", why, f)
		case *wire.Pong:
			return
		}
	}
}

// An entry that is stored and not finished is in no head yet: its effects may be
// missing, a removal's too. It is not flushed before.
func TestUnfinishedEntryIsNotFlushed(t *testing.T) {
	c := newCluster(t, 2, patient)
	alice, _ := c.login(0, "alice", "")
	alice.sendTo("bob", "m1", "finished")
	held := c.store.Inject(memstore.Fault{Op: memstore.OpFinish, Kind: memstore.Block, Times: 1})
	defer held.Release() // a test that fails does not wait for it
	alice.send(`{"type":"send","to":"bob","cmid":"m2","body":{"text":"stuck"}}`)
	if err := held.Wait(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	bob, missed := c.login(1, "bob", "")
	if len(missed) != 1 {
		t.Fatalf("flushed %d entries, 1 of them finished", len(missed))
	}
	bob.nothing("not finished")
	held.Release()
	if e := expect[*wire.Entry](bob); e.Seq != 2 {
		t.Fatalf("%+v", e)
	}
}

// Announcements of another life of the data are neither shown nor taken for the
// tail of a log.
func TestForeignEpochIsNotHeard(t *testing.T) {
	c := newCluster(t, 1)
	stranger := c.bus.join(t)
	alice, _ := c.login(0, "alice", "")
	bob, _ := c.login(0, "bob", "")
	conv := alice.sendTo("bob", "m1", "ours").Conv
	expect[*wire.Entry](bob)
	foreign := route.Announced{From: "alice", Count: 2, Time: time.Now(), Frame: route.Frame{
		Key: chat.Key{NS: chat.DefaultNS, Conv: conv}, Seq: 2, Kind: chat.KindMessage, Members: 2,
		Concerns: []chat.User{"alice", "bob"},
		Data:     fmt.Appendf(nil, `{"type":"message","conv":%q,"seq":2,"from":"alice","cmid":"x","body":{"text":"theirs"}}`, conv),
	}}
	origin := route.Origin{Epoch: "another", Pod: "p", Last: 1, Settled: 2, Number: 1, Parts: 1}
	for _, data := range [][]byte{route.AppendEnvelope(nil, origin, []route.Announced{foreign}), []byte("not an envelope")} {
		if err := stranger.Publish(bus.TopicEntries, data); err != nil {
			t.Fatal(err)
		}
	}
	c.until(func() bool { return c.gates[0].Stats().Foreign > 0 }) // the second one is counted in any case
	bob.nothing("of another epoch")
	if ack := alice.sendTo("bob", "m2", "ours"); ack.Seq != 2 {
		t.Fatalf("%+v", ack)
	}
	if e := expect[*wire.Entry](bob); e.Seq != 2 || string(e.Body) != `{"text":"ours"}` {
		t.Fatalf("%+v", e)
	}
}

package route

import (
	"testing"
	"testing/synctest"
)

// A session is idle, and lacks what was announced to no avail. Another one comes, reads
// that, and goes live: it is known here now, and the first one is told at once. It was
// not when the journal told of it either, because there was nothing new in that.
func TestReaderAheadWakesTheIdle(t *testing.T) {
	for name, primed := range map[string]bool{"nobody was live before": false, "somebody was": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := &log{}
				table := NewTable(Options{Read: l.read})
				defer table.Stop()
				if primed {
					before := goLive(t, table, l, "before")
					f := l.append()
					table.Route(&f)
					before.sub.Detach()
				}
				idle := &fakeSession{log: l, user: "idle", got: l.head}
				idle.sub = table.Attach(key, idle)
				defer idle.sub.Detach()
				if !idle.sub.Idle(l.head) {
					t.Fatal("not idle")
				}
				l.append() // its announcement is lost
				l.append()
				goLive(t, table, l, "second")
				if !idle.wanted {
					t.Error("not told when the other went live")
				}
				table.Repair(key, l.head, nil)
				idle.syncOnce(10)
				if idle.got != l.head {
					t.Errorf("it has %d of %d", idle.got, l.head)
				}
			})
		})
	}
}

package route

import (
	"slices"
	"testing"
)

// lossySession is a session that takes lossy frames.
type lossySession struct {
	fakeSession
	busy   bool
	frames []string
}

func (s *lossySession) Try(frame []byte) bool {
	if !s.busy {
		s.frames = append(s.frames, string(frame))
	}
	return !s.busy
}

// After an erasure nobody is given what the pod had kept, and those who are there are
// told; who has what is not disturbed.
func TestErase(t *testing.T) {
	l := &log{}
	table := NewTable(Options{Read: l.read})
	defer table.Stop()
	made := 0
	frame := func() []byte {
		made++
		return []byte("erased")
	}
	if dropped := table.Erase(key, frame); dropped != 0 || made != 0 {
		t.Errorf("nobody is there: %d dropped, %d made", dropped, made)
	}
	live, slow := &lossySession{fakeSession: fakeSession{user: "a"}}, &lossySession{fakeSession: fakeSession{user: "b"}, busy: true}
	sub, late := table.Attach(key, live), table.Attach(key, slow)
	if ok, _ := sub.Live(0); !ok {
		t.Fatal("not live")
	}
	for range 3 {
		f := l.append()
		table.Route(&f)
	}
	if dropped := table.Erase(key, frame); dropped != 1 || made != 1 || !slices.Equal(live.frames, []string{"erased"}) {
		t.Errorf("%d dropped, %d made, got %q", dropped, made, live.frames)
	}
	if ok, upTo := late.Live(1); ok || upTo != 3 {
		t.Errorf("live %v, up to %d: it was given frames that the pod had kept", ok, upTo)
	}
	f := l.append()
	table.Route(&f)
	if ok, _ := late.Live(3); !ok {
		t.Error("what came after it is not kept")
	}
	if live.got != 4 || len(live.wrong) > 0 {
		t.Errorf("the live session is at %d: %v", live.got, live.wrong)
	}
}

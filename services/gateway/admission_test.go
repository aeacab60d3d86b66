package gateway

import (
	"net/http"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/guard"
	"github.com/parley-chat/parley/pkg/wire"
)

func TestAdmission(t *testing.T) {
	const window = time.Second // half of the bound
	now := time.Unix(1000, 0)
	a := admission{bound: 2 * time.Second}
	pass := func(d time.Duration) { now = now.Add(d) }
	open := func(want bool, when string) {
		t.Helper()
		_ = a.refuse(now) // it may be one of those that are let in all the same
		if err := a.refuse(now); (err == nil) != want {
			t.Errorf("%s: %v", when, err)
		} else if e := chat.AsError(err); err != nil && (e.Code != chat.CodeUnavailable || e.RetryAfter < time.Second || e.RetryAfter > comeBack) {
			t.Errorf("%s: %+v", when, e)
		}
	}
	open(true, "at the start")
	for range 100 { // one quick handshake shows that the others are slow by themselves
		for range 10 {
			a.note(&a.welcomes, 8*time.Second, now)
			pass(99 * time.Millisecond)
		}
		a.note(&a.welcomes, time.Second, now)
		pass(10 * time.Millisecond)
		open(true, "with slow clients")
	}
	pass(window)
	open(true, "after slow clients")
	for range 10 {
		a.note(&a.welcomes, 3*time.Second, now)
		pass(150 * time.Millisecond)
	}
	open(false, "when not even the fastest was quick")
	a.note(&a.welcomes, 3*time.Second, now)
	pass(window)
	open(false, "while those that wait are done")
	a.note(&a.welcomes, 500*time.Millisecond, now)
	pass(window)
	open(true, "when they are quick again")
	a.note(&a.welcomes, 3*time.Second, now)
	pass(window)
	open(false, "again")
	pass(window)
	open(true, "when nobody waits any more")

	a.note(&a.checked, 3*time.Second, now)
	a.note(&a.welcomes, time.Millisecond, now)
	pass(window)
	open(false, "when tokens wait, and one old client is welcomed")
	pass(window)
	open(true, "at the end")

	off := admission{}
	off.note(&off.checked, time.Hour, now)
	pass(time.Hour)
	if err := off.refuse(now); err != nil {
		t.Error("switched off:", err)
	}
}

// Clients that are slow on purpose, and come while nobody else does, do not keep others
// out: those who are turned away meanwhile are few, and one who is not opens the gate.
func TestSlowHandshakesKeepNobodyOut(t *testing.T) {
	const window = time.Second // half of the bound
	now := time.Unix(1000, 0)
	a := admission{bound: 2 * time.Second}
	turned := 0
	for range 100 { // a second with five slow welcomes, and one client who means well
		for range 5 {
			a.note(&a.welcomes, 9*time.Second, now)
			now = now.Add(window / 5)
		}
		if a.refuse(now) != nil {
			turned++
			continue
		}
		a.note(&a.checked, 10*time.Millisecond, now)
		a.note(&a.welcomes, 20*time.Millisecond, now)
	}
	if turned > 0 {
		t.Errorf("%d of 100 were turned away", turned)
	}
	for range 5 {
		a.note(&a.welcomes, 9*time.Second, now)
		now = now.Add(window)
	}
	for range 10 { // and where more of them come at once
		if a.refuse(now) == nil {
			a.note(&a.checked, 10*time.Millisecond, now)
			a.note(&a.welcomes, 20*time.Millisecond, now)
		}
	}
	now = now.Add(window)
	for range 10 {
		if err := a.refuse(now); err != nil {
			t.Fatal("one that was quick did not open it:", err)
		}
	}
}

// While a pod cannot begin handshakes in time it answers them with 503, and the
// sessions that it has go on.
func TestHandshakesAreTurnedAway(t *testing.T) {
	c := newCluster(t, 1, func(o *Options) {
		o.Admission = time.Nanosecond // every handshake is slower
		o.Guard = guard.New(guard.Options{})
	})
	k, _ := c.login(0, "alice", "")
	var res *http.Response
	c.until(func() bool {
		_, got, err := c.dialRaw(0, c.header("bob"))
		res = got
		return err != nil
	})
	var p wire.Problem
	if err := json.UnmarshalRead(res.Body, &p); err != nil || res.StatusCode != http.StatusServiceUnavailable || p.Code != chat.CodeUnavailable || p.RetryAfterMS < 1000 || res.Header.Get("Retry-After") == "" {
		t.Errorf("%d, %+v, %v, %v", res.StatusCode, p, res.Header, err)
	}
	if c.gates[0].Stats().Limited[string(guard.Overload)] == 0 {
		t.Error("not counted")
	}
	k.lives()
	c.until(func() bool { // nobody waits any more
		_, _, err := c.dialRaw(0, c.header("bob"))
		return err == nil
	})
}

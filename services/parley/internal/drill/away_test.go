package drill

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-chat/parley/services/parley/internal/mongotest/wireproxy"
	"github.com/parley-chat/parley/services/parley/internal/verify"
)

// Strikes that follow within a look of the driver are one time in which nobody reads; a
// fault that speaks of the command alone is none.
func TestAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var a away
		start := time.Now()
		at := func(d time.Duration, f wireproxy.Fault) {
			time.Sleep(time.Until(start.Add(d))) // fake
			a.struck(&f)
		}
		cut := wireproxy.Fault{Cut: true, Apply: true}
		at(0, cut)
		at(400*time.Millisecond, wireproxy.Fault{Code: wireproxy.CodeNotWritablePrimary})
		at(900*time.Millisecond, wireproxy.Fault{Code: wireproxy.CodePrimarySteppedDown})
		at(2*time.Second, wireproxy.Fault{Apply: true, WriteConcern: true, Code: wireproxy.CodeWriteConcernTimeout})
		at(3*time.Second, cut)
		want := []verify.Away{{From: start, To: start.Add(1400 * time.Millisecond)}, {From: start.Add(3 * time.Second), To: start.Add(3500 * time.Millisecond)}}
		got := a.spans()
		if !slices.Equal(got, want) {
			t.Errorf("%v, want %v", got, want)
		}
		at(3200*time.Millisecond, cut)
		if a.spans()[1] == got[1] || got[1] != want[1] {
			t.Error("what was handed out has changed, or the list has not")
		}
	})
}

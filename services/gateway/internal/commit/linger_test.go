package commit

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-chat/parley/pkg/store/memstore"
)

// At a high rate flushes keep their distance, and carry many; a command that comes
// alone waits for nothing.
func TestLinger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memstore.New(memstore.Options{})
		p := newPod(t, s)
		p.opts.Linger = 10 * time.Millisecond
		mustAck(t, p.do(message("first", nil)), 1)

		time.Sleep(time.Second) // fake
		begun, before := time.Now(), s.Calls(memstore.OpAppend)
		mustAck(t, p.do(message("alone", nil)), 2)
		if d := time.Since(begun); d != 0 {
			t.Errorf("a command that came alone waited %v", d)
		}
		var all []<-chan Result
		for i := range 100 {
			time.Sleep(time.Millisecond) // fake: 100 commands in 100 ms
			all = append(all, p.start(message(fmt.Sprint("m", i), nil)))
		}
		for _, ch := range all {
			if res := <-ch; res.Err != nil {
				t.Fatal(res.Err)
			}
		}
		if n := s.Calls(memstore.OpAppend) - before; n < 10 || n > 13 {
			t.Errorf("%d flushes for 100 commands in 100 ms, want one each 10 ms", n)
		}
	})
}

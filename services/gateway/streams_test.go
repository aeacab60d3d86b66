package gateway

import (
	"fmt"
	"testing"

	"github.com/coder/websocket"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/wire"
)

// What a session has to keep because its sends were refused is bounded, and so is
// the time that it takes to look what is needed no more.
func TestRefusedSendsThatAreNotRepeatedAreBounded(t *testing.T) {
	c := newCluster(t, 1, func(o *Options) { o.Limits.SendsPerS = 1 })
	bob, _ := c.login(0, "bob", "")
	frame := func(i int) string {
		return fmt.Sprintf(`{"type":"send","ref":"%d","conv":"g_%026d","cmid":"c","body":{"text":"x"}}`, i, i)
	}
	done := make(chan int, 1)
	go func() { // while the answers are read
		n := 0
		for n < 3*maxStreams && bob.ws.Write(t.Context(), websocket.MessageText, []byte(frame(n))) == nil {
			n++
		}
		done <- n
	}()
	refused := 0
	for {
		f, err := bob.read()
		if err != nil {
			if code := websocket.CloseStatus(err); code != websocket.StatusCode(chat.CloseTooManyFrames) {
				t.Fatalf("%v after %d refusals", err, refused)
			}
			break
		}
		if e, ok := f.(*wire.Error); ok && e.Code == chat.CodeRateLimited {
			refused++
		}
	}
	if refused < maxStreams || refused > 2*maxStreams+keptStreams {
		t.Errorf("%d refusals until the session ended", refused)
	}
	<-done
}

package gateway

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// A drain ends sessions that are idle, however their connections wait: those that
// answer the close frame, those that do not, and those that never said hello.
func TestDrainEndsIdleSessions(t *testing.T) {
	for _, reader := range []Reader{ReaderGoroutine, ""} {
		t.Run("reader="+string(reader), func(t *testing.T) {
			c := newCluster(t, 1, func(o *Options) {
				o.Reader = reader
				o.session.CloseWait = 500 * time.Millisecond
			})
			const n = 30
			closed := make(chan websocket.StatusCode, n)
			for i := range n {
				k, _ := c.login(0, fmt.Sprint("polite", i), "")
				go func() {
					_, _, err := k.ws.Read(context.Background())
					closed <- websocket.CloseStatus(err)
				}()
			}
			for i := range n {
				nc, err := plainLogin(strings.TrimPrefix(c.urls[0], "http://"), c.token(fmt.Sprint("deaf", i), time.Hour))
				if err != nil {
					t.Fatal(err)
				}
				defer nc.Close()
			}
			c.connect(0, "carol")
			c.until(func() bool { return c.gates[0].Stats().Sessions == 2*n+1 })
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			c.gates[0].Drain(ctx)
			if ctx.Err() != nil || c.gates[0].Stats().Sessions != 0 {
				t.Fatal("the drain did not end all sessions")
			}
			for range n {
				if code := <-closed; code != 1012 {
					t.Fatalf("closed with %d", code)
				}
			}
		})
	}
}

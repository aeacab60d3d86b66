package gateway

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/parley-chat/parley/pkg/logs"
	"github.com/parley-chat/parley/pkg/store/memstore"
	"github.com/parley-chat/parley/pkg/wire"
)

// logText is a log that may be read while it is written.
type logText struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logText) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logText) lines() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Split(strings.TrimSpace(l.buf.String()), "\n")
}

// While the store is away everybody's sessions and commands fail, again and again.
// The log says so a few times, and never who they are nor what they write.
func TestAStoreThatIsAwayDoesNotFloodTheLog(t *testing.T) {
	text := &logText{}
	handler := logs.New(slog.NewTextHandler(text, &slog.HandlerOptions{Level: slog.LevelDebug}), logs.Options{Lines: 10, Every: time.Hour})
	c := newCluster(t, 2, patient, func(o *Options) { o.Log = slog.New(handler) })
	const people = 40
	var all []*conn
	for i := range people {
		k, _ := c.login(i%2, fmt.Sprintf("user-canary-%d", i), `{"type":"hello","device":"device-canary"}`)
		k.sendTo("bob-canary", fmt.Sprintf("cmid-canary-%d", i), "body-canary")
		all = append(all, k)
	}
	fault := c.store.Inject(memstore.Fault{Kind: memstore.Fail})
	for i, k := range all {
		k.send(`{"type":"send","to":"bob-canary","cmid":"cmid-canary-%d-2","body":{"text":"body-canary"}}`, i)
		late := c.connect(i%2, fmt.Sprintf("user-canary-late-%d", i))
		late.send(`{"type":"hello","device":"device-canary","token":%q}`, c.token(fmt.Sprintf("user-canary-late-%d", i), 1e12))
	}
	c.until(func() bool { return handler.Suppressed() > 200 })
	for i, k := range all {
		if i%3 == 0 {
			_ = k.ws.Close(websocket.StatusNormalClosure, "")
		}
	}
	lines := text.lines()
	fault.Remove()
	expect[*wire.Ack](all[1])
	kinds := map[string]int{}
	for _, l := range lines {
		if strings.Contains(l, "canary") || strings.Contains(l, "eyJ") {
			t.Errorf("%s", l)
		}
		_, l, _ = strings.Cut(l, "level=")
		l, _, _ = strings.Cut(l, " error=")
		if i := strings.Index(l, `" `); i > 0 {
			l = l[:i]
		}
		kinds[l]++
	}
	t.Logf("%d lines, %d left out", len(lines), handler.Suppressed())
	for k, n := range kinds {
		if n > 10 {
			t.Errorf("%d times %s", n, k)
		}
	}
}

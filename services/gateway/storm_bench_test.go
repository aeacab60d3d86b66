package gateway

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/parley-chat/parley/pkg/auth"
	"github.com/parley-chat/parley/pkg/rest"
	"github.com/parley-chat/parley/pkg/store/memstore"
	"github.com/parley-chat/parley/pkg/wire"
)

// dear is a verifier that takes a fixed time of one processor for each token: a pod
// whose handshakes are dear enough for a few clients to be a storm.
type dear struct {
	Verifier
	cost time.Duration
	turn sync.Mutex
}

func (d *dear) Verify(token string) (auth.Identity, error) {
	d.turn.Lock()
	defer d.turn.Unlock()
	time.Sleep(d.cost)
	return d.Verifier.Verify(token)
}

// BenchmarkStorm lets clients connect at once to a pod that can welcome 200 a second,
// with the patience and the back-off of Parley's clients cut to a fifth, and tells how
// long it takes until all are there, and how many handshakes were in vain.
//
//	go test ./services/gateway -run '^$' -bench Storm -benchtime 1x
func BenchmarkStorm(b *testing.B) {
	for _, bound := range []time.Duration{0, 400 * time.Millisecond} {
		b.Run(fmt.Sprint("admission=", bound), func(b *testing.B) {
			for b.Loop() {
				storm(b, bound)
			}
		})
	}
}

const (
	stormClients  = 1500
	stormCost     = 5 * time.Millisecond
	stormPatience = 2 * time.Second
	stormPause    = 2 * time.Second // most between two tries
	stormEnd      = 90 * time.Second
)

func storm(b *testing.B, bound time.Duration) {
	verifier, err := auth.NewVerifier(auth.Options{HS256Secret: []byte(testSecret)})
	if err != nil {
		b.Fatal(err)
	}
	signer, err := auth.NewSigner(auth.SignerOptions{HS256Secret: []byte(testSecret)})
	if err != nil {
		b.Fatal(err)
	}
	st := memstore.New(memstore.Options{})
	meta, err := st.Meta(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	d := &dear{Verifier: verifier, cost: stormCost}
	log := slog.New(slog.DiscardHandler)
	g, err := New(b.Context(), Options{Store: st, Bus: deafBus{}, Verifier: d, Meta: meta, Admission: bound, Reader: Reader(os.Getenv(testReaderEnv)), Log: log})
	if err != nil {
		b.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	srv := rest.NewServer(g.Handler(), log)
	go func() { _ = srv.Serve(ln) }()
	ctx, cancel := context.WithTimeout(b.Context(), stormEnd)
	var wg sync.WaitGroup
	var mu sync.Mutex
	var took []time.Duration
	vain, turned := 0, 0
	began := time.Now()
	for i := range stormClients {
		wg.Go(func() {
			token, err := signer.Sign(auth.Identity{User: "u", ID: fmt.Sprint(i)}, time.Hour)
			if err != nil {
				return
			}
			limit := 20 * time.Millisecond
			for ctx.Err() == nil {
				ws, status := stormTry(ctx, ln.Addr().String(), token, i)
				mu.Lock()
				switch {
				case ws != nil:
					took = append(took, time.Since(began))
					mu.Unlock()
					<-ctx.Done()
					_ = ws.CloseNow()
					return
				case status == http.StatusServiceUnavailable:
					turned++
				default:
					vain++
				}
				over := len(took) == stormClients
				mu.Unlock()
				if over {
					return
				}
				select {
				case <-time.After(rand.N(limit)):
				case <-ctx.Done():
				}
				limit = min(2*limit, stormPause)
			}
		})
	}
	for done := false; !done; {
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			done = true
		}
		mu.Lock()
		done = done || len(took) == stormClients
		mu.Unlock()
	}
	cancel()
	wg.Wait()
	slices.Sort(took)
	b.ReportMetric(float64(len(took)), "welcomed")
	if len(took) > 0 {
		b.ReportMetric(took[len(took)/2].Seconds(), "s-half")
		b.ReportMetric(took[len(took)-1].Seconds(), "s-last")
	}
	b.ReportMetric(float64(vain), "in-vain")
	b.ReportMetric(float64(turned), "turned-away")
	end, stop := context.WithTimeout(context.Background(), 10*time.Second)
	defer stop()
	g.Drain(end)
	_ = srv.Close()
}

// stormTry connects and waits for the welcome.
func stormTry(ctx context.Context, addr, token string, i int) (ws *websocket.Conn, status int) {
	ctx, cancel := context.WithTimeout(ctx, stormPatience)
	defer cancel()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	ws, res, err := websocket.Dial(ctx, "ws://"+addr+"/v1/ws", &websocket.DialOptions{Subprotocols: []string{wire.Subprotocol}, HTTPClient: client,
		HTTPHeader: http.Header{"Authorization": {"Bearer " + token}}})
	if err != nil {
		if res != nil {
			status = res.StatusCode
		}
		return nil, status
	}
	if err := ws.Write(ctx, websocket.MessageText, fmt.Appendf(nil, `{"type":"hello","device":"d%d"}`, i)); err == nil {
		if _, data, err := ws.Read(ctx); err == nil && strings.Contains(string(data), `"welcome"`) {
			return ws, 0
		}
	}
	_ = ws.CloseNow()
	return nil, 0
}

package client_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"time"

	"github.com/parley-chat/parley/pkg/auth"
	"github.com/parley-chat/parley/pkg/bus"
	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/client"
	"github.com/parley-chat/parley/pkg/store/memstore"
	"github.com/parley-chat/parley/services/gateway"
)

// One device sends, another one gets it.
func Example() {
	server := startServer()
	defer server.stop()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()

	came := make(chan client.Entry, 1)
	bob, err := client.Start(ctx, client.Options{
		URLs:  []string{server.url},
		Token: server.tokens("bob"),
		Handler: func(ev client.Event) {
			if e, ok := ev.(client.Entry); ok {
				came <- e
			}
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer bob.Close()

	alice, err := client.Start(ctx, client.Options{URLs: []string{server.url}, Token: server.tokens("alice")})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer alice.Close()
	sent, err := alice.SendTo("bob", client.Message{Text: "Hello, Bob"})
	if err != nil {
		fmt.Println(err)
		return
	}
	ack, err := sent.Wait(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("stored as number", ack.Seq)

	e := <-came
	fmt.Println(e.From, "wrote", string(e.Body))
	bob.MarkRead(e.Conv, e.Seq)
	// Output:
	// stored as number 1
	// alice wrote {"text":"Hello, Bob"}
}

// A refusal is for good; everything else is repeated by the client.
func ExampleSent_Wait() {
	server := startServer()
	defer server.stop()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	alice, err := client.Start(ctx, client.Options{URLs: []string{server.url}, Token: server.tokens("alice")})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer alice.Close()
	sent, err := alice.SendConv("g_abcdefghijklmnopqrstuvwxyz", client.Message{Text: "Is anybody here?"})
	if err != nil {
		fmt.Println(err)
		return
	}
	var refused *chat.Error
	if _, err := sent.Wait(ctx); errors.As(err, &refused) {
		fmt.Println("refused:", refused.Code)
	}
	// Output: refused: not_found
}

// What a device holds is kept, and the next start goes on there.
func ExampleClient_Position() {
	server := startServer()
	defer server.stop()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	came := make(chan chat.Seq, 10)
	options := client.Options{
		URLs: []string{server.url}, Token: server.tokens("bob"), Device: "phone",
		Handler: func(ev client.Event) {
			if e, ok := ev.(client.Entry); ok {
				came <- e.Seq
			}
		},
	}
	bob, err := client.Start(ctx, options)
	if err != nil {
		fmt.Println(err)
		return
	}
	say := func(text string) {
		sent, err := bob.SendTo("bob", client.Message{Text: text}) // notes to oneself
		if err == nil {
			_, err = sent.Wait(ctx)
		}
		if err != nil {
			fmt.Println(err)
		}
	}
	say("one")
	say("two")
	fmt.Println("got", <-came, "and", <-came)
	options.Epoch, options.Cursors = bob.Position()
	bob.Close()

	if bob, err = client.Start(ctx, options); err != nil {
		fmt.Println(err)
		return
	}
	defer bob.Close()
	say("three")
	fmt.Println("got", <-came)
	// Output:
	// got 1 and 2
	// got 3
}

// History reads what lies further back.
func ExampleClient_History() {
	server := startServer()
	defer server.stop()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	alice, err := client.Start(ctx, client.Options{URLs: []string{server.url}, Token: server.tokens("alice")})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer alice.Close()
	var conv chat.ConvID
	for n := range 3 {
		sent, err := alice.SendTo("bob", client.Message{Text: fmt.Sprint("message ", n+1)})
		if err != nil {
			fmt.Println(err)
			return
		}
		ack, err := sent.Wait(ctx)
		if err != nil {
			fmt.Println(err)
			return
		}
		conv = ack.Conv
	}
	before := chat.Seq(3)
	page, err := alice.History(ctx, conv, client.Span{Before: &before})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, e := range page.Items {
		fmt.Println(e.Seq, string(e.Body))
	}
	fmt.Println("more after:", page.MoreAfter)
	// Output:
	// 1 {"text":"message 1"}
	// 2 {"text":"message 2"}
	// more after: true
}

// server is one gateway with its store in memory, for the examples.
type server struct {
	url    string
	signer *auth.Signer
	stop   func()
}

func startServer() *server {
	secret, quiet := auth.NewSecret(), slog.New(slog.DiscardHandler)
	verifier, err := auth.NewVerifier(auth.Options{HS256Secret: secret})
	if err != nil {
		panic(err)
	}
	signer, err := auth.NewSigner(auth.SignerOptions{HS256Secret: secret})
	if err != nil {
		panic(err)
	}
	ctx := context.Background()
	store := memstore.New(memstore.Options{})
	meta, err := store.Meta(ctx)
	if err != nil {
		panic(err)
	}
	g, err := gateway.New(ctx, gateway.Options{Store: store, Bus: alone{}, Verifier: verifier, Meta: meta, Log: quiet})
	if err != nil {
		panic(err)
	}
	web := httptest.NewServer(g.Handler())
	return &server{url: web.URL, signer: signer, stop: func() {
		g.Drain(ctx)
		web.Close()
	}}
}

// tokens asks for tokens of a user, as a client would ask its own backend.
func (s *server) tokens(user chat.User) func(context.Context) (string, error) {
	return func(context.Context) (string, error) { return s.signer.Sign(auth.Identity{User: user}, time.Hour) }
}

// alone is the bus of a gateway that is the only one.
type alone struct{}

func (alone) Publish(bus.Topic, []byte) error                   { return nil }
func (alone) PublishTo(bus.Address, []byte) error               { return nil }
func (alone) Subscribe(bus.Topic, func([]byte)) (func(), error) { return func() {}, nil }
func (alone) SubscribeTo(func([]byte)) (func(bus.Address, bool), func(), error) {
	return func(bus.Address, bool) {}, func() {}, nil
}
func (alone) Flush(context.Context) error { return nil }

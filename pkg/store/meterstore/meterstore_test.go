package meterstore_test

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store"
	"github.com/parley-chat/parley/pkg/store/memstore"
	"github.com/parley-chat/parley/pkg/store/meterstore"
	"github.com/parley-chat/parley/pkg/store/storetest"
)

type seen struct {
	mu    sync.Mutex
	calls []string
}

func (s *seen) observe(_ context.Context, op meterstore.Op, outcome meterstore.Outcome, begun time.Time, took time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	text := string(op) + " " + string(outcome)
	if begun.IsZero() || took < 0 {
		text += " at no time"
	}
	s.calls = append(s.calls, text)
}

// take returns what was observed since it was called last.
func (s *seen) take() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := strings.Join(s.calls, ", ")
	s.calls = nil
	return all
}

// Every method of the port is observed: none is passed through by embedding.
func TestEveryMethodIsObserved(t *testing.T) {
	port := reflect.TypeFor[store.Store]()
	s := &seen{}
	m := reflect.ValueOf(meterstore.New(memstore.New(memstore.Options{}), s.observe))
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for i := range port.NumMethod() {
		name := port.Method(i).Name
		if name == "Close" {
			continue
		}
		args := []reflect.Value{reflect.ValueOf(ended)}
		f := m.MethodByName(name)
		for j := 1; j < f.Type().NumIn(); j++ {
			args = append(args, reflect.Zero(f.Type().In(j)))
		}
		f.Call(args)
		op := strings.ToLower(name)
		if got := s.take(); !strings.HasPrefix(strings.ReplaceAll(got, "_", ""), op+" ") || strings.Contains(got, ",") || strings.Contains(got, "no time") {
			t.Errorf("%s: %q", name, got)
		}
	}
}

func TestOutcomes(t *testing.T) {
	s := &seen{}
	mem := memstore.New(memstore.Options{})
	m := meterstore.New(mem, s.observe)
	key := chat.Key{NS: "_", Conv: chat.DirectID("_", "a", "b")}
	entry := func(cmid chat.CMID) store.Batch {
		return store.Batch{Entries: []chat.Entry{{Key: key, Seq: 1, From: "a", CMID: cmid, Kind: chat.KindMessage, Count: 1, Time: time.Unix(1, 0)}}}
	}
	late, cancel := context.WithDeadline(t.Context(), time.Unix(1, 0))
	defer cancel()
	gone, end := context.WithCancel(t.Context())
	end()
	for _, c := range []struct {
		call func()
		want string
	}{
		{func() { m.Append(t.Context(), entry("x")) }, "append ok"},
		{func() { m.Append(t.Context(), entry("y")) }, "append conflict"},
		{func() { _, _ = m.Lookup(t.Context(), key, "a", "x") }, "lookup ok"},
		{func() { _, _ = m.Lookup(t.Context(), key, "a", "none") }, "lookup not_found"},
		{func() { _, _ = m.Lookup(late, key, "a", "x") }, "lookup timeout"},
		{func() { _, _ = m.Lookup(gone, key, "a", "x") }, "lookup cancelled"},
		{func() {
			in := mem.Inject(memstore.Fault{Kind: memstore.Fail, Op: memstore.OpPing, Err: errors.New("away")})
			_ = m.Ping(t.Context())
			in.Remove()
		}, "ping error"},
	} {
		c.call()
		if got := s.take(); got != c.want {
			t.Errorf("%q, not %q", got, c.want)
		}
	}
	if meterstore.New(mem, nil) != store.Store(mem) {
		t.Error("what nobody observes is wrapped")
	}
}

// What is observed keeps the contract.
func TestContract(t *testing.T) {
	s := &seen{}
	storetest.Run(t, func(*testing.T) store.Store { return meterstore.New(memstore.New(memstore.Options{}), s.observe) })
}

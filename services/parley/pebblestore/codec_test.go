package pebblestore

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store"
)

// anything makes arbitrary values, often zero ones and extreme ones.
type anything struct{ *rand.Rand }

func (r anything) int() int64 {
	return []int64{0, 1, -1, r.Int64N(1000), 1<<53 - 1, -1 << 63, 1<<63 - 1}[r.IntN(7)]
}

func (r anything) string() string {
	b := make([]byte, []int{0, 1, 20, 200}[r.IntN(4)])
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return string(b)
}

func (r anything) bool() bool { return r.IntN(2) == 0 }

func (r anything) time() time.Time {
	if r.bool() {
		return time.Time{}
	}
	return time.UnixMilli(r.Int64N(1e14) - 5e13).UTC()
}

func some[T any](r anything, one func() T) []T {
	var l []T
	for range r.IntN(4) {
		l = append(l, one())
	}
	return l
}

func (r anything) user() chat.User { return chat.User(r.string()) }

func (r anything) entry() chat.Entry {
	e := chat.Entry{
		Key: chat.Key{NS: "ns", Conv: "conv"}, Seq: 7, Kind: kinds[r.IntN(len(kinds))], From: r.user(),
		CMID: chat.CMID(r.string()), Time: r.time(), Via: r.string(), Count: r.int(), MV: chat.Seq(r.int()),
		Members: int(r.int()), Gone: r.bool(), ReplyTo: chat.Seq(r.int()), Mentions: some(r, r.user), Silent: r.bool(),
		Target: chat.Seq(r.int()), Emoji: r.string(), On: r.bool(), Change: chat.Change(r.string()), Title: r.string(),
		Users: some(r, func() chat.UserRole { return chat.UserRole{User: r.user(), Role: chat.Role(r.string())} }),
	}
	copy(e.Hash[:], r.string())
	if r.bool() {
		e.Body = []byte(r.string())
	}
	return e
}

func TestEntryCodec(t *testing.T) {
	r := anything{rand.New(rand.NewPCG(1, 2))}
	for range 2000 {
		e, message := r.entry(), chat.Seq(r.int())
		v, err := appendEntry([]byte("before"), &e, message)
		if err != nil {
			t.Fatal(err)
		}
		v = v[len("before"):]
		got, m, err := decodeEntry(e.Key, e.Seq, v)
		if err != nil || m != message || !reflect.DeepEqual(got, e) {
			t.Fatalf("got %+v, %d, %v\nwant %+v, %d", got, m, err, e, message)
		}
		checkTruncated(t, v, func(v []byte) error { _, _, err := decodeEntry(e.Key, e.Seq, v); return err })
		clear(v) // the entry must not depend on it
		if !reflect.DeepEqual(got, e) {
			t.Fatal("the entry shares memory with its value")
		}
	}
}

// checkTruncated wants an error for a value that is too short or too long, and
// for another layout.
func checkTruncated(t *testing.T, v []byte, decode func(v []byte) error) {
	t.Helper()
	for i := range v {
		if err := decode(v[:i:i]); !errors.Is(err, errCorrupt) {
			t.Fatalf("%d of %d bytes: %v", i, len(v), err)
		}
	}
	if err := decode(append(bytes.Clone(v), 0)); !errors.Is(err, errCorrupt) {
		t.Fatalf("a byte too many: %v", err)
	}
	other := bytes.Clone(v)
	other[0]++
	if err := decode(other); !errors.Is(err, errCorrupt) {
		t.Fatalf("another layout: %v", err)
	}
}

func TestUnknownKind(t *testing.T) {
	if _, err := appendEntry(nil, &chat.Entry{Kind: "poll"}, 0); err == nil {
		t.Error("an entry of unknown kind was encoded")
	}
}

// FuzzEntry: whatever the bytes, there is no panic, and what can be read can be
// written and read again.
func FuzzEntry(f *testing.F) {
	r := anything{rand.New(rand.NewPCG(3, 4))}
	for range 20 {
		e := r.entry()
		v, err := appendEntry(nil, &e, 3)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(v)
	}
	f.Fuzz(func(t *testing.T, v []byte) {
		e, message, err := decodeEntry(chat.Key{}, 1, v)
		if err != nil {
			return
		}
		v, err = appendEntry(nil, &e, message)
		if err != nil {
			t.Fatal(err)
		}
		again, m, err := decodeEntry(chat.Key{}, 1, v)
		if err != nil || m != message || !reflect.DeepEqual(again, e) {
			t.Fatalf("got %+v, %d, %v\nwant %+v, %d", again, m, err, e, message)
		}
	})
}

// document is a kind of value, with an arbitrary example.
type document struct {
	make   func(r anything) any
	encode func(v any) []byte
	decode func(b []byte) (any, error)
}

func documents() map[string]document {
	key := chat.Key{NS: "ns", Conv: "conv"}
	return map[string]document{
		"conversation": {
			func(r anything) any {
				c := conversation{base: chat.Seq(r.int()), Conversation: chat.Conversation{
					Key: key, Kind: chat.ConvKind(r.string()), Users: some(r, r.user), History: chat.History(r.string()),
					Created: r.time(), Floor: chat.Seq(r.int()), Title: r.string(), TitleAsOf: chat.Seq(r.int()), Closed: chat.Seq(r.int()),
				}}
				c.Last = chat.Last{Seq: chat.Seq(r.int()), Count: r.int(), MV: chat.Seq(r.int()), Members: int(r.int()), Time: r.time()}
				c.Preview = chat.Preview{Seq: chat.Seq(r.int()), From: r.user(), Time: r.time(), Text: r.string()}
				if r.IntN(2) == 0 {
					c.Preview.Gone, c.Preview.Files, c.Preview.FileName, c.Preview.FileType = r.IntN(2) == 0, int(r.int()), r.string(), r.string()
					c.Event = chat.Event{Seq: chat.Seq(r.int()), From: r.user(), Time: r.time(), Change: chat.Change(r.string()),
						User: r.user(), Role: chat.Role(r.string()), Users: int(r.int())}
				}
				return c
			},
			func(v any) []byte { c := v.(conversation); return appendConversation(nil, &c) },
			func(b []byte) (any, error) { return decodeConversation(key, b) },
		},
		"member": {
			func(r anything) any {
				m := chat.Member{
					Key: key, User: "user", Role: chat.Role(r.string()), AsOf: chat.Seq(r.int()), Joined: chat.Seq(r.int()),
					JoinedCount: r.int(), Left: chat.Seq(r.int()), Read: chat.Seq(r.int()), ReadCount: r.int(),
				}
				for range r.IntN(3) {
					if m.Recv == nil {
						m.Recv = map[chat.Device]chat.Seq{}
					}
					m.Recv[chat.Device(r.string())] = chat.Seq(r.int())
				}
				if r.IntN(2) == 0 {
					m.Settings = chat.Settings{Version: int64(1 + r.IntN(9)), Muted: r.IntN(2) == 0}
				}
				if r.IntN(2) == 0 {
					m.ReadAt = chat.Reached{Seq: chat.Seq(r.int()), Time: r.time()}
				}
				return m
			},
			func(v any) []byte { m := v.(chat.Member); return appendMember(nil, &m) },
			func(b []byte) (any, error) { return decodeMember(key, "user", b) },
		},
		"journal": {
			func(r anything) any {
				doc := store.JournalDoc{JournalID: store.JournalID{Pod: "pod", Number: 7, Epoch: r.string()}, Time: r.time()}
				keys := []chat.Key{key, {NS: "", Conv: ""}, {NS: "other", Conv: "conv"}}
				doc.Lines = some(r, func() store.JournalLine {
					return store.JournalLine{Key: keys[r.IntN(3)], Seq: chat.Seq(r.int()), Users: some(r, r.user)}
				})
				return doc
			},
			func(v any) []byte { doc := v.(store.JournalDoc); return appendJournal(nil, &doc) },
			func(b []byte) (any, error) { return decodeJournal("pod", 7, b) },
		},
		"pod": {
			func(r anything) any {
				return store.Pod{ID: "pod", Epoch: r.string(), First: r.Uint64(), Until: r.time()}
			},
			func(v any) []byte { p := v.(store.Pod); return appendPod(nil, &p) },
			func(b []byte) (any, error) { return decodePod("pod", b) },
		},
		"recall": {
			func(r anything) any { return &store.Recalled{Seq: chat.Seq(r.int()), By: r.user(), Time: r.time()} },
			func(v any) []byte { return appendRecall(nil, v.(*store.Recalled)) },
			func(b []byte) (any, error) { return decodeRecall(b) },
		},
		"meta": {
			func(r anything) any { return store.MetaInfo{Cluster: r.string(), Epoch: r.string()} },
			func(v any) []byte { return appendMeta(nil, v.(store.MetaInfo)) },
			func(b []byte) (any, error) { return decodeMeta(b) },
		},
	}
}

func TestDocumentCodecs(t *testing.T) {
	for name, d := range documents() {
		t.Run(name, func(t *testing.T) {
			r := anything{rand.New(rand.NewPCG(5, 6))}
			for range 300 {
				want := d.make(r)
				b := d.encode(want)
				got, err := d.decode(b)
				if err != nil || !reflect.DeepEqual(got, want) {
					t.Fatalf("got %+v, %v\nwant %+v", got, err, want)
				}
				checkTruncated(t, b, func(b []byte) error { _, err := d.decode(b); return err })
			}
		})
	}
}

// FuzzDocuments: whatever the bytes, there is no panic.
func FuzzDocuments(f *testing.F) {
	r := anything{rand.New(rand.NewPCG(7, 8))}
	docs := documents()
	for _, d := range docs {
		f.Add(d.encode(d.make(r)))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		for name, d := range docs {
			v, err := d.decode(b)
			if err != nil && !errors.Is(err, errCorrupt) {
				t.Errorf("%s: %v", name, err)
			}
			if err == nil {
				if again, err := d.decode(d.encode(v)); err != nil || !reflect.DeepEqual(again, v) {
					t.Errorf("%s: got %+v, %v\nwant %+v", name, again, err, v)
				}
			}
		}
	})
}

// A journal document is written into a buffer that is large enough from the start.
func TestJournalSize(t *testing.T) {
	long := chat.User(strings.Repeat("u", 300))
	for _, doc := range []store.JournalDoc{
		{},
		{JournalID: store.JournalID{Epoch: "epoch"}, Time: time.UnixMilli(1 << 50), Lines: []store.JournalLine{{Seq: chat.MaxSeq}}},
		{Lines: []store.JournalLine{
			{Key: chat.Key{NS: "a", Conv: "b"}, Seq: 1, Users: []chat.User{"x", long}},
			{Key: chat.Key{NS: "a", Conv: "b"}, Seq: 2, Users: []chat.User{long, long, long}},
			{Key: chat.Key{NS: "a", Conv: "c"}, Seq: chat.MaxSeq},
		}},
	} {
		if n, most := len(appendJournal(nil, &doc)), journalSize(&doc); n > most || most > 2*n+100 {
			t.Errorf("%d bytes, and room for %d", n, most)
		}
	}
}

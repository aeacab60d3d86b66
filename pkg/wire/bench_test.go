package wire

import (
	"strings"
	"testing"
	"time"

	"github.com/parley-chat/parley/pkg/chat"
)

// benchEntry is a message with a body of 200 bytes, without anything optional: the
// usual one.
func benchEntry() chat.Entry {
	return chat.Entry{
		Key: chat.Key{NS: "_", Conv: "d_abcdefghijklmnopqrstuvwxyz"}, Seq: 123456, Kind: chat.KindMessage, From: "alice",
		CMID: "0123456789abcdefghijklmn", Time: time.Date(2026, 1, 2, 3, 4, 5, 6e6, time.UTC), Count: 123400, Members: 2,
		Body: []byte(`{"text":"` + strings.Repeat("x", 189) + `"}`),
	}
}

func BenchmarkEncodeEntry(b *testing.B) {
	e := benchEntry()
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf = AppendEntry(buf[:0], &e)
	}
	b.SetBytes(int64(len(buf)))
}

func BenchmarkEncodeAck(b *testing.B) {
	e := benchEntry()
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf = AppendAck(buf[:0], "17", &e, false)
	}
	b.SetBytes(int64(len(buf)))
}

// BenchmarkEncodeReceipt stands for the frames that are encoded by reflection.
func BenchmarkEncodeReceipt(b *testing.B) {
	f := &Receipt{Type: "receipt", Conv: "d_abcdefghijklmnopqrstuvwxyz", User: "alice", Delivered: 12, Read: 11, Time: Time{time.Unix(1e9, 0)}}
	b.ReportAllocs()
	for b.Loop() {
		Encode(f)
	}
}

func BenchmarkDecode(b *testing.B) {
	e := benchEntry()
	const conv = `"conv":"d_abcdefghijklmnopqrstuvwxyz"`
	for _, c := range []struct{ name, frame string }{
		{"send", `{"type":"send","ref":"17","to":"bob","cmid":"0123456789abcdefghijklmn","body":` + string(e.Body) + `}`},
		{"recv", `{"type":"recv",` + conv + `,"seq":123456}`},
		{"ping", `{"type":"ping"}`},
	} {
		b.Run(c.name, func(b *testing.B) {
			data, lim := []byte(c.frame), chat.Limits{}.WithDefaults()
			b.ReportAllocs()
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				if _, _, err := Decode(data, lim); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkDecodeServer is the client's side: a message arrives.
func BenchmarkDecodeServer(b *testing.B) {
	e := benchEntry()
	data := AppendEntry(nil, &e)
	b.ReportAllocs()
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		if _, err := DecodeServer(data); err != nil {
			b.Fatal(err)
		}
	}
}

package wire

import (
	"reflect"
	"testing"

	"github.com/parley-chat/parley/pkg/chat"
)

// frames says of each frame whether it is in the plain form, right or wrong.
var frames = []struct {
	data  string
	plain bool
}{
	{`{"type":"send","to":"bob","cmid":"c1","body":{"text":"hello"}}`, true},
	{`{"type":"send","ref":"7","conv":"d_abcdefghijklmnopqrstuvwxyz","cmid":"c1","body":{"text":"你好 \u007f"}}`, false},
	{`{"body":{"text":"<>&'"},"cmid":"c1","to":"bob","type":"send"}`, true},
	{`{"type":"send","to":"","cmid":"c1","body":{"text":"x"}}`, true},
	{`{"type":"send","to":"bob","conv":"d_abcdefghijklmnopqrstuvwxyz","cmid":"c1","body":{"text":"x"}}`, true},
	{`{"type":"send","to":"bob","cmid":"c 1","body":{"text":"x"}}`, true},
	{`{"type":"send","to":"bob","cmid":"c1","body":{"text":""}}`, false},
	{`{"type":"send","to":"bob","cmid":"c1","body":{"text":"a\"b"}}`, false},
	{`{"type":"send","to":"bob","to":"eve","cmid":"c1","body":{"text":"x"}}`, false},
	{`{"type":"send","to":"bob","cmid":"c1","body":{"text":"x"},"seq":1}`, false},
	{`{"type":"send","to":"bob","cmid":"c1","body":{"text":"x"},"mentions":["eve"],"reply_to":3}`, false},
	{`{"type":"recv","conv":"d_abcdefghijklmnopqrstuvwxyz","seq":12}`, true},
	{`{"type":"read","ref":"","conv":"d_abcdefghijklmnopqrstuvwxyz","seq":0}`, true},
	{`{"type":"recv","conv":"d_abcdefghijklmnopqrstuvwxyz","seq":01}`, false},
	{`{"type":"recv","conv":"d_abcdefghijklmnopqrstuvwxyz","seq":9007199254740992}`, true},
	{`{"type":"recv","conv":"d_abcdefghijklmnopqrstuvwxyz","seq":99999999999999999999}`, false},
	{`{"type":"recv","conv":"d_abcdefghijklmnopqrstuvwxyz","seq":1.0}`, false},
	{`{"type":"recv","conv":"d_abcdefghijklmnopqrstuvwxyz","to":"x","seq":1}`, false},
	{`{"type":"recv","conv":"nothing"}`, false},
	{`{"type":"ping"}`, false},
	{`{"type":"send"}`, false},
	{`{}`, false},
	{`{"type":"send"`, false},
	{`[]`, false},
	{``, false},
	{`{"type":"send",}`, false},
	{"{\"type\":\"send\",\"to\":\"bob\",\"cmid\":\"c1\",\"body\":{\"text\":\"\xff\"}}", false},
	{"{\"type\":\"send\",\"to\":\"bob\",\"cmid\":\"c1\",\"body\":{\"text\":\"a\nb\"}}", false},
}

// FuzzPlain: what the quick way decodes, the full one decodes to the same.
func FuzzPlain(f *testing.F) {
	for _, frame := range frames {
		f.Add([]byte(frame.data))
	}
	lim := chat.Limits{}.WithDefaults()
	f.Fuzz(func(t *testing.T, data []byte) {
		got, ref, cerr, ok := plain(data, lim)
		if !ok {
			return
		}
		wantFrame, wantRef, wantErr := decode(data, lim)
		if ref != wantRef || !reflect.DeepEqual(cerr, wantErr) || cerr == nil && !reflect.DeepEqual(got, wantFrame) {
			t.Fatalf("%s:\nplain  %+v %q %v\ndecode %+v %q %v", data, got, ref, cerr, wantFrame, wantRef, wantErr)
		}
	})
}

func TestPlainTakesWhatClientsSend(t *testing.T) {
	lim := chat.Limits{}.WithDefaults()
	for _, frame := range frames {
		if _, _, _, ok := plain([]byte(frame.data), lim); ok != frame.plain {
			t.Errorf("plain(%s) = %v, want %v", frame.data, ok, frame.plain)
		}
	}
}

func BenchmarkDecodeSend(b *testing.B) {
	lim := chat.Limits{}.WithDefaults()
	data := []byte(`{"type":"send","ref":"17","to":"bob@example.com","cmid":"IvBQzqYbPZ0u-1d8vKpl","body":{"text":"a message of the length that people write to each other, which is not much"}}`)
	for name, fn := range map[string]func([]byte, chat.Limits) (Frame, string, *chat.Error){"plain": Decode, "full": decode} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, _, cerr := fn(data, lim); cerr != nil {
					b.Fatal(cerr)
				}
			}
		})
	}
}

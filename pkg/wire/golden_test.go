package wire

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/parley-chat/parley/pkg/chat"
)

// golden gives the frames of one side: type, or type-variant, and one line of JSON.
func golden(t *testing.T, side string, visit func(name, typ string, frame []byte)) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", side, "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatal("no golden frames", err)
	}
	for _, path := range files {
		frame, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimSuffix(filepath.Base(path), ".json")
		typ, _, _ := strings.Cut(name, "-")
		visit(name, typ, bytes.TrimSuffix(frame, []byte("\n")))
	}
}

// Golden frames of clients are decoded, and are what the decoded frame is written as.
func TestGoldenClientFrames(t *testing.T) {
	golden(t, "client", func(name, typ string, frame []byte) {
		f, _, cerr := Decode(frame, chat.Limits{}.WithDefaults())
		if cerr != nil || f.Name() != typ {
			t.Errorf("%s: %v, %v", name, f, cerr)
			return
		}
		if h, ok := f.(*Hello); ok && !bytes.Contains(frame, []byte(`"device"`)) {
			h.Device = "" // the default is filled in
		}
		if again, err := EncodeClient(f); err != nil || !bytes.Equal(again, frame) {
			t.Errorf("%s is written as\n%s, not\n%s: %v", name, again, frame, err)
		}
	})
}

// The same for those of the server.
func TestGoldenServerFrames(t *testing.T) {
	golden(t, "server", func(name, typ string, frame []byte) {
		f, err := DecodeServer(frame)
		if err != nil || f == nil {
			t.Errorf("%s: %v, %v", name, f, err)
			return
		}
		again := Encode(f)
		if e, ok := f.(*Entry); ok && e.Type != typ || !bytes.Equal(again, frame) {
			t.Errorf("%s is written as\n%s, not\n%s", name, again, frame)
		}
	})
}

package wire_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/wire"
	"github.com/parley-chat/parley/pkg/wire/hostile"
)

// free says of a field that it may be any JSON: it is kept as the text that it came
// as, and nothing but clients ever looks into it.
func free(path string) bool {
	return path == "body.data" || strings.HasPrefix(path, "body.data.")
}

// switches are fields that take true.
var switches = map[string]bool{"silent": true, "on": true, "mention_all": true}

// No field of any frame takes an operator, an object or a list where it is not one.
func TestHostileFrames(t *testing.T) {
	files, err := filepath.Glob("testdata/client/*.json")
	if err != nil || len(files) < 10 {
		t.Fatal(files, err)
	}
	lim := chat.Limits{}.WithDefaults()
	tried := 0
	for _, file := range files {
		doc, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		cases, err := hostile.Fields(string(doc), hostile.Values)
		if err != nil {
			t.Fatal(file, err)
		}
		hello := strings.Contains(file, "hello")
		for _, c := range cases {
			if free(c.Path) || c.Value == "true" && switches[c.Path] {
				continue
			}
			if hello && (strings.HasPrefix(c.Path, "client") || strings.HasPrefix(c.Path, "features") || c.Path == "resume" && c.Value[0] == '{') {
				continue // nobody looks at these; unknown fields in hello are ignored
			}
			tried++
			if f, _, cerr := wire.Decode([]byte(c.JSON), lim); cerr == nil {
				t.Errorf("%s: %s as %s is taken: %+v", filepath.Base(file), c.Path, c.Value, f)
			}
		}
	}
	if tried < 500 {
		t.Errorf("only %d cases", tried)
	}
}

// Texts that mean something to a database are refused where ids belong.
func TestHostileTextsAreNoIDs(t *testing.T) {
	lim := chat.Limits{}.WithDefaults()
	for _, text := range hostile.Texts {
		q := hostile.Quoted(text)
		for _, frame := range []string{
			`{"type":"send","to":` + q + `,"cmid":"c","body":{"text":"x"}}`,
			`{"type":"send","conv":` + q + `,"cmid":"c","body":{"text":"x"}}`,
			`{"type":"send","to":"bob","cmid":` + q + `,"body":{"text":"x"}}`,
			`{"type":"send","to":"bob","cmid":"c","body":{"text":"x"},"mentions":[` + q + `]}`,
			`{"type":"recv","conv":` + q + `,"seq":1}`,
			`{"type":"hello","resume":{"epoch":"e","cursors":{` + q + `:1}}}`,
			`{"type":"watch","users":[` + q + `]}`,
			`{"type":` + q + `}`,
		} {
			f, _, cerr := wire.Decode([]byte(frame), lim)
			if cerr != nil {
				continue
			}
			// What is a valid id is no danger: there is nothing in it but letters, digits and a few signs.
			if valid := chat.User(text).Valid() || chat.CMID(text).Valid(); !valid {
				t.Errorf("%s is taken: %+v", frame, f)
			}
		}
		device := `{"type":"hello","device":` + q + `}`
		if _, _, cerr := wire.Decode([]byte(device), lim); cerr == nil && !chat.Device(text).Valid() {
			t.Errorf("%s is taken", device)
		}
	}
}

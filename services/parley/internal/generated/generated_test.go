package generated

import (
	"os"
	"path/filepath"
	"testing"
)

func TestReplace(t *testing.T) {
	const doc = "before\n<!-- generated: a -->\nold\n<!-- end: a -->\nafter\n"
	const want = "before\n<!-- generated: a -->\n\nnew\n\n<!-- end: a -->\nafter\n"
	got, err := Replace(doc, "a", "new\n")
	if err != nil || got != want {
		t.Errorf("%q, %v", got, err)
	}
	if again, err := Replace(got, "a", "new"); err != nil || again != want {
		t.Errorf("done again: %q, %v", again, err)
	}
	for _, bad := range []string{"", "<!-- generated: a -->\n", "<!-- end: a -->\n<!-- generated: a -->\n", doc + doc} {
		if _, err := Replace(bad, "a", "new"); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

func TestReplaceFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "doc.md")
	if err := ReplaceFile(path, "a", "x"); err == nil {
		t.Error("there is no such file")
	}
	if err := os.WriteFile(path, []byte("<!-- generated: a -->\n<!-- end: a -->\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := ReplaceFile(path, "b", "x"); err == nil {
		t.Error("there is no such part")
	}
	if err := ReplaceFile(path, "a", "x"); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != "<!-- generated: a -->\n\nx\n\n<!-- end: a -->\n" {
		t.Errorf("%q, %v", got, err)
	}
}

package authz_test

import (
	"os"
	"strings"
	"testing"

	"github.com/parley-chat/parley/pkg/contract/authz"
	"github.com/parley-chat/parley/pkg/contract/spec"
)

func TestEveryOperationHasARow(t *testing.T) {
	for _, m := range []struct {
		rows []authz.Row
		by   spec.Service
	}{{authz.Gateway, spec.Gateway}, {authz.History, spec.History}, {authz.Dev, spec.AllInOne}} {
		for _, wrong := range authz.Check(m.rows, m.by) {
			t.Error(wrong)
		}
	}
}

const document = "../../../docs/authorisation.md"

// TestDocument holds the document against the matrices; with
// PARLEY_WRITE_AUTHORISATION set it writes it.
func TestDocument(t *testing.T) {
	doc, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	const begin, end = "<!-- generated: make authorisation -->\n", "<!-- end: make authorisation -->\n"
	head, rest, ok := strings.Cut(string(doc), begin)
	_, tail, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s needs the lines %q and %q", document, begin, end)
	}
	want := head + begin + "\n" + authz.Tables() + "\n" + end + tail
	if want == string(doc) {
		return
	}
	if os.Getenv("PARLEY_WRITE_AUTHORISATION") == "" {
		t.Fatalf("%s is out of date: run make authorisation", document)
	}
	if err := os.WriteFile(document, []byte(want), 0o644); err != nil {
		t.Fatal(err)
	}
}

package mutants

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/parley-chat/parley/pkg/mutant"
)

// Every defect is caught by what should catch it.
func TestEveryMutantIsCaught(t *testing.T) {
	for _, m := range mutant.All() {
		if !slices.ContainsFunc(proofs, func(p proof) bool { return p.mutant == m }) {
			t.Errorf("nothing is said to catch %s", m)
		}
	}
	results, err := Run(t.Context(), Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	var table strings.Builder
	if err := WriteTable(&table, results); err != nil {
		t.Fatal(err)
	}
	t.Logf("\n%s", &table)
	if err := Missed(results); err != nil {
		t.Error(err)
	}
}

// A program for production has no trace of any mutant, so nothing can switch one
// on. That a program with mutants has, shows that this looks at the right thing.
func TestProductionHasNoMutants(t *testing.T) {
	for tags, has := range map[string]bool{"": false, "mutants": true} {
		file := filepath.Join(t.TempDir(), "gateway")
		cmd := exec.CommandContext(t.Context(), "go", "build", "-tags", tags, "-o", file, module+"/services/gateway/cmd/gateway")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		program, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, trace := range []string{mutant.Env, string(mutant.AckBeforeStore), string(mutant.RemovalKeepsStream), "answerEarly"} {
			if bytes.Contains(program, []byte(trace)) != has {
				t.Errorf("tags %q: the program has %q: %v", tags, trace, !has)
			}
		}
	}
}

// A run without a verdict has caught nothing: a timeout, a crash of another kind.
func TestFailure(t *testing.T) {
	for out, want := range map[string]string{
		"=== RUN   TestX\n    x_test.go:12: got 3 after 1\n--- FAIL: TestX (0.00s)\nFAIL\n":                              "got 3 after 1",
		"=== RUN   TestX/a\n        x_test.go:7: first\n        x_test.go:8: second\n--- FAIL: TestX (0.00s)\n":          "first",
		"=== RUN   TestX\npanic: memstore: append to d_x: seq 3 can leave a hole [recovered, repanicked]\n\ngoroutine 1": "memstore: append to d_x: seq 3 can leave a hole",
		"=== RUN   TestX\n    x_test.go:12: only a remark\npanic: test timed out after 45s\n":                            "",
		"panic: runtime error: invalid memory address or nil pointer dereference\n\n--- FAIL: TestX (0.00s)\n":           "",
		"PARLEY_MUTANT is \"no-such\", and must be one of [\"ack-before-store\"]\n":                                      "",
	} {
		if got := failure(out); got != want {
			t.Errorf("%q: %q, want %q", out, got, want)
		}
	}
}

// A test that is not there, or a mutant that nothing minds, is not taken for proof.
func TestWhatProvesNothing(t *testing.T) {
	dir := t.TempDir()
	passing := catcher{pkg: "services/gateway/internal/journal", test: "TestSettledStaysBelowWhatIsOpen"}
	missing := catcher{pkg: passing.pkg, test: "TestNotThere"}
	if err := build(t.Context(), Options{Dir: dir, AtOnce: 1}, []job{{none, passing}}); err != nil {
		t.Fatal(err)
	}
	if _, err := passes(t.Context(), dir, job{none, passing}); err != nil {
		t.Error(err)
	}
	if _, err := passes(t.Context(), dir, job{none, missing}); err == nil {
		t.Error("a test that is not there passes")
	}
	r, err := catches(t.Context(), dir, job{mutant.NoDirtyFlag, passing})
	if err != nil || r.Caught || r.How != "it passed" || Missed([]Result{r}) == nil {
		t.Errorf("%+v %v", r, err)
	}
	r, err = catches(t.Context(), dir, job{"no-such-mutant", passing})
	if err != nil || r.Caught {
		t.Errorf("%+v %v", r, err)
	}
}

func TestTable(t *testing.T) {
	var b strings.Builder
	err := WriteTable(&b, []Result{{Mutant: "m", By: "TestX", Caught: true, How: "a|b"}, {Mutant: "n", By: "TestY", How: strings.Repeat("ä", 200)}})
	lines := strings.Split(b.String(), "\n")
	if err != nil || len(lines) != 5 || lines[2] != "| m | `TestX` | a\\|b | 0.0 s |" || !strings.HasPrefix(lines[3], "| n | **not** by `TestY` | ää") ||
		!strings.Contains(lines[3], strings.Repeat("ä", longest-1)+"… |") {
		t.Errorf("%q %v", lines, err)
	}
}

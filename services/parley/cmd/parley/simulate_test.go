package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestSimulate(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"routing", "--pods", "2,3", "--messages", "1000"}, "| 3 | broadcast |"},
		{[]string{"storm", "--pods", "10", "--users", "100", "--lost", "5"}, "| 5 of 10 pods end | 500 | 100 |"},
		{[]string{"capacity", "--users", "5000"}, "| 5,000 | nothing |"},
		{[]string{"check"}, "simulated, µs a message"},
		{[]string{"units"}, "| store_read | 2.00 ms | assumed |"},
	} {
		var out strings.Builder
		if _, err := execute(t, simulateCmd(&out), "", c.args...); err != nil || !strings.Contains(out.String(), c.want) {
			t.Errorf("%q: %v\n%s", c.args, err, &out)
		}
	}
	bad := filepath.Join(t.TempDir(), "units.json")
	if err := os.WriteFile(bad, []byte(`{"costs":{}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{}, {"pigeons"}, {"routing", "--pods", "0"}, {"capacity", "--users", "many"}, {"check", "extra"},
		{"storm", "--lost", "2000"}, {"--units", bad, "check"}, {"--units", bad + "x", "check"}, {"--table", "extra"}} {
		if _, err := execute(t, simulateCmd(&strings.Builder{}), "", args...); err == nil {
			t.Errorf("%q: no error", args)
		}
	}
}

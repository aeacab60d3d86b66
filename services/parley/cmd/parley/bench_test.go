package main

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"

	"github.com/parley-chat/parley/services/parley/internal/bench"
)

// The command starts a `parley up` of its own, this test's program, and measures it.
func TestBenchSpawns(t *testing.T) {
	dir := t.TempDir()
	report, plot, profile := filepath.Join(dir, "r.json"), filepath.Join(dir, "p.svg"), filepath.Join(dir, "cpu")
	out, err := execute(t, newBenchCmd(), "", "pairs", "--spawn", "--gateways", "2", "--scratch", dir, "--pairs", "4", "--in-flight", "2", "--warmup", "100ms",
		"--duration", "1s", "--json", report, "--plot", plot, "--profile", profile)
	if err != nil || !strings.Contains(out, "nothing lost") || !strings.Contains(out, "2 gateways") {
		t.Fatal(out, err)
	}
	var r bench.Report
	if b, err := os.ReadFile(report); err != nil || json.Unmarshal(b, &r) != nil || !r.OK || r.Count == 0 || r.Processes == nil || r.Processes.CPU <= 0 {
		t.Errorf("%v %+v", err, r)
	}
	for _, file := range []string{plot, profile} {
		if info, err := os.Stat(file); err != nil || info.Size() < 1000 {
			t.Error(info, err)
		}
	}
	if left, err := filepath.Glob(filepath.Join(dir, "parley-bench-*")); err != nil || len(left) > 0 {
		t.Error(left, err)
	}
}

func TestBenchCommand(t *testing.T) {
	for _, bad := range [][]string{{"pairs", "extra"}, {"nothing"}, {"pairs", "--pid", "x"}, {"pairs", "--spawn", "--urls", "http://x"},
		{"pairs", "--secret-file", "/no/such/file"}, {"--urls", "http://127.0.0.1:1", "idle", "--connections", "1"}, {"pairs", "--nope"}} {
		if out, err := execute(t, newBenchCmd(), "", bad...); err == nil {
			t.Errorf("%q: %s", bad, out)
		}
	}
	if _, err := execute(t, newBenchCmd(), ""); !errors.Is(err, flag.ErrHelp) {
		t.Error(err)
	}
	// A report goes to standard output on request, and what it refuses to measure does not.
	out, err := execute(t, newBenchCmd(), "", "idle", "--spawn", "--connections", "5", "--duration", "10ms", "--json", "-")
	var r bench.Report
	if i := strings.IndexByte(out, '{'); err != nil || i < 0 || json.Unmarshal([]byte(out[i:]), &r) != nil || r.Count != 5 {
		t.Error(out, err)
	}
	var pids intList
	if pids.Set("7") != nil || pids.Set("8") != nil || pids.String() != "7 8" || pids.Set("0") == nil {
		t.Error(pids)
	}
}

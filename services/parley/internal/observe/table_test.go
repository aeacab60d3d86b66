package observe

import (
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/parley-chat/parley/pkg/logs"
	"github.com/parley-chat/parley/pkg/meters"
	"github.com/parley-chat/parley/pkg/ops"
	"github.com/parley-chat/parley/services/parley/internal/allinone"
)

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("../../../..", path))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func table(t *testing.T) []Row {
	t.Helper()
	rows, err := Table(read(t, "docs/metrics.md"))
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// registered is what parley up shows: everything.
func registered(t *testing.T) []ops.Metric {
	t.Helper()
	port := ops.New(ops.Options{})
	meters.Logs(&port.Metrics, logs.New(slog.DiscardHandler, logs.Options{}))
	c, err := allinone.Start(t.Context(), allinone.Options{Data: t.TempDir(), Metrics: &port.Metrics})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	return port.List()
}

// The table has each metric of parley up and no other; the two services' own parts
// of it are compared with running processes by package e2e.
func TestTable(t *testing.T) {
	for _, d := range Compare(table(t), All, registered(t)) {
		t.Error(d)
	}
}

// Names and labels are as Prometheus has them, and no label is of what clients
// choose.
func TestNames(t *testing.T) {
	labels := []string{"code", "op", "outcome", "part", "path", "reason", "route", "status", "trigger", "type", "version", "limit", "use", "state"}
	rows := table(t)
	for _, r := range rows {
		if !regexp.MustCompile(`^parley_[a-z]+(_[a-z]+)*$`).MatchString(r.Name) {
			t.Errorf("%s is no name", r.Name)
		}
		if (r.Type == "counter") != strings.HasSuffix(r.Name, "_total") {
			t.Errorf("%s is a %s", r.Name, r.Type)
		}
		if r.Type == "histogram" && !regexp.MustCompile(`_(seconds|bytes|entries)$`).MatchString(r.Name) {
			t.Errorf("%s has no unit", r.Name)
		}
		for _, l := range r.Labels {
			if !slices.Contains(labels, l) {
				t.Errorf("%s has the label %s, of which nobody has said that it is bounded", r.Name, l)
			}
		}
		if r.Worry == "" || len(r.In) == 0 {
			t.Errorf("%s: %+v", r.Name, r)
		}
	}
	if len(rows) < 50 {
		t.Errorf("%d rows: the table was not found", len(rows))
	}
}

func TestCompareFindsWhatDiffers(t *testing.T) {
	rows := []Row{{Metric: ops.Metric{Name: "a", Type: "gauge"}, In: []string{"G"}}, {Metric: ops.Metric{Name: "b", Type: "gauge"}, In: []string{"G", "H"}},
		{Metric: ops.Metric{Name: "c", Type: "gauge", Help: "C."}, In: []string{"H"}}}
	has := []ops.Metric{{Name: "b", Type: "gauge"}, {Name: "c", Type: "gauge", Help: "Another."}, {Name: "d", Type: "gauge"}}
	for binary, want := range map[Binary]int{All: 3, History: 2, Gateway: 3} {
		if got := Compare(rows, binary, has); len(got) != want {
			t.Errorf("%q: %q", binary, got)
		}
	}
}

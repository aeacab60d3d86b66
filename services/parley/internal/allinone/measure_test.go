package allinone

import (
	"os"
	"testing"

	"github.com/parley-chat/parley/pkg/ops"
	"github.com/parley-chat/parley/services/parley/internal/observe"
)

// A cluster in one process shows every metric that docs/metrics.md has of gateways and
// of history, but for that of the log, which whoever starts it has.
func TestEveryMetricIsShown(t *testing.T) {
	markdown, err := os.ReadFile("../../../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	rows, err := observe.Table(string(markdown))
	if err != nil || len(rows) == 0 {
		t.Fatal(len(rows), err)
	}
	port := ops.New(ops.Options{})
	start(t, Options{Data: t.TempDir(), Metrics: &port.Metrics})
	shown := map[string]bool{"parley_log_lines_suppressed_total": true}
	for _, m := range port.Metrics.List() {
		shown[m.Name] = true
	}
	for _, r := range rows {
		if !shown[r.Name] {
			t.Errorf("%s is not shown", r.Name)
		}
		delete(shown, r.Name)
	}
	for name := range shown {
		t.Errorf("%s is not in docs/metrics.md", name)
	}
}

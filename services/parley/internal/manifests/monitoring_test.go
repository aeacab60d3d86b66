package manifests

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
	"sigs.k8s.io/yaml"

	"github.com/parley-chat/parley/pkg/ops"
	"github.com/parley-chat/parley/services/parley/internal/observe"
)

// registered is the name of every metric that there is: those of docs/metrics.md,
// which package observe holds against the binaries, and what Go and Prometheus add.
func registered(t *testing.T) map[string]bool {
	t.Helper()
	rows, err := observe.Table(string(read(t, "docs/metrics.md")))
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{"up": true} // Prometheus' own
	for _, r := range rows {
		names[r.Name] = true
	}
	w := httptest.NewRecorder()
	ops.New(ops.Options{}).Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	for line := range strings.Lines(w.Body.String()) {
		if f := strings.Fields(line); len(f) > 2 && f[1] == "TYPE" {
			names[f[2]] = true
		}
	}
	return names
}

// check parses an expression and looks its metrics up.
func check(t *testing.T, where, expr string, names map[string]bool) {
	t.Helper()
	e, err := parser.ParseExpr(expr)
	if err != nil {
		t.Errorf("%s: %v", where, err)
		return
	}
	parser.Inspect(e, func(n parser.Node, _ []parser.Node) error {
		v, ok := n.(*parser.VectorSelector)
		if !ok {
			return nil
		}
		name := v.Name
		for _, m := range v.LabelMatchers {
			if m.Name == labels.MetricName {
				name = m.Value
			}
		}
		family := name
		for _, part := range []string{"_bucket", "_sum", "_count"} {
			family = strings.TrimSuffix(family, part)
		}
		if !names[name] && !names[family] {
			t.Errorf("%s: no binary has the metric %s", where, name)
		}
		return nil
	})
}

// TestAlerts: rules are PromQL over metrics that exist, and each says what to do.
func TestAlerts(t *testing.T) {
	var file struct {
		Groups []struct {
			Name  string `json:"name"`
			Rules []struct {
				Alert       string            `json:"alert"`
				Expr        string            `json:"expr"`
				For         string            `json:"for"`
				Labels      map[string]string `json:"labels"`
				Annotations map[string]string `json:"annotations"`
			} `json:"rules"`
		} `json:"groups"`
	}
	if err := yaml.UnmarshalStrict(read(t, "deploy/monitoring/alerts.yaml"), &file); err != nil {
		t.Fatal(err)
	}
	names, runbook := registered(t), string(read(t, "docs/operations.md"))
	n := 0
	for _, g := range file.Groups {
		for _, r := range g.Rules {
			n++
			check(t, r.Alert, r.Expr, names)
			if !strings.Contains(runbook, "\n### "+r.Alert+"\n\n") || !strings.HasSuffix(r.Annotations["runbook"], "#"+strings.ToLower(r.Alert)) {
				t.Errorf("%s has no paragraph in docs/operations.md", r.Alert)
			}
			if s := r.Labels["severity"]; s != "critical" && s != "warning" || r.Annotations["summary"] == "" || r.For == "" {
				t.Errorf("%s: %v %v", r.Alert, r.Labels, r.Annotations)
			}
		}
	}
	if n == 0 {
		t.Error("no rules")
	}
}

func TestDashboard(t *testing.T) {
	var board struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(read(t, "deploy/monitoring/parley.json"), &board, json.MatchCaseInsensitiveNames(true)); err != nil {
		t.Fatal(err)
	}
	names := registered(t)
	for _, p := range board.Panels {
		for _, q := range p.Targets {
			check(t, p.Title, strings.ReplaceAll(q.Expr, "$__rate_interval", "1m"), names) // as Grafana does
		}
	}
	if len(board.Panels) == 0 {
		t.Error("no panels")
	}
	if !strings.Contains(string(read(t, "deploy/monitoring/adapter.yaml")), "as: parley_gateway_sessions") {
		t.Error("the adapter does not serve what the autoscaler reads")
	}
}

package observe

import (
	"os/exec"
	"path/filepath"
	"testing"
)

// Each alert fires when it should and is quiet when it should be, by the rules of
// promtool; where promtool itself is installed, it is asked as well.
func TestAlertRules(t *testing.T) {
	rules, err := ParseRules([]byte(read(t, "deploy/monitoring/alerts.yaml")))
	if err != nil {
		t.Fatal(err)
	}
	tests, err := ParseRuleTests([]byte(read(t, "deploy/monitoring/alerts_test.yaml")))
	if err != nil {
		t.Fatal(err)
	}
	every, err := duration(tests.EvaluationInterval)
	if err != nil {
		t.Fatal(err)
	}
	fires, quiet := map[string]bool{}, map[string]bool{}
	for _, c := range tests.Tests {
		differences, err := c.Run(t.Context(), rules, every)
		if err != nil {
			t.Fatalf("%s: %v", c.Name, err)
		}
		for _, d := range differences {
			t.Error(d)
		}
		for _, a := range c.AlertRuleTest {
			if len(a.ExpAlerts) > 0 {
				fires[a.Alertname] = true
			} else {
				quiet[a.Alertname] = true
			}
		}
	}
	for _, r := range rules {
		if !fires[r.Alert] || !quiet[r.Alert] {
			t.Errorf("%s: no test in which it fires, or none in which it does not", r.Alert)
		}
	}
}

func TestPromtool(t *testing.T) {
	tool, err := exec.LookPath("promtool")
	if err != nil {
		t.Log("promtool is not installed: TestAlertRules has run the same tests")
		return
	}
	cmd := exec.CommandContext(t.Context(), tool, "test", "rules", "alerts_test.yaml")
	cmd.Dir = filepath.Join("../../../..", "deploy/monitoring")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// The runner notices an alert that fires too early, too late, elsewhere or with
// other labels.
func TestRuleTestsNotice(t *testing.T) {
	rules := []Rule{{Alert: "Up", Expr: `up == 0`, For: "2m", Labels: map[string]string{"severity": "critical"}}}
	for values, want := range map[string]map[string]bool{ // values → time → fires
		"0x40":        {"1m45s": false, "2m": true, "9m": true},
		"1x4 0x40":    {"3m": false, "3m15s": true},
		"0x6 1 0x40":  {"2m": false, "3m": false, "3m45s": false, "4m": true},
		"0x6 _x2 0x9": {"2m": true}, // a missing sample is the last one for five minutes
	} {
		for at, fires := range want {
			test := RuleTest{Interval: "15s"}
			text := "tests:\n- interval: 15s\n  input_series:\n  - series: up{i=\"a\"}\n    values: '" + values + "'\n  alert_rule_test:\n  - eval_time: " + at + "\n    alertname: Up\n"
			if fires {
				text += "    exp_alerts:\n    - exp_labels: {i: a, severity: critical}\n"
			}
			parsed, err := ParseRuleTests([]byte(text))
			if err != nil {
				t.Fatal(err)
			}
			test = parsed.Tests[0]
			differences, err := test.Run(t.Context(), rules, 15e9)
			if err != nil || len(differences) != 0 {
				t.Errorf("%s at %s: %v, %v", values, at, differences, err)
			}
			if fires {
				test.AlertRuleTest[0].ExpAlerts[0].ExpLabels["i"] = "b"
			} else {
				test.AlertRuleTest[0].ExpAlerts = append(test.AlertRuleTest[0].ExpAlerts, struct {
					ExpLabels      map[string]string `json:"exp_labels"`
					ExpAnnotations map[string]string `json:"exp_annotations"`
				}{})
			}
			if differences, err := test.Run(t.Context(), rules, 15e9); err != nil || len(differences) == 0 {
				t.Errorf("%s at %s: a wrong expectation was met, %v", values, at, err)
			}
		}
	}
}

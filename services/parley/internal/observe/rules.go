package observe

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
	"sigs.k8s.io/yaml"
)

// Rule is an alert.
type Rule struct {
	Alert       string            `json:"alert"`
	Expr        string            `json:"expr"`
	For         string            `json:"for"`
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
}

// ParseRules reads a file of alert rules.
func ParseRules(text []byte) (rules []Rule, err error) {
	var file struct {
		Groups []struct {
			Name  string `json:"name"`
			Rules []Rule `json:"rules"`
		} `json:"groups"`
	}
	if err := yaml.UnmarshalStrict(text, &file); err != nil {
		return nil, fmt.Errorf("read rules: %w", err)
	}
	for _, g := range file.Groups {
		rules = append(rules, g.Rules...)
	}
	return rules, nil
}

// RuleTests is a file of tests as `promtool test rules` takes it, as far as it is
// used here: series, and which alerts fire at a time.
type RuleTests struct {
	RuleFiles          []string   `json:"rule_files"`
	EvaluationInterval string     `json:"evaluation_interval"`
	Tests              []RuleTest `json:"tests"`
}

// RuleTest is one of them.
type RuleTest struct {
	Name        string `json:"name"`
	Interval    string `json:"interval"`
	InputSeries []struct {
		Series string `json:"series"`
		Values string `json:"values"`
	} `json:"input_series"`
	AlertRuleTest []struct {
		EvalTime  string `json:"eval_time"`
		Alertname string `json:"alertname"`
		ExpAlerts []struct {
			ExpLabels      map[string]string `json:"exp_labels"`
			ExpAnnotations map[string]string `json:"exp_annotations"`
		} `json:"exp_alerts"`
	} `json:"alert_rule_test"`
}

// ParseRuleTests reads such a file.
func ParseRuleTests(text []byte) (t RuleTests, err error) {
	if err := yaml.UnmarshalStrict(text, &t); err != nil {
		return t, fmt.Errorf("read tests of rules: %w", err)
	}
	return t, nil
}

// duration reads "5m" as Prometheus does.
func duration(s string) (time.Duration, error) {
	d, err := model.ParseDuration(s)
	if err != nil {
		return 0, fmt.Errorf("%q is no duration: %w", s, err)
	}
	return time.Duration(d), nil
}

// Run says what a test expects and does not get: a line a difference.
func (t RuleTest) Run(ctx context.Context, rules []Rule, every time.Duration) (differences []string, err error) {
	rec, err := t.recording()
	if err != nil {
		return nil, err
	}
	for _, c := range t.AlertRuleTest {
		at, err := duration(c.EvalTime)
		if err != nil {
			return nil, err
		}
		i := slices.IndexFunc(rules, func(r Rule) bool { return r.Alert == c.Alertname })
		if i < 0 {
			return nil, fmt.Errorf("there is no alert %q", c.Alertname)
		}
		got, err := rules[i].firing(ctx, rec, at, every)
		if err != nil {
			return nil, err
		}
		var want []string
		for _, e := range c.ExpAlerts {
			want = append(want, labels.FromMap(e.ExpLabels).String())
			if !maps.Equal(e.ExpAnnotations, rules[i].Annotations) {
				differences = append(differences, fmt.Sprintf("%s: annotations %v", c.Alertname, e.ExpAnnotations))
			}
		}
		slices.Sort(want)
		if !slices.Equal(got, want) {
			differences = append(differences, fmt.Sprintf("%s: %s at %s: %q fires, want %q", t.Name, c.Alertname, c.EvalTime, got, want))
		}
	}
	return differences, nil
}

// recording makes the series: the first value is of time 0.
func (t RuleTest) recording() (*Recording, error) {
	rec := &Recording{}
	step, err := duration(t.Interval)
	if err != nil {
		return nil, err
	}
	for _, s := range t.InputSeries {
		l, values, err := parser.ParseSeriesDesc(s.Series + " " + s.Values)
		if err != nil {
			return nil, fmt.Errorf("series %s: %w", s.Series, err)
		}
		for i, v := range values {
			if !v.Omitted {
				rec.Add(l, time.UnixMilli(0).Add(time.Duration(i)*step), v.Value)
			}
		}
	}
	return rec, nil
}

// firing lists the alerts that fire at a time: those whose expression has had an
// answer at every evaluation for as long as For says.
func (r Rule) firing(ctx context.Context, rec *Recording, at, every time.Duration) (list []string, err error) {
	wait := time.Duration(0)
	if r.For != "" {
		if wait, err = duration(r.For); err != nil {
			return nil, err
		}
	}
	if every <= 0 {
		return nil, errors.New("no evaluation interval")
	}
	lines, err := rec.Range(ctx, r.Expr, time.UnixMilli(0), time.UnixMilli(0).Add(at), every)
	if err != nil {
		return nil, err
	}
	for _, l := range lines {
		since := l.Points[len(l.Points)-1].At
		if since != time.UnixMilli(0).Add(at.Truncate(every)) {
			continue // not now
		}
		for i := len(l.Points) - 2; i >= 0 && since.Sub(l.Points[i].At) == every; i-- {
			since = l.Points[i].At
		}
		if time.UnixMilli(0).Add(at).Sub(since) >= wait {
			b := labels.NewBuilder(l.Labels).Del(labels.MetricName)
			for k, v := range r.Labels {
				b.Set(k, v)
			}
			list = append(list, b.Labels().String())
		}
	}
	slices.SortFunc(list, cmp.Compare[string])
	return list, nil
}

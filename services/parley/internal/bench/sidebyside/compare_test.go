package sidebyside

import (
	"strings"
	"testing"
)

func reportOf(shares map[string]Spread) *Report {
	r := &Report{}
	for _, c := range Cases() {
		for _, ref := range c.References {
			if s, ok := shares[c.Name+"/"+ref]; ok {
				r.Ratios = append(r.Ratios, Ratio{Case: c.Name, Reference: ref, Share: s})
			}
		}
	}
	return r
}

func TestCompare(t *testing.T) {
	const name = "200 × 16/relay"
	kept := Spread{0.50, 0.45, 0.55}
	for _, c := range []struct {
		what  string
		fresh Spread
		want  Judgement
		fails bool
	}{
		{"the same", kept, Same, false},
		{"a tenth less", Spread{0.451, 0.40, 0.46}, Same, false},
		{"more than a tenth, always", Spread{0.44, 0.43, 0.449}, Worse, true},
		{"one round only", Spread{0.44, 0.44, 0.44}, Worse, true},
		{"more than a tenth, not in the best round", Spread{0.44, 0.40, 0.50}, Unsure, false},
		{"half as much again", Spread{0.75, 0.70, 0.80}, Better, false},
	} {
		list := Compare(reportOf(map[string]Spread{name: kept}), reportOf(map[string]Spread{name: c.fresh}), nil)
		if len(list) != 1 || list[0].Judgement != c.want || Failed(list) != c.fails {
			t.Errorf("%s: %+v", c.what, list)
		}
	}
}

// Messages a second do not matter: the machine may be another one.
func TestOnlySharesCount(t *testing.T) {
	a, b := reportOf(map[string]Spread{"200 × 16/relay": {0.5, 0.5, 0.5}}), reportOf(map[string]Spread{"200 × 16/relay": {0.5, 0.5, 0.5}})
	a.Ratios[0].Ours, b.Ratios[0].Ours = Spread{100, 100, 100}, Spread{1, 1, 1}
	if list := Compare(a, b, nil); Failed(list) || list[0].By() != 0 {
		t.Errorf("%+v", list)
	}
}

func TestMissingAndNew(t *testing.T) {
	s := Spread{0.5, 0.5, 0.5}
	kept := reportOf(map[string]Spread{"200 × 16/relay": s, "1,000 × 1/relay": s})
	fresh := reportOf(map[string]Spread{"200 × 16/relay": s, "200 × 16/nats": s})
	list := Compare(kept, fresh, nil)
	if len(list) != 3 || list[1].Judgement != Missing || list[2].Judgement != New || !Failed(list) {
		t.Errorf("%+v", list)
	}
	if list := Compare(kept, fresh, []string{"200 × 16"}); len(list) != 2 || Failed(list) {
		t.Errorf("what was not to be measured is not missing: %+v", list)
	}
	var text strings.Builder
	if err := WriteChanges(&text, list); err != nil || !strings.Contains(text.String(), "NOT MEASURED") || !strings.Contains(text.String(), "new") {
		t.Errorf("%v\n%s", err, &text)
	}
}

func TestByHowMuch(t *testing.T) {
	c := Change{Kept: Spread{Median: 0.5}, Fresh: Spread{Median: 0.4}}
	if by := c.By(); by > -0.199 || by < -0.201 {
		t.Errorf("%v", by)
	}
	if (Change{Fresh: Spread{Median: 1}}).By() != 0 {
		t.Error("a new share has nothing to be compared with")
	}
}

package sidebyside

import (
	"fmt"
	"io"
	"slices"

	"github.com/parley-chat/parley/services/parley/internal/bench/measure"
)

// Tolerance is how much of a share may get lost before it counts: noise of a quiet
// machine is about half of it.
const Tolerance = 0.10

// Judgement says what became of a share.
type Judgement string

// The judgements.
const (
	Same    Judgement = "same"
	Better  Judgement = "better"       // by more than Tolerance
	Worse   Judgement = "WORSE"        // by more than Tolerance, in every round
	Unsure  Judgement = "unsure"       // worse by more than Tolerance in the median, but not in the best round: measure again
	Missing Judgement = "NOT MEASURED" // it is among the figures kept, and was not measured
	New     Judgement = "new"          // it is not among them
)

// Change is one share, then and now.
type Change struct {
	Case      string
	Reference string
	Kept      Spread // zero if new
	Fresh     Spread // zero if missing
	Judgement Judgement
}

// By is how much larger the share is than the one kept: -0.2 is a fifth less.
func (c Change) By() float64 {
	if c.Kept.Median == 0 || c.Fresh.Median == 0 {
		return 0
	}
	return c.Fresh.Median/c.Kept.Median - 1
}

// Compare holds a fresh report against the one kept. Cases names what was
// measured; none: everything. Shares are compared, never messages a second: they
// may come from another machine, but then say less.
func Compare(kept, fresh *Report, cases []string) []Change {
	var list []Change
	find := func(r *Report, q Ratio) (Ratio, bool) {
		i := slices.IndexFunc(r.Ratios, func(x Ratio) bool { return x.Case == q.Case && x.Reference == q.Reference })
		if i < 0 {
			return Ratio{}, false
		}
		return r.Ratios[i], true
	}
	for _, k := range kept.Ratios {
		if len(cases) > 0 && !slices.Contains(cases, k.Case) {
			continue
		}
		f, ok := find(fresh, k)
		c := Change{Case: k.Case, Reference: k.Reference, Kept: k.Share, Fresh: f.Share, Judgement: Missing}
		if ok {
			c.Judgement = judge(k.Share, f.Share)
		}
		list = append(list, c)
	}
	for _, f := range fresh.Ratios {
		if _, ok := find(kept, f); !ok {
			list = append(list, Change{Case: f.Case, Reference: f.Reference, Fresh: f.Share, Judgement: New})
		}
	}
	return list
}

func judge(kept, fresh Spread) Judgement {
	least := kept.Median * (1 - Tolerance)
	switch {
	case fresh.Median < least && fresh.Max < least:
		return Worse
	case fresh.Median < least:
		return Unsure
	case fresh.Median > kept.Median*(1+Tolerance):
		return Better
	}
	return Same
}

// Failed reports whether something got worse, or was not measured.
func Failed(list []Change) bool {
	return slices.ContainsFunc(list, func(c Change) bool { return c.Judgement == Worse || c.Judgement == Missing })
}

// WriteChanges writes a line for each change, for people.
func WriteChanges(w io.Writer, list []Change) error {
	t := measure.Table{{"load", "reference", "share kept", "share now", "lowest to highest", "by", "judgement"}}
	for _, c := range list {
		by := ""
		if c.By() != 0 {
			by = fmt.Sprintf("%+.0f %%", 100*c.By())
		}
		t.Add(c.Case, c.Reference, percent(c.Kept.Median), percent(c.Fresh.Median), percent(c.Fresh.Min)+" to "+percent(c.Fresh.Max), by, c.Judgement)
	}
	if err := t.WriteText(w); err != nil {
		return fmt.Errorf("write comparison: %w", err)
	}
	return nil
}

// Package observe holds what operators are told against what runs: the table of
// metrics, the alert rules and the dashboard.
package observe

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/parley-chat/parley/pkg/ops"
)

// Binary is a letter of the column "in" of docs/metrics.md.
type Binary string

// The binaries.
const (
	Gateway Binary = "G"
	History Binary = "H"
	All     Binary = "" // parley up has every row
)

// Row is a row of the table of docs/metrics.md.
type Row struct {
	ops.Metric
	In    []string
	Worry string
}

// Table reads the rows.
func Table(markdown string) (rows []Row, err error) {
	for line := range strings.Lines(markdown) {
		if !strings.HasPrefix(line, "| `parley_") {
			continue
		}
		cells := strings.Split(strings.TrimSpace(line), " | ")
		if len(cells) != 6 {
			return nil, fmt.Errorf("%q has %d cells", line, len(cells))
		}
		r := Row{Metric: ops.Metric{Name: strings.Trim(cells[0], "|` "), Type: cells[1], Help: cells[4]},
			In: strings.Fields(cells[3]), Worry: strings.TrimSuffix(cells[5], " |")}
		if cells[2] != "–" {
			for l := range strings.SplitSeq(cells[2], ", ") {
				r.Labels = append(r.Labels, strings.Trim(l, "`"))
			}
		}
		rows = append(rows, r)
	}
	return rows, nil
}

// Compare says how the rows of a binary differ from what it has registered: a line
// for each metric that is not in the table, not in the binary, or other there.
func Compare(rows []Row, binary Binary, registered []ops.Metric) (differences []string) {
	want := map[string]string{}
	for _, r := range rows {
		if binary == All || slices.Contains(r.In, string(binary)) {
			want[r.Name] = text(r.Metric)
		}
	}
	for _, m := range registered {
		switch w, ok := want[m.Name]; {
		case !ok:
			differences = append(differences, "not in docs/metrics.md: "+text(m))
		case w != text(m):
			differences = append(differences, fmt.Sprintf("docs/metrics.md has %s\n    the binary %s", w, text(m)))
		}
		delete(want, m.Name)
	}
	for _, w := range want {
		differences = append(differences, "not in the binary: "+w)
	}
	slices.SortFunc(differences, func(a, b string) int { return cmp.Compare(a, b) })
	return differences
}

func text(m ops.Metric) string {
	labels := "–"
	if len(m.Labels) > 0 {
		labels = "`" + strings.Join(m.Labels, "`, `") + "`"
	}
	return fmt.Sprintf("| `%s` | %s | %s | … | %s |", m.Name, m.Type, labels, m.Help)
}

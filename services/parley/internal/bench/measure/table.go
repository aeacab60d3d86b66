package measure

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Table is rows of cells, the first row being the heads of the columns. The first
// column is flush left, the others flush right.
type Table [][]string

// Add appends a row; each cell is printed as fmt.Sprint does.
func (t *Table) Add(cells ...any) {
	row := make([]string, len(cells))
	for i, c := range cells {
		row[i] = fmt.Sprint(c)
	}
	*t = append(*t, row)
}

// WriteText writes the table with columns of equal width, indented by two spaces.
func (t Table) WriteText(w io.Writer) error {
	width := t.widths()
	var b strings.Builder
	for _, row := range t {
		line := " "
		for i, cell := range row {
			pad := strings.Repeat(" ", width[i]-utf8.RuneCountInString(cell))
			if i == 0 {
				line += " " + cell + pad
			} else {
				line += "  " + pad + cell
			}
		}
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// WriteMarkdown writes the table as Markdown.
func (t Table) WriteMarkdown(w io.Writer) error {
	var b strings.Builder
	for i, row := range t {
		b.WriteString("| " + strings.Join(row, " | ") + " |\n")
		if i == 0 {
			b.WriteString("|---" + strings.Repeat("|--:", max(0, len(row)-1)) + "|\n")
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (t Table) widths() []int {
	var width []int
	for _, row := range t {
		for i, cell := range row {
			if i == len(width) {
				width = append(width, 0)
			}
			width[i] = max(width[i], utf8.RuneCountInString(cell))
		}
	}
	return width
}

// Number writes a figure with three significant digits at least, and thousands
// parted by commas.
func Number(v float64) string {
	switch a := math.Abs(v); {
	case a == 0:
		return "0"
	case a < 100:
		return strconv.FormatFloat(v, 'f', max(0, 2-int(math.Floor(math.Log10(a)))), 64)
	}
	s := strconv.FormatFloat(v, 'f', 0, 64)
	start := 0
	if v < 0 {
		start = 1
	}
	for i := len(s) - 3; i > start; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// Bytes writes an amount of memory, in kB, MB or GB of 1,000.
func Bytes(n int64) string {
	switch v := float64(n); {
	case math.Abs(v) < 1e3:
		return strconv.FormatInt(n, 10) + " B"
	case math.Abs(v) < 1e6:
		return Number(v/1e3) + " kB"
	case math.Abs(v) < 1e9:
		return Number(v/1e6) + " MB"
	default:
		return Number(v/1e9) + " GB"
	}
}

// Millisecond writes a latency that is given in milliseconds.
func Millisecond(ms float64) string { return Number(ms) + " ms" }

package mutants

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// longest is how much of a failure the table shows.
const longest = 120

// WriteTable writes the results as a table in Markdown.
func WriteTable(w io.Writer, results []Result) error {
	var b strings.Builder
	b.WriteString("| mutant | caught by | how | time |\n|---|---|---|---:|\n")
	for _, r := range results {
		by := "`" + r.By + "`"
		if !r.Caught {
			by = "**not** by " + by
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %.1f s |\n", r.Mutant, by, cell(r.How), r.Took.Round(100*time.Millisecond).Seconds())
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("write table: %w", err)
	}
	return nil
}

// cell makes one line of text a cell of a table.
func cell(s string) string {
	if text := []rune(s); len(text) > longest {
		s = string(text[:longest-1]) + "…"
	}
	return strings.NewReplacer("|", `\|`, "<", "&lt;", "\n", " ").Replace(s)
}

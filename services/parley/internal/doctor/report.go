package doctor

import (
	"fmt"
	"io"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// WriteText writes a line for each finding, and what to do next below it.
func (r *Report) WriteText(w io.Writer) error {
	var b strings.Builder
	count := make(map[Status]int)
	last := ""
	for _, x := range r.Results {
		name := x.Check
		if name == last {
			name = ""
		}
		last = x.Check
		count[x.Status]++
		fmt.Fprintf(&b, "%-14s %-5s %s\n", name, x.Status, x.Found)
		if x.Do != "" {
			fmt.Fprintf(&b, "%-14s       → %s\n", "", x.Do)
		}
	}
	fmt.Fprintf(&b, "\nas %s: %d ok, %d warn, %d fail\n", r.Service, count[OK], count[Warn], count[Fail])
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return nil
}

// WriteJSON writes the report as JSON.
func (r *Report) WriteJSON(w io.Writer) error {
	if err := json.MarshalWrite(w, r, jsontext.WithIndent("  ")); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	_, err := io.WriteString(w, "\n")
	return err
}

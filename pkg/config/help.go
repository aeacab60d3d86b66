package config

import (
	"flag"
	"fmt"
	"io"
	"log/slog"
	"strings"
)

// Help writes every flag with its environment variable and its default.
func (f *Flags) Help(w io.Writer) {
	fmt.Fprintf(w, "%s %s.\n\nUsage: %s [--name value …]\n\n", f.name, f.about, f.name)
	fmt.Fprintf(w, "Each setting is a flag or an environment variable; the flag wins.\n")
	f.fs.VisitAll(func(fl *flag.Flag) {
		kind, usage := flag.UnquoteUsage(fl)
		fmt.Fprintf(w, "\n  --%s", fl.Name)
		if kind != "" {
			fmt.Fprintf(w, " %s", kind)
		}
		fmt.Fprintf(w, "\n  %s\n", EnvName(fl.Name))
		for line := range strings.Lines(usage) {
			fmt.Fprintf(w, "      %s\n", strings.TrimSpace(line))
		}
		if def := shown(fl.DefValue); def != "" && def != "false" {
			fmt.Fprintf(w, "      default: %s\n", def)
		}
	})
}

// LogValue lists what is in force, for a line in the log at start. Nothing secret
// is in it: keys are in files, and the credentials of URIs are left out.
func (f *Flags) LogValue() slog.Value {
	var attrs []slog.Attr
	f.fs.VisitAll(func(fl *flag.Flag) {
		if v := shown(fl.Value.String()); v != "" {
			attrs = append(attrs, slog.String(fl.Name, v))
		}
	})
	return slog.GroupValue(attrs...)
}

// shown is a value without credentials. It does not rely on the type of the flag:
// a URI in a plain string flag has them as well.
func shown(value string) string {
	if strings.Contains(value, "://") {
		return URI(value).String()
	}
	return value
}

// nearest is the flag that an unknown one was probably meant to be, or "".
func (f *Flags) nearest(name string) (best string) {
	if name, _, _ = strings.Cut(name, "="); len(name) > 64 {
		return ""
	}
	least := max(2, len(name)/3) + 1
	f.fs.VisitAll(func(fl *flag.Flag) {
		if d := distance(name, fl.Name); d < least {
			best, least = fl.Name, d
		}
	})
	return best
}

// distance is how many letters must be put in, left out or changed to make b of a
// (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

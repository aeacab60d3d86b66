package config

import (
	"flag"
	"slices"
	"strings"
)

// UnknownEnv is a variable that looks like a setting, and is none.
type UnknownEnv struct {
	Name string
	Near string // the variable that was probably meant; "": nobody can say
}

// UnknownEnv lists the variables of environ ("NAME=value") that begin with PARLEY_ and
// set none of these flags, nor are in also. What Kubernetes adds for a Service whose
// name begins with parley is passed over.
func (f *Flags) UnknownEnv(environ []string, also ...string) (list []UnknownEnv) {
	known := also
	f.fs.VisitAll(func(fl *flag.Flag) { known = append(known, EnvName(fl.Name)) })
	for _, v := range environ {
		name, _, _ := strings.Cut(v, "=")
		rest, ours := strings.CutPrefix(name, prefix+"_")
		if !ours || slices.Contains(known, name) || serviceEnv(rest) {
			continue
		}
		u := UnknownEnv{Name: name}
		if near := f.nearest(strings.ToLower(strings.ReplaceAll(rest, "_", "-"))); near != "" {
			u.Near = EnvName(near)
		}
		list = append(list, u)
	}
	slices.SortFunc(list, func(a, b UnknownEnv) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// serviceEnv reports whether Kubernetes makes such a variable for each Service:
// …_SERVICE_HOST, …_SERVICE_PORT, …_SERVICE_PORT_<name>, …_PORT, …_PORT_<n>_<proto>….
func serviceEnv(rest string) bool {
	rest = "_" + rest
	if strings.HasSuffix(rest, "_SERVICE_HOST") || strings.Contains(rest, "_SERVICE_PORT") || strings.HasSuffix(rest, "_PORT") {
		return true
	}
	_, after, ok := strings.Cut(rest, "_PORT_")
	return ok && after != "" && '0' <= after[0] && after[0] <= '9'
}

package manifests

import (
	"maps"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// reporter is what a rule tells what it finds: a test, or whoever tests the rule.
type reporter interface {
	Helper()
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// env is what the container of a service gets.
func (w *world) env(c corev1.Container) map[string]string {
	all := map[string]string{}
	for _, from := range c.EnvFrom {
		maps.Copy(all, w.config[from.ConfigMapRef.Name])
	}
	for _, e := range c.Env {
		all[e.Name] = e.Value
	}
	return all
}

// setting is a variable of a workload's first container, or what is in the file that
// is named by the variable with _FILE.
func (w *world) setting(t reporter, l workload, name string) string {
	t.Helper()
	c := l.pod.Spec.Containers[0]
	env := w.env(c)
	if v := env[name]; v != "" || env[name+"_FILE"] == "" {
		return v
	}
	return w.mounted(t, l, env[name+"_FILE"])
}

// mounted is the content of a file in a workload's first container; "": there is none.
func (w *world) mounted(t reporter, l workload, path string) string {
	t.Helper()
	for _, m := range l.pod.Spec.Containers[0].VolumeMounts {
		file, ok := strings.CutPrefix(path, m.MountPath+"/")
		if !ok {
			continue
		}
		for _, v := range l.pod.Spec.Volumes {
			if v.Name == m.Name {
				return w.files(t, l.name, v)[file]
			}
		}
	}
	return ""
}

package manifests

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// has says whether the selector takes pods of the workload.
func has(selector map[string]string, l workload) bool {
	return labels.SelectorFromSet(selector).Matches(labels.Set(l.pod.Labels))
}

// selectors: what selects pods finds them, and no budget or scaler takes all of them.
func selectors(t reporter, w *world) {
	for _, l := range w.workloads {
		if l.selector != nil && !has(l.selector, l) {
			t.Errorf("%s does not select its own pods", l.name)
		}
	}
	for _, s := range w.services {
		i := slices.IndexFunc(w.workloads, func(l workload) bool { return has(s.Spec.Selector, l) })
		if i < 0 {
			t.Errorf("service %s selects nothing", s.Name)
			continue
		}
		for _, p := range s.Spec.Ports {
			if portOf(w.workloads[i].pod.Spec.Containers[0], p.TargetPort.String()) != p.Port {
				t.Errorf("service %s: port %s is not a port of %s", s.Name, p.Name, w.workloads[i].name)
			}
		}
	}
	for _, h := range w.scalers {
		if w.workload(t, h.Spec.ScaleTargetRef.Name).replicas != -1 {
			t.Errorf("%s: an apply sets back what the autoscaler chose", h.Name)
		}
		if down := h.Spec.Behavior.ScaleDown; down.StabilizationWindowSeconds == nil || *down.StabilizationWindowSeconds < 600 {
			t.Errorf("%s scales down at once", h.Name)
		}
	}
	for _, b := range w.budgets {
		i := slices.IndexFunc(w.workloads, func(l workload) bool { return has(b.Spec.Selector.MatchLabels, l) })
		if i < 0 {
			t.Errorf("budget %s selects nothing", b.Name)
			continue
		}
		least := w.workloads[i].replicas
		for _, h := range w.scalers {
			if h.Spec.ScaleTargetRef.Name == w.workloads[i].name {
				least = *h.Spec.MinReplicas
			}
		}
		if int32(b.Spec.MaxUnavailable.IntValue()) >= least {
			t.Errorf("budget %s lets all %d pods go", b.Name, least)
		}
	}
}

// references: what a pod mounts or reads exists, to the key, and every file that a
// setting names is mounted.
func references(t reporter, w *world) {
	for _, l := range w.workloads {
		volumes := map[string]map[string]string{} // files of each volume
		for _, v := range l.pod.Spec.Volumes {
			volumes[v.Name] = w.files(t, l.name, v)
		}
		for _, c := range l.pod.Spec.Containers {
			for _, e := range c.Env {
				if e.ValueFrom != nil && e.ValueFrom.SecretKeyRef != nil {
					t.Errorf("%s: %s shows a secret to whoever may see the pod's variables", l.name, e.Name)
				}
			}
			for _, e := range c.EnvFrom {
				if w.config[e.ConfigMapRef.Name] == nil {
					t.Errorf("%s: no ConfigMap %s", l.name, e.ConfigMapRef.Name)
				}
			}
			paths := map[string]bool{}
			for _, m := range c.VolumeMounts {
				files, ok := volumes[m.Name]
				if !ok && !w.claims[l.name+"/"+m.Name] {
					t.Errorf("%s mounts %s, which is no volume", l.name, m.Name)
				}
				if _, ok := files[m.SubPath]; m.SubPath != "" && !ok {
					t.Errorf("%s: no %s in %s", l.name, m.SubPath, m.Name)
				}
				for f := range files {
					paths[m.MountPath+"/"+f] = true
				}
			}
			for k, v := range w.env(c) {
				if strings.HasPrefix(k, "PARLEY_") && strings.HasSuffix(k, "_FILE") && v != "" && !paths[v] {
					t.Errorf("%s: %s is %s, which is not mounted", l.name, k, v)
				}
			}
		}
	}
}

// files is what a volume holds; nil for one that begins empty.
func (w *world) files(t reporter, owner string, v corev1.Volume) map[string]string {
	t.Helper()
	switch {
	case v.Secret != nil:
		if w.secrets[v.Secret.SecretName] == nil {
			t.Errorf("%s: no Secret %s", owner, v.Secret.SecretName)
		}
		if len(v.Secret.Items) == 0 {
			return w.secrets[v.Secret.SecretName]
		}
		files := map[string]string{}
		for _, i := range v.Secret.Items {
			if files[i.Path] = w.secrets[v.Secret.SecretName][i.Key]; files[i.Path] == "" {
				t.Errorf("%s: no key %s in Secret %s", owner, i.Key, v.Secret.SecretName)
			}
		}
		return files
	case v.ConfigMap != nil:
		if w.config[v.ConfigMap.Name] == nil {
			t.Errorf("%s: no ConfigMap %s", owner, v.ConfigMap.Name)
		}
		return w.config[v.ConfigMap.Name]
	case v.Projected != nil:
		for _, s := range v.Projected.Sources {
			if s.ConfigMap != nil && w.config[s.ConfigMap.Name] == nil {
				t.Errorf("%s: no ConfigMap %s", owner, s.ConfigMap.Name)
			}
			if s.Secret == nil {
				continue
			}
			for _, i := range s.Secret.Items {
				if w.secrets[s.Secret.Name][i.Key] == "" {
					t.Errorf("%s: no key %s in Secret %s", owner, i.Key, s.Secret.Name)
				}
			}
		}
	}
	return nil
}

// network: all is denied, and then every address in the configuration is open, on
// both sides.
func network(t reporter, w *world) {
	deny := slices.ContainsFunc(w.policies, func(p networkingv1.NetworkPolicy) bool {
		return len(p.Spec.PodSelector.MatchLabels) == 0 && len(p.Spec.PolicyTypes) == 2 && len(p.Spec.Ingress)+len(p.Spec.Egress) == 0
	})
	if !deny {
		t.Errorf("what is not allowed is not denied")
	}
	for _, from := range []string{"gateway", "history"} {
		l := w.workload(t, from)
		for _, k := range []string{"PARLEY_MONGO_URI", "PARLEY_NATS_URL", "PARLEY_GATEWAY_URL"} {
			for _, at := range addresses(w.setting(t, l, k)) {
				w.reach(t, l, at)
			}
		}
		w.open(t, l, int(portOf(l.pod.Spec.Containers[0], "http")))
		if w.setting(t, l, "PARLEY_JWKS_URL") != "" && !w.leaves(l, 443) {
			t.Errorf("%s may not fetch the keys of the issuer", from)
		}
	}
	w.open(t, w.workload(t, "web"), 8080)
	for _, pair := range []string{"mongodb mongodb:27017", "mongodb-init mongodb:27017", "nats nats-cluster:6222"} {
		from, to, _ := strings.Cut(pair, " ")
		w.reach(t, w.workload(t, from), to)
	}
}

func addresses(uri string) []string {
	if uri == "" {
		return nil
	}
	_, rest, _ := strings.Cut(uri, "://")
	rest = rest[strings.LastIndexByte(rest, '@')+1:]
	rest, _, _ = strings.Cut(rest, "/")
	return strings.Split(rest, ",")
}

// reach checks that pods of from may talk to the service at an address.
func (w *world) reach(t reporter, from workload, at string) {
	t.Helper()
	u, err := url.Parse("tcp://" + at)
	if err != nil {
		t.Fatalf("%v", err)
	}
	name := u.Hostname()
	if _, set, ok := strings.Cut(name, "."); ok { // a pod of a StatefulSet
		name = set
	}
	s, ok := w.services[name]
	if !ok {
		t.Errorf("%s talks to %s, which is no service", from.name, at)
		return
	}
	for _, to := range w.workloads {
		if !has(s.Spec.Selector, to) {
			continue
		}
		out, in := false, false
		for _, p := range w.policies {
			for _, e := range p.Spec.Egress {
				out = out || picks(p.Spec.PodSelector, from) && peers(e.To, to) && ports(e.Ports, u.Port())
			}
			for _, i := range p.Spec.Ingress {
				in = in || picks(p.Spec.PodSelector, to) && peers(i.From, from) && ports(i.Ports, u.Port())
			}
		}
		if !out || !in {
			t.Errorf("%s may not talk to %s: egress %v, ingress %v", from.name, at, out, in)
		}
	}
}

// open checks that clients reach a port from wherever they come.
func (w *world) open(t reporter, to workload, port int) {
	t.Helper()
	for _, p := range w.policies {
		for _, i := range p.Spec.Ingress {
			if picks(p.Spec.PodSelector, to) && len(i.From) == 0 && ports(i.Ports, fmt.Sprint(port)) {
				if len(i.Ports) != 1 {
					t.Errorf("%s is open to the world on more than its port for clients", to.name)
				}
				return
			}
		}
	}
	t.Errorf("nobody reaches %s", to.name)
}

func picks(s metav1.LabelSelector, l workload) bool {
	selector, err := metav1.LabelSelectorAsSelector(&s)
	return err == nil && selector.Matches(labels.Set(l.pod.Labels))
}

// leaves says whether a pod may talk to a port anywhere.
func (w *world) leaves(l workload, port int) bool {
	return slices.ContainsFunc(w.policies, func(p networkingv1.NetworkPolicy) bool {
		return picks(p.Spec.PodSelector, l) && slices.ContainsFunc(p.Spec.Egress, func(e networkingv1.NetworkPolicyEgressRule) bool {
			return len(e.To) == 0 && ports(e.Ports, fmt.Sprint(port))
		})
	})
}

func peers(all []networkingv1.NetworkPolicyPeer, l workload) bool {
	return len(all) == 0 || slices.ContainsFunc(all, func(p networkingv1.NetworkPolicyPeer) bool {
		return p.NamespaceSelector == nil && p.PodSelector != nil && picks(*p.PodSelector, l)
	})
}

func ports(all []networkingv1.NetworkPolicyPort, port string) bool {
	return slices.ContainsFunc(all, func(p networkingv1.NetworkPolicyPort) bool { return p.Port.String() == port })
}

// TestPasswordsAgree: both sides of a connection have the same one.
func TestPasswordsAgree(t *testing.T) {
	w := overlay(t, "dev")
	one := func(prefix string) map[string]string {
		for name, keys := range w.secrets {
			if strings.HasPrefix(name, prefix) {
				return keys
			}
		}
		t.Fatalf("no Secret %s", prefix)
		return nil
	}
	if pw := one("mongodb-admin")["parley-password"]; !strings.Contains(one("parley-mongodb")["uri"], "parley:"+pw+"@") {
		t.Errorf("MongoDB's passwords differ")
	}
	if n := one("parley-nats"); !strings.Contains(n["auth.conf"], `"`+strings.TrimSuffix(strings.TrimPrefix(n["url"], "nats://parley:"), "@nats:4222")+`"`) {
		t.Errorf("NATS' passwords differ")
	}
	if len(one("parley-jwt")["secret"]) < 32 {
		t.Errorf("the secret for tokens is too short")
	}
}

package manifests

import (
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// forMany says whether an overlay is for more than one machine.
func forMany(w *world) bool { return len(w.scalers) > 0 }

// evictions: a node can be drained whatever pods wait for; and of a replica set no
// member is sent away that is needed, or stands where it should not.
func evictions(t reporter, w *world) {
	for _, b := range w.budgets {
		always := b.Spec.UnhealthyPodEvictionPolicy != nil && *b.Spec.UnhealthyPodEvictionPolicy == policyv1.AlwaysAllow
		switch {
		case b.Name == "mongodb" && always:
			t.Errorf("a member that recovers is sent away although the set needs it")
		case b.Name != "mongodb" && !always:
			t.Errorf("pods of %s that are not ready keep a node from being drained", b.Name)
		}
	}
	pod := w.workload(t, "mongodb").pod.Spec
	if pod.Affinity == nil || pod.Affinity.PodAntiAffinity == nil {
		t.Fatalf("members share a node")
	}
	if must := pod.Affinity.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution; forMany(w) &&
		!slices.ContainsFunc(must, func(a corev1.PodAffinityTerm) bool {
			return a.TopologyKey == "kubernetes.io/hostname" && picks(*a.LabelSelector, w.workload(t, "mongodb"))
		}) {
		t.Errorf("two members may share a node, and a majority with it")
	}
}

// recovery: a mongod that reads its journal after a crash listens only then.
func recovery(t reporter, w *world) {
	c := w.workload(t, "mongodb").pod.Spec.Containers[0]
	p := c.StartupProbe
	if p == nil || time.Duration(p.PeriodSeconds*p.FailureThreshold)*time.Second < 30*time.Minute {
		t.Errorf("a member that recovers is killed for it: %+v", p)
	}
}

// connections: a gateway has memory for as many as docs/operations.md says that one
// holds at most, with what was measured for each, as it stands there under Capacity.
func connections(t reporter, w *world) {
	const most, base, kernel, plain, secure = 50_000, 100_000_000, 5_000, 6_100, 31_000
	c := w.workload(t, "gateway").pod.Spec.Containers[0]
	each := int64(plain)
	if w.env(c)["PARLEY_TLS_CERT_FILE"] != "" {
		each = secure
	}
	if need, limit := base+most*(each+kernel), c.Resources.Limits.Memory().Value(); limit < need {
		t.Errorf("%d connections take %d MB of a gateway, and it is killed above %d MB", most, need/1e6, limit/1e6)
	}
}

// scraped: a Prometheus of the overlay's own, or else the cluster's in the namespace
// monitoring, reaches the metrics of every program: alerts are about all of them.
func scraped(t reporter, w *world) {
	own := slices.IndexFunc(w.workloads, func(l workload) bool { return l.name == "prometheus" })
	for _, name := range programs {
		if own >= 0 {
			w.reach(t, w.workloads[own], name+"-ops:9090")
			continue
		}
		if !slices.ContainsFunc(w.policies, func(p networkingv1.NetworkPolicy) bool {
			return picks(p.Spec.PodSelector, w.workload(t, name)) && slices.ContainsFunc(p.Spec.Ingress, func(i networkingv1.NetworkPolicyIngressRule) bool {
				return ports(i.Ports, "9090") && slices.ContainsFunc(i.From, func(from networkingv1.NetworkPolicyPeer) bool {
					return from.NamespaceSelector != nil && from.NamespaceSelector.MatchLabels["kubernetes.io/metadata.name"] == "monitoring"
				})
			})
		}) {
			t.Errorf("nobody may ask %s for its metrics", name)
		}
	}
}

// names: every pod may ask for addresses: the cluster's DNS, and the cache on its node.
func names(t reporter, w *world) {
	for _, l := range w.workloads {
		var cluster, node bool
		for _, p := range w.policies {
			for _, e := range p.Spec.Egress {
				if !picks(p.Spec.PodSelector, l) || !ports(e.Ports, "53") {
					continue
				}
				cluster = cluster || slices.ContainsFunc(e.To, func(to networkingv1.NetworkPolicyPeer) bool {
					return to.NamespaceSelector != nil && to.NamespaceSelector.MatchLabels["kubernetes.io/metadata.name"] == "kube-system"
				})
				node = node || slices.ContainsFunc(e.To, func(to networkingv1.NetworkPolicyPeer) bool {
					return to.IPBlock != nil && to.IPBlock.CIDR == "169.254.20.10/32"
				})
			}
		}
		if !cluster || !node {
			t.Errorf("%s cannot ask for addresses: of the cluster's DNS %v, of the node's cache %v", l.name, cluster, node)
		}
	}
}

// behindProxies: who reads clients' addresses from proxies knows which.
func behindProxies(t reporter, w *world) {
	for _, name := range []string{"gateway", "history"} {
		if env := w.env(w.workload(t, name).pod.Spec.Containers[0]); len(w.routes) > 0 && env["PARLEY_TRUSTED_PROXIES"] == "" {
			t.Errorf("%s has no trusted proxies, so all clients have the address of one", name)
		}
	}
}

// podMonitor is what is used of monitoring.coreos.com/v1, whose Go types would bring an
// operator's dependencies.
type podMonitor struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Metadata   struct {
		Name string `json:"name"`
	} `json:"metadata"`
	Spec struct {
		JobLabel  string               `json:"jobLabel"`
		Selector  metav1.LabelSelector `json:"selector"`
		Endpoints []struct {
			Port     string `json:"port"`
			Interval string `json:"interval"`
		} `json:"podMetricsEndpoints"`
	} `json:"spec"`
}

// TestPodMonitor: the operator's Prometheus finds the pods that alerts are about, by the
// jobs that these name.
func TestPodMonitor(t *testing.T) {
	m, err := decode[podMonitor](read(t, "deploy/k8s/components/prometheus-operator/podmonitor.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	alerts := string(read(t, "deploy/monitoring/alerts.yaml"))
	for _, l := range overlay(t, "production").workloads {
		asked := slices.Contains(programs, l.name)
		if picks(m.Spec.Selector, l) != asked {
			t.Errorf("%s: asked for metrics %v, want %v", l.name, !asked, asked)
		}
		if asked && (portOf(l.pod.Spec.Containers[0], m.Spec.Endpoints[0].Port) == 0 || !strings.Contains(alerts, l.pod.Labels[m.Spec.JobLabel])) {
			t.Errorf("%s has no port %s, or no alert knows its job", l.name, m.Spec.Endpoints[0].Port)
		}
	}
}

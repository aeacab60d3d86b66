package manifests

import (
	"maps"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/parley-chat/parley/pkg/chat"
)

// variable is a line of --help.
var variable = regexp.MustCompile(`(?m)^ +(PARLEY_[A-Z0-9_]+)$`)

// programs are ours, in pods of every overlay.
var programs = []string{"gateway", "history", "web"}

// ours are the workloads that run our programs: where people sign in by a name alone,
// the one that signs as well.
func (w *world) ours() []string {
	if slices.ContainsFunc(w.workloads, func(l workload) bool { return l.name == signer }) {
		return append(slices.Clone(programs), signer)
	}
	return programs
}

// commands are how to ask our programs for their settings.
var commands = map[string][]string{
	"gateway": {"./services/gateway/cmd/gateway"},
	"history": {"./services/history/cmd/history"},
	"web":     {"./web/cmd/web"},
	signer:    {"./services/parley/cmd/parley", signer},
}

// settings asks a binary for its variables.
var settings = sync.OnceValues(func() (map[string][]string, error) {
	all := map[string][]string{}
	for name, command := range commands {
		cmd := exec.Command("go", append(append([]string{"run"}, command...), "--help")...)
		cmd.Dir = root
		out, err := cmd.Output()
		if err != nil {
			return nil, err
		}
		for _, m := range variable.FindAllStringSubmatch(string(out), -1) {
			all[name] = append(all[name], m[1])
		}
	}
	return all, nil
})

// variablesExist: a service is told by variables that it has, and by all that it needs.
func variablesExist(t reporter, w *world) {
	known, err := settings()
	if err != nil {
		t.Fatalf("%v", err)
	}
	for _, name := range w.ours() {
		vars, c := known[name], w.workload(t, name).pod.Spec.Containers[0]
		env := w.env(c)
		for k := range env {
			if strings.HasPrefix(k, "PARLEY_") && !slices.Contains(vars, k) {
				t.Errorf("%s has no setting %s", name, k)
			}
		}
		need := map[string][]string{
			"gateway": {"PARLEY_MONGO_URI_FILE", "PARLEY_JWT_AUDIENCE", "PARLEY_NATS_URL_FILE"},
			"history": {"PARLEY_MONGO_URI_FILE", "PARLEY_JWT_AUDIENCE", "PARLEY_GATEWAY_URL"},
			signer:    {"PARLEY_JWT_AUDIENCE", "PARLEY_JWT_HS256_SECRET_FILE"},
		}[name]
		for _, n := range need {
			if env[n] == "" {
				t.Errorf("%s needs %s", name, n)
			}
		}
		keyed := (env["PARLEY_JWKS_URL"] == "") != (env["PARLEY_JWT_HS256_SECRET_FILE"] == "")
		if name != "web" && (!keyed || env["PARLEY_JWKS_URL"] != "" && env["PARLEY_JWT_ISSUER"] == "") {
			t.Errorf("%s has not one key for tokens, or no issuer of it", name)
		}
		if told := map[string][]string{signer: {signer}}[name]; len(c.Command) > 0 || !slices.Equal(c.Args, told) {
			t.Errorf("%s is told by variables, not %v %v", name, c.Command, c.Args)
		}
	}
}

// grace: a pod is killed only when it had its time: the sleep before SIGTERM, the drain or the
// grace that the process gives itself, and 10 s.
func grace(t reporter, w *world) {
	gateway := w.workload(t, "gateway").pod.Spec
	env := w.env(gateway.Containers[0])
	drain, err1 := time.ParseDuration(env["PARLEY_DRAIN_WINDOW"])
	own, err2 := time.ParseDuration(env["PARLEY_SHUTDOWN_GRACE"])
	if err1 != nil || err2 != nil || drain >= own {
		t.Fatalf("drain %v, grace %v: %v %v", drain, own, err1, err2)
	}
	const (
		historyClose = 20 * time.Second // closeTime of services/history/cmd/history
		webClose     = 10 * time.Second // the same of web/cmd/web
		signerClose  = 10 * time.Second // devTokensClose of services/parley/cmd/parley
	)
	times := map[string]time.Duration{"gateway": own, "history": historyClose, "web": webClose, signer: signerClose}
	for _, name := range w.ours() {
		inside := times[name]
		pod := w.workload(t, name).pod.Spec
		hook := pod.Containers[0].Lifecycle
		if hook == nil || hook.PreStop == nil || hook.PreStop.Sleep == nil || hook.PreStop.Sleep.Seconds < 3 {
			t.Fatalf("%s does not wait for the proxies before SIGTERM", name)
		}
		least := time.Duration(hook.PreStop.Sleep.Seconds)*time.Second + inside + 10*time.Second
		if got := time.Duration(*pod.TerminationGracePeriodSeconds) * time.Second; got < least {
			t.Errorf("%s is killed after %v, and needs %v", name, got, least)
		}
	}
}

// probesAndPods: probes ask what is there, ports are those that are listened on, and pods
// are restricted.
func probesAndPods(t reporter, w *world) {
	for _, name := range w.ours() {
		c := w.workload(t, name).pod.Spec.Containers[0]
		for path, p := range map[string]*corev1.Probe{"/livez": c.LivenessProbe, "/readyz": c.ReadinessProbe} {
			if p == nil || p.HTTPGet == nil || p.HTTPGet.Path != path || p.HTTPGet.Port.String() != "ops" {
				t.Errorf("%s: the probe of %s is %+v", name, path, p)
			}
		}
		for port, v := range map[string]string{"http": "PARLEY_LISTEN", "ops": "PARLEY_OPS_LISTEN"} {
			if listen := w.env(c)[v]; listen != ":"+strconv.Itoa(int(portOf(c, port))) {
				t.Errorf("%s listens on %s, and its port %s is %d", name, listen, port, portOf(c, port))
			}
		}
		image := name
		if name == signer {
			image = "parley"
		}
		if !strings.Contains(c.Image, "/parley-chat/"+image+":") {
			t.Errorf("%s runs %s", name, c.Image)
		}
	}
	for _, l := range w.workloads {
		restricted(t, l)
		memory(t, l, w)
		for _, p := range []*corev1.Probe{l.pod.Spec.Containers[0].LivenessProbe, l.pod.Spec.Containers[0].ReadinessProbe} {
			if p != nil && p.HTTPGet != nil && portOf(l.pod.Spec.Containers[0], p.HTTPGet.Port.String()) == 0 {
				t.Errorf("%s is probed at a port %s that it has not", l.name, p.HTTPGet.Port.String())
			}
		}
	}
}

func portOf(c corev1.Container, name string) int32 {
	for _, p := range c.Ports {
		if p.Name == name {
			return p.ContainerPort
		}
	}
	return 0
}

// restricted is the Pod Security Standard of that name, and a root file system that
// cannot be written to.
func restricted(t reporter, l workload) {
	t.Helper()
	pod := l.pod.Spec
	s := pod.SecurityContext
	if s == nil || s.RunAsNonRoot == nil || !*s.RunAsNonRoot || s.SeccompProfile == nil || s.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault {
		t.Errorf("%s: the pod's security context %+v", l.name, s)
	}
	if pod.AutomountServiceAccountToken == nil || *pod.AutomountServiceAccountToken || pod.ServiceAccountName == "" {
		t.Errorf("%s has a token of the API server, or no account of its own", l.name)
	}
	for _, c := range slices.Concat(pod.Containers, pod.InitContainers) {
		s := c.SecurityContext
		if s == nil || s.AllowPrivilegeEscalation == nil || *s.AllowPrivilegeEscalation || s.ReadOnlyRootFilesystem == nil || !*s.ReadOnlyRootFilesystem ||
			s.Capabilities == nil || !slices.Equal(s.Capabilities.Drop, []corev1.Capability{"ALL"}) || len(s.Capabilities.Add) > 0 {
			t.Errorf("%s: the security context of %s is %+v", l.name, c.Name, s)
		}
		if _, tag, ok := strings.Cut(c.Image[strings.LastIndexByte(c.Image, '/')+1:], ":"); !ok || tag == "latest" {
			t.Errorf("%s: the image %s has no tag of its own", l.name, c.Image)
		}
	}
}

// memory demands limits, and that Go's collector knows them.
func memory(t reporter, l workload, w *world) {
	t.Helper()
	c := l.pod.Spec.Containers[0]
	limit, request := c.Resources.Limits.Memory().Value(), c.Resources.Requests.Memory().Value()
	if limit == 0 || request == 0 || request > limit || c.Resources.Requests.Cpu().IsZero() {
		t.Errorf("%s: resources %+v", l.name, c.Resources)
	}
	soft, ok := w.env(c)["GOMEMLIMIT"]
	if !ok {
		if l.name == "nats" || slices.Contains(w.ours(), l.name) {
			t.Errorf("%s has no GOMEMLIMIT", l.name)
		}
		return
	}
	q, err := resource.ParseQuantity(strings.TrimSuffix(soft, "B"))
	if share := float64(q.Value()) / float64(limit); err != nil || share < 0.7 || share > 0.95 {
		t.Errorf("%s: GOMEMLIMIT %s is %.2f of the limit: %v", l.name, soft, share, err)
	}
}

// heartbeatBelowProxyTimeouts: a proxy must not take a silent session for dead before it was asked for a sign of
// life.
func heartbeatBelowProxyTimeouts(t reporter, w *world) {
	if len(w.ingresses)+len(w.routes) == 0 {
		t.Errorf("nothing lets clients in")
	}
	for _, i := range w.ingresses {
		for _, side := range []string{"read", "send"} {
			s, err := strconv.Atoi(i.Annotations["nginx.ingress.kubernetes.io/proxy-"+side+"-timeout"])
			if err != nil || time.Duration(s)*time.Second < 2*chat.Heartbeat+10*time.Second {
				t.Errorf("the %s time-out is %d s: %v", side, s, err)
			}
		}
		got := map[string]string{}
		for _, p := range i.Spec.Rules[0].HTTP.Paths {
			got[p.Path] = p.Backend.Service.Name
			if _, ok := w.services[p.Backend.Service.Name]; !ok {
				t.Errorf("no service %s", p.Backend.Service.Name)
			}
		}
		if want := map[string]string{"/v1/ws": "gateway", "/v1": "history", "/openapi.json": "history", "/asyncapi.json": "history", "/": "web"}; !maps.Equal(got, want) {
			t.Errorf("the paths are %v, want %v", got, want)
		}
	}
	for _, r := range w.routes {
		route(t, w, r)
	}
}

// route demands sockets and writes at gateways, and reads at history.
func route(t reporter, w *world, r httpRoute) {
	t.Helper()
	got := map[string]string{}
	for _, rule := range r.Spec.Rules {
		to := rule.BackendRefs[0]
		if s, ok := w.services[to.Name]; !ok || s.Spec.Ports[0].Port != to.Port {
			t.Errorf("no service %s:%d", to.Name, to.Port)
		}
		for _, m := range rule.Matches {
			key := m.Method
			if m.Path != nil {
				key += m.Path.Value
			}
			got[key] = to.Name
			if key == "/v1/ws" && rule.Timeouts.Request != "0s" {
				t.Errorf("the route bounds the life of a session")
			}
		}
	}
	if want := map[string]string{"/v1/ws": "gateway", "GET/v1": "history", "HEAD/v1": "history", "/v1": "gateway", "/openapi.json": "history", "/asyncapi.json": "history", "/": "web"}; !maps.Equal(got, want) {
		t.Errorf("the route is %v, want %v", got, want)
	}
}

package manifests

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

// rules are what every overlay keeps, by their names in the table of mutations.
var rules = map[string]func(t reporter, w *world){
	"variables":  variablesExist,
	"grace":      grace,
	"rollout":    rollout,
	"pods":       probesAndPods,
	"proxies":    heartbeatBelowProxyTimeouts,
	"selectors":  selectors,
	"references": references,
	"network":    network,
	"encrypted":  encrypted,
	"evictions":  evictions,
	"recovery":   recovery,
	"capacity":   connections,
	"scraped":    scraped,
	"names":      names,
	"behind":     behindProxies,
	"sign-in":    signIn,
}

func TestOverlays(t *testing.T) {
	for _, o := range overlays {
		t.Run(o, func(t *testing.T) {
			w := overlay(t, o)
			for _, name := range slices.Sorted(maps.Keys(rules)) {
				t.Run(name, func(t *testing.T) { rules[name](t, w) })
			}
		})
	}
}

// findings are what a rule says of a world that was broken on purpose.
type findings struct{ list []string }

func (f *findings) Helper() {}

func (f *findings) Errorf(format string, args ...any) {
	f.list = append(f.list, fmt.Sprintf(format, args...))
}

// stop ends a rule as Fatalf does in a test.
type stop struct{}

func (f *findings) Fatalf(format string, args ...any) {
	f.Errorf(format, args...)
	panic(stop{})
}

func (f *findings) run(rule func(t reporter, w *world), w *world) {
	defer func() {
		if r := recover(); r != nil && r != (stop{}) {
			panic(r)
		}
	}()
	rule(f, w)
}

// TestRulesCatch breaks one thing at a time. Each must be found by the rule that is for
// it ("decode" is the strict decoding), with words that say what is wrong.
func TestRulesCatch(t *testing.T) {
	rendered := map[string][]object{}
	for _, o := range overlays {
		rendered[o] = render(t, o)
	}
	for _, m := range []struct {
		overlay, object string // "Kind name", of which the name may be a beginning
		old, new        string // new "-": the object is taken away
		rule, says      string
	}{
		{"dev", "Deployment gateway", "readOnlyRootFilesystem", "readOnlyRootFileSystem", "decode", "unknown field"},
		{"dev", "ConfigMap gateway-config", "PARLEY_DRAIN_WINDOW", "PARLEY_DRAIN_WINDOWS", "variables", "no setting PARLEY_DRAIN_WINDOWS"},
		{"dev", "ConfigMap history-config", "PARLEY_GATEWAY_URL", "PARLEY_NATS_URL", "variables", "history has no setting PARLEY_NATS_URL"},
		{"dev", "ConfigMap gateway-config", "PARLEY_JWT_AUDIENCE: parley", `PARLEY_JWT_AUDIENCE: ""`, "variables", "gateway needs PARLEY_JWT_AUDIENCE"},
		{"production", "ConfigMap history-config", "PARLEY_JWT_ISSUER: https://login.example.com/", `PARLEY_JWT_ISSUER: ""`, "variables", "no issuer"},
		{"dev", "ConfigMap gateway-config", "PARLEY_SHUTDOWN_GRACE: 45s", "PARLEY_SHUTDOWN_GRACE: 50s", "grace", "gateway is killed after 1m0s, and needs 1m5s"},
		{"dev", "ConfigMap gateway-config", "PARLEY_DRAIN_WINDOW: 20s", "PARLEY_DRAIN_WINDOW: 50s", "grace", "drain 50s"},
		{"dev", "Deployment history", "terminationGracePeriodSeconds: 40", "terminationGracePeriodSeconds: 30", "grace", "history is killed"},
		{"dev", "Deployment gateway", "seconds: 5", "seconds: 1", "grace", "does not wait for the proxies"},
		{"production", "Deployment gateway", "maxUnavailable: 0", "maxUnavailable: 1", "rollout", "gateway"},
		{"dev", "Deployment history", "runAsNonRoot: true", "runAsNonRoot: false", "pods", "history: the pod's security context"},
		{"dev", "StatefulSet nats", "- ALL", "- NET_RAW", "pods", "the security context of nats"},
		{"dev", "Deployment gateway", "containerPort: 8080", "containerPort: 8090", "pods", "listens on :8080"},
		{"dev", "Deployment gateway", "path: /livez", "path: /readyz", "pods", "the probe of /livez"},
		{"dev", "Deployment gateway", "value: 920MiB", "value: 1020MiB", "pods", "GOMEMLIMIT"},
		{"dev", "StatefulSet mongodb", "image: mongo:8.0", "image: mongo", "pods", "no tag of its own"},
		{"dev", "Ingress parley", `proxy-read-timeout: "120"`, `proxy-read-timeout: "30"`, "proxies", "the read time-out is 30 s"},
		{"production", "HTTPRoute parley", "request: 0s", "request: 30s", "proxies", "bounds the life"},
		{"production", "HTTPRoute parley", "name: history", "name: gateway", "proxies", "the route is"},
		{"dev", "Service gateway", "app.kubernetes.io/name: gateway", "app.kubernetes.io/name: gateways", "selectors", "selects nothing"},
		{"dev", "Service history", "port: 8080", "port: 8081", "selectors", "is not a port of history"},
		{"production", "PodDisruptionBudget gateway", "maxUnavailable: 1", "maxUnavailable: 3", "selectors", "lets all 3 pods go"},
		{"production", "HorizontalPodAutoscaler gateway", "stabilizationWindowSeconds: 900", "stabilizationWindowSeconds: 60", "selectors", "scales down at once"},
		{"dev", "Secret parley-mongodb", "uri:", "url:", "references", "PARLEY_MONGO_URI_FILE is"},
		{"dev", "Secret parley-nats", "", "-", "references", "no Secret parley-nats"},
		{"dev", "ConfigMap gateway-config", "/run/secrets/parley-jwt/secret", "/run/secrets/jwt/secret", "references", "which is not mounted"},
		{"dev", "Deployment gateway", "- name: GOMEMLIMIT\n          value: 920MiB", "- name: PARLEY_NATS_URL\n          valueFrom:\n            secretKeyRef: {name: parley-nats, key: url}", "references", "shows a secret"},
		{"production", "Certificate mongodb", "secretName: mongodb-tls", "secretName: mongo-tls", "references", "no Secret mongodb-tls"},
		{"dev", "NetworkPolicy default-deny", "", "-", "network", "is not denied"},
		{"dev", "NetworkPolicy gateway", "port: 4222", "port: 4223", "network", "gateway may not talk to nats:4222"},
		{"dev", "NetworkPolicy mongodb-init", "", "-", "network", "mongodb-init may not talk"},
		{"production", "NetworkPolicy issuer", "", "-", "network", "may not fetch the keys"},
		{"production", "NetworkPolicy history", "ingress:\n  - ports:\n    - port: 8080", "ingress:\n  - ports:\n    - port: 8443", "network", "nobody reaches history"},
		{"production", "Secret of the operator", "&tls=true", "", "encrypted", "the URI of MongoDB: TLS false"},
		{"production", "Secret of the operator", "url: tls://", "url: nats://", "encrypted", "the URL of NATS: TLS false"},
		{"production", "ConfigMap nats-config", "verify: true", "verify: false", "encrypted", "the NATS servers' TLS"},
		{"production", "ConfigMap history-config", "https://gateway:8080", "http://gateway:8080", "encrypted", "history to gateway: TLS false"},
		{"production", "ConfigMap gateway-config", "PARLEY_TLS_CERT_FILE: /run/secrets/tls/tls.crt", `PARLEY_TLS_CERT_FILE: ""`, "encrypted", "cross the network readable"},
		{"production", "Certificate nats", "- nats-1.nats-cluster", "- nats-9.nats-cluster", "encrypted", "is not of nats-1.nats-cluster"},
		{"production", "Certificate gateway", "- client auth", "- code signing", "decode", "good for"},
		{"production", "BackendTLSPolicy history", "", "-", "encrypted", "plain HTTP to history"},
		{"dev", "Deployment web", "seconds: 5", "seconds: 20", "grace", "web is killed after 30s"},
		{"dev", "ConfigMap web-config", "PARLEY_OPS_LISTEN: :9090", "PARLEY_OPS_LISTEN: :9091", "pods", "web listens on :9091"},
		{"dev", "NetworkPolicy web", "", "-", "network", "nobody reaches web"},
		{"dev", "Ingress parley", "name: web", "name: www", "proxies", "no service www"},
		{"production", "HTTPRoute parley", "name: web", "name: gateway", "proxies", "the route is"},
		{"production", "ConfigMap web-config", "PARLEY_TLS_CERT_FILE: /run/secrets/tls/tls.crt", `PARLEY_TLS_CERT_FILE: ""`, "encrypted", "web: TLS false"},
		{"production", "StatefulSet mongodb", "secretName: mongodb-tls", "secretName: nats-tls", "encrypted", "the certificate of mongodb is not of mongodb-0.mongodb"},
		{"dev", "PodDisruptionBudget gateway", "  unhealthyPodEvictionPolicy: AlwaysAllow\n", "", "evictions", "pods of gateway that are not ready keep a node"},
		{"dev", "PodDisruptionBudget mongodb", "maxUnavailable: 1", "maxUnavailable: 1\n  unhealthyPodEvictionPolicy: AlwaysAllow", "evictions", "although the set needs it"},
		{"production", "StatefulSet mongodb", "requiredDuringSchedulingIgnoredDuringExecution:\n          - labelSelector:\n              matchLabels:\n                app.kubernetes.io/name: mongodb", "requiredDuringSchedulingIgnoredDuringExecution:\n          - labelSelector:\n              matchLabels:\n                app.kubernetes.io/name: nats", "evictions", "a majority with it"},
		{"production", "Deployment gateway", "memory: 2Gi", "memory: 1Gi", "capacity", "50000 connections take 1900 MB"},
		{"dev", "Service web-ops", "", "-", "scraped", "no service"},
		{"dev", "NetworkPolicy prometheus", "app.kubernetes.io/name: web", "app.kubernetes.io/name: www", "scraped", "prometheus may not talk to web-ops:9090"},
		{"production", "NetworkPolicy web", "kubernetes.io/metadata.name: monitoring", "kubernetes.io/metadata.name: monitor", "scraped", "nobody may ask web"},
		{"dev", "StatefulSet mongodb", "failureThreshold: 360", "failureThreshold: 36", "recovery", "killed for it"},
		{"dev", "NetworkPolicy dns", "169.254.20.10/32", "169.254.20.11/32", "names", "of the node's cache false"},
		{"production", "NetworkPolicy dns", "", "-", "names", "cannot ask for addresses"},
		{"production", "ConfigMap history-config", "PARLEY_TRUSTED_PROXIES: 10.0.0.0/8", `PARLEY_TRUSTED_PROXIES: ""`, "behind", "history has no trusted proxies"},
		{"production", "ConfigMap web-config", "PARLEY_LISTEN: :8080", "PARLEY_LISTEN: :8080\n  PARLEY_DEV_TOKEN_URL: http://dev-tokens:8080", "sign-in", "anybody is anybody"},
		{"production", "Deployment web", "ghcr.io/parley-chat/web:", "ghcr.io/parley-chat/parley:", "sign-in", "web can sign"},
		{"production", "Deployment history", "image: ", "args: [dev-tokens]\n        image: ", "sign-in", "history can sign"},
		{"production", "Service web", "name: web\n  namespace", "name: dev-tokens\n  namespace", "sign-in", "a service dev-tokens"},
		{"dev", "ConfigMap web-config", "PARLEY_DEV_TOKEN_URL: http://dev-tokens:8080", `PARLEY_DEV_TOKEN_URL: ""`, "sign-in", "nobody can sign in"},
		{"dev", "ConfigMap web-config", "PARLEY_LISTEN: :8080", "PARLEY_LISTEN: :8080\n  PARLEY_JWT_HS256_SECRET_FILE: /run/secrets/parley-jwt/secret", "sign-in", "web has the key"},
		{"dev", "Deployment web", "serviceAccountName: web", "serviceAccountName: web\n      volumes:\n      - name: jwt\n        secret:\n          secretName: parley-jwt-", "sign-in", "web has the key"},
		{"dev", "Deployment dev-tokens", "", "-", "sign-in", "no dev-tokens"},
		{"dev", "Deployment dev-tokens", "- dev-tokens", "- up", "variables", "dev-tokens is told by variables"},
		{"dev", "Deployment dev-tokens", "parley-chat/parley:", "parley-chat/web:", "pods", "dev-tokens runs"},
		{"dev", "Deployment dev-tokens", "readOnlyRootFilesystem: true", "readOnlyRootFilesystem: false", "pods", "dev-tokens: the security context"},
		{"dev", "Deployment dev-tokens", "terminationGracePeriodSeconds: 30", "terminationGracePeriodSeconds: 20", "grace", "dev-tokens is killed after"},
		{"dev", "ConfigMap dev-tokens-config", "PARLEY_JWT_AUDIENCE: parley", "PARLEY_JWT_AUDIENCE: parleys", "sign-in", "do not take"},
		{"dev", "NetworkPolicy dev-tokens", "", "-", "sign-in", "web may not talk to dev-tokens:8080"},
		{"dev", "NetworkPolicy dev-tokens", "- podSelector:\n        matchLabels:\n          app.kubernetes.io/name: web", "- podSelector: {}", "sign-in", "history reaches what signs"},
		{"dev", "NetworkPolicy dev-tokens", "- podSelector:", "- ipBlock:\n        cidr: 0.0.0.0/0\n    - podSelector:", "sign-in", "others than pods of this namespace"},
		{"dev", "NetworkPolicy dev-tokens", "  podSelector:\n    matchLabels:", "  egress:\n  - ports:\n    - port: 443\n      protocol: TCP\n  podSelector:\n    matchLabels:", "sign-in", "may talk to others"},
		{"dev", "NetworkPolicy one-address", "name: dev-tokens", "name: nats", "sign-in", "web may not talk to dev-tokens:8080"},
		{"dev", "NetworkPolicy one-address", "", "-", "sign-in", "web may not talk to gateway:8080"},
		{"dev", "Ingress parley", "path: /openapi.json", "path: /openapi", "proxies", "the paths are"},
		{"production", "HTTPRoute parley", "value: /openapi.json", "value: /openapi", "proxies", "the route is"},
	} {
		t.Run(m.rule+" "+m.object+" "+m.new, func(t *testing.T) {
			f := &findings{}
			w := build(f, mutate(t, rendered[m.overlay], m.object, m.old, m.new))
			if m.rule != "decode" {
				if len(f.list) > 0 {
					t.Fatalf("the mutant cannot be decoded: %v", f.list)
				}
				f.run(rules[m.rule], w)
			}
			if !slices.ContainsFunc(f.list, func(s string) bool { return strings.Contains(s, m.says) }) {
				t.Errorf("the rule %s says %q, not %q", m.rule, f.list, m.says)
			}
		})
	}
}

// mutate replaces text in one object; of Secrets of the operator, in the one that has it.
func mutate(t *testing.T, all []object, which, old, text string) []object {
	t.Helper()
	kind, name, _ := strings.Cut(which, " ")
	for i, o := range all {
		if !strings.HasSuffix(o.kind, " "+kind) || !strings.HasPrefix(o.name, name) || !strings.Contains(o.text, old) {
			continue
		}
		if text == "-" {
			return slices.Delete(slices.Clone(all), i, i+1)
		}
		all = slices.Clone(all)
		all[i].text = strings.Replace(o.text, old, text, 1)
		return all
	}
	t.Fatalf("nothing to mutate: no %s with %q", which, old)
	return nil
}

// rollout: one new pod comes before an old one goes.
func rollout(t reporter, w *world) {
	for _, name := range w.ours() {
		if w.strategy[name] != "0" {
			t.Errorf("a rollout may take pods of %s away before others are there", name)
		}
	}
}

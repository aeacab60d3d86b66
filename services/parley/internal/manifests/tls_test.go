package manifests

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// certificate is what is used of cert-manager.io/v1, whose Go types would bring a
// controller's dependencies.
type certificate struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Metadata   struct {
		Name      string            `json:"name"`
		Namespace string            `json:"namespace"`
		Labels    map[string]string `json:"labels"`
	} `json:"metadata"`
	Spec struct {
		IsCA        bool   `json:"isCA"`
		CommonName  string `json:"commonName"`
		SecretName  string `json:"secretName"`
		Duration    string `json:"duration"`
		RenewBefore string `json:"renewBefore"`
		PrivateKey  struct {
			Algorithm      string `json:"algorithm"`
			Size           int    `json:"size"`
			RotationPolicy string `json:"rotationPolicy"`
		} `json:"privateKey"`
		Usages    []string `json:"usages"`
		DNSNames  []string `json:"dnsNames"`
		IssuerRef struct {
			Name string `json:"name"`
			Kind string `json:"kind"`
		} `json:"issuerRef"`
		SelfSigned *struct{} `json:"selfSigned"`
		CA         *struct {
			SecretName string `json:"secretName"`
		} `json:"ca"`
	} `json:"spec"`
}

// backendTLS is what is used of a BackendTLSPolicy of gateway.networking.k8s.io/v1.
type backendTLS struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Metadata   struct {
		Name      string            `json:"name"`
		Namespace string            `json:"namespace"`
		Labels    map[string]string `json:"labels"`
	} `json:"metadata"`
	Spec struct {
		TargetRefs []reference `json:"targetRefs"`
		Validation struct {
			Hostname          string      `json:"hostname"`
			CACertificateRefs []reference `json:"caCertificateRefs"`
		} `json:"validation"`
	} `json:"spec"`
}

type reference struct {
	Group string `json:"group"`
	Kind  string `json:"kind"`
	Name  string `json:"name"`
}

// addTLS decodes what is about certificates.
func (w *world) addTLS(kind string, text []byte) (known bool, err error) {
	switch kind {
	case "cert-manager.io/v1 Issuer":
		v, err := decode[certificate](text)
		w.issuers[v.Metadata.Name] = true
		return true, err
	case "cert-manager.io/v1 Certificate":
		v, err := decode[certificate](text)
		w.secrets[v.Spec.SecretName] = map[string]string{"tls.crt": "issued", "tls.key": "issued", "ca.crt": "issued"}
		w.issued[v.Spec.SecretName] = v.Spec.DNSNames
		if err == nil && !v.Spec.IsCA && !(slices.Contains(v.Spec.Usages, "server auth") && slices.Contains(v.Spec.Usages, "client auth")) {
			err = fmt.Errorf("good for %v only", v.Spec.Usages)
		}
		if err == nil && v.Spec.IssuerRef.Name == "" {
			err = fmt.Errorf("it has no issuer")
		}
		return true, err
	case "gateway.networking.k8s.io/v1 BackendTLSPolicy":
		v, err := decode[backendTLS](text)
		w.backends = append(w.backends, v)
		return true, err
	}
	return false, nil
}

// certificateOf is the Secret with the certificate that a workload serves; "": none.
func certificateOf(l workload) string {
	for _, v := range l.pod.Spec.Volumes {
		if v.Name == "tls" && v.Secret != nil {
			return v.Secret.SecretName
		}
	}
	return ""
}

// encrypted: either nothing speaks TLS, or all do, and each connection checks whom it
// meets by a name that is in the certificate. Only an overlay whose passwords are in
// the repository may go without.
func encrypted(t reporter, w *world) {
	gateway, history, web := w.workload(t, "gateway"), w.workload(t, "history"), w.workload(t, "web")
	secure := w.setting(t, gateway, "PARLEY_TLS_CERT_FILE") != ""
	if _, own := w.secrets["parley-mongodb"]; own && !secure {
		t.Errorf("in production, tokens cross the network readable")
	}
	for _, l := range []workload{gateway, history, web, w.workload(t, "nats"), w.workload(t, "mongodb"), w.workload(t, "mongodb-init")} {
		if (certificateOf(l) != "") != secure {
			t.Errorf("TLS is for all or nobody, and %s has %q", l.name, certificateOf(l))
		}
	}
	mongo, bus, forward := w.setting(t, gateway, "PARLEY_MONGO_URI"), w.setting(t, gateway, "PARLEY_NATS_URL"), w.setting(t, history, "PARLEY_GATEWAY_URL")
	for what, uses := range map[string]bool{
		"history":            w.setting(t, history, "PARLEY_TLS_CERT_FILE") != "",
		"web":                w.setting(t, web, "PARLEY_TLS_CERT_FILE") != "",
		"the URI of MongoDB": strings.Contains(mongo, "tls=true"),
		"the URL of NATS":    strings.HasPrefix(bus, "tls://"),
		"gateways to NATS":   w.env(gateway.pod.Spec.Containers[0])["PARLEY_NATS_CA_FILE"] != "",
		"history to gateway": strings.HasPrefix(forward, "https://") && w.env(history.pod.Spec.Containers[0])["PARLEY_GATEWAY_CA_FILE"] != "",
	} {
		if uses != secure {
			t.Errorf("%s: TLS %v, and gateways %v", what, uses, secure)
		}
	}
	for name, data := range w.config {
		if strings.HasPrefix(name, "nats-config") && strings.Contains(data["tls.conf"], "verify: true") != secure {
			t.Errorf("the NATS servers' TLS is %q", data["tls.conf"])
		}
	}
	if !secure {
		return
	}
	if u, err := url.Parse("x://x?" + mongo[strings.IndexByte(mongo, '?')+1:]); err != nil || w.mounted(t, gateway, u.Query().Get("tlsCAFile")) == "" {
		t.Errorf("the authority in MongoDB's URI is not mounted")
	}
	for _, uri := range []string{mongo, bus, forward} {
		for _, at := range addresses(uri) {
			w.named(t, at)
		}
	}
	for _, at := range []string{"nats-0.nats-cluster:6222", "nats-1.nats-cluster:6222", "nats-2.nats-cluster:6222"} {
		w.named(t, at)
	}
	for _, b := range w.backends {
		w.named(t, strings.TrimSuffix(b.Spec.Validation.Hostname, ".parley.svc")+":443")
		if ref := b.Spec.Validation.CACertificateRefs[0]; w.config[ref.Name]["ca.crt"] == "" || b.Spec.TargetRefs[0].Name+".parley.svc" != b.Spec.Validation.Hostname {
			t.Errorf("the proxy cannot check %s with %s", b.Spec.TargetRefs[0].Name, ref.Name)
		}
	}
	for _, r := range w.routes {
		for _, rule := range r.Spec.Rules {
			if !slices.ContainsFunc(w.backends, func(b backendTLS) bool { return b.Spec.TargetRefs[0].Name == rule.BackendRefs[0].Name }) {
				t.Errorf("the proxy speaks plain HTTP to %s", rule.BackendRefs[0].Name)
			}
		}
	}
}

// named checks that the pods at an address have a certificate of that name.
func (w *world) named(t reporter, at string) {
	t.Helper()
	host, _, _ := strings.Cut(at, ":")
	service, sub, isPod := strings.Cut(host, ".")
	if isPod {
		service = sub
	}
	for _, l := range w.workloads {
		if has(w.services[service].Spec.Selector, l) && !slices.Contains(w.issued[certificateOf(l)], host) {
			t.Errorf("the certificate of %s is not of %s", l.name, host)
		}
	}
}

package manifests

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

// signer is the workload, the service and the command that gives anybody a token for
// any user.
const signer = "dev-tokens"

// signIn: where the key of tokens is one that everybody can read, people sign in at the
// page with a name, by way of what signs with the same key and only the page reaches;
// and elsewhere nothing can sign.
func signIn(t reporter, w *world) {
	if forMany(w) {
		nobodySigns(t, w)
		return
	}
	page, gateway, signs := w.workload(t, "web"), w.workload(t, "gateway"), w.workload(t, signer)
	env := w.env(page.pod.Spec.Containers[0])
	if env["PARLEY_DEV_TOKEN_URL"] == "" || env["PARLEY_GATEWAY_URL"] == "" {
		t.Errorf("nobody can sign in at the page")
		return
	}
	for _, k := range []string{"PARLEY_JWT_AUDIENCE", "PARLEY_JWT_ISSUER", "PARLEY_JWT_HS256_SECRET"} {
		if w.setting(t, signs, k) != w.setting(t, gateway, k) {
			t.Errorf("gateways do not take the tokens of %s: another %s", signer, k)
		}
	}
	if env["PARLEY_JWT_HS256_SECRET_FILE"] != "" || slices.ContainsFunc(page.pod.Spec.Volumes, func(v corev1.Volume) bool {
		return v.Secret != nil && strings.HasPrefix(v.Secret.SecretName, "parley-jwt")
	}) {
		t.Errorf("web has the key of tokens, and needs none")
	}
	for _, k := range []string{"PARLEY_GATEWAY_URL", "PARLEY_HISTORY_URL", "PARLEY_DEV_TOKEN_URL"} {
		for url := range strings.SplitSeq(env[k], ",") {
			for _, at := range addresses(url) {
				w.reach(t, page, at)
			}
		}
	}
	alone(t, w, signs)
}

// nobodySigns: no setting leads to what signs, and nothing runs that can.
func nobodySigns(t reporter, w *world) {
	for _, l := range w.workloads {
		for _, c := range slices.Concat(l.pod.Spec.InitContainers, l.pod.Spec.Containers) {
			if w.env(c)["PARLEY_DEV_TOKEN_URL"] != "" {
				t.Errorf("%s passes requests for dev tokens on: anybody is anybody", l.name)
			}
			image, _, _ := strings.Cut(c.Image[strings.LastIndexByte(c.Image, '/')+1:], ":")
			if image == "parley" || l.name == signer || slices.Contains(slices.Concat(c.Command, c.Args), signer) {
				t.Errorf("%s can sign tokens: it runs %s %v", l.name, c.Image, c.Args)
			}
		}
	}
	if _, ok := w.services[signer]; ok {
		t.Errorf("there is a service %s", signer)
	}
}

// alone: nobody but the page talks to what signs, which talks to nobody; asking for
// addresses is everybody's.
func alone(t reporter, w *world, signs workload) {
	for _, p := range w.policies {
		if !picks(p.Spec.PodSelector, signs) {
			continue
		}
		for _, i := range p.Spec.Ingress {
			for _, from := range i.From {
				if from.IPBlock != nil || from.NamespaceSelector != nil {
					t.Errorf("others than pods of this namespace reach what signs")
				}
			}
			for _, l := range w.workloads {
				if l.name != "web" && peers(i.From, l) {
					t.Errorf("%s reaches what signs", l.name)
				}
			}
		}
		for _, e := range p.Spec.Egress {
			for _, port := range e.Ports {
				if port.Port.String() != "53" {
					t.Errorf("what signs may talk to others, at %s", port.Port.String())
				}
			}
			if len(e.Ports) == 0 {
				t.Errorf("what signs may talk to others")
			}
		}
	}
}

// TestProductionCannotSign: no source of a production program calls what makes tokens.
// The all-in-one binary does, so that the search is known to find it.
func TestProductionCannotSign(t *testing.T) {
	for name, command := range commands {
		cmd := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", `{{if not .Standard}}{{$dir := .Dir}}{{range .GoFiles}}{{$dir}}/{{.}}{{"\n"}}{{end}}{{end}}`, command[0])
		cmd.Dir = root
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		var found []string
		for file := range strings.FieldsSeq(string(out)) {
			if filepath.Base(file) == "signer.go" && strings.HasSuffix(filepath.Dir(file), "/pkg/auth") {
				continue // where it is
			}
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(string(text), "auth.NewSigner(") || strings.Contains(string(text), "jwt.NewWithClaims(") {
				found = append(found, file)
			}
		}
		if can := len(found) > 0; can != (name == signer) {
			t.Errorf("%s can sign %v: %q", name, can, found)
		}
	}
}

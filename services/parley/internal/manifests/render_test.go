package manifests

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	"sigs.k8s.io/json"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

// root is the top of the repository.
const root = "../../../.."

var overlays = []string{"dev", "production"}

// workload is what all kinds that make pods have in common.
type workload struct {
	kind, name string
	replicas   int32
	selector   map[string]string
	pod        corev1.PodTemplateSpec
}

// world is an overlay as a cluster would get it.
type world struct {
	workloads []workload
	services  map[string]corev1.Service
	config    map[string]map[string]string
	secrets   map[string]map[string]string
	claims    map[string]bool
	policies  []networkingv1.NetworkPolicy
	budgets   []policyv1.PodDisruptionBudget
	scalers   []autoscalingv2.HorizontalPodAutoscaler
	routes    []httpRoute
	ingresses []networkingv1.Ingress
	backends  []backendTLS
	issued    map[string][]string // names of the certificate in a Secret
	issuers   map[string]bool
	strategy  map[string]string // maxUnavailable of each Deployment
}

// httpRoute is what is used of gateway.networking.k8s.io/v1, whose Go types would
// bring a controller's dependencies.
type httpRoute struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
	Metadata   struct {
		Name      string            `json:"name"`
		Namespace string            `json:"namespace"`
		Labels    map[string]string `json:"labels"`
	} `json:"metadata"`
	Spec struct {
		ParentRefs []struct {
			Name      string `json:"name"`
			Namespace string `json:"namespace"`
		} `json:"parentRefs"`
		Hostnames []string    `json:"hostnames"`
		Rules     []routeRule `json:"rules"`
	} `json:"spec"`
}

type routeRule struct {
	Matches []struct {
		Path *struct {
			Type  string `json:"type"`
			Value string `json:"value"`
		} `json:"path"`
		Method string `json:"method"`
	} `json:"matches"`
	BackendRefs []struct {
		Name string `json:"name"`
		Port int32  `json:"port"`
	} `json:"backendRefs"`
	Timeouts struct {
		Request string `json:"request"`
	} `json:"timeouts"`
}

// object is a resource of an overlay as it would be sent to a cluster.
type object struct{ kind, name, text string }

// render is kubectl kustomize, with what the operator brings.
func render(t *testing.T, overlay string) []object {
	t.Helper()
	resources, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), filepath.Join(root, "deploy/k8s/overlays", overlay))
	if err != nil {
		t.Fatalf("render %s: %v", overlay, err)
	}
	var all []object
	for _, r := range resources.Resources() {
		text, err := r.AsYAML()
		if err != nil {
			t.Fatal(err)
		}
		if kind := r.GetKind(); kind != "Namespace" && r.GetNamespace() != "parley" {
			t.Errorf("%s %s is in the namespace %q", kind, r.GetName(), r.GetNamespace())
		}
		all = append(all, object{r.GetApiVersion() + " " + r.GetKind(), r.GetName(), string(text)})
	}
	if overlay == "production" {
		for doc := range strings.SplitSeq(string(read(t, "deploy/k8s/overlays/production/secrets.example.yaml")), "\n---\n") {
			kind := "v1 Secret"
			if strings.Contains(doc, "kind: ConfigMap") {
				kind = "v1 ConfigMap"
			}
			all = append(all, object{kind, "of the operator", doc})
		}
	}
	return all
}

// overlay is a world of a rendered overlay.
func overlay(t *testing.T, name string) *world {
	t.Helper()
	return build(t, render(t, name))
}

// build decodes every object strictly.
func build(t reporter, all []object) *world {
	t.Helper()
	w := &world{services: map[string]corev1.Service{}, config: map[string]map[string]string{}, secrets: map[string]map[string]string{}, claims: map[string]bool{},
		issued: map[string][]string{}, issuers: map[string]bool{}, strategy: map[string]string{}}
	for _, o := range all {
		if err := w.add(o.kind, []byte(o.text)); err != nil {
			t.Errorf("%s %s: %v", o.kind, o.name, err)
		}
	}
	return w
}

// decode takes no field that is not there, nor twice, nor in another case: an API
// server does not either.
func decode[T any](text []byte) (v T, err error) {
	data, err := yaml.YAMLToJSONStrict(text)
	if err != nil {
		return v, err
	}
	strict, err := json.UnmarshalStrict(data, &v)
	return v, errors.Join(append(strict, err)...)
}

// add decodes one object; a kind that is not known here is an error.
func (w *world) add(kind string, text []byte) error {
	switch kind {
	case "v1 Namespace":
		_, err := decode[corev1.Namespace](text)
		return err
	case "v1 ServiceAccount":
		_, err := decode[corev1.ServiceAccount](text)
		return err
	case "v1 Service":
		v, err := decode[corev1.Service](text)
		w.services[v.Name] = v
		return err
	case "v1 ConfigMap":
		v, err := decode[corev1.ConfigMap](text)
		w.config[v.Name] = v.Data
		return err
	case "v1 Secret":
		v, err := decode[corev1.Secret](text)
		keys := map[string]string{}
		for k, b := range v.Data {
			keys[k] = string(b)
		}
		for k, s := range v.StringData {
			keys[k] = s
		}
		w.secrets[v.Name] = keys
		return err
	case "networking.k8s.io/v1 NetworkPolicy":
		v, err := decode[networkingv1.NetworkPolicy](text)
		w.policies = append(w.policies, v)
		return err
	case "networking.k8s.io/v1 Ingress":
		v, err := decode[networkingv1.Ingress](text)
		w.ingresses = append(w.ingresses, v)
		return err
	case "policy/v1 PodDisruptionBudget":
		v, err := decode[policyv1.PodDisruptionBudget](text)
		w.budgets = append(w.budgets, v)
		return err
	case "autoscaling/v2 HorizontalPodAutoscaler":
		v, err := decode[autoscalingv2.HorizontalPodAutoscaler](text)
		w.scalers = append(w.scalers, v)
		return err
	case "gateway.networking.k8s.io/v1 HTTPRoute":
		v, err := decode[httpRoute](text)
		w.routes = append(w.routes, v)
		return err
	}
	if known, err := w.addTLS(kind, text); known {
		return err
	}
	return w.addWorkload(kind, text)
}

func (w *world) addWorkload(kind string, text []byte) error {
	switch kind {
	case "apps/v1 Deployment":
		v, err := decode[appsv1.Deployment](text)
		if err != nil {
			return err
		}
		var n int32 = -1 // the autoscaler's
		if v.Spec.Replicas != nil {
			n = *v.Spec.Replicas
		}
		if s := v.Spec.Strategy.RollingUpdate; s != nil && s.MaxUnavailable != nil {
			w.strategy[v.Name] = s.MaxUnavailable.String()
		}
		w.workloads = append(w.workloads, workload{kind, v.Name, n, v.Spec.Selector.MatchLabels, v.Spec.Template})
	case "apps/v1 StatefulSet":
		v, err := decode[appsv1.StatefulSet](text)
		if err != nil {
			return err
		}
		for _, c := range v.Spec.VolumeClaimTemplates {
			w.claims[v.Name+"/"+c.Name] = true
		}
		w.workloads = append(w.workloads, workload{kind, v.Name, *v.Spec.Replicas, v.Spec.Selector.MatchLabels, v.Spec.Template})
	case "batch/v1 Job":
		v, err := decode[batchv1.Job](text)
		if err != nil {
			return err
		}
		w.workloads = append(w.workloads, workload{kind, v.Name, 1, nil, v.Spec.Template})
	default:
		return fmt.Errorf("a kind that this test does not know: %s", kind)
	}
	return nil
}

func (w *world) workload(t reporter, name string) workload {
	t.Helper()
	for _, l := range w.workloads {
		if l.name == name {
			return l
		}
	}
	t.Fatalf("no %s", name)
	return workload{}
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return bytes.TrimSpace(b)
}

package manifests

import (
	"maps"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// composed is what is used of the Compose Specification; what is not here is refused.
type composed struct {
	Name     string                   `json:"name"`
	Program  any                      `json:"x-program"`
	Database any                      `json:"x-database"`
	Files    any                      `json:"x-files"`
	Gateway  any                      `json:"x-gateway"`
	Services map[string]containerSpec `json:"services"`
	Secrets  map[string]struct {
		File string `json:"file"`
	} `json:"secrets"`
	Networks map[string]struct {
		IPAM struct {
			Config []struct {
				Subnet string `json:"subnet"`
			} `json:"config"`
		} `json:"ipam"`
	} `json:"networks"`
	Volumes map[string]struct{} `json:"volumes"`
}

type containerSpec struct {
	Build *struct {
		Context    string `json:"context"`
		Dockerfile string `json:"dockerfile"`
	} `json:"build"`
	Image           string            `json:"image"`
	ReadOnly        bool              `json:"read_only"`
	CapDrop         []string          `json:"cap_drop"`
	SecurityOpt     []string          `json:"security_opt"`
	Restart         string            `json:"restart"`
	StopGracePeriod string            `json:"stop_grace_period"`
	Entrypoint      []string          `json:"entrypoint"`
	Command         []string          `json:"command"`
	Secrets         []string          `json:"secrets"`
	Ports           []string          `json:"ports"`
	Volumes         []string          `json:"volumes"`
	Environment     map[string]string `json:"environment"`
	DependsOn       map[string]struct {
		Condition string `json:"condition"`
	} `json:"depends_on"`
	Networks map[string]struct {
		IPv4 string `json:"ipv4_address"`
	} `json:"networks"`
	Healthcheck *struct {
		Test     []string `json:"test"`
		Interval string   `json:"interval"`
		Timeout  string   `json:"timeout"`
		Retries  int      `json:"retries"`
	} `json:"healthcheck"`
}

func readComposed(t *testing.T) (file composed) {
	t.Helper()
	if err := yaml.UnmarshalStrict(read(t, "compose.yaml"), &file); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestCompose: settings exist, secrets and volumes are there, what is named is a
// service, nothing is open to the network, and our programs are as bare as in a pod.
func TestCompose(t *testing.T) {
	file := readComposed(t)
	known, err := settings()
	if err != nil {
		t.Fatal(err)
	}
	taken := map[string]string{}
	for name, s := range file.Services {
		for _, secret := range s.Secrets {
			read(t, file.Secrets[secret].File)
		}
		for d, c := range s.DependsOn {
			on, ok := file.Services[d]
			if !ok || c.Condition == "service_healthy" && on.Healthcheck == nil {
				t.Errorf("%s depends on %s, which is no service, or cannot be %s", name, d, c.Condition)
			}
		}
		for _, p := range s.Ports {
			host, _, _ := strings.Cut(p, ":")
			if at := p[:strings.LastIndexByte(p, ':')]; host != "127.0.0.1" || taken[at] != "" {
				t.Errorf("%s: the port %s is open to others, or taken by %q", name, p, taken[at])
			} else {
				taken[at] = name
			}
		}
		for _, v := range s.Volumes {
			if volume, _, _ := strings.Cut(v, ":"); !slices.Contains(slices.Collect(maps.Keys(file.Volumes)), volume) {
				t.Errorf("%s: no volume %s", name, volume)
			}
		}
		if s.Build == nil {
			if _, tag, ok := strings.Cut(s.Image, ":"); !ok || tag == "latest" {
				t.Errorf("%s runs %q", name, s.Image)
			}
			continue
		}
		program := programOf(&s)
		read(t, s.Build.Dockerfile)
		if !s.ReadOnly || !slices.Equal(s.CapDrop, []string{"ALL"}) || !slices.Equal(s.SecurityOpt, []string{"no-new-privileges:true"}) {
			t.Errorf("%s: read_only %v, cap_drop %v, security_opt %v", name, s.ReadOnly, s.CapDrop, s.SecurityOpt)
		}
		for k, v := range s.Environment {
			if !slices.Contains(known[program], k) {
				t.Errorf("%s has no setting %s", program, k)
			}
			if secret, ok := strings.CutPrefix(v, "/run/secrets/"); ok {
				if !slices.Contains(s.Secrets, secret) {
					t.Errorf("%s is not given the secret %s", name, secret)
				}
			}
			for url := range strings.SplitSeq(strings.ReplaceAll(v, ",http", "\nhttp"), "\n") {
				for _, at := range addresses(url) {
					host, _, _ := strings.Cut(at, ":")
					if _, ok := file.Services[host]; strings.Contains(url, "://") && host != "localhost" && !ok {
						t.Errorf("%s: %s is at %s, which is no service", name, k, host)
					}
				}
			}
		}
	}
	if s := file.Services["gateway-1"].StopGracePeriod; s != "60s" {
		t.Errorf("a gateway has %q to drain, and not what a pod has", s)
	}
	composedAddresses(t, &file)
	composedTokens(t, &file)
}

// programOf is the name of a service's settings: a program, or a command of parley.
func programOf(s *containerSpec) string {
	program := strings.TrimSuffix(filepath.Base(s.Build.Dockerfile), ".Dockerfile")
	if program == "parley" && len(s.Command) > 0 {
		return s.Command[0]
	}
	return program
}

// composedTokens: the page has no key, and what signs has the one that gateways and
// history have, and no port on this machine.
func composedTokens(t *testing.T, file *composed) {
	t.Helper()
	web, signs := file.Services["web"], file.Services[signer]
	if slices.Contains(web.Secrets, "jwt") || web.Environment["PARLEY_DEV_TOKEN_URL"] != "http://"+signer+":8080" {
		t.Errorf("web has the secrets %v, and asks for tokens at %q", web.Secrets, web.Environment["PARLEY_DEV_TOKEN_URL"])
	}
	if !slices.Equal(signs.Command, []string{signer}) || len(signs.Ports) > 0 {
		t.Errorf("%s runs %v, at %v", signer, signs.Command, signs.Ports)
	}
	for _, name := range []string{"gateway-1", "gateway-2", "history"} {
		for _, k := range []string{"PARLEY_JWT_HS256_SECRET_FILE", "PARLEY_JWT_AUDIENCE", "PARLEY_JWT_ISSUER"} {
			if of := file.Services[name].Environment[k]; of != signs.Environment[k] {
				t.Errorf("%s of %s is %q, and of %s %q", k, name, of, signer, signs.Environment[k])
			}
		}
	}
}

// composedAddresses: the word about a client's address is believed of the page's
// container and of nobody else, which has the address for it; and files are at the
// address of the page, by way of it.
func composedAddresses(t *testing.T, file *composed) {
	t.Helper()
	web := file.Services["web"]
	at, err := netip.ParseAddr(web.Networks["default"].IPv4)
	if err != nil {
		t.Fatal(err)
	}
	subnet, err := netip.ParsePrefix(file.Networks["default"].IPAM.Config[0].Subnet)
	if err != nil {
		t.Fatal(err)
	}
	// Others get addresses from the bottom, after the network's and the router's.
	first := subnet.Addr().As4()
	if host := at.As4(); !subnet.Contains(at) || int(host[3]-first[3]) < 2+2*len(file.Services) {
		t.Errorf("web is at %v, which is not in %v, or may be given to another", at, subnet)
	}
	page, _ := strings.CutSuffix(web.Ports[0], ":8080")
	_, port, _ := strings.Cut(page, ":")
	for name, s := range file.Services {
		if name != "web" && name != signer && s.Build != nil && s.Environment["PARLEY_TRUSTED_PROXIES"] != at.String() {
			t.Errorf("%s believes %q about addresses, and web is at %v", name, s.Environment["PARLEY_TRUSTED_PROXIES"], at)
		}
		if public, ok := s.Environment["PARLEY_S3_PUBLIC_ENDPOINT"]; ok && (public != "http://localhost:"+port ||
			web.Environment["PARLEY_BUCKET_URL"] != s.Environment["PARLEY_S3_ENDPOINT"]+"/"+s.Environment["PARLEY_S3_BUCKET"]) {
			t.Errorf("%s sends browsers to %s for files", name, public)
		}
		for _, gateway := range []string{"gateway-1", "gateway-2"} {
			if name == gateway && !strings.Contains(web.Environment["PARLEY_GATEWAY_URL"], "http://"+name+":8080") {
				t.Errorf("web does not know %s", name)
			}
		}
	}
}

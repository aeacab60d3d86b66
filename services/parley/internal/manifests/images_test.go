package manifests

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// instruction is a line of a Dockerfile.
type instruction struct{ verb, rest string }

// dockerfile reads the plain form that ours have: an instruction a line.
func dockerfile(t *testing.T, name string) (all []instruction) {
	t.Helper()
	for line := range strings.Lines(string(read(t, "deploy/docker/"+name+".Dockerfile"))) {
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		verb, rest, _ := strings.Cut(line, " ")
		if !slices.Contains([]string{"FROM", "ARG", "ENV", "WORKDIR", "COPY", "RUN", "USER", "EXPOSE", "ENTRYPOINT", "CMD", "VOLUME"}, verb) {
			t.Errorf("%s: %q is no instruction that this test knows", name, line)
		}
		all = append(all, instruction{verb, rest})
	}
	return all
}

func TestDockerfiles(t *testing.T) {
	for _, name := range []string{"gateway", "history", "parley"} {
		all := dockerfile(t, name)
		for _, want := range []instruction{
			{"ENV", "GOWORK=off CGO_ENABLED=0"}, {"FROM", "gcr.io/distroless/static-debian12:nonroot"},
			{"USER", "65532:65532"}, {"ENTRYPOINT", `["/` + name + `"]`}, {"EXPOSE", "8080 9090"},
		} {
			if !slices.Contains(all, want) {
				t.Errorf("%s: no %s %s", name, want.verb, want.rest)
			}
		}
	}
}

// TestImageBuilds runs the build stage on a folder that has only what it copies. All
// three with PARLEY_TEST_IMAGES=1; otherwise history, the smallest.
func TestImageBuilds(t *testing.T) {
	names := []string{"history"}
	if os.Getenv("PARLEY_TEST_IMAGES") != "" {
		names = []string{"history", "gateway", "parley"}
	}
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			src, out := t.TempDir(), t.TempDir()
			for _, i := range dockerfile(t, name) {
				switch {
				case i.verb == "FROM" && !strings.HasSuffix(i.rest, " AS build"):
					return // the stage is over
				case i.verb == "COPY":
					args := strings.Fields(i.rest)
					for _, a := range args[:len(args)-1] {
						copyTree(t, a, src)
					}
				case i.verb == "RUN" && strings.Contains(i.rest, "go build"):
					cmd := exec.CommandContext(t.Context(), "sh", "-c", strings.ReplaceAll(i.rest, "/out/", out+"/"))
					cmd.Dir = src
					cmd.Env = append(os.Environ(), "GOWORK=off", "CGO_ENABLED=0", "VERSION=test", "GOFLAGS=-buildvcs=false")
					if text, err := cmd.CombinedOutput(); err != nil {
						t.Fatalf("%s: %v\n%s", i.rest, err, text)
					}
					if _, err := os.Stat(filepath.Join(out, name)); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
}

// copyTree copies a file or folder of the repository to the same place under dir, over
// what is there, as COPY does.
func copyTree(t *testing.T, name, dir string) {
	t.Helper()
	to := filepath.Dir(filepath.Join(dir, name))
	if err := os.MkdirAll(to, 0o755); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), "cp", "-R", filepath.Join(root, name), to).CombinedOutput(); err != nil {
		t.Fatalf("copy %s: %v: %s", name, err, out)
	}
}

// TestCompose: settings exist, secrets are there, and what is named is a service.
func TestCompose(t *testing.T) {
	var file struct {
		Services map[string]struct {
			Build *struct {
				Dockerfile string `json:"dockerfile"`
			} `json:"build"`
			Image       string            `json:"image"`
			ReadOnly    bool              `json:"read_only"`
			Environment map[string]string `json:"environment"`
			DependsOn   map[string]any    `json:"depends_on"`
		} `json:"services"`
		Secrets map[string]struct {
			File string `json:"file"`
		} `json:"secrets"`
	}
	if err := yaml.Unmarshal(read(t, "compose.yaml"), &file); err != nil {
		t.Fatal(err)
	}
	known, err := settings()
	if err != nil {
		t.Fatal(err)
	}
	for name, s := range file.Services {
		for d := range s.DependsOn {
			if _, ok := file.Services[d]; !ok {
				t.Errorf("%s depends on %s, which is no service", name, d)
			}
		}
		if s.Build == nil {
			continue
		}
		read(t, s.Build.Dockerfile)
		program := strings.TrimSuffix(filepath.Base(s.Build.Dockerfile), ".Dockerfile")
		if !s.ReadOnly || len(s.Environment) == 0 {
			t.Errorf("%s: read_only %v, environment %v", name, s.ReadOnly, s.Environment)
		}
		for k, v := range s.Environment {
			if !slices.Contains(known[program], k) {
				t.Errorf("%s has no setting %s", program, k)
			}
			if secret, ok := strings.CutPrefix(v, "/run/secrets/"); ok {
				read(t, file.Secrets[secret].File)
			}
		}
	}
}

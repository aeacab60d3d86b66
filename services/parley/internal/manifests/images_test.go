package manifests

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// instruction is a line of a Dockerfile.
type instruction struct{ verb, rest string }

// dockerfile reads the plain form that ours have: an instruction a line.
func dockerfile(t *testing.T, name string) (all []instruction) {
	t.Helper()
	all = parse(string(read(t, "deploy/docker/"+name+".Dockerfile")))
	for _, i := range all {
		if !slices.Contains([]string{"FROM", "ARG", "ENV", "WORKDIR", "COPY", "RUN", "USER", "EXPOSE", "ENTRYPOINT", "CMD", "VOLUME"}, i.verb) {
			t.Errorf("%s: %q is no instruction that this test knows", name, i.verb)
		}
	}
	return all
}

func parse(text string) (all []instruction) {
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		verb, rest, _ := strings.Cut(line, " ")
		all = append(all, instruction{verb, rest})
	}
	return all
}

var images = []string{"gateway", "history", "web", "parley"}

// faults is what a linter of Dockerfiles would say, as far as it matters here: what
// comes from elsewhere has a version of its own, what runs is no root, writes nothing
// and has no shell, and the source is copied after the modules, which change less.
func faults(all []instruction) (list []string) {
	say := func(format string, args ...any) { list = append(list, fmt.Sprintf(format, args...)) }
	var user, entry string
	stages, downloaded, copied := map[string]bool{}, false, false
	for _, i := range all {
		switch i.verb {
		case "FROM":
			image, stage, _ := strings.Cut(i.rest, " AS ")
			base, tag, ok := strings.Cut(image, ":")
			if !ok || tag == "latest" {
				say("%s has no version of its own", base)
			}
			stages[stage] = true
			user, entry, downloaded, copied = "", "", false, false
		case "USER":
			user = i.rest
		case "ENTRYPOINT", "CMD":
			entry = i.rest
			if !strings.HasPrefix(i.rest, "[") {
				say("%s is for a shell, which gets the signals", i.verb)
			}
		case "COPY":
			if from, ok := strings.CutPrefix(strings.Fields(i.rest)[0], "--from="); ok && !stages[from] {
				say("no stage %s", from)
			}
			if strings.Contains(i.rest, " . ") || strings.HasPrefix(i.rest, ". ") {
				say("COPY of everything: secrets and builds of this machine as well")
			}
			copied = copied || strings.HasPrefix(i.rest, "pkg ") || strings.HasPrefix(i.rest, "services ")
		case "RUN":
			if strings.Contains(i.rest, "mod download") {
				downloaded = true
				if copied {
					say("modules are downloaded again for every change of the source")
				}
			}
			if strings.Contains(i.rest, "go build") && (!downloaded || !strings.Contains(i.rest, "-trimpath")) {
				say("a build without downloaded modules, or with paths of the machine")
			}
			if strings.Contains(i.rest, "curl ") || strings.Contains(i.rest, "apt-get") || strings.Contains(i.rest, "go install") || strings.Contains(i.rest, "sudo") {
				say("%s: not pinned", i.rest)
			}
		case "ADD", "MAINTAINER":
			say("%s", i.verb)
		}
	}
	if id, _, _ := strings.Cut(user, ":"); id == "" || id == "0" || id == "root" || strings.Trim(id, "0123456789") != "" {
		say("it runs as %q, and runAsNonRoot wants a number that is not 0", user)
	}
	if entry == "" {
		say("no entry point")
	}
	return list
}

// TestFaultsAreFound breaks a Dockerfile in every way that faults knows.
func TestFaultsAreFound(t *testing.T) {
	good := string(read(t, "deploy/docker/gateway.Dockerfile"))
	for _, c := range []struct{ old, text, says string }{
		{"golang:1.26-bookworm", "golang", "no version"},
		{"debian12:nonroot", "debian12:latest", "no version"},
		{"USER 65532:65532", "USER root", "it runs as"},
		{"USER 65532:65532\n", "", "it runs as"},
		{`["/gateway"]`, "/gateway", "for a shell"},
		{"--from=build", "--from=builder", "no stage builder"},
		{"COPY pkg ./pkg", "COPY . .", "everything"},
		{"RUN go mod download\nCOPY pkg ./pkg", "COPY pkg ./pkg\nRUN go mod download", "downloaded again"},
		{"-trimpath ", "", "paths of the machine"},
		{"RUN go mod download", "RUN curl https://example.com | sh", "not pinned"},
		{"ENTRYPOINT", "LABEL", "no entry point"},
	} {
		if !strings.Contains(good, c.old) {
			t.Errorf("no %q to change", c.old)
		}
		list := faults(parse(strings.Replace(good, c.old, c.text, 1)))
		if !slices.ContainsFunc(list, func(s string) bool { return strings.Contains(s, c.says) }) {
			t.Errorf("%q for %q: %q, want %q", c.text, c.old, list, c.says)
		}
	}
}

func TestDockerfiles(t *testing.T) {
	for _, name := range images {
		all := dockerfile(t, name)
		for _, fault := range faults(all) {
			t.Errorf("%s: %s", name, fault)
		}
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

// TestImageBuilds runs the build stages on folders that have only what they copy. All
// with PARLEY_TEST_IMAGES=1, also those of npm where it is there; otherwise the two
// smallest, without npm: then the page that stands in for the chat is built in.
func TestImageBuilds(t *testing.T) {
	names := []string{"history", "web"}
	all := os.Getenv("PARLEY_TEST_IMAGES") != ""
	if all {
		names = images
	}
	_, err := exec.LookPath("npm")
	for _, name := range names {
		t.Run(name, func(t *testing.T) { buildImage(t, name, all && err == nil) })
	}
}

func buildImage(t *testing.T, name string, npm bool) {
	t.Helper()
	stages, out := map[string]string{}, t.TempDir()
	stage, dir := "", ""
	for _, i := range dockerfile(t, name) {
		switch i.verb {
		case "FROM":
			var named bool
			if _, stage, named = strings.Cut(i.rest, " AS "); !named {
				return // what follows only copies
			}
			stages[stage] = t.TempDir()
		case "WORKDIR":
			dir = filepath.Join(stages[stage], strings.TrimPrefix(i.rest, "/src"))
		case "COPY":
			args := strings.Fields(i.rest)
			from, built := strings.CutPrefix(args[0], "--from=")
			for _, a := range args[:len(args)-1] {
				switch {
				case !built:
					copyTree(t, filepath.Join(root, a), filepath.Join(stages[stage], a))
				case a != args[0] && npm:
					copyTree(t, filepath.Join(stages[from], strings.TrimPrefix(a, "/src")), filepath.Join(dir, args[len(args)-1]))
				}
			}
		case "RUN":
			if strings.HasPrefix(i.rest, "npm") && !npm || strings.Contains(i.rest, "mod download") || strings.HasPrefix(i.rest, "mkdir") {
				continue
			}
			cmd := exec.CommandContext(t.Context(), "sh", "-c", strings.ReplaceAll(i.rest, "/out/", out+"/"))
			cmd.Dir = dir
			cmd.Env = append(os.Environ(), "GOWORK=off", "CGO_ENABLED=0", "VERSION=test", "GOFLAGS=-buildvcs=false")
			if text, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%s: %v\n%s", i.rest, err, text)
			}
			if _, err := os.Stat(filepath.Join(out, name)); stage == "build" && err != nil {
				t.Error(err)
			}
		}
	}
}

// ignored is what .dockerignore keeps out of a COPY.
var ignored = []string{"web/node_modules", "web/app/node_modules", "web/sdk/node_modules"}

// copyTree copies a file or folder to a place, over what is there, as COPY does.
func copyTree(t *testing.T, from, to string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(from)
	if err != nil {
		t.Fatal(err)
	}
	if !info.IsDir() {
		text, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to, text, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	list, err := os.ReadDir(from)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		path, err := filepath.Rel(root, filepath.Join(from, e.Name()))
		if err == nil && slices.Contains(ignored, path) {
			continue
		}
		copyTree(t, filepath.Join(from, e.Name()), filepath.Join(to, e.Name()))
	}
}

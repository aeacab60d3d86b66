package mongotest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

const command = "github.com/parley-chat/parley/services/parley/internal/mongotest/cmd/mongowire"

// build returns the path of the program mongowire. It is built without the race
// detector, once for each state of its sources, into the user's cache directory.
func build(ctx context.Context) (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("finding the cache directory: %w", err)
	}
	dir := filepath.Join(cache, "parley-mongowire")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("making the cache directory: %w", err)
	}
	version, err := sources(ctx)
	if err != nil {
		return "", err
	}
	program := filepath.Join(dir, "mongowire-"+version)
	if _, err := os.Stat(program); err == nil {
		return program, nil
	}
	// Built under another name and moved: test packages build at the same time.
	tmp, err := os.MkdirTemp(dir, "build")
	if err != nil {
		return "", fmt.Errorf("making a directory to build in: %w", err)
	}
	defer os.RemoveAll(tmp)
	built := filepath.Join(tmp, "mongowire")
	out, err := exec.CommandContext(ctx, "go", "build", "-race=false", "-o", built, command).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("building mongowire: %w\n%s", err, out)
	}
	if err := os.Rename(built, program); err != nil {
		return "", fmt.Errorf("keeping mongowire: %w", err)
	}
	return program, prune(dir)
}

// keep is how long a program that is not the newest stays: other checkouts may
// use it.
const keep = 7 * 24 * time.Hour

// prune removes programs of older sources, and what a killed build has left.
func prune(dir string) error {
	files, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("listing old programs: %w", err)
	}
	for _, f := range files {
		info, err := f.Info()
		if err != nil || time.Since(info.ModTime()) < keep {
			continue // gone meanwhile, or still of use
		}
		if err := os.RemoveAll(filepath.Join(dir, f.Name())); err != nil {
			return fmt.Errorf("removing an old program: %w", err)
		}
	}
	return nil
}

// sources is a hash of what the program is made of: the files of its own two
// packages, and go.mod for the rest.
func sources(ctx context.Context) (string, error) {
	const files = `{{range .GoFiles}}{{$.Dir}}/{{.}}{{"\n"}}{{end}}{{.Module.GoMod}}{{"\n"}}`
	cmd := exec.CommandContext(ctx, "go", "list", "-f", files, command, filepath.Dir(filepath.Dir(command))+"/wireproxy")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("listing mongowire's sources: %w", err)
	}
	names := strings.Fields(string(out))
	slices.Sort(names)
	h := sha256.New()
	fmt.Fprintln(h, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	for _, name := range slices.Compact(names) {
		text, err := os.ReadFile(name)
		if err != nil {
			return "", fmt.Errorf("reading mongowire's sources: %w", err)
		}
		fmt.Fprintln(h, filepath.Base(name), len(text))
		h.Write(text)
	}
	return hex.EncodeToString(h.Sum(nil)[:8]), nil
}

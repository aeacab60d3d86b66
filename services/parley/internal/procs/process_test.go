package procs

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// command makes a process of a program that every system has.
func command(t *testing.T, program string, args ...string) *Process {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		t.Fatal(err)
	}
	p := &Process{Name: program, dir: filepath.Dir(path), program: filepath.Base(path), logs: t.TempDir(), args: args}
	t.Cleanup(func() { _ = p.Stop() })
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	return p
}

func TestKilledAndStartedAgain(t *testing.T) {
	p := command(t, "sleep", "1000")
	if err := p.Start(); err == nil {
		t.Error("it was started twice")
	}
	if err := p.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(p.Stop(), p.Start()); err != nil {
		t.Errorf("after a kill: %v", err)
	}
	// sleep does not drain: SIGTERM ends it with another code than 0.
	if err := p.Stop(); err == nil || !strings.Contains(err.Error(), "stop sleep") {
		t.Errorf("%v", err)
	}
	if err := p.Signal(syscall.SIGCONT); err == nil {
		t.Error("a signal reached a process that has ended")
	}
}

// A process that ends by itself is found out, unless it was to die.
func TestEndedByItself(t *testing.T) {
	p := command(t, "sh", "-c", "echo oh dear; exit 3")
	if err := p.Died(t.Context()); err == nil || !strings.Contains(err.Error(), "exit status 3\noh dear") {
		t.Errorf("%v", err)
	}
	if err := p.Stop(); err == nil || !strings.Contains(err.Error(), "ended by itself: exit status 3\noh dear") {
		t.Errorf("%v", err)
	}
	log, err := os.ReadFile(filepath.Join(p.logs, "sh.log"))
	if err != nil || string(log) != "oh dear\n" {
		t.Errorf("%q %v", log, err)
	}
	p = command(t, "sh", "-c", "kill -9 $$")
	if err := errors.Join(p.Died(t.Context()), p.Stop()); err != nil {
		t.Errorf("it was to die: %v", err)
	}
	p = command(t, "sleep", "1000")
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if err := p.Died(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
}

// A program that is no part of a cluster, and its process id.
func TestProgram(t *testing.T) {
	path, err := exec.LookPath("sleep")
	if err != nil {
		t.Fatal(err)
	}
	p := New(Program{Name: "sleep", Path: path, Args: []string{"1000"}})
	if pid := p.PID(); pid != 0 {
		t.Error(pid)
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	if pid := p.PID(); pid == 0 || syscall.Kill(pid, 0) != nil {
		t.Error(pid)
	}
	if err := p.Kill(); err != nil || p.PID() != 0 {
		t.Error(err, p.PID())
	}
}

// Ports that were taken are nobody else's until they are released, also while no
// process listens on them.
func TestPortsAreHeld(t *testing.T) {
	a, err := TakePorts(5)
	if err != nil || a.First < 20_000 || a.First > 32_000-5 {
		t.Fatal(a, err)
	}
	other := Ports{First: a.First + 4}
	if err := other.take(1); err == nil {
		t.Error("taken twice")
	}
	ln, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", a.First))
	if err != nil {
		t.Fatalf("the process itself: %v", err)
	}
	held := a.held
	if err := errors.Join(ln.Close(), a.Release(), a.Release()); err != nil {
		t.Error(err)
	}
	for _, one := range held {
		if err := one.Close(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("it is still held: %v", err)
		}
	}
}

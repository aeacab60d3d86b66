package gateway

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// natsProcess is a NATS server as a process, so that its CPU time and memory can be
// told from ours.
type natsProcess struct {
	b       *testing.B
	program string
	addr    string
	cmd     *exec.Cmd
}

// buildNATS builds the server of the workspace's version and finds it a port.
func buildNATS(b *testing.B) *natsProcess {
	b.Helper()
	n := &natsProcess{b: b, program: filepath.Join(b.TempDir(), "nats-server")}
	build := exec.Command("go", "build", "-o", n.program, "github.com/nats-io/nats-server/v2")
	if out, err := build.CombinedOutput(); err != nil {
		b.Fatalf("build nats-server: %v\n%s", err, out)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	n.addr = ln.Addr().String()
	if err := ln.Close(); err != nil {
		b.Fatal(err)
	}
	n.start()
	b.Cleanup(n.stop)
	return n
}

func (n *natsProcess) url() string { return "nats://" + n.addr }

// start starts it and waits until it takes connections.
func (n *natsProcess) start() {
	n.b.Helper()
	_, port, _ := net.SplitHostPort(n.addr)
	n.cmd = exec.Command(n.program, "--addr", "127.0.0.1", "--port", port)
	n.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := n.cmd.Start(); err != nil {
		n.b.Fatal(err)
	}
	n.until("nats-server does not listen", func() bool {
		nc, err := net.Dial("tcp", n.addr)
		if err != nil {
			return false
		}
		return nc.Close() == nil
	})
}

func (n *natsProcess) stop() {
	_ = n.cmd.Process.Kill() // it has ended, or Wait tells
	_ = n.cmd.Wait()
}

// until polls a condition of the running processes.
func (n *natsProcess) until(what string, cond func() bool) {
	n.b.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(30 * time.Second); !cond(); <-tick.C {
		if time.Now().After(deadline) {
			n.b.Fatal(what)
		}
	}
}

// cpuOf is the CPU time of a process: of all threads that it has.
func cpuOf(b *testing.B, pid int) time.Duration {
	b.Helper()
	stats, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	if err != nil || len(stats) == 0 {
		b.Fatalf("read the CPU time of process %d: %v; this needs Linux", pid, err)
	}
	var sum time.Duration
	for _, file := range stats {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // a thread that has ended
		}
		first, _, _ := strings.Cut(string(text), " ")
		ns, err := strconv.ParseInt(first, 10, 64)
		if err != nil {
			b.Fatal(err)
		}
		sum += time.Duration(ns)
	}
	return sum
}

// residentOf is the memory of a process in bytes.
func residentOf(b *testing.B, pid int) float64 {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		b.Fatal(err)
	}
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		if kb, ok := strings.CutPrefix(lines.Text(), "VmRSS:"); ok {
			n, err := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(kb), " kB"), 64)
			if err != nil {
				b.Fatal(err)
			}
			return n * 1024
		}
	}
	b.Fatalf("process %d has no resident memory", pid)
	return 0
}

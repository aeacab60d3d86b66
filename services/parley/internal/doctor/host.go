package doctor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/go-json-experiment/json"
)

// data looks at the folder of the embedded store.
func (e *examination) data(_ context.Context, f *findings) {
	dir := e.s.Dir
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, os.ErrNotExist):
		f.ok("%s is not there yet: parley up makes it", dir)
		return
	case err != nil:
		f.fail("let this user reach the folder, or set --data", "%v", err)
		return
	case !info.IsDir():
		f.fail("set --data to a folder", "%s is no folder", dir)
		return
	}
	probe, err := os.CreateTemp(dir, ".doctor-*")
	if err != nil {
		f.fail("let this user write there, or set --data", "%v", err)
	} else {
		if err := errors.Join(probe.Close(), os.Remove(probe.Name())); err != nil {
			f.fail("look at the disk", "%v", err)
		} else {
			f.ok("%s can be written", dir)
		}
	}
	if usage, err := vfs.Default.GetDiskUsage(dir); err == nil {
		judgeDisk(f, usage.AvailBytes, usage.TotalBytes)
	}
	e.lock(f, filepath.Join(dir, "store"))
}

func judgeDisk(f *findings, free, total uint64) {
	const gib = 1 << 30
	text := fmt.Sprintf("%.1f of %.1f GiB are free", float64(free)/gib, float64(total)/gib)
	switch {
	case free < gib/4:
		f.fail("make room: sends are refused when the disk is full", "%s", text)
	case free < 2*gib || total > 0 && free < total/20:
		f.warn("make room, or move the folder", "%s", text)
	default:
		f.ok("%s", text)
	}
}

// lock looks whether a process has the store.
func (e *examination) lock(f *findings, store string) {
	file := filepath.Join(store, "LOCK")
	if !exists(file) {
		f.ok("there is no store in it yet")
		return
	}
	lock, err := vfs.Default.Lock(file)
	if err != nil {
		f.ok("a process has the store open: another one cannot use it (%v)", err)
		return
	}
	if err := lock.Close(); err != nil {
		f.fail("look at the disk", "%v", err)
		return
	}
	f.ok("no process has the store open")
}

// ports looks whether the ports are free, or Parley's.
func (e *examination) ports(ctx context.Context, f *findings) {
	running := e.answers(ctx, f)
	for _, p := range []struct{ flag, addr string }{{"--listen", e.s.Addr}, {"--ops-listen", e.s.OpsAddr}} {
		ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", p.addr)
		switch {
		case err == nil:
			_ = ln.Close()
			f.ok("%s %s is free", p.flag, p.addr)
		case errors.Is(err, syscall.EADDRINUSE) && running:
			f.ok("%s %s is taken, and Parley runs here", p.flag, p.addr)
		case errors.Is(err, syscall.EADDRINUSE):
			f.fail("end the other program (ss -ltnp), or set "+p.flag, "%s %s is taken, and not by Parley", p.flag, p.addr)
		default:
			f.fail("set "+p.flag+" to an address of this machine, with a port that this user may use", "%s %s: %v", p.flag, p.addr, err)
		}
	}
}

// answers reports whether a Parley answers on the operations port, and what it says.
func (e *examination) answers(ctx context.Context, f *findings) bool {
	host, port, err := net.SplitHostPort(e.s.OpsAddr)
	if err != nil {
		return false
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+net.JoinHostPort(host, port)+"/readyz", nil)
	if err != nil {
		return false
	}
	req.Close = true
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	defer res.Body.Close()
	var ready struct {
		Status   string            `json:"status"`
		Version  string            `json:"version"`
		Degraded map[string]string `json:"degraded"`
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, 64<<10))
	if err != nil || json.Unmarshal(body, &ready) != nil || ready.Version == "" || ready.Status == "" {
		return false
	}
	f.ok("Parley %s runs here and is %s", ready.Version, ready.Status)
	for part, why := range ready.Degraded {
		f.warn("see the check of that part", "it says of %s: %s", part, why)
	}
	return true
}

// spare is how many descriptors a pod needs beside those of its clients: to MongoDB,
// NATS, logs and requests over HTTP.
const spare = 512

// files compares the limit on open files with the connections that are wanted.
func (e *examination) files(_ context.Context, f *findings) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		f.warn("see ulimit -n", "the limit on open files cannot be read: %v", err)
		return
	}
	judgeFiles(f, uint64(limit.Max), e.s.Connections) // Go raises the limit as far as it may
}

func judgeFiles(f *findings, limit uint64, connections int) {
	most := max(limit, spare) - spare
	text := fmt.Sprintf("%d files may be open: that is %d connections", limit, most)
	if limit > 1<<40 {
		text = "any number of files may be open"
	}
	switch {
	case most < uint64(connections)/2:
		f.fail(fmt.Sprintf("raise the limit to %d (ulimit -n, LimitNOFILE in systemd), or say --connections", connections+spare), "%s, and %d are wanted", text, connections)
	case most < uint64(connections):
		f.warn(fmt.Sprintf("raise the limit to %d (ulimit -n, LimitNOFILE in systemd), or say --connections", connections+spare), "%s, and %d are wanted", text, connections)
	default:
		f.ok("%s", text)
	}
}

// memory compares Go's limit with the container's.
func (e *examination) memory(_ context.Context, f *findings) {
	root := e.s.root
	if root == "" {
		root = "/"
	}
	judgeMemory(f, cgroupLimit(root), debug.SetMemoryLimit(-1)) // a negative limit is asked, not set
}

// unlimited is what cgroup version 1 has for no limit, rounded down.
const unlimited = math.MaxInt64 / 2

// cgroupLimit is the memory that this process's container may take; 0: no limit.
func cgroupLimit(root string) int64 {
	for _, file := range []string{"sys/fs/cgroup/memory.max", "sys/fs/cgroup/memory/memory.limit_in_bytes"} {
		text, err := os.ReadFile(filepath.Join(root, file))
		if err != nil {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
		if err != nil || n >= unlimited {
			return 0 // "max"
		}
		return n
	}
	return 0
}

func judgeMemory(f *findings, cgroup, gomemlimit int64) {
	const mib = 1 << 20
	set := gomemlimit < math.MaxInt64
	advice := fmt.Sprintf("set GOMEMLIMIT to about 90 %% of the container's memory: GOMEMLIMIT=%dMiB", cgroup/mib*9/10)
	switch {
	case cgroup == 0 && set:
		f.ok("GOMEMLIMIT is %d MiB; the container has no limit", gomemlimit/mib)
	case cgroup == 0:
		f.ok("no limit is set")
	case !set:
		f.warn(advice, "the container may take %d MiB, and GOMEMLIMIT is not set: under load the kernel ends the process before Go frees memory", cgroup/mib)
	case gomemlimit > cgroup:
		f.fail(advice, "GOMEMLIMIT is %d MiB, and the container may take %d MiB only", gomemlimit/mib, cgroup/mib)
	case gomemlimit > cgroup*97/100:
		f.warn(advice, "GOMEMLIMIT is %d MiB of the container's %d MiB: nothing is left for what Go does not count", gomemlimit/mib, cgroup/mib)
	case gomemlimit < cgroup/2:
		f.warn(advice, "GOMEMLIMIT is %d MiB, less than half of the container's %d MiB: Go works harder than it must", gomemlimit/mib, cgroup/mib)
	default:
		f.ok("GOMEMLIMIT is %d MiB of the container's %d MiB", gomemlimit/mib, cgroup/mib)
	}
}

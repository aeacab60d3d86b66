// Package measure is what every benchmark here measures with: CPU and memory of
// processes and of the kernel from /proc, latency histograms, tables, and charts
// as SVG. It knows nothing of what is measured, so that the programs that Parley
// is compared with are measured by the same code.
//
// Reading processes and the kernel works on Linux only; elsewhere it is an error.
package measure

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// Usage is what a process, or several together, had used at one moment.
type Usage struct {
	At   time.Time     `json:"-"`
	User time.Duration `json:"-"` // CPU time since the start, in user mode; in steps of 10 ms
	Sys  time.Duration `json:"-"` // the same in the kernel
	RSS  int64         `json:"-"` // resident bytes now
	Peak int64         `json:"-"` // resident bytes at the most, since the start
}

// CPU is user and system time together.
func (u Usage) CPU() time.Duration { return u.User + u.Sys }

// ReadProcess reads what a process has used. It fails if there is no such process.
func ReadProcess(pid int) (Usage, error) {
	dir := filepath.Join("/proc", strconv.Itoa(pid))
	stat, err := os.ReadFile(filepath.Join(dir, "stat"))
	if err != nil {
		return Usage{}, fmt.Errorf("read process %d: %w", pid, err)
	}
	u, err := parseStat(string(stat))
	if err != nil {
		return Usage{}, fmt.Errorf("read process %d: %w", pid, err)
	}
	status, err := os.ReadFile(filepath.Join(dir, "status"))
	if err != nil {
		return Usage{}, fmt.Errorf("read process %d: %w", pid, err)
	}
	u.At, u.RSS, u.Peak = time.Now(), kilobytes(string(status), "VmRSS:"), kilobytes(string(status), "VmHWM:")
	return u, nil
}

// ticksPerSecond is the unit of the times in /proc/PID/stat: USER_HZ, which is 100
// on every architecture that Go runs on.
const ticksPerSecond = 100

// parseStat takes the CPU times out of /proc/PID/stat. The program's name, in
// parentheses, may contain anything.
func parseStat(stat string) (Usage, error) {
	rest := stat[strings.LastIndexByte(stat, ')')+1:]
	fields := strings.Fields(rest)
	const user, sys = 11, 12 // fields 14 and 15 of proc(5), counted behind the name
	if len(fields) <= sys {
		return Usage{}, fmt.Errorf("stat has %d fields", len(fields))
	}
	u, err := strconv.ParseInt(fields[user], 10, 64)
	if err != nil {
		return Usage{}, fmt.Errorf("parse utime: %w", err)
	}
	s, err := strconv.ParseInt(fields[sys], 10, 64)
	if err != nil {
		return Usage{}, fmt.Errorf("parse stime: %w", err)
	}
	return Usage{User: time.Duration(u) * time.Second / ticksPerSecond, Sys: time.Duration(s) * time.Second / ticksPerSecond}, nil
}

// kilobytes finds a line like "VmRSS:   123 kB" and gives it in bytes; 0 without
// such a line.
func kilobytes(text, name string) int64 {
	for line := range strings.Lines(text) {
		rest, ok := strings.CutPrefix(line, name)
		if !ok {
			continue
		}
		n, _ := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 64)
		return n << 10
	}
	return 0
}

// ReadProcesses adds up what several processes have used.
func ReadProcesses(pids []int) (Usage, error) {
	sum := Usage{At: time.Now()}
	for _, pid := range pids {
		u, err := ReadProcess(pid)
		if err != nil {
			return Usage{}, err
		}
		sum.User += u.User
		sum.Sys += u.Sys
		sum.RSS += u.RSS
		sum.Peak += u.Peak
	}
	return sum, nil
}

// Self is what this process has used.
func Self() (Usage, error) { return ReadProcess(os.Getpid()) }

// Busy is what all processes together, and the kernel for itself, have used of the
// machine's CPUs since it was started.
type Busy struct {
	CPU   time.Duration // spent working
	Steal time.Duration // taken by other guests of the same host
}

// ReadBusy reads it from /proc/stat.
func ReadBusy() (Busy, error) {
	b, err := os.ReadFile("/proc/stat")
	if err != nil {
		return Busy{}, fmt.Errorf("read the machine's CPU time: %w", err)
	}
	return parseBusy(string(b))
}

// parseBusy reads the first line: "cpu user nice system idle iowait irq softirq
// steal …", where guest time is contained in user.
func parseBusy(text string) (b Busy, err error) {
	line, _, _ := strings.Cut(text, "\n")
	fields := strings.Fields(line)
	if len(fields) < 9 || fields[0] != "cpu" {
		return Busy{}, fmt.Errorf("read the machine's CPU time: /proc/stat begins with %q", line)
	}
	const idle, iowait, steal = 4, 5, 8
	for i, f := range fields[1:9] {
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return Busy{}, fmt.Errorf("read the machine's CPU time: %w", err)
		}
		d := time.Duration(n) * time.Second / ticksPerSecond
		switch i + 1 {
		case idle, iowait:
		case steal:
			b.Steal = d
		default:
			b.CPU += d
		}
	}
	return b, nil
}

// Kernel is the memory of the whole machine that the kernel keeps objects in:
// sockets, files, inodes, buffers, of all processes together.
type Kernel struct {
	Bytes  int64  `json:"bytes"`
	Source string `json:"source"` // where it was read, and what it counts
}

// ReadKernel reads it from /proc/slabinfo, which root alone may read, as objects in
// use; else from the Slab line of /proc/meminfo, in whole pages.
func ReadKernel() (Kernel, error) {
	if b, err := os.ReadFile("/proc/slabinfo"); err == nil {
		if n := slabObjects(string(b)); n > 0 {
			return Kernel{Bytes: n, Source: "/proc/slabinfo, objects in use × size"}, nil
		}
	}
	b, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return Kernel{}, fmt.Errorf("read the kernel's memory: %w", err)
	}
	return Kernel{Bytes: kilobytes(string(b), "Slab:"), Source: "/proc/meminfo, Slab"}, nil
}

// slabObjects adds up active_objs × objsize of slabinfo 2.1.
func slabObjects(text string) (sum int64) {
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) < 4 || fields[0] == "#" || fields[0] == "slabinfo" {
			continue
		}
		n, err1 := strconv.ParseInt(fields[1], 10, 64)
		size, err2 := strconv.ParseInt(fields[3], 10, 64)
		if err1 == nil && err2 == nil {
			sum += n * size
		}
	}
	return sum
}

// Machine is where something was measured.
type Machine struct {
	CPU    string `json:"cpu"`
	Cores  int    `json:"cores"` // that this process may use
	Memory int64  `json:"memory_bytes"`
	Kernel string `json:"kernel"`
	Go     string `json:"go"`
}

// ThisMachine describes the machine as far as it can.
func ThisMachine() Machine {
	m := Machine{Cores: runtime.GOMAXPROCS(0), Go: runtime.Version(), Kernel: runtime.GOOS}
	if b, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(b)) {
			if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
				m.CPU = strings.TrimSpace(value)
				break
			}
		}
	}
	if b, err := os.ReadFile("/proc/meminfo"); err == nil {
		m.Memory = kilobytes(string(b), "MemTotal:")
	}
	if b, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		m.Kernel += " " + strings.TrimSpace(string(b))
	}
	return m
}

// String is for people.
func (m Machine) String() string {
	return fmt.Sprintf("%s, %d cores, %s, %s, %s", m.CPU, m.Cores, Bytes(m.Memory), m.Kernel, m.Go)
}

// Cost is what something cost the processes that did it.
type Cost struct {
	Seconds float64 `json:"seconds"` // wall time
	User    float64 `json:"user_s"`  // CPU-seconds in user mode
	Sys     float64 `json:"sys_s"`   // CPU-seconds in the kernel
	CPU     float64 `json:"cpu_s"`   // both
	RSS     int64   `json:"rss_bytes"`
	Peak    int64   `json:"peak_rss_bytes"`
}

// Between is what was used from one moment to another; memory is as of the second.
func Between(from, to Usage) Cost {
	c := Cost{Seconds: to.At.Sub(from.At).Seconds(), User: (to.User - from.User).Seconds(), Sys: (to.Sys - from.Sys).Seconds(),
		RSS: to.RSS, Peak: to.Peak}
	c.CPU = c.User + c.Sys
	return c
}

// Add is both costs together; memory is the later one's.
func (c Cost) Add(later Cost) Cost {
	return Cost{Seconds: c.Seconds + later.Seconds, User: c.User + later.User, Sys: c.Sys + later.Sys, CPU: c.CPU + later.CPU,
		RSS: later.RSS, Peak: later.Peak}
}

// Per is the CPU-seconds for each n of count things; 0 of none.
func (c Cost) Per(n, count int64) float64 {
	if count == 0 {
		return 0
	}
	return c.CPU * float64(n) / float64(count)
}

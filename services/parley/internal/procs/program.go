package procs

import (
	"fmt"
	"math/rand/v2"
	"net"
	"path/filepath"
)

// Program is a program that is no part of a [Cluster], and how it is run.
type Program struct {
	Name    string // in errors
	Path    string // of the executable
	Port    int
	OpsPort int    // 0: none
	Logs    string // directory that gets everything that it writes; "": only the end is kept
	Args    []string
}

// New makes a process that was not started yet.
func New(p Program) *Process {
	return &Process{Name: p.Name, Port: p.Port, OpsPort: p.OpsPort, dir: filepath.Dir(p.Path), program: filepath.Base(p.Path),
		logs: p.Logs, args: p.Args}
}

// PID is the process's id; 0 if it does not run.
func (p *Process) PID() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.last == nil || p.last.over() {
		return 0
	}
	return p.last.cmd.Process.Pid
}

// PortRange finds n ports in a row that nobody uses now, and gives the first. They
// are among those that the kernel does not give to outgoing connections.
func PortRange(n int) (int, error) {
	const lowest, highest, tries = 20_000, 32_000, 1000
	for range tries {
		first := lowest + rand.IntN(highest-lowest-n)
		if free(first, n) {
			return first, nil
		}
	}
	return 0, fmt.Errorf("found no %d free ports in a row", n)
}

func free(first, n int) bool {
	for port := first; port < first+n; port++ {
		ln, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			return false
		}
		defer ln.Close()
	}
	return true
}

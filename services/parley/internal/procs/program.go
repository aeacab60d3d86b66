package procs

import "path/filepath"

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

package procs

import "syscall"

// tied makes the kernel kill a child when we die.
func tied() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }

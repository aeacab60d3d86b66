//go:build !linux

package procs

import "syscall"

// tied is for Linux alone: elsewhere a child outlives a parent that is killed.
func tied() *syscall.SysProcAttr { return nil }

//go:build failpoints

// Package failpoint marks the places where a drill lets a gateway die: between two
// steps that no signal from outside could hit. Only a program that was built with
// the tag failpoints can be made to; in every other one a mark is nothing.
package failpoint

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
)

// Env names the variable that says where to die: "before-announce=50" is the 50th
// time that this place is met.
const Env = "PARLEY_FAILPOINT"

// armed is where this process dies, and in how many hits: a process dies once, so
// its state is the process's.
var armed = sync.OnceValues(func() (place string, left *atomic.Int64) {
	left = new(atomic.Int64)
	value := os.Getenv(Env)
	if value == "" {
		return "", left
	}
	place, times, _ := strings.Cut(value, "=")
	n, err := strconv.ParseInt(times, 10, 64)
	if err != nil || n < 1 {
		fmt.Fprintf(os.Stderr, "%s is %q, and must be like before-announce=50\n", Env, value)
		os.Exit(2)
	}
	left.Store(n)
	return place, left
})

// Hit marks a place. The process ends there, as by kill -9, if it is the one that
// PARLEY_FAILPOINT names, and has been met as often.
func Hit(name string) {
	place, left := armed()
	if place != name || left.Add(-1) != 0 {
		return
	}
	if err := syscall.Kill(os.Getpid(), syscall.SIGKILL); err != nil {
		panic(err)
	}
	select {} // nothing more may happen until the signal is here
}

package bench

import (
	"runtime"
	"syscall"
	"time"
)

// alarm wakes one goroutine at the microsecond. Go's own timers wait in epoll,
// which counts milliseconds: what is lost there would look like the server's
// latency.
type alarm struct{}

// begin takes a thread for the goroutine, and asks the kernel not to let it sleep
// longer in order to wake several threads together (prctl(2), PR_SET_TIMERSLACK).
func (alarm) begin() {
	runtime.LockOSThread()
	const setTimerSlack, nanoseconds = 29, 1
	_, _, _ = syscall.RawSyscall(syscall.SYS_PRCTL, setTimerSlack, nanoseconds, 0) // else it is 50 µs, which is fine, too
}

// end gives the thread back. Its timer slack stays as it is, which harms nobody.
func (alarm) end() { runtime.UnlockOSThread() }

func (alarm) sleep(d time.Duration) {
	ts := syscall.NsecToTimespec(int64(min(d, 100*time.Millisecond))) // so that it notices when it is to end
	_ = syscall.Nanosleep(&ts, nil)                                   // interrupted: the caller looks at the time
}

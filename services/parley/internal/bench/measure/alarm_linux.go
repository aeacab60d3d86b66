package measure

import (
	"runtime"
	"syscall"
	"time"
)

// Alarm wakes one goroutine at the microsecond. Go's own timers wait in epoll,
// which counts milliseconds: what is lost there would look like the server's
// latency.
type Alarm struct{}

// Begin takes a thread for the goroutine, and asks the kernel not to let it sleep
// longer in order to wake several threads together (prctl(2), PR_SET_TIMERSLACK).
func (Alarm) Begin() {
	runtime.LockOSThread()
	const setTimerSlack, nanoseconds = 29, 1
	_, _, _ = syscall.RawSyscall(syscall.SYS_PRCTL, setTimerSlack, nanoseconds, 0) // else it is 50 µs, which is fine, too
}

// End gives the thread back. Its timer slack stays as it is, which harms nobody.
func (Alarm) End() { runtime.UnlockOSThread() }

// Sleep blocks for d, or less.
func (Alarm) Sleep(d time.Duration) {
	ts := syscall.NsecToTimespec(int64(min(d, 100*time.Millisecond))) // so that it notices when it is to end
	_ = syscall.Nanosleep(&ts, nil)                                   // interrupted: the caller looks at the time
}

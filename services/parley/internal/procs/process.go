package procs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"
)

// stopWithin is how long a process may take to end after SIGTERM.
const stopWithin = 60 * time.Second

// Process is one program that can be started again on the same ports.
type Process struct {
	Name    string
	Port    int
	OpsPort int // 0: none

	logs, program string
	args          []string

	mu   sync.Mutex
	dir  string   // of the program; taken at the next start
	env  []string // beside the necessary; taken at the next start
	last *run     // nil: was never started, or Stop has spoken about it
}

// run is one life of a process.
type run struct {
	cmd    *exec.Cmd
	log    tail
	exited chan struct{} // closed when it has ended
	err    error         // how; once exited is closed
	wanted bool          // guarded by Process.mu: somebody wants it to end
}

// URL is where the process is reached.
func (p *Process) URL() string { return fmt.Sprintf("http://127.0.0.1:%d", p.Port) }

// SetEnv gives the process further environment variables, from its next start on.
func (p *Process) SetEnv(env ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.env = slices.Clone(env)
}

// Use has the process run the program of this name in another directory, from its
// next start on.
func (p *Process) Use(dir string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dir = dir
}

// Start starts the process, or starts it again. It does not wait until it serves.
func (p *Process) Start() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.last != nil && !p.last.over() {
		return fmt.Errorf("start %s: it runs", p.Name)
	}
	r := &run{exited: make(chan struct{}), cmd: exec.Command(filepath.Join(p.dir, p.program), p.args...)}
	var file *os.File
	var out io.Writer = &r.log
	if p.logs != "" {
		var err error
		if file, err = os.OpenFile(filepath.Join(p.logs, p.Name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644); err != nil {
			return fmt.Errorf("start %s: %w", p.Name, err)
		}
		out = io.MultiWriter(&r.log, file)
	}
	r.cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + p.dir}, p.env...)
	r.cmd.Stdout, r.cmd.Stderr = out, out
	// Whatever happens to us, the child does not outlive us.
	r.cmd.SysProcAttr = tied()
	if err := r.cmd.Start(); err != nil {
		return errors.Join(fmt.Errorf("start %s: %w", p.Name, err), closeLog(file))
	}
	p.last = r
	go func() { // Stop, Kill and Exited wait for it
		defer close(r.exited)
		r.err = r.cmd.Wait()
		_ = closeLog(file)
	}()
	return nil
}

func closeLog(file *os.File) error {
	if file == nil {
		return nil
	}
	return file.Close()
}

func (r *run) over() bool {
	select {
	case <-r.exited:
		return true
	default:
		return false
	}
}

// Signal sends a signal to the running process.
func (p *Process) Signal(sig os.Signal) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.signalLocked(sig)
}

func (p *Process) signalLocked(sig os.Signal) error {
	if p.last == nil || p.last.over() {
		return fmt.Errorf("signal %s: it does not run", p.Name)
	}
	if err := p.last.cmd.Process.Signal(sig); err != nil {
		return fmt.Errorf("signal %s: %w", p.Name, err)
	}
	return nil
}

// Kill ends the process as kill -9 does, and waits for that.
func (p *Process) Kill() error {
	p.mu.Lock()
	err := p.signalLocked(syscall.SIGKILL)
	r := p.last
	if err == nil {
		r.wanted = true
	}
	p.mu.Unlock()
	if err != nil {
		return err
	}
	<-r.exited // "killed" is what was asked for
	return nil
}

// Died waits until the process has ended as by kill -9, which is what the caller
// wants it to do by itself. Another end is an error, with the end of its log.
func (p *Process) Died(ctx context.Context) error {
	p.mu.Lock()
	r := p.last
	p.mu.Unlock()
	if r == nil {
		return fmt.Errorf("wait for the end of %s: it does not run", p.Name)
	}
	select {
	case <-r.exited:
	case <-ctx.Done():
		return fmt.Errorf("wait for the end of %s: %w", p.Name, ctx.Err())
	}
	if status, ok := r.cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || status.Signal() != syscall.SIGKILL {
		return fmt.Errorf("%s ended by itself: %w\n%s", p.Name, cause(r.err), r.log.String())
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	r.wanted = true
	return nil
}

// Stop asks the process to end and waits until it has. A process that was not
// started, or was killed, is fine; an exit code other than 0 is an error, with the
// end of its log, and so is an end that nobody wanted.
func (p *Process) Stop() error {
	p.mu.Lock()
	r := p.last
	p.last = nil
	wanted := r != nil && r.wanted
	p.mu.Unlock()
	if r == nil {
		return nil
	}
	if r.over() {
		if wanted {
			return nil
		}
		return fmt.Errorf("%s ended by itself: %w\n%s", p.Name, cause(r.err), r.log.String())
	}
	_ = r.cmd.Process.Signal(syscall.SIGTERM) // it has ended, or Wait tells
	kill := time.AfterFunc(stopWithin, func() { _ = r.cmd.Process.Kill() })
	defer kill.Stop()
	<-r.exited
	if r.err != nil {
		return fmt.Errorf("stop %s: %w\n%s", p.Name, r.err, r.log.String())
	}
	return nil
}

// cause is why a process ended: also an exit code of 0 is something.
func cause(err error) error {
	if err == nil {
		return errors.New("exit status 0")
	}
	return err
}

// Log is the end of what the process has written since its last start.
func (p *Process) Log() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.last == nil {
		return ""
	}
	return p.last.log.String()
}

// Ready waits until the process serves: /readyz on its operations port, or a
// connection to its port where it has none.
func (p *Process) Ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 60*time.Second)
	defer cancel()
	poll := time.NewTicker(50 * time.Millisecond)
	defer poll.Stop()
	for {
		if p.ready(ctx) {
			return nil
		}
		select {
		case <-poll.C:
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready: %w\n%s", p.Name, ctx.Err(), p.Log())
		}
	}
}

func (p *Process) ready(ctx context.Context) bool {
	if p.OpsPort == 0 {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", p.Port))
		if err != nil {
			return false
		}
		return conn.Close() == nil
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://127.0.0.1:%d/readyz", p.OpsPort), nil)
	if err != nil {
		return false
	}
	req.Close = true
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	_, _ = io.Copy(io.Discard, res.Body)
	return res.Body.Close() == nil && res.StatusCode == http.StatusOK
}

// tail keeps the end of a log.
type tail struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

const tailSize = 16 << 10

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf.Write(p)
	if over := t.buf.Len() - tailSize; over > 0 {
		t.buf.Next(over)
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.buf.String()
}

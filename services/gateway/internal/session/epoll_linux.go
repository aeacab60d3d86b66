package session

import (
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync"
	"syscall"
)

// epoll is the [Poller] of Linux. A connection that has nothing to say is an entry
// in the kernel's list and a slot of ours; it has no goroutine. When something
// comes, a goroutine takes its turn. There is never more than one a connection, and
// no turn waits for another: a handler that blocks, or a client that sends half a
// frame, holds its own and delays nobody.
//
// A slot is armed for one event at a time (EPOLLONESHOT). Who got the event owns
// the connection, until it arms the slot again or frees it; so there is no event
// for a connection in its turn, or for one that has been closed.
type epoll struct {
	file *os.File // the epoll instance; the runtime's own poller waits for it
	fd   int
	log  *slog.Logger
	loop sync.WaitGroup

	mu    sync.Mutex
	slots []slot
	free  []int32
}

// slot is a watched connection. Its generation is in its events: one that was for
// an earlier owner of the slot is no one's.
type slot struct {
	t   turner
	fd  int32
	gen int32
}

// NewEpoll starts an event-driven poller. It fails where the system has none.
func NewEpoll(log *slog.Logger) (Poller, error) {
	fd, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("create epoll: %w", err)
	}
	if err := syscall.SetNonblock(fd, true); err != nil {
		_ = syscall.Close(fd)
		return nil, fmt.Errorf("prepare epoll: %w", err)
	}
	// An epoll instance can be waited for like a socket. So waiting for events costs
	// no thread, and closing the file ends it.
	p := &epoll{file: os.NewFile(uintptr(fd), "epoll"), fd: fd, log: log}
	raw, err := p.file.SyscallConn()
	if err != nil {
		_ = p.file.Close()
		return nil, fmt.Errorf("wait for epoll: %w", err)
	}
	p.loop.Go(func() { p.wait(raw) })
	return p, nil
}

// Parks implements [Poller].
func (p *epoll) Parks(nc net.Conn) bool {
	_, ok := nc.(*net.TCPConn)
	return ok
}

// Close implements [Poller].
func (p *epoll) Close() {
	_ = p.file.Close()
	p.loop.Wait()
}

// wait hands out turns until the poller is closed.
func (p *epoll) wait(raw syscall.RawConn) {
	events := make([]syscall.EpollEvent, 256)
	for {
		var n int
		var failed error
		err := raw.Read(func(fd uintptr) bool {
			n, failed = syscall.EpollWait(int(fd), events, 0)
			if failed == syscall.EINTR {
				n, failed = 0, nil
			}
			return n > 0 || failed != nil
		})
		if err != nil {
			return // closed
		}
		if failed != nil {
			p.log.Error("no events any more: connections do not notice what comes", "error", failed)
			return
		}
		p.mu.Lock()
		for _, ev := range events[:n] {
			if s := p.slots[ev.Fd]; s.t != nil && s.gen == ev.Pad {
				go p.serve(ev.Fd, s, syscall.EPOLL_CTL_MOD)
			}
		}
		p.mu.Unlock()
	}
}

func (p *epoll) watch(nc net.Conn, t turner, ready bool) error {
	sc, ok := nc.(syscall.Conn)
	if !ok {
		return fmt.Errorf("a %T has no file descriptor", nc)
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return fmt.Errorf("watch: %w", err)
	}
	cerr := raw.Control(func(fd uintptr) {
		i, s := p.take(t, int32(fd))
		if ready {
			go p.serve(i, s, syscall.EPOLL_CTL_ADD)
			return
		}
		if err = p.arm(i, s, syscall.EPOLL_CTL_ADD); err != nil {
			p.release(i)
		}
	})
	if cerr != nil {
		return fmt.Errorf("watch: %w", cerr)
	}
	return err
}

// arm asks for the next event of a connection. Hanging up and errors are always
// among them, so a connection in its turn must not be in the list at all, or have
// had its one event.
func (p *epoll) arm(i int32, s slot, op int) error {
	ev := syscall.EpollEvent{Events: syscall.EPOLLIN | syscall.EPOLLRDHUP | syscall.EPOLLONESHOT, Fd: i, Pad: s.gen}
	if err := syscall.EpollCtl(p.fd, op, int(s.fd), &ev); err != nil {
		return fmt.Errorf("watch: %w", err)
	}
	return nil
}

// serve is one turn; op is how to ask for the next. The descriptor is valid in all of it: only end closes it.
func (p *epoll) serve(i int32, s slot, op int) {
	if !s.t.turn() {
		err := p.arm(i, s, op)
		if err == nil {
			return
		}
		p.log.Error("a connection ends: there will be no events", "error", err)
	}
	_ = syscall.EpollCtl(p.fd, syscall.EPOLL_CTL_DEL, int(s.fd), nil) // it is gone with its descriptor at the latest
	p.release(i)
	s.t.end()
}

func (p *epoll) take(t turner, fd int32) (int32, slot) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var i int32
	if n := len(p.free); n > 0 {
		i = p.free[n-1]
		p.free = p.free[:n-1]
	} else {
		i = int32(len(p.slots))
		p.slots = append(p.slots, slot{})
	}
	s := &p.slots[i]
	s.t, s.fd = t, fd
	return i, *s
}

func (p *epoll) release(i int32) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.slots[i] = slot{gen: p.slots[i].gen + 1}
	p.free = append(p.free, i)
}

// shutdown ends both directions of a connection and keeps its descriptor; false:
// it has none.
func shutdown(nc net.Conn) bool {
	sc, ok := nc.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return false
	}
	return raw.Control(func(fd uintptr) {
		_ = syscall.Shutdown(int(fd), syscall.SHUT_RDWR) // not connected any more: that is an event, too
	}) == nil
}

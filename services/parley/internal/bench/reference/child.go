package reference

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"
)

// startWithin is how long a server may take to be ready, and stopWithin to end.
const (
	startWithin = 30 * time.Second
	stopWithin  = 10 * time.Second
)

// child is a server in a process of its own. It ends when its standard input does,
// so that it cannot outlive us.
type child struct {
	address string
	cmd     *exec.Cmd
	stdin   io.Closer
}

// startChild starts this program as a server and waits until it has printed where
// it listens.
func startChild(ctx context.Context, program, server string) (*child, error) {
	c := &child{cmd: exec.Command(program, "serve", server)}
	c.cmd.Stderr = os.Stderr
	stdin, err := c.cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", server, err)
	}
	c.stdin = stdin
	stdout, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", server, err)
	}
	if err := c.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", server, err)
	}
	line := make(chan string, 1)
	go func() { // ends with the child's output
		s, _ := bufio.NewReader(stdout).ReadString('\n')
		line <- strings.TrimSpace(s)
	}()
	t := time.NewTimer(startWithin)
	defer t.Stop()
	select {
	case c.address = <-line:
		if c.address != "" {
			return c, nil
		}
		err = errors.New("it has ended")
	case <-t.C:
		err = errors.New("it did not get ready")
	case <-ctx.Done():
		err = ctx.Err()
	}
	return nil, errors.Join(fmt.Errorf("start %s: %w", server, err), c.stop())
}

func (c *child) pid() int { return c.cmd.Process.Pid }

// stop ends the child and waits for it.
func (c *child) stop() error {
	kill := time.AfterFunc(stopWithin, func() { _ = c.cmd.Process.Kill() })
	defer kill.Stop()
	_ = c.stdin.Close()
	if err := c.cmd.Wait(); err != nil {
		return fmt.Errorf("stop %s: %w", c.cmd.Args[2], err)
	}
	return nil
}

// Serve is the server's side of a reference: it listens on a free loopback port,
// writes its address as one line, and serves until in ends or ctx does.
func Serve(ctx context.Context, server string, in io.Reader, out io.Writer) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() { // ends with in, which ends with the parent
		_, _ = io.Copy(io.Discard, in)
		cancel()
	}()
	ready := func(address string) error {
		if _, err := fmt.Fprintln(out, address); err != nil {
			return fmt.Errorf("tell the address: %w", err)
		}
		return nil
	}
	switch server {
	case "relay":
		return serveRelay(ctx, true, ready)
	case "relay-plain":
		return serveRelay(ctx, false, ready)
	case "nats":
		return serveNATS(ctx, ready)
	}
	return fmt.Errorf("no server is called %q", server)
}

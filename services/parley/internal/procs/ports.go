package procs

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
)

// Ports are loopback ports in a row that are ours until [Ports.Release]: processes
// take them a moment after they were found, and again after a restart.
//
// Who else looks for ports in this way leaves them alone, in whatever process: it
// holds the UDP port of the same number, which none of the programs uses. They are not
// among those that the kernel gives to outgoing connections, which on Linux begin at
// 32,768.
type Ports struct {
	First int
	held  []net.PacketConn
}

// TakePorts finds n ports in a row that nobody uses now.
func TakePorts(n int) (*Ports, error) {
	const lowest, highest, tries = 20_000, 32_000, 1000
	for range tries {
		p := &Ports{First: lowest + rand.IntN(highest-lowest-n)}
		err := p.take(n)
		if err == nil {
			return p, nil
		}
		_ = p.Release() // it is UDP: there is nothing that a close could lose
	}
	return nil, fmt.Errorf("found no %d free ports in a row", n)
}

func (p *Ports) take(n int) error {
	for port := p.First; port < p.First+n; port++ {
		addr := fmt.Sprintf("127.0.0.1:%d", port)
		held, err := net.ListenPacket("udp", addr)
		if err != nil {
			return fmt.Errorf("hold port %d: %w", port, err)
		}
		p.held = append(p.held, held)
		ln, err := net.Listen("tcp", addr)
		if err != nil {
			return fmt.Errorf("try port %d: %w", port, err)
		}
		if err := ln.Close(); err != nil {
			return fmt.Errorf("try port %d: %w", port, err)
		}
	}
	return nil
}

// Release gives the ports to others. It is called when the processes have ended; nil
// Ports have none.
func (p *Ports) Release() error {
	if p == nil {
		return nil
	}
	var errs []error
	for _, held := range p.held {
		errs = append(errs, held.Close())
	}
	p.held = nil
	return errors.Join(errs...)
}

package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"

	"github.com/parley-chat/parley/services/parley/internal/procs"
)

// SpawnOptions say what [Spawn] starts. Program must be set.
type SpawnOptions struct {
	Program  string   // the parley executable
	Gateways int      // default 1
	Parent   string   // folder in which the data folder is made; default: the system's for temporary files
	Args     []string // further arguments of `parley up`
}

// Spawned is a `parley up` of one's own.
type Spawned struct {
	URLs []string
	Ops  string
	PID  int
	Data string // its data folder

	process *procs.Process
	ports   *procs.Ports
}

// spawnSends is how many sends of a session it takes a second: more than any load
// here asks for.
const spawnSends = 1_000_000

// Spawn starts `parley up` on free loopback ports, with its data in a temporary
// folder, and waits until it is ready. Which storage it measures follows from where
// that folder is.
func Spawn(ctx context.Context, o SpawnOptions) (s *Spawned, err error) {
	if o.Gateways == 0 {
		o.Gateways = 1
	}
	ports, err := procs.TakePorts(o.Gateways + 1)
	if err != nil {
		return nil, err
	}
	port := ports.First
	ops := port + o.Gateways
	s = &Spawned{Ops: fmt.Sprintf("http://127.0.0.1:%d", ops), ports: ports}
	for i := range o.Gateways {
		s.URLs = append(s.URLs, fmt.Sprintf("http://127.0.0.1:%d", port+i))
	}
	if s.Data, err = os.MkdirTemp(o.Parent, "parley-bench-"); err != nil {
		return nil, errors.Join(fmt.Errorf("make a data folder: %w", err), ports.Release())
	}
	s.process = procs.New(procs.Program{Name: "parley up", Path: o.Program, Port: port, OpsPort: ops, Args: append([]string{
		"up", "--listen", fmt.Sprintf("127.0.0.1:%d", port), "--ops-listen", fmt.Sprintf("127.0.0.1:%d", ops),
		"--gateways", strconv.Itoa(o.Gateways), "--data", s.Data, "--sends-per-second", strconv.Itoa(spawnSends),
		// One bench is many people, some of its devices do what no device does, and a
		// handshake that is turned away would be one that is not measured.
		"--sends-per-user", "0", "--requests-per-user", "0", "--frames-per-second", "0", "--bytes-per-second", "0", "--connections-per-user", "0", "--admission", "0"}, o.Args...)})
	if err := s.process.Start(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(s.Data), ports.Release())
	}
	if err := s.process.Ready(ctx); err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	s.PID = s.process.PID()
	return s, nil
}

// Stop ends the process and removes its data.
func (s *Spawned) Stop() error {
	return errors.Join(s.process.Stop(), os.RemoveAll(s.Data), s.ports.Release())
}

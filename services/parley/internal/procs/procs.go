// Package procs runs a cluster as it runs in production: a process for each
// gateway, one for history, one for NATS, over a MongoDB-wire server. Tests and
// drills start, stop and kill them.
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
	"sync"
	"syscall"
	"time"

	"github.com/parley-chat/parley/pkg/auth"
	"github.com/parley-chat/parley/pkg/chat"
)

// The programs of a cluster, by their import paths.
var programs = map[string]string{
	"gateway":     "github.com/parley-chat/parley/services/gateway/cmd/gateway",
	"history":     "github.com/parley-chat/parley/services/history/cmd/history",
	"nats-server": "github.com/nats-io/nats-server/v2",
}

// Audience is what the tokens of these clusters are made for.
const Audience = "parley-test"

// Options configure a [Cluster]. Dir and MongoURI must be set.
type Options struct {
	Dir      string   // for programs, logs and the token secret
	MongoURI string   // with the database in its path
	Gateways int      // default 3
	Race     bool     // build gateway and history with the race detector
	Args     []string // further arguments of every gateway
}

// Cluster is the running processes.
type Cluster struct {
	Gateways []*Process
	History  *Process
	NATS     *Process
	signer   *auth.Signer
}

// Build compiles the programs into dir. It needs the module's sources.
func Build(ctx context.Context, dir string, race bool) error {
	for name, path := range programs {
		args := []string{"build", "-o", filepath.Join(dir, name)}
		if race && name != "nats-server" {
			args = append(args, "-race")
		}
		if out, err := exec.CommandContext(ctx, "go", append(args, path)...).CombinedOutput(); err != nil {
			return fmt.Errorf("build %s: %w\n%s", name, err, out)
		}
	}
	return nil
}

// Start builds and starts everything and waits until it is ready. What was
// started is stopped again if it does not come to that.
func Start(ctx context.Context, o Options) (c *Cluster, err error) {
	if o.Gateways == 0 {
		o.Gateways = 3
	}
	if err := Build(ctx, o.Dir, o.Race); err != nil {
		return nil, err
	}
	started := &Cluster{}
	defer func() {
		if err != nil {
			err = errors.Join(err, started.Stop())
		}
	}()
	secret := auth.NewSecret()
	secretFile := filepath.Join(o.Dir, "jwt-secret")
	if err := os.WriteFile(secretFile, secret, 0o600); err != nil {
		return nil, fmt.Errorf("write the secret: %w", err)
	}
	if started.signer, err = auth.NewSigner(auth.SignerOptions{HS256Secret: secret, Audience: Audience}); err != nil {
		return nil, err
	}
	ports, err := freePorts(1 + 2*(o.Gateways+1))
	if err != nil {
		return nil, err
	}
	started.NATS = &Process{Name: "nats", dir: o.Dir, program: "nats-server", Port: ports[0],
		args: []string{"--addr", "127.0.0.1", "--port", fmt.Sprint(ports[0])}}
	natsURL := fmt.Sprintf("nats://127.0.0.1:%d", ports[0])
	service := func(name, program string, port, opsPort int, more ...string) *Process {
		return &Process{Name: name, dir: o.Dir, program: program, Port: port, OpsPort: opsPort, args: append([]string{
			"--listen", fmt.Sprintf("127.0.0.1:%d", port), "--ops-listen", fmt.Sprintf("127.0.0.1:%d", opsPort),
			"--mongo-uri", o.MongoURI, "--jwt-hs256-secret-file", secretFile, "--jwt-audience", Audience}, more...)}
	}
	for i := range o.Gateways {
		args := append([]string{"--nats-url", natsURL, "--drain-window", "1s"}, o.Args...)
		started.Gateways = append(started.Gateways, service(fmt.Sprint("gateway-", i+1), "gateway", ports[1+2*i], ports[2+2*i], args...))
	}
	last := 1 + 2*o.Gateways
	started.History = service("history", "history", ports[last], ports[last+1], "--gateway-url", started.Gateways[0].URL())
	for _, p := range started.All() {
		if err := p.Start(); err != nil {
			return nil, err
		}
	}
	for _, p := range started.All() {
		if err := p.Ready(ctx); err != nil {
			return nil, err
		}
	}
	return started, nil
}

// All lists the processes, dependencies first.
func (c *Cluster) All() []*Process {
	var list []*Process
	if c.NATS != nil {
		list = append(list, c.NATS)
	}
	list = append(list, c.Gateways...)
	if c.History != nil {
		list = append(list, c.History)
	}
	return list
}

// URLs are the gateways' addresses.
func (c *Cluster) URLs() []string {
	var list []string
	for _, g := range c.Gateways {
		list = append(list, g.URL())
	}
	return list
}

// Token makes a token that the cluster takes.
func (c *Cluster) Token(user chat.User) (string, error) {
	return c.signer.Sign(auth.Identity{User: user}, time.Hour)
}

// Stop ends all processes, the services before NATS, and returns what any of them
// complained about: an exit code other than 0.
func (c *Cluster) Stop() error {
	var errs []error
	all := c.All()
	for i := len(all) - 1; i >= 0; i-- {
		errs = append(errs, all[i].Stop())
	}
	return errors.Join(errs...)
}

// Process is one program that can be started again on the same ports.
type Process struct {
	Name    string
	Port    int
	OpsPort int // 0: none

	dir, program string
	args         []string

	mu  sync.Mutex
	cmd *exec.Cmd
	log *tail
}

// URL is where the process is reached.
func (p *Process) URL() string { return fmt.Sprintf("http://127.0.0.1:%d", p.Port) }

// Start starts the process, or starts it again.
func (p *Process) Start() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.log = &tail{}
	p.cmd = exec.Command(filepath.Join(p.dir, p.program), p.args...)
	p.cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + p.dir}
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	// Whatever happens to us, the child does not outlive us.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		p.cmd = nil
		return fmt.Errorf("start %s: %w", p.Name, err)
	}
	return nil
}

// Signal sends a signal to the running process.
func (p *Process) Signal(sig os.Signal) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil {
		return fmt.Errorf("%s does not run", p.Name)
	}
	return p.cmd.Process.Signal(sig)
}

// Kill ends the process as kill -9 does, and waits for that.
func (p *Process) Kill() error {
	if err := p.Signal(syscall.SIGKILL); err != nil {
		return err
	}
	_ = p.wait() // "killed" is what was asked for
	return nil
}

// Stop asks the process to end and waits until it has. A process that does not run
// is fine; an exit code other than 0 is an error, with the end of its log.
func (p *Process) Stop() error {
	if p.Signal(syscall.SIGTERM) != nil {
		return nil
	}
	kill := time.AfterFunc(60*time.Second, func() { _ = p.Signal(syscall.SIGKILL) })
	defer kill.Stop()
	if err := p.wait(); err != nil {
		return fmt.Errorf("%s: %w\n%s", p.Name, err, p.Log())
	}
	return nil
}

func (p *Process) wait() error {
	p.mu.Lock()
	cmd := p.cmd
	p.mu.Unlock()
	err := cmd.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cmd = nil
	return err
}

// Log is the end of what the process has written since its last start.
func (p *Process) Log() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.log == nil {
		return ""
	}
	return p.log.String()
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

// freePorts finds ports that nobody uses now. The processes take them a moment
// later, and the same ones again after a restart.
func freePorts(n int) ([]int, error) {
	var ports []int
	for range n {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, fmt.Errorf("find a free port: %w", err)
		}
		defer ln.Close()
		ports = append(ports, ln.Addr().(*net.TCPAddr).Port)
	}
	return ports, nil
}

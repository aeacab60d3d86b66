// Package procs runs a cluster as it runs in production: a process for each
// gateway, one for history, one for NATS, over a MongoDB-wire server. Tests and
// drills start, stop and kill them.
package procs

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
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

// Dependency is what a service needs and may be reached through a proxy.
type Dependency string

// The dependencies.
const (
	MongoDB Dependency = "mongodb"
	NATS    Dependency = "nats"
)

// Options configure a [Cluster]. Dir and MongoURI must be set.
type Options struct {
	Dir      string   // for programs and the token secret
	MongoURI string   // with the database in its path
	Gateways int      // default 3
	Args     []string // further arguments of every gateway
	NoSearch bool     // keep no search index: where the store reads whole collections for every question
	Env      []string // further environment of every gateway, at its first start

	// Before is a directory with the gateway of another version, which the gateways
	// are until [Process.Use] makes them something else. Default: Programs.
	Before   string
	Programs string // where [Build] has put the programs; default: they are built into Dir
	Race     bool   // build gateway and history with the race detector
	Logs     string // directory that gets everything the processes write; default: only the end is kept
	// Through says by which address a process reaches a dependency that is at addr:
	// a proxy's, for instance. Default: by addr.
	Through func(process string, d Dependency, addr string) (string, error)
}

// Cluster is the running processes.
type Cluster struct {
	Gateways []*Process
	History  *Process
	NATS     *Process
	signer   *auth.Signer
	ports    *Ports
}

// BuildOptions are ways to build.
type BuildOptions struct {
	Race bool   // gateway and history with the race detector
	Tags string // build tags of the gateway
}

// Build compiles the programs into dir. It needs the module's sources.
func Build(ctx context.Context, dir string, o BuildOptions) error {
	for name, path := range programs {
		args := []string{"build", "-o", filepath.Join(dir, name)}
		if o.Race && name != "nats-server" {
			args = append(args, "-race")
		}
		if o.Tags != "" && name == "gateway" {
			args = append(args, "-tags", o.Tags)
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
	if o.Through == nil {
		o.Through = func(_ string, _ Dependency, addr string) (string, error) { return addr, nil }
	}
	if o.Programs == "" {
		o.Programs = o.Dir
		if err := Build(ctx, o.Dir, BuildOptions{Race: o.Race}); err != nil {
			return nil, err
		}
	}
	started, err := prepare(o)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, started.Stop())
		}
	}()
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

// prepare makes the processes' command lines, and starts none.
func prepare(o Options) (_ *Cluster, err error) {
	secret := auth.NewSecret()
	secretFile := filepath.Join(o.Dir, "jwt-secret")
	if err := os.WriteFile(secretFile, secret, 0o600); err != nil {
		return nil, fmt.Errorf("write the secret: %w", err)
	}
	c := &Cluster{}
	if c.signer, err = auth.NewSigner(auth.SignerOptions{HS256Secret: secret, Audience: Audience}); err != nil {
		return nil, err
	}
	ports, err := TakePorts(1 + 2*(o.Gateways+1))
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, ports.Release())
		}
	}()
	c.ports = ports
	port := ports.First
	natsAddr := fmt.Sprintf("127.0.0.1:%d", port)
	c.NATS = &Process{Name: "nats", dir: o.Programs, logs: o.Logs, program: "nats-server", Port: port,
		args: []string{"--addr", "127.0.0.1", "--port", fmt.Sprint(port)}}
	service := func(name, program string, port, opsPort int, more ...string) (*Process, error) {
		mongoURI, err := o.mongoURI(name)
		if err != nil {
			return nil, err
		}
		return &Process{Name: name, dir: o.Programs, logs: o.Logs, program: program, Port: port, OpsPort: opsPort, args: append([]string{
			"--listen", fmt.Sprintf("127.0.0.1:%d", port), "--ops-listen", fmt.Sprintf("127.0.0.1:%d", opsPort),
			"--mongo-uri", mongoURI, "--jwt-hs256-secret-file", secretFile, "--jwt-audience", Audience, fmt.Sprintf("--search=%t", !o.NoSearch)}, more...)}, nil
	}
	for i := range o.Gateways {
		name := fmt.Sprint("gateway-", i+1)
		addr, err := o.Through(name, NATS, natsAddr)
		if err != nil {
			return nil, err
		}
		args := append([]string{"--nats-url", "nats://" + addr, "--drain-window", "1s"}, o.Args...)
		g, err := service(name, "gateway", port+1+2*i, port+2+2*i, args...)
		if err != nil {
			return nil, err
		}
		g.SetEnv(o.Env...)
		if o.Before != "" {
			g.Use(o.Before)
		}
		c.Gateways = append(c.Gateways, g)
	}
	last := 1 + 2*o.Gateways
	c.History, err = service("history", "history", port+last, port+last+1, "--gateway-url", c.Gateways[0].URL())
	return c, err
}

// mongoURI is where a process finds MongoDB.
func (o *Options) mongoURI(process string) (string, error) {
	u, err := url.Parse(o.MongoURI)
	if err != nil {
		return "", fmt.Errorf("read the MongoDB URI: %w", err)
	}
	if u.Host, err = o.Through(process, MongoDB, u.Host); err != nil {
		return "", err
	}
	return u.String(), nil
}

// All lists the processes, dependencies first.
func (c *Cluster) All() []*Process {
	list := append([]*Process{c.NATS}, c.Gateways...)
	return append(list, c.History)
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

// Scoped makes a token with scopes.
func (c *Cluster) Scoped(user chat.User, scopes ...string) (string, error) {
	return c.signer.Sign(auth.Identity{User: user, Scopes: scopes}, time.Hour)
}

// Stop ends all processes, the services before NATS, and returns what any of them
// complained about: an exit code other than 0, or an end that nobody wanted.
func (c *Cluster) Stop() error {
	var errs []error
	all := c.All()
	for i := len(all) - 1; i >= 0; i-- {
		errs = append(errs, all[i].Stop())
	}
	return errors.Join(append(errs, c.ports.Release())...)
}

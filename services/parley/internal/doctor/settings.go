package doctor

import (
	"context"
	"flag"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/parley-chat/parley/pkg/config"
)

// The services whose settings can be looked at.
const (
	Gateway  = "gateway"
	History  = "history"
	AllInOne = "up"
)

// Settings are what the services are told, and what to do with it.
type Settings struct {
	config.Listen
	TLS   config.TLS
	Mongo config.Mongo
	NATS  config.NATS
	config.Data
	JWT     config.JWT
	Origins config.Origins
	config.Attachments
	config.Sends
	config.Requests
	Limits    config.Connections // of package config: Connections is a field of its own
	Routing   config.Routing
	Retention config.Retention
	config.Linger
	config.Reader
	config.Rebalance
	config.Trace
	Gateway config.Gateway

	As          string        // one of the services; "": gateway where there is a MongoDB, else the all-in-one
	Write       bool          // try a write
	Connections int           // that one pod is to hold
	Timeout     time.Duration // for each check
	JSON        bool

	drain, grace time.Duration // of gateways

	devTokens bool
	slow      time.Duration // from which on a write is; 0: 100 ms
	environ   []string      // as os.Environ has it
	root      string        // of the file system; for tests
	flags     *config.Flags
}

// also are variables that mean something to other programs of the project.
var also = []string{
	"PARLEY_URL", "PARLEY_URLS", "PARLEY_API", "PARLEY_OPS", "PARLEY_TOKEN", "PARLEY_SECRET_FILE", "PARLEY_TOKEN_COMMAND",
	"PARLEY_TEST_MONGO_URI", "PARLEY_TEST_READER", "PARLEY_WRITE_COSTS", "PARLEY_WRITE_TRANSCRIPTS", "PARLEY_FAILPOINT",
	"PARLEY_MEDIA_ORIGINS", "PARLEY_HISTORY_URL", "PARLEY_BUCKET_URL",
}

// unchecked is a group whose errors are results, and do not end the command.
type unchecked struct{ config.Group }

func (unchecked) Validate() error { return nil }

// groups are those of all services.
func (s *Settings) groups() []config.Group {
	return []config.Group{&s.Listen, &s.TLS, &s.Mongo, &s.NATS, &s.Data, &s.JWT, &s.Origins, &s.Attachments, &s.Sends, &s.Requests, &s.Limits, &s.Routing, &s.Retention, &s.Linger, &s.Reader, &s.Rebalance, &s.Trace, &s.Gateway}
}

// Flags are the command's: every flag of every service, and its own. environ is that
// of the process.
func (s *Settings) Flags(environ []string) *config.Flags {
	s.environ = environ
	s.Attachments.Disk, s.Mongo.Optional, s.NATS.Optional = true, true, true
	var groups []config.Group
	for _, g := range s.groups() {
		groups = append(groups, unchecked{g})
	}
	s.flags = config.New("parley doctor", "looks at settings and at what they lead to, and says what to do", groups...)
	fs := s.flags.FlagSet()
	fs.StringVar(&s.As, "as", "", "look at the settings as this `service` does: gateway, history, up;\nnone: gateway where a MongoDB is set, else up")
	fs.BoolVar(&s.Write, "write", false, "write a small document into MongoDB and remove it; else it is only read")
	fs.IntVar(&s.Connections, "connections", 10_000, "connections that one gateway is to hold")
	fs.DurationVar(&s.Timeout, "timeout", 10*time.Second, "most time for one check")
	fs.BoolVar(&s.JSON, "json", false, "print JSON")
	s.others(fs)
	return s.flags
}

// closing is what a gateway needs after its drain window: for commands under way, the bus
// and the store.
const closing = 5 * time.Second

// others declares the flags that single services have, so that their variables are
// known. Most of their values are of no concern here.
func (s *Settings) others(fs *flag.FlagSet) {
	var b bool
	var n int
	fs.DurationVar(&s.drain, "drain-window", 20*time.Second, "of gateways")
	fs.DurationVar(&s.grace, "shutdown-grace", 45*time.Second, "of gateways")
	fs.BoolVar(&b, "search", true, "of all services")
	fs.IntVar(&n, "gateways", 1, "of parley up")
	fs.BoolVar(&s.devTokens, "dev-tokens", true, "of parley up")
	fs.BoolVar(&b, "verbose", false, "of parley up")
}

// Complete fills in what follows from the rest, after the flags were parsed.
func (s *Settings) Complete() error {
	// Addresses are known once their groups were asked; what they complain about is a
	// result of the check configuration.
	_ = s.Mongo.Validate()
	_ = s.NATS.Validate()
	if s.As == "" {
		s.As = AllInOne
		if s.Mongo.URI != "" {
			s.As = Gateway
		}
	}
	if !slices.Contains([]string{Gateway, History, AllInOne}, s.As) {
		return fmt.Errorf("there is no service %q: --as is gateway, history or up", s.As)
	}
	if s.Timeout < 3*time.Second || s.Timeout > 5*time.Minute {
		return fmt.Errorf("--timeout %v: it is between 3s and 5m", s.Timeout)
	}
	all := s.As == AllInOne
	s.Mongo.Optional, s.JWT.Optional, s.Attachments.Disk = all, all, all
	s.NATS.Optional = all || s.As == History
	if !all && s.Where == config.AttachmentsDisk {
		s.Where = config.AttachmentsOff // the services' own default
	}
	return nil
}

// configuration checks what can be judged without looking anywhere.
func (e *examination) configuration(_ context.Context, f *findings) {
	for _, g := range e.s.groups() {
		if err := g.Validate(); err != nil {
			for line := range strings.Lines(err.Error()) {
				f.fail("see parley "+e.s.As+" --help", "%s", strings.TrimSpace(line))
			}
		}
	}
	for _, u := range e.s.flags.UnknownEnv(e.s.environ, also...) {
		if u.Near != "" {
			f.warn("rename it to "+u.Near+", or remove it", "no service reads %s", u.Name)
		} else {
			f.warn("remove it, or look for its name in --help", "no service reads %s", u.Name)
		}
	}
	if e.s.As == Gateway && e.s.grace < e.s.drain+closing {
		f.warn(fmt.Sprintf("set PARLEY_SHUTDOWN_GRACE to %v at least, and the pod's terminationGracePeriod above that", e.s.drain+closing),
			"clients are sent away over %v, and after %v a stopping gateway cuts off who is left, all at once", e.s.drain, e.s.grace)
	}
	if slices.ContainsFunc(e.s.Requests.TrustedProxies, func(p netip.Prefix) bool { return p.Bits() == 0 }) {
		f.warn("name the networks of your load balancers alone", "everybody is a trusted proxy: whoever connects can claim any address, and no limit by address holds")
	}
	if len(f.list) == 0 {
		f.ok("as %s: every setting is understood", e.s.As)
	}
}

// origins says which pages may connect.
func (e *examination) origins(_ context.Context, f *findings) {
	allowed := e.s.Origins.Allowed
	for _, o := range allowed {
		host, plain := strings.CutPrefix(o, "http://")
		if plain && !strings.HasPrefix(host, "localhost") && !strings.HasPrefix(host, "127.0.0.1") {
			f.warn("use https: whoever is on the way can change that page, and chat as its user", "pages of %s may connect", o)
		}
	}
	if len(allowed) == 0 {
		f.ok("only pages of the same host may connect; apps need no origin")
	} else if len(f.list) == 0 {
		f.ok("pages of the same host and of %s may connect", strings.Join(allowed, ", "))
	}
}

package config_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/parley-chat/parley/pkg/config"
)

// TestMain takes away what the environment of the tests sets by chance.
func TestMain(m *testing.M) {
	for _, kv := range os.Environ() {
		if name, _, _ := strings.Cut(kv, "="); strings.HasPrefix(name, "PARLEY_") {
			os.Unsetenv(name)
		}
	}
	os.Exit(m.Run())
}

// service is what a service has.
type service struct {
	config.Listen
	config.Mongo
	config.NATS
	config.JWT
	config.Origins
	config.Gateway
	config.Routing
}

func (s *service) flags() *config.Flags {
	return config.New("history", "serves the REST API", &s.Listen, &s.Mongo, &s.NATS, &s.JWT, &s.Origins, &s.Gateway, &s.Routing)
}

var required = []string{
	"--mongo-uri=mongodb://localhost/parley", "--nats-url", "nats://localhost",
	"-jwt-public-key-file=key.pem", "--jwt-audience", "parley",
}

func TestDefaults(t *testing.T) {
	var s service
	if err := s.flags().Parse(required); err != nil {
		t.Fatal(err)
	}
	if s.Listen.Addr != ":8080" || s.OpsAddr != ":9090" || s.URI != "mongodb://localhost/parley" || s.NATS.URL != "nats://localhost" ||
		s.PublicKeyFile != "key.pem" || s.Audience != "parley" || s.Allowed != nil {
		t.Errorf("%+v", s)
	}

	var all struct {
		config.Data
		config.Mongo
		config.NATS
		config.JWT
	}
	all.Mongo.Optional, all.NATS.Optional, all.JWT.Optional = true, true, true
	if err := config.New("parley up", "runs all", &all.Data, &all.Mongo, &all.NATS, &all.JWT).Parse(nil); err != nil {
		t.Errorf("the all-in-one binary needs nothing: %v", err)
	}
	if all.Dir != "./data" {
		t.Errorf("%+v", all)
	}
}

func TestFlagWinsOverEnvironment(t *testing.T) {
	t.Setenv("PARLEY_LISTEN", ":1")
	t.Setenv("PARLEY_OPS_LISTEN", ":2")
	t.Setenv("PARLEY_JWT_ISSUER", "")
	t.Setenv("PARLEY_ALLOWED_ORIGINS", " https://a.example , b.example:8080,,https://*.c.example")
	t.Setenv("PARLEY_TICK", "3s")
	t.Setenv("PARLEY_UNKNOWN", "is not ours to judge")
	var s service
	flags := s.flags()
	tick := flags.FlagSet().Duration("tick", time.Second, "of this binary alone")
	if err := flags.Parse(append(required, "--listen=:3")); err != nil {
		t.Fatal(err)
	}
	if s.Listen.Addr != ":3" || s.OpsAddr != ":2" || s.Issuer != "" || *tick != 3*time.Second {
		t.Errorf("%+v, tick %v", s, *tick)
	}
	if want := []string{"https://a.example", "b.example:8080", "https://*.c.example"}; !slices.Equal(s.Allowed, want) {
		t.Errorf("origins %q", s.Allowed)
	}
}

func TestParseSaysWhatToSet(t *testing.T) {
	var s service
	err := s.flags().Parse(nil)
	if err == nil {
		t.Fatal("nothing was set, and it was taken")
	}
	for _, part := range []string{
		"no MongoDB: set --mongo-uri or PARLEY_MONGO_URI, e.g. mongodb://localhost:27017/parley",
		"no NATS: set --nats-url or PARLEY_NATS_URL, e.g. nats://localhost:4222",
		"no key for tokens: set --jwt-hs256-secret-file or PARLEY_JWT_HS256_SECRET_FILE, or",
		"no audience for tokens: set --jwt-audience or PARLEY_JWT_AUDIENCE",
	} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("no %q in: %v", part, err)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for _, c := range []struct{ arg, want string }{
		{"--mongo-url=x", "unknown flag --mongo-url; did you mean --mongo-uri?"},
		{"--mongouri", "unknown flag --mongouri; did you mean --mongo-uri?"},
		{"--xyzzy", "unknown flag --xyzzy\n"},
		{"--jwt-audiance=a", "did you mean --jwt-audience?"},
		{"up", `unexpected argument "up"`},
		{"--listen", "flag needs an argument: -listen"},
		{"--listen=8080", `"8080" is no address to listen on: set --listen or PARLEY_LISTEN`},
		{"--ops-listen=", "set --ops-listen or PARLEY_OPS_LISTEN"},
		{"--mongo-uri=postgres://u:canary@h/db", "does not begin with mongodb://"},
		{"--mongo-uri=u:canary@h/db", "does not begin with mongodb://"},
		{"--jwt-hs256-secret-file=f", "only one of"},
		{"--allowed-origins=*", "is not an origin"},
		{"--allowed-origins=https://*", "is not an origin"},
		{"--allowed-origins=https://a.example/", "is not an origin"},
		{"--allowed-origins=ftp://a.example", "is not an origin"},
		{"--gateway-url=gateway:8080", "http://host:port: set --gateway-url"},
		{"--routing=sideways", "set --routing or PARLEY_ROUTING to broadcast or users"},
		{"--gateway-url=http://u:canary@gateway", "http://host:port: set --gateway-url"},
	} {
		var s service
		flags := s.flags()
		err := flags.Parse(append(slices.Clone(required), c.arg))
		if err == nil {
			t.Errorf("%s: it was taken", c.arg)
			continue
		}
		var stdout, stderr bytes.Buffer
		if code := flags.Report(err, &stdout, &stderr); code != config.ExitUsage {
			t.Errorf("%s: exit code %d", c.arg, code)
		}
		if !strings.Contains(stderr.String(), c.want) || !strings.Contains(stderr.String(), "history --help") || stdout.Len() > 0 {
			t.Errorf("%s: stderr %q, stdout %q", c.arg, stderr.String(), stdout.String())
		}
		if strings.Contains(stderr.String(), "canary") {
			t.Errorf("%s: the password is shown: %s", c.arg, stderr.String())
		}
	}
}

func TestBadEnvironmentNamesTheVariable(t *testing.T) {
	t.Setenv("PARLEY_TICK", "soon")
	var s service
	flags := s.flags()
	flags.FlagSet().Duration("tick", time.Second, "of this binary alone")
	if err := flags.Parse(required); err == nil || !strings.Contains(err.Error(), "PARLEY_TICK") {
		t.Errorf("error %v", err)
	}
}

// The table of PROTOCOL §6.
func TestHelpListsEverything(t *testing.T) {
	t.Setenv("PARLEY_MONGO_URI", "mongodb://user:canary@host/db")
	var s service
	var data config.Data
	flags := config.New("parley up", "runs all", &s.Listen, &s.Mongo, &s.NATS, &s.JWT, &s.Origins, &s.Gateway, &data)
	var stdout, stderr bytes.Buffer
	if code := flags.Report(flags.Parse([]string{"--help"}), &stdout, &stderr); code != config.ExitOK || stderr.Len() > 0 {
		t.Errorf("exit code %d, stderr %q", code, stderr.String())
	}
	help := stdout.String()
	for _, name := range []string{
		"listen", "ops-listen", "mongo-uri", "nats-url", "data", "gateway-url", "jwt-hs256-secret-file",
		"jwt-public-key-file", "jwks-url", "jwt-issuer", "jwt-audience", "allowed-origins",
	} {
		if !strings.Contains(help, "\n  --"+name+" ") || !strings.Contains(help, "\n  "+config.EnvName(name)+"\n") {
			t.Errorf("--%s or its variable is not in the help:\n%s", name, help)
		}
	}
	for _, part := range []string{"default: :8080\n", "default: ./data\n", "Usage: parley up ["} {
		if !strings.Contains(help, part) {
			t.Errorf("no %q in the help:\n%s", part, help)
		}
	}
	if strings.Contains(help, "canary") {
		t.Errorf("the password is in the help:\n%s", help)
	}
}

func TestEnvName(t *testing.T) {
	if got := config.EnvName("jwt-hs256-secret-file"); got != "PARLEY_JWT_HS256_SECRET_FILE" {
		t.Error(got)
	}
}

func TestURIHidesCredentials(t *testing.T) {
	for in, want := range map[string]string{
		"":                                        "",
		"mongodb://localhost:27017/parley":        "mongodb://localhost:27017/parley",
		"mongodb://u:canary@a:1,b:2/db?tls=true":  "mongodb://…@a:1,b:2/db?…",
		"mongodb://u:can/ary@x?y,://@a/db":        "mongodb://…@a/db",
		"nats://canary@a:1":                       "nats://…@a:1",
		"nats://u:canary@a:1,nats://u:canary@b:2": "nats://…@b:2",
		"nats://a:1,nats://b:2":                   "nats://a:1,nats://b:2",
		"u:canary@host":                           "…@host",
	} {
		u := config.URI(in)
		var log bytes.Buffer
		slog.New(slog.NewTextHandler(&log, nil)).Info("x", "uri", u)
		for _, got := range []string{u.String(), fmt.Sprint(u), fmt.Sprintf("%#v", u), fmt.Sprintf("uri=%s", u)[len("uri="):]} {
			if got != want {
				t.Errorf("%q: got %q, want %q", in, got, want)
			}
		}
		if strings.Contains(log.String()+fmt.Sprintf("%+v %q", struct{ U config.URI }{u}, u), "canary") {
			t.Errorf("%q is shown: %s", in, log.String())
		}
	}
}

func TestLogValueHasNoSecrets(t *testing.T) {
	var s service
	flags := s.flags()
	plain := flags.FlagSet().String("hook-url", "", "a URL that nobody thought of as a secret")
	if err := flags.Parse(append(slices.Clone(required), "--mongo-uri=mongodb://u:canary@host/db", "--hook-url=https://u:canary@hook")); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("starting", "config", flags)
	line := log.String()
	if strings.Contains(line, "canary") || !strings.Contains(line, "config.mongo-uri=mongodb://…@host/db") || !strings.Contains(line, "config.listen=:8080") {
		t.Error(line)
	}
	if *plain == "" || string(s.URI) != "mongodb://u:canary@host/db" {
		t.Error("the values themselves are changed")
	}
}

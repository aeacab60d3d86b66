package doctor

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.uber.org/goleak"

	"github.com/parley-chat/parley/pkg/auth"
	"github.com/parley-chat/parley/pkg/bus"
	"github.com/parley-chat/parley/pkg/config"
	"github.com/parley-chat/parley/pkg/store/mongostore"
	"github.com/parley-chat/parley/services/parley/internal/allinone"
	"github.com/parley-chat/parley/services/parley/internal/mongotest"
	"github.com/parley-chat/parley/services/parley/internal/procs"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// secret is in every URL of these tests, and must be in no output.
const secret = "s3cretPassw0rd"

// settings parses a command line as the command does.
func settings(t *testing.T, environ []string, args ...string) *Settings {
	t.Helper()
	var s Settings
	args = append([]string{"--listen", "127.0.0.1:0", "--ops-listen", "127.0.0.1:0", "--timeout", "60s", "--connections", "100"}, args...)
	if err := s.Flags(environ).Parse(args); err != nil {
		t.Fatal(err)
	}
	if err := s.Complete(); err != nil {
		t.Fatal(err)
	}
	return &s
}

// examine runs everything, and sees to it that the report has an advice wherever
// something is wrong, and no secret.
func examine(t *testing.T, s *Settings) *Report {
	t.Helper()
	r := Run(t.Context(), s)
	var text, js bytes.Buffer
	if err := r.WriteText(&text); err != nil {
		t.Fatal(err)
	}
	if err := r.WriteJSON(&js); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(text.String()+js.String(), secret) {
		t.Errorf("the secret is shown:\n%s", text.String())
	}
	for _, x := range r.Results {
		if (x.Status == OK) != (x.Do == "") || x.Found == "" {
			t.Errorf("%+v", x)
		}
	}
	if testing.Verbose() {
		t.Log(text.String())
	}
	return r
}

// A check that does not end is ended with its time.
func TestCheckIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		endless := check{"x", func(ctx context.Context, f *findings) {
			<-ctx.Done()
			f.fail("wait", "%v", ctx.Err())
		}}
		if got := endless.results(t.Context(), 7*time.Second); len(got) != 1 || got[0].Seconds != 7 || got[0].Check != "x" {
			t.Errorf("%+v", got)
		}
	})
}

// says demands a result of a check with a status and all the words.
func (r *Report) says(t *testing.T, check string, status Status, words ...string) {
	t.Helper()
	if !slices.ContainsFunc(r.Results, func(x Result) bool { return x.Check == check && x.Status == status && has(x, words) }) {
		var b bytes.Buffer
		_ = r.WriteText(&b)
		t.Errorf("no %s of %s with %q in:\n%s", status, check, words, b.String())
	}
}

func has(x Result, words []string) bool {
	for _, w := range words {
		if !strings.Contains(x.Found+" → "+x.Do, w) {
			return false
		}
	}
	return true
}

// secretFile is a good HS256 secret.
func secretFile(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, auth.NewSecret(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// natsServer runs a server that takes the user "parley" with the secret, and lets it
// do what change says.
func natsServer(t *testing.T, change func(*server.Options)) (url string) {
	t.Helper()
	user := &server.User{Username: "parley", Password: secret}
	o := &server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true, Users: []*server.User{user}}
	if change != nil {
		change(o)
	}
	s, err := server.NewServer(o)
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(time.Minute) {
		t.Fatal("NATS does not get ready")
	}
	return strings.Replace(s.ClientURL(), "nats://", "nats://parley:"+secret+"@", 1)
}

// closedPort is where nobody listens: the kernel gives such a port to no program that
// asks for any, as it may give one that was just closed.
const closedPort = "127.0.0.1:1"

// A cluster that runs and is well: what can be said on a machine with one NATS server
// and a MongoDB that is no replica set.
func TestClusterThatIsWell(t *testing.T) {
	mongo := mongotest.Start(t)
	uri := strings.TrimSuffix(mongo.URI, "/") + "/" + mongo.Database(t)
	nats := natsServer(t, nil)
	cluster, err := allinone.Start(t.Context(), allinone.Options{Gateways: 2, Data: t.TempDir(), MongoURI: uri, NATSURL: nats,
		NoSearch: true, Version: "1.2.3", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := cluster.Stop(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	s := settings(t, nil, "--mongo-uri", uri, "--nats-url", nats, "--jwt-hs256-secret-file", secretFile(t), "--jwt-audience", "chat", "--write")
	s.slow = time.Hour // whatever else this machine does
	r := examine(t, s)
	if r.Status != Warn || r.ExitCode() != 1 || r.Service != Gateway {
		t.Errorf("%s, exit code %d, as %s", r.Status, r.ExitCode(), r.Service)
	}
	for _, x := range r.Results {
		if x.Status != OK && !strings.Contains(x.Found, "standalone server") && !strings.Contains(x.Found, "one NATS server") {
			t.Errorf("%+v", x)
		}
	}
	r.says(t, "configuration", OK, "every setting is understood")
	r.says(t, "tokens", OK, "HS256")
	r.says(t, "tokens", OK, `"chat"`)
	r.says(t, "mongodb", OK, "all collections and indexes")
	r.says(t, "mongodb", OK, "clocks")
	r.says(t, "mongodb", OK, "confirmed by a majority", "read back")
	r.says(t, "mongodb", OK, "epoch")
	r.says(t, "nats", OK, "max_payload")
	r.says(t, "nats", OK, "all 3 topics come back")
	r.says(t, "pods", OK, "2 gateways are heard")
	r.says(t, "ports", OK, "free")

	// The check has left nothing, and disturbed nobody.
	for _, g := range cluster.Stats() {
		if g.Foreign != 0 {
			t.Errorf("a gateway counts %d foreign messages", g.Foreign)
		}
	}
	s = settings(t, nil, "--mongo-uri", uri, "--nats-url", nats, "--jwt-hs256-secret-file", secretFile(t), "--jwt-audience", "chat", "--routing", "users")
	r = examine(t, s)
	r.says(t, "pods", Warn, "these settings say routing users", "broadcast")
	r.says(t, "nats", OK, "all 4 topics come back")
	r.says(t, "mongodb", OK, "no write was tried")
}

func TestSettingsThatAreWrong(t *testing.T) {
	r := examine(t, settings(t, []string{"PARLEY_MONGO_URL=mongodb://u:" + secret + "@h", "PARLEY_GATEWAY_SERVICE_HOST=1.2.3.4"}, "--as", "gateway"))
	if r.ExitCode() != 2 {
		t.Errorf("exit code %d", r.ExitCode())
	}
	r.says(t, "configuration", Warn, "PARLEY_MONGO_URL", "rename it to PARLEY_MONGO_URI")
	r.says(t, "configuration", Fail, "no MongoDB", "--mongo-uri")
	r.says(t, "configuration", Fail, "no NATS")
	r.says(t, "configuration", Fail, "no key for tokens")
	r.says(t, "configuration", Fail, "no audience")
	for _, x := range r.Results {
		if strings.Contains(x.Found, "SERVICE_HOST") {
			t.Errorf("%+v", x)
		}
	}
	r = examine(t, settings(t, nil, "--allowed-origins", "http://chat.example.com,https://*.example.org"))
	r.says(t, "origins", Warn, "http://chat.example.com", "https")
	r = examine(t, settings(t, nil, "--as", "history", "--mongo-uri", "mongodb://u:"+secret+"@"+closedPort, "--timeout", "3s"))
	r.says(t, "mongodb", Fail, "whether it runs")
	r.says(t, "configuration", Fail, "no audience")
	// What is not read is not said to be empty.
	r = examine(t, settings(t, nil, "--mongo-uri", "mongodb://"+closedPort, "--nats-url", natsServer(t, nil), "--timeout", "3s"))
	if slices.ContainsFunc(r.Results, func(x Result) bool { return x.Check == "pods" }) {
		t.Errorf("%+v", r.Results)
	}
}

// TestSettingsThatDoHarm: what is understood, and does what nobody wants.
func TestSettingsThatDoHarm(t *testing.T) {
	run := func(args ...string) *Report {
		return examine(t, settings(t, nil, append([]string{"--as", "gateway"}, args...)...))
	}
	r := run("--drain-window", "41s", "--trusted-proxies", "10.0.0.0/8,::/0")
	r.says(t, "configuration", Warn, "all at once", "PARLEY_SHUTDOWN_GRACE to 46s")
	r.says(t, "configuration", Warn, "everybody is a trusted proxy")
	r = run("--drain-window", "40s", "--trusted-proxies", "10.0.0.0/8")
	if slices.ContainsFunc(r.Results, func(x Result) bool { return x.Check == "configuration" && x.Status == Warn }) {
		t.Errorf("%+v", r.Results)
	}
}

func TestComplete(t *testing.T) {
	for _, c := range []struct{ as, mongo, want string }{{"", "", AllInOne}, {"", "mongodb://h", Gateway}, {History, "mongodb://h", History}, {AllInOne, "mongodb://h", AllInOne}, {"push", "", ""}} {
		s := Settings{As: c.as, Timeout: time.Minute}
		s.Mongo.URI = config.URI(c.mongo)
		if err := s.Complete(); (err != nil) != (c.want == "") || err == nil && s.As != c.want {
			t.Errorf("%+v: %s, %v", c, s.As, err)
		}
	}
	for _, d := range []time.Duration{0, time.Second, time.Hour} {
		if (&Settings{Timeout: d}).Complete() == nil {
			t.Errorf("a timeout of %v", d)
		}
	}
}

func TestEveryFlagOfTheServicesIsKnown(t *testing.T) {
	var s Settings
	flags := s.Flags(nil)
	for _, file := range []string{"services/gateway/cmd/gateway/main.go", "services/history/cmd/history/main.go", "services/parley/cmd/parley/up.go"} {
		source, err := os.ReadFile(filepath.Join("../../../..", file))
		if err != nil {
			t.Fatal(err)
		}
		var found []string
		for line := range strings.Lines(string(source)) {
			if _, rest, ok := strings.Cut(line, "Var(&c."); ok {
				if parts := strings.Split(rest, `"`); len(parts) > 1 {
					found = append(found, parts[1])
				}
			}
			if group, ok := strings.CutPrefix(strings.TrimSpace(line), "config."); ok && !strings.ContainsAny(group, "().{ ") {
				if !slices.ContainsFunc(s.groups(), func(g config.Group) bool { return strings.HasSuffix(fmt.Sprintf("%T", g), "."+group) }) {
					t.Errorf("%s: the group config.%s is not in Settings.groups", file, group)
				}
			}
		}
		if len(found) == 0 {
			t.Errorf("%s: no flag was found", file)
		}
		for _, name := range found {
			if flags.FlagSet().Lookup(name) == nil {
				t.Errorf("%s: add --%s to the function others", file, name)
			}
		}
	}
}

func TestTokens(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good := string(auth.NewSecret())
	for _, c := range []struct {
		args   []string
		status Status
		words  []string
	}{
		{[]string{"--jwt-hs256-secret-file", write("short", "0123456789", 0o600)}, Fail, []string{"at least 32"}},
		{[]string{"--jwt-hs256-secret-file", filepath.Join(dir, "missing")}, Fail, []string{"no such file"}},
		{[]string{"--jwt-hs256-secret-file", write("open", good, 0o644)}, Warn, []string{"everybody on this machine", "chmod"}},
		{[]string{"--jwt-public-key-file", write("no.pem", "hello", 0o600)}, Fail, []string{"not a PEM block"}},
		{[]string{"--jwt-hs256-secret-file", write("fine", good, 0o600)}, Warn, []string{"any audience"}},
		{[]string{"--jwks-url", "https://" + closedPort + "/keys", "--jwt-issuer", "x"}, Fail, []string{"refused"}},
		{[]string{"--jwks-url", "http://example.com/keys", "--jwt-issuer", "x"}, Fail, []string{"not https"}},
	} {
		s := settings(t, nil, append(c.args, "--data", dir)...)
		if err := os.Chmod(filepath.Join(dir, "open"), 0o644); err != nil { // whatever the umask is
			if !os.IsNotExist(err) {
				t.Fatal(err)
			}
		}
		examine(t, s).says(t, "tokens", c.status, c.words...)
	}
}

func TestNATSThatIsNotWell(t *testing.T) {
	run := func(url string, more ...string) *Report {
		t.Helper()
		return examine(t, settings(t, nil, append([]string{"--nats-url", url, "--data", t.TempDir()}, more...)...))
	}
	run("nats://parley:"+secret+"@"+closedPort).says(t, "nats", Fail, "whether it runs")
	run(strings.Replace(natsServer(t, nil), secret, "wrong"+secret, 1)).says(t, "nats", Fail, "user and password")
	run("mongodb://"+secret+"@x").says(t, "nats", Fail, "--nats-url")

	deny := func(publish, subscribe string) string {
		return natsServer(t, func(o *server.Options) {
			o.Users[0].Permissions = &server.Permissions{
				Publish:   &server.SubjectPermission{Deny: []string{publish}},
				Subscribe: &server.SubjectPermission{Deny: []string{subscribe}},
			}
		})
	}
	r := run(deny("parley.*.entries", "other"))
	r.says(t, "nats", Fail, "parley.doctor.entries", "Permissions Violation for Publish", "parley.>")
	if slices.ContainsFunc(r.Results, func(x Result) bool { return strings.Contains(x.Found, ".signals does not") }) {
		t.Error("what is permitted is refused")
	}
	run(deny("other", "parley.*.control")).says(t, "nats", Fail, "parley.doctor.control", "Permissions Violation for Subscription")
	run(natsServer(t, func(o *server.Options) { o.MaxPayload = 64 << 10 })).says(t, "nats", Fail, "65536 bytes", "max_payload")

	two := natsServer(t, nil) + ",nats://parley:" + secret + "@" + closedPort
	r = run(two)
	r.says(t, "nats", Warn, "one of the servers cannot be used")
	r.says(t, "nats", OK, "connected")
	// What does not come is waited for, a fifth of the time.
	run(natsServer(t, nil)+","+natsServer(t, nil), "--timeout", "30s").says(t, "nats", Fail, "does not come to", "one cluster")
}

func TestNATSCluster(t *testing.T) {
	ports, err := procs.TakePorts(1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := ports.Release(); err != nil {
			t.Error(err)
		}
	})
	routed := func(port int, routes string) string {
		return natsServer(t, func(o *server.Options) {
			o.Cluster = server.ClusterOpts{Name: "c", Host: "127.0.0.1", Port: port}
			o.Routes = server.RoutesFromStr(routes)
		})
	}
	urls := routed(ports.First, "") + "," + routed(-1, fmt.Sprintf("nats://127.0.0.1:%d", ports.First))
	deadline := time.Now().Add(time.Minute)
	for { // the servers find each other
		in, err := bus.Inspect(t.Context(), bus.Options{URL: urls, Cluster: "x"}, false)
		if err != nil {
			t.Fatal(err)
		}
		if len(in.Apart) == 0 || time.Now().After(deadline) {
			break
		}
	}
	r := examine(t, settings(t, nil, "--nats-url", urls, "--data", t.TempDir()))
	r.says(t, "nats", OK, "2 servers are known")
	r.says(t, "nats", OK, "all 3 topics")
	for _, x := range r.Results {
		if x.Check == "nats" && x.Status != OK {
			t.Errorf("%+v", x)
		}
	}
}

func TestMongoThatIsNotWell(t *testing.T) {
	db := mongotest.Start(t)
	look := func(name, query string) *Report {
		t.Helper()
		s := settings(t, nil, "--mongo-uri", strings.TrimSuffix(db.URI, "/")+"/"+name+query, "--nats-url", "nats://"+closedPort)
		return examine(t, s)
	}
	empty := db.Database(t)
	look(empty, "?w=1&readPreference=secondary").says(t, "mongodb", Warn, "readPreference, w is not followed")
	look(empty, "").says(t, "mongodb", OK, "the database is empty")

	client, err := mongo.Connect(options.Client().ApplyURI(db.URI))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := client.Disconnect(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	made := func() *mongo.Database {
		name := db.Database(t)
		st, err := mongostore.Open(t.Context(), mongostore.Options{URI: db.URI, Database: name, Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := st.Meta(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := st.Close(); err != nil {
			t.Fatal(err)
		}
		return client.Database(name)
	}
	d := made()
	if err := d.Collection("messages").Indexes().DropOne(t.Context(), "c_1_f_1_k_1"); err != nil {
		t.Fatal(err)
	}
	if err := d.Collection("reactions").Drop(t.Context()); err != nil {
		t.Fatal(err)
	}
	look(d.Name(), "").says(t, "mongodb", Fail, "index messages.{c, f, k}", "collection reactions", "start a gateway")
	if _, err := d.Collection("messages").Indexes().CreateOne(t.Context(), mongo.IndexModel{Keys: bson.D{{Key: "c", Value: 1}, {Key: "f", Value: 1}, {Key: "k", Value: 1}}}); err != nil {
		t.Fatal(err)
	}
	look(d.Name(), "").says(t, "mongodb", Fail, "messages.{c, f, k} is unique: false")
	d = made()
	if _, err := d.Collection("meta").UpdateOne(t.Context(), bson.D{}, bson.D{{Key: "$set", Value: bson.D{{Key: "epoch", Value: ""}}}}); err != nil {
		t.Fatal(err)
	}
	look(d.Name(), "").says(t, "mongodb", Fail, "damaged", "epoch new")
}

package manifests

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/parley-chat/parley/pkg/bus"
)

// natsFiles writes what the server's pod of an overlay sees at /etc/nats, and reads it
// as the server does.
func natsFiles(t *testing.T, w *world, dir string) *server.Options {
	t.Helper()
	t.Setenv("POD_NAME", "nats-0")
	for name, data := range w.config {
		if strings.HasPrefix(name, "nats-config") {
			writeAll(t, dir, data)
		}
	}
	for name, data := range w.secrets {
		if strings.HasPrefix(name, "parley-nats") {
			writeAll(t, dir, map[string]string{"auth.conf": data["auth.conf"]})
		}
	}
	o, err := server.ProcessConfigFile(filepath.Join(dir, "nats.conf"))
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func writeAll(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// TestNATSConfig: the server takes the file, keeps nothing, and there is no user beside
// Parley's.
func TestNATSConfig(t *testing.T) {
	o := natsFiles(t, overlay(t, "dev"), t.TempDir())
	if o.JetStream || o.ServerName != "nats-0" || len(o.Routes) != 3 || o.Cluster.Port != 6222 || o.HTTPPort != 8222 || o.NoAuthUser != "" {
		t.Errorf("JetStream %v, name %q, routes %v", o.JetStream, o.ServerName, o.Routes)
	}
	if len(o.Users) != 1 || o.Users[0].Username != "parley" || o.Users[0].Password != "dev-only-nats" || o.Users[0].Account.GetName() != "PARLEY" {
		t.Errorf("users %+v", o.Users)
	}
}

// TestNATSPermissions: with the file that is shipped, gateways reach one another, and
// nobody reaches anything else.
func TestNATSPermissions(t *testing.T) {
	o := natsFiles(t, overlay(t, "dev"), t.TempDir())
	o.Host, o.Port, o.HTTPPort, o.Cluster, o.Routes, o.NoSigs = "127.0.0.1", server.RANDOM_PORT, 0, server.ClusterOpts{}, nil, true
	guest := *o.Users[0]
	guest.Username, guest.Permissions = "guest", &server.Permissions{
		Publish: &server.SubjectPermission{Allow: []string{"guests.>"}}, Subscribe: &server.SubjectPermission{Allow: []string{"guests.>"}}}
	o.Users = append(o.Users, &guest)
	s, err := server.NewServer(o)
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(20 * time.Second) {
		t.Fatal("the server does not start")
	}
	url := func(user string) string {
		return strings.Replace(s.ClientURL(), "nats://", "nats://"+user+":dev-only-nats@", 1)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	join := func(user, cluster string) (b *bus.Bus, denied <-chan string) {
		t.Helper()
		ch := make(chan string, 10)
		b, err := bus.Connect(ctx, bus.Options{URL: url(user), Cluster: cluster, Logger: slog.New(slog.DiscardHandler), OnDenied: func(reason string) { ch <- reason }})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = b.Drain(context.Background()) })
		return b, ch
	}
	one, denied := join("parley", "prod")
	two, _ := join("parley", "prod")
	heard := make(chan string, 10)
	for _, topic := range []bus.Topic{bus.TopicEntries, bus.TopicSignals, bus.TopicControl} {
		if _, err := two.Subscribe(topic, func(data []byte) { heard <- string(data) }); err != nil {
			t.Fatal(err)
		}
	}
	listen, unsubscribe, err := two.SubscribeTo(func(data []byte) { heard <- string(data) })
	if err != nil {
		t.Fatal(err)
	}
	defer unsubscribe()
	listen(7, true)
	if err := two.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	for _, topic := range []bus.Topic{bus.TopicEntries, bus.TopicSignals, bus.TopicControl} {
		if err := one.Publish(topic, []byte(topic)); err != nil {
			t.Fatal(err)
		}
		await(t, ctx, heard, string(topic))
	}
	if err := one.PublishTo(7, []byte("to one user")); err != nil {
		t.Fatal(err)
	}
	await(t, ctx, heard, "to one user")
	select {
	case reason := <-denied:
		t.Errorf("a gateway may not do what it does: %s", reason)
	default:
	}

	stranger, denied := join("guest", "prod")
	if _, err := stranger.Subscribe(bus.TopicEntries, func([]byte) { t.Error("a guest hears entries") }); err != nil {
		t.Fatal(err)
	}
	await(t, ctx, denied, "Permissions Violation")
	if err := one.Publish(bus.TopicEntries, []byte("secret")); err != nil {
		t.Fatal(err)
	}
	await(t, ctx, heard, "secret")

	refused := func(who, url, says string) {
		t.Helper()
		for patience := 300 * time.Millisecond; ; patience *= 2 { // a busy machine may not come to the answer
			late, stop := context.WithTimeout(ctx, patience)
			_, err := bus.Connect(late, bus.Options{URL: url, Cluster: "prod"})
			stop()
			if err == nil || strings.Contains(err.Error(), "canary") {
				t.Fatalf("%s: %v", who, err)
			}
			if strings.Contains(err.Error(), says) {
				return
			}
			if ctx.Err() != nil {
				t.Fatalf("%s: %v, want %s", who, err, says)
			}
		}
	}
	refused("a wrong password", strings.Replace(url("parley"), "dev-only-nats", "canary", 1), "Authorization Violation")
	refused("no password", s.ClientURL(), "Authorization Violation")
}

func await(t *testing.T, ctx context.Context, ch <-chan string, part string) {
	t.Helper()
	select {
	case got := <-ch:
		if !strings.Contains(got, part) {
			t.Errorf("got %q, want %q", got, part)
		}
	case <-ctx.Done():
		t.Fatalf("%q does not come", part)
	}
}

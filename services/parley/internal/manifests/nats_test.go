package manifests

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
)

// TestNATSConfig: the server takes the file, keeps nothing, wants a password, and the
// user of the address may speak and hear what gateways do.
func TestNATSConfig(t *testing.T) {
	t.Setenv("POD_NAME", "nats-0")
	w, dir := render(t, "dev"), t.TempDir()
	files := map[string]string{}
	for name, data := range w.config {
		if strings.HasPrefix(name, "nats-config-") {
			files["nats.conf"] = data["nats.conf"]
		}
	}
	for name, data := range w.secrets {
		if strings.HasPrefix(name, "parley-nats-") {
			files["auth.conf"] = data["auth.conf"]
		}
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	o, err := server.ProcessConfigFile(filepath.Join(dir, "nats.conf"))
	if err != nil {
		t.Fatal(err)
	}
	if o.JetStream || o.ServerName != "nats-0" || len(o.Routes) != 3 || o.Cluster.Port != 6222 || o.HTTPPort != 8222 {
		t.Errorf("JetStream %v, name %q, routes %v", o.JetStream, o.ServerName, o.Routes)
	}
	if len(o.Users) != 1 || o.Users[0].Username != "parley" || o.Users[0].Password != "dev-only-nats" || o.Users[0].Permissions.Publish.Allow[0] != "parley.>" {
		t.Errorf("users %+v", o.Users)
	}
}

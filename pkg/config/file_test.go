package config_test

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/parley-chat/parley/pkg/config"
)

type addresses struct {
	config.Mongo
	config.NATS
}

func (a *addresses) parse(args ...string) (*config.Flags, error) {
	flags := config.New("gateway", "serves", &a.Mongo, &a.NATS)
	return flags, flags.Parse(args)
}

func secret(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// Addresses with passwords may be in files, whose contents are shown as little as
// those of variables.
func TestAddressesInFiles(t *testing.T) {
	const mongo, nats = "mongodb://u:canary@m:27017/parley", "tls://u:canary@n:4222"
	mongoFile := secret(t, mongo+"\n")
	t.Setenv("PARLEY_MONGO_URI_FILE", mongoFile)
	var a addresses
	flags, err := a.parse("--nats-url-file", secret(t, " "+nats))
	if err != nil {
		t.Fatal(err)
	}
	if string(a.URI) != mongo || string(a.URL) != nats {
		t.Errorf("%q, %q", string(a.URI), string(a.URL))
	}
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("starting", "config", flags)
	if strings.Contains(log.String(), "canary") || !strings.Contains(log.String(), "config.mongo-uri=mongodb://…@m:27017/parley") {
		t.Error(log.String())
	}

	// A pod that waits takes the password that is there by then.
	if err := os.WriteFile(mongoFile, []byte("mongodb://u:other@m:27017/parley"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := a.Mongo.Validate(); err != nil || !strings.Contains(string(a.URI), "other") {
		t.Errorf("%q: %v", string(a.URI), err)
	}
}

func TestAddressesInFilesRefused(t *testing.T) {
	const mongo, nats = "--mongo-uri=mongodb://u:canary@m", "--nats-url=nats://u:canary@n"
	for want, args := range map[string][]string{
		"given twice: set --mongo-uri or PARLEY_MONGO_URI, or --mongo-uri-file or PARLEY_MONGO_URI_FILE": {mongo, nats, "--mongo-uri-file", secret(t, "mongodb://canary@h")},
		"given twice: set --nats-url": {mongo, nats, "--nats-url-file", secret(t, "nats://canary@h")},
		"read --mongo-uri-file":       {"--mongo-uri-file=/nowhere", nats},
		"read --nats-url-file":        {mongo, "--nats-url-file=/nowhere"},
		"is empty":                    {mongo, "--nats-url-file", secret(t, " \n")},
		"does not begin with mongodb": {"--mongo-uri-file", secret(t, "u:canary@h"), nats},
		"set --nats-cert-file or":     {mongo, nats, "--nats-cert-file=c"},
	} {
		var a addresses
		_, err := a.parse(args...)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%v, want %q", err, want)
		}
	}
	var up config.NATS
	up.Optional = true
	if err := config.New("parley up", "runs all", &up).Parse([]string{"--nats-creds-file=c"}); err == nil || !strings.Contains(err.Error(), "for no NATS") {
		t.Errorf("credentials for the embedded server: %v", err)
	}
}

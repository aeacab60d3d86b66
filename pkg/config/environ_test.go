package config_test

import (
	"slices"
	"testing"

	"github.com/parley-chat/parley/pkg/config"
)

func TestUnknownEnv(t *testing.T) {
	var listen config.Listen
	var mongo config.Mongo
	flags := config.New("x", "does x", &listen, &mongo)
	got := flags.UnknownEnv([]string{
		"PARLEY_LISTEN=:1", "PARLEY_MONGO_URI=mongodb://u:p@h", "PARLEY_DRAIN_WINDOW=1s", // known
		"PARLEY_GATEWAY_SERVICE_HOST=10.0.0.1", "PARLEY_GATEWAY_SERVICE_PORT=80", "PARLEY_GATEWAY_SERVICE_PORT_HTTP=80",
		"PARLEY_GATEWAY_PORT=tcp://10.0.0.1:80", "PARLEY_GATEWAY_PORT_80_TCP_ADDR=10.0.0.1", "PARLEY_PORT=tcp://10.0.0.1:80", // of Kubernetes
		"HOME=/", "PARLEYS=1", // not ours
		"PARLEY_MONGO_URL=mongodb://u:p@h", "PARLEY_OPSLISTEN=:2", "PARLEY_XYZZY=1", "PARLEY_=1",
	}, "PARLEY_DRAIN_WINDOW")
	want := []config.UnknownEnv{{Name: "PARLEY_"}, {Name: "PARLEY_MONGO_URL", Near: "PARLEY_MONGO_URI"},
		{Name: "PARLEY_OPSLISTEN", Near: "PARLEY_OPS_LISTEN"}, {Name: "PARLEY_XYZZY"}}
	if !slices.Equal(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
}

package main

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/parley-chat/parley/pkg/ops"
	"github.com/parley-chat/parley/services/gateway"
)

func TestStatus(t *testing.T) {
	list := []gateway.PodStatus{
		{Name: "gateway-1", Pod: "aa", Server: "parley 1", Up: 61_500, Sessions: 12, Users: 10, Last: 7, Open: 1, CertLeft: 30*24*3600 + 5},
		{Name: "gateway-2", Pod: "bb", Server: "parley 1", Sessions: 3, Users: 2, Syncing: 1, Lag: 4, CertLeft: -3, Draining: true},
		{Name: "gateway-3", Pod: "cc", Server: "parley 1", Leaving: 9},
	}
	port := ops.New(ops.Options{})
	port.HandleJSON("/pods", func() any { return list })
	srv := httptest.NewServer(port.Handler())
	defer srv.Close()
	got, err := askedPods(t.Context(), srv.URL+"/")
	if err != nil || len(got) != 3 || got[1] != list[1] {
		t.Fatalf("%+v, %v", got, err)
	}
	var b strings.Builder
	if err := writePods(&b, got); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"NAME POD VERSION UP SESSIONS USERS SYNCING PENDING JOURNAL OPEN LAG CERT STATE",
		"gateway-1 aa parley 1 1m1s 12 10 0 0 7 1 0 30d serving",
		"gateway-2 bb parley 1 0s 3 2 1 0 0 0 4 expired draining",
		"gateway-3 cc parley 1 0s 0 0 0 0 0 0 0 - 9 leaving",
		"3 gateways 15 12 1",
	}
	for i, line := range strings.Split(strings.TrimSpace(b.String()), "\n") {
		if strings.Join(strings.Fields(line), " ") != want[i] {
			t.Errorf("line %d: %s", i, line)
		}
	}
	other := httptest.NewServer(ops.New(ops.Options{}).Handler())
	defer other.Close()
	if _, err := askedPods(t.Context(), other.URL); err == nil || !strings.Contains(err.Error(), "operations port of a gateway") {
		t.Errorf("error %v", err)
	}
	other.Close()
	if _, err := askedPods(t.Context(), other.URL); err == nil || !strings.Contains(err.Error(), "--ops") {
		t.Errorf("error %v", err)
	}
}

package config_test

import (
	"strings"
	"testing"

	"github.com/parley-chat/parley/pkg/config"
)

func TestSends(t *testing.T) {
	var s struct{ config.Sends }
	if err := config.New("gateway", "", &s.Sends).Parse(nil); err != nil || s.PerSecond != 1000 {
		t.Errorf("%d %v", s.PerSecond, err)
	}
	t.Setenv("PARLEY_SENDS_PER_SECOND", "5")
	s.PerSecond = 0
	if err := config.New("gateway", "", &s.Sends).Parse(nil); err != nil || s.PerSecond != 5 {
		t.Errorf("%d %v", s.PerSecond, err)
	}
	err := config.New("gateway", "", &s.Sends).Parse([]string{"--sends-per-second", "0"})
	if err == nil || !strings.Contains(err.Error(), "PARLEY_SENDS_PER_SECOND") {
		t.Error(err)
	}
}

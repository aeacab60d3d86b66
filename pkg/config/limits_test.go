package config_test

import (
	"strings"
	"testing"
	"time"

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

func TestLinger(t *testing.T) {
	var s struct{ config.Linger }
	t.Setenv("PARLEY_LINGER", "2ms")
	if err := config.New("gateway", "", &s.Linger).Parse(nil); err != nil || s.Most != 2*time.Millisecond {
		t.Errorf("%v %v", s.Most, err)
	}
	for _, wrong := range []string{"-1ms", "2s"} {
		if err := config.New("gateway", "", &s.Linger).Parse([]string{"--linger", wrong}); err == nil || !strings.Contains(err.Error(), "PARLEY_LINGER") {
			t.Error(wrong, err)
		}
	}
}

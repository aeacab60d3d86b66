package config

import (
	"bytes"
	"strings"
	"testing"
)

func TestRetention(t *testing.T) {
	for given, hours := range map[string]int{"90d": 2160, "720h": 720, "1h": 1, "": 0} {
		var g Retention
		if err := New("test", "tests", &g).Parse([]string{"--retention=" + given}); err != nil || g.Hours != hours {
			t.Errorf("%q: %d, %v", given, g.Hours, err)
		}
	}
	for _, bad := range []string{"90", "0d", "-1h", "3651d", "1w", "1.5h", "forever"} {
		var g Retention
		var out bytes.Buffer
		flags := New("test", "tests", &g)
		if code := flags.Report(flags.Parse([]string{"--retention=" + bad}), &out, &out); code != 2 || !strings.Contains(out.String(), "whole hours or days") {
			t.Errorf("%q: %d %s", bad, code, out.String())
		}
	}
}

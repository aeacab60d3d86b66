package contain

import (
	"errors"
	"log/slog"
	"strings"
	"testing"
)

func TestDo(t *testing.T) {
	var p Panics
	var text strings.Builder
	log := slog.New(slog.NewTextHandler(&text, nil))
	own := errors.New("away")
	if err := p.Do(log, "a step", func() error { return own }); err != own || p.Load() != 0 || text.Len() > 0 {
		t.Errorf("an error became %v, with %d panics and %q", err, p.Load(), text.String())
	}
	if err := p.Do(log, "a step", func() error { return nil }); err != nil {
		t.Error(err)
	}
	err := p.Do(log, "a step", func() error { panic("this breaks it") })
	if !errors.Is(err, ErrPanicked) || !strings.Contains(err.Error(), "this breaks it") || p.Load() != 1 {
		t.Errorf("a panic became %v, of %d", err, p.Load())
	}
	for _, want := range []string{`msg="a step panicked"`, `panic="this breaks it"`, "contain_test.go"} {
		if got := text.String(); strings.Count(got, "level=ERROR") != 1 || !strings.Contains(got, want) {
			t.Errorf("the log lacks %s: %s", want, got)
		}
	}
}

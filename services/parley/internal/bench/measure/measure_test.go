package measure

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestParseStat(t *testing.T) {
	stat := "42 (a (b) c) S 1 42 42 0 -1 4194560 5000 0 3 0 1234 56 7 8 20 0 9 0 100 123456 789"
	u, err := parseStat(stat)
	if err != nil || u.User != 12340*time.Millisecond || u.Sys != 560*time.Millisecond || u.CPU() != 12900*time.Millisecond {
		t.Errorf("%+v %v", u, err)
	}
	for _, bad := range []string{"", "42 (x) S 1", "1 (x) S 1 2 3 4 5 6 7 8 9 10 x 5 6", "1 (x) S 1 2 3 4 5 6 7 8 9 10 5 x 6"} {
		if _, err := parseStat(bad); err == nil {
			t.Errorf("%q: no error", bad)
		}
	}
}

func TestKilobytesAndSlab(t *testing.T) {
	if n := kilobytes("VmHWM:\t  20 kB\nVmRSS:\t   10 kB\n", "VmRSS:"); n != 10<<10 {
		t.Error(n)
	}
	if n := kilobytes("VmRSS: 1 kB\n", "VmHWM:"); n != 0 {
		t.Error(n)
	}
	slab := "slabinfo - version: 2.1\n# name <active_objs> <num_objs> <objsize>\nTCP  10 20 2368 13 8 : tunables\nfilp 2 30 100 1 1 : x\n"
	if n := slabObjects(slab); n != 10*2368+200 {
		t.Error(n)
	}
}

func TestBusy(t *testing.T) {
	b, err := parseBusy("cpu  100 10 50 9000 700 5 5 30 40 0\ncpu0 1 2 3 4 5 6 7 8 9 0\n")
	if err != nil || b.CPU != 1700*time.Millisecond || b.Steal != 300*time.Millisecond {
		t.Errorf("%+v %v", b, err)
	}
	for _, bad := range []string{"", "cpu 1 2 3", "cpu 1 2 3 x 5 6 7 8 9", "intr 1 2 3 4 5 6 7 8 9"} {
		if _, err := parseBusy(bad); err == nil {
			t.Errorf("%q: no error", bad)
		}
	}
	if runtime.GOOS == "linux" {
		if b, err := ReadBusy(); err != nil || b.CPU <= 0 {
			t.Errorf("%+v %v", b, err)
		}
	}
}

// This process burns a known amount of CPU, and is seen doing so.
func TestSelf(t *testing.T) {
	if runtime.GOOS != "linux" {
		if _, err := Self(); err == nil {
			t.Error("figures without /proc")
		}
		return
	}
	before, err := Self()
	if err != nil {
		t.Fatal(err)
	}
	var after Usage
	for start := time.Now(); time.Since(start) < 10*time.Second; {
		if after, err = ReadProcesses([]int{os.Getpid()}); err != nil {
			t.Fatal(err)
		}
		if after.CPU() > before.CPU() {
			break
		}
	}
	c := Between(before, after)
	if c.CPU < 0.01 || c.Seconds <= 0 || c.RSS < 1<<20 || c.Peak < c.RSS/2 {
		t.Errorf("%+v", c)
	}
	if sum := c.Add(Cost{Seconds: 1, User: 2, Sys: 3, CPU: 5, RSS: 6, Peak: 7}); sum.CPU != c.CPU+5 || sum.RSS != 6 || sum.Peak != 7 {
		t.Errorf("%+v", sum)
	}
	if got := (Cost{CPU: 2}).Per(100_000, 50_000); got != 4 || (Cost{CPU: 2}).Per(1, 0) != 0 {
		t.Error(got)
	}
	if _, err := ReadProcesses([]int{os.Getpid(), 1 << 30}); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	k, err := ReadKernel()
	if err != nil || k.Bytes < 1<<20 || k.Source == "" {
		t.Errorf("%+v %v", k, err)
	}
	if m := ThisMachine(); m.Cores < 1 || m.Memory < 1<<20 || !strings.Contains(m.String(), runtime.Version()) {
		t.Errorf("%+v", m)
	}
}

func TestHistogram(t *testing.T) {
	var h Histogram
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			r := h.Recorder()
			for i := range 1000 {
				r.Record(time.Duration(i+1) * time.Millisecond)
			}
		})
	}
	wg.Wait()
	h.Record(time.Hour)
	h.Record(-time.Second)
	s := h.Take()
	l := s.Latency()
	if l.Samples != 10_002 || math.Abs(l.P50-500) > 1 || math.Abs(l.P99-990) > 2 || math.Abs(l.Max-120_000) > 100 || l.Min > 0.01 {
		t.Errorf("%+v", l)
	}
	if last := l.Curve[len(l.Curve)-1]; last[0] != 99.9 {
		t.Error(last)
	}
	empty := h.Take()
	if empty.Count() != 0 || empty.Latency().Samples != 0 || empty.At(50) != 0 {
		t.Error("what was taken is still there")
	}
	empty.Add(s)
	if empty.Count() != 10_002 {
		t.Error(empty.Count())
	}
}

func TestTable(t *testing.T) {
	table := Table{{"what", "n"}}
	table.Add("käse", 5)
	table.Add("x", "12,000")
	var b bytes.Buffer
	if err := table.WriteText(&b); err != nil || b.String() != "  what       n\n  käse       5\n  x     12,000\n" {
		t.Errorf("%v\n%s", err, b.String())
	}
	b.Reset()
	if err := table.WriteMarkdown(&b); err != nil || b.String() != "| what | n |\n|---|--:|\n| käse | 5 |\n| x | 12,000 |\n" {
		t.Errorf("%v\n%s", err, b.String())
	}
}

func TestNumbers(t *testing.T) {
	for v, want := range map[float64]string{0: "0", 0.1234: "0.123", 1.5: "1.50", 12.34: "12.3", 99.94: "99.9", 123.4: "123",
		1234: "1,234", 1234567: "1,234,567", -1234: "-1,234", -123: "-123", -5: "-5.00"} {
		if got := Number(v); got != want {
			t.Errorf("%v: %s, want %s", v, got, want)
		}
	}
	for n, want := range map[int64]string{5: "5 B", 9_500: "9.50 kB", 12_345_678: "12.3 MB", 3_000_000_000: "3.00 GB", -9_500: "-9.50 kB"} {
		if got := Bytes(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
	if s := Millisecond(0.5); s != "0.500 ms" {
		t.Error(s)
	}
}

// What is drawn is well-formed and has a path per line, also of odd data.
func TestFigure(t *testing.T) {
	f := Figure{Title: "a < b & c", Subtitle: "sub", Charts: []Chart{
		{Title: "latency", XLabel: "%", YLabel: "ms", Percentiles: true, Log: true, Lines: []Line{
			{"ack", [][2]float64{{0, 0.1}, {50, 0.4}, {99, 3}, {100, 9}}}, {"delivery", [][2]float64{{0, 0}, {50, 0.4}, {99, 3}}}}},
		{Title: "rate", XLabel: "s", YLabel: "1/s", Lines: []Line{{"msgs", [][2]float64{{1, 100}, {2, 250}, {3, math.NaN()}}}}},
		{Title: "flat", Lines: []Line{{"zero", [][2]float64{{1, 0}}}}},
		{Title: "log flat", Log: true, Lines: []Line{{"ten", [][2]float64{{1, 10}, {2, 10}}}}},
		{Title: "none", Lines: []Line{{"x", nil}}},
	}}
	var b bytes.Buffer
	if err := f.WriteSVG(&b); err != nil {
		t.Fatal(err)
	}
	svg := b.String()
	d := xml.NewDecoder(strings.NewReader(svg))
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if n := strings.Count(svg, "<path"); n != 5 {
		t.Errorf("%d lines", n)
	}
	for _, want := range []string{"a &lt; b &amp; c", "nothing was measured", "prefers-color-scheme: dark", ">99<", ">delivery<"} {
		if !strings.Contains(svg, want) {
			t.Errorf("no %q", want)
		}
	}
	if strings.Contains(svg, "NaN") || strings.Contains(svg, "Inf") {
		t.Error("a coordinate is no number")
	}
}

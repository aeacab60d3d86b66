package gateway

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/parley-chat/parley/pkg/bus"
)

// BenchmarkRouting measures what an entry costs in CPU time, in NATS and in all
// pods together, by the way of routing and the number of pods: everything from the
// stored entry to the sessions' queues. Each pod is a process, and so is NATS; what
// they do while nothing is sent is subtracted. `make routes` runs it and prints one
// table; docs/routing.md has one.
func BenchmarkRouting(b *testing.B) {
	nats := buildNATS(b)
	var rows []benchRow
	for _, load := range []struct {
		members, flush, rate int
		pods                 []int
	}{
		{2, 1, 1000, []int{1, 2, 4, 8, 16}},
		{2, 1, 6000, []int{1, 2, 4, 8, 16}},
		{2, 16, 1500, []int{1, 2, 4, 8, 16}},
		{10, 1, 1000, []int{4, 16}},
		{1000, 1, 20, []int{4, 16}},
	} {
		for _, pods := range load.pods {
			for _, way := range []Routing{RoutingBroadcast, RoutingUsers, routingPods} {
				cell := benchCell{way, pods, load.flush, load.members, load.rate}
				b.Run(fmt.Sprintf("members=%d/flush=%d/rate=%d/pods=%d/%s", cell.members, cell.flush, cell.rate, cell.pods, cell.way), func(b *testing.B) {
					r := benchRow{cell: cell}
					r.measure(b, nats)
					rows = append(slices.DeleteFunc(rows, func(x benchRow) bool { return x.cell == cell }), r)
				})
			}
		}
	}
	t := tabwriter.NewWriter(os.Stdout, 0, 0, 1, ' ', 0)
	fmt.Fprintln(t, "\n| members\t| entries/s\t| in a flush\t| pods\t| way\t| NATS µs\t| pods µs\t| together µs\t|\n|---\t|---\t|---\t|---\t|---\t|---\t|---\t|---\t|")
	for _, r := range rows {
		c := r.cell
		fmt.Fprintf(t, "| %d\t| %d\t| %d\t| %d\t| %s\t| %.1f\t| %.1f\t| %.1f\t|\n", c.members, c.rate*c.flush, c.flush, c.pods, c.way, r.nats, r.pods, r.nats+r.pods)
	}
	if err := t.Flush(); err != nil {
		b.Error(err)
	}
}

// BenchmarkUsersSubjects measures what the subjects of a pod's users cost: to
// subscribe, to have, and to subscribe again when NATS is back.
func BenchmarkUsersSubjects(b *testing.B) {
	for _, users := range []int{1000, 10_000, 100_000} {
		b.Run(fmt.Sprint("users=", users), func(b *testing.B) {
			nats := buildNATS(b)
			states := make(chan bus.State, 10)
			bs, err := bus.Connect(b.Context(), bus.Options{URL: nats.url(), Cluster: "bench", OnState: func(s bus.State) { states <- s }})
			if err != nil {
				b.Fatal(err)
			}
			defer func() {
				if err := bs.Drain(b.Context()); err != nil {
					b.Error(err)
				}
			}()
			listen, unsubscribe, err := bs.SubscribeTo(func([]byte) {})
			if err != nil {
				b.Fatal(err)
			}
			defer unsubscribe()
			server, client := residentOf(b, nats.cmd.Process.Pid), heapInUse()
			begun := time.Now()
			for i := range users {
				listen(bus.Address(i*0x9e3779b1), true) // spread like hashes
			}
			if err := bs.Flush(b.Context()); err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(time.Since(begun).Seconds()*1e3, "subscribe-ms")
			b.ReportMetric((residentOf(b, nats.cmd.Process.Pid)-server)/float64(users), "server-B/user")
			b.ReportMetric((heapInUse()-client)/float64(users), "pod-B/user")
			nats.stop()
			if s := <-states; s != bus.StateDisconnected {
				b.Fatal(s)
			}
			nats.start()
			begun = time.Now()
			if s := <-states; s != bus.StateConnected {
				b.Fatal(s)
			}
			b.ReportMetric(time.Since(begun).Seconds()*1e3, "back-ms")
			b.ReportMetric(0, "ns/op")
		})
	}
}

func heapInUse() float64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapInuse + m.StackInuse)
}

// benchRow is what a cell took: microseconds an entry.
type benchRow struct {
	cell       benchCell
	nats, pods float64
}

// measure runs the cell for three seconds an iteration.
func (r *benchRow) measure(b *testing.B, nats *natsProcess) {
	w := startBenchPods(b, nats, r.cell)
	w.run(b, max(1, r.cell.rate/4))       // connections and caches are warm
	const still = 1500 * time.Millisecond // three beats
	natsIdle, podsIdle := w.spent(b, func() { time.Sleep(still) })
	flushes := 3 * b.N * r.cell.rate
	begun := time.Now()
	var sent int
	natsBusy, podsBusy := w.spent(b, func() { sent = w.run(b, flushes) })
	idle := time.Since(begun).Seconds() / still.Seconds()
	us := func(busy, idle float64) float64 { return (busy - idle) * 1e6 / float64(sent) }
	r.nats, r.pods = us(natsBusy, natsIdle*idle), us(podsBusy, podsIdle*idle)
	b.ReportMetric(r.nats, "nats-us/entry")
	b.ReportMetric(r.pods, "pods-us/entry")
	b.ReportMetric(0, "ns/op") // it is paced
}

// benchPods are the running pods.
type benchPods struct {
	cell benchCell
	nats *natsProcess
	list []*benchProcess
}

type benchProcess struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Scanner
}

func startBenchPods(b *testing.B, nats *natsProcess, c benchCell) *benchPods {
	b.Helper()
	w := &benchPods{cell: c, nats: nats}
	b.Cleanup(func() {
		for _, p := range w.list {
			_ = p.in.Close() // it has ended, or Wait tells
			if err := p.cmd.Wait(); err != nil {
				b.Errorf("a pod: %v", err)
			}
		}
	})
	for i := range c.pods {
		p := &benchProcess{cmd: exec.Command(os.Args[0], "-test.run=^$")}
		p.cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s %d %d %d %d %d %s", benchPodEnv, c.way, c.pods, c.flush, c.members, c.rate, i, nats.url()))
		p.cmd.Stderr = os.Stderr
		p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		out, err := p.cmd.StdoutPipe()
		if err != nil {
			b.Fatal(err)
		}
		if p.in, err = p.cmd.StdinPipe(); err != nil {
			b.Fatal(err)
		}
		p.out = bufio.NewScanner(out)
		if err := p.cmd.Start(); err != nil {
			b.Fatal(err)
		}
		w.list = append(w.list, p)
	}
	for _, p := range w.list {
		p.answer(b)
	}
	return w
}

func (p *benchProcess) answer(b *testing.B) string {
	b.Helper()
	if !p.out.Scan() {
		b.Fatalf("a pod ended: %v", p.out.Err())
	}
	return p.out.Text()
}

// ask has all pods do something, and adds up their answers.
func (w *benchPods) ask(b *testing.B, format string, args ...any) (sum int) {
	b.Helper()
	for _, p := range w.list {
		if _, err := fmt.Fprintf(p.in, format+"\n", args...); err != nil {
			b.Fatal(err)
		}
	}
	for _, p := range w.list {
		n, err := strconv.Atoi(strings.TrimSpace(p.answer(b)))
		if err != nil {
			b.Fatal(err)
		}
		sum += n
	}
	return sum
}

// run has so many flushes sent, and waits until every entry is with all members.
func (w *benchPods) run(b *testing.B, flushes int) (sent int) {
	b.Helper()
	before := w.ask(b, "got")
	sent = w.ask(b, "run %d", max(1, flushes/w.cell.pods))
	w.nats.until("not everything was delivered", func() bool { return w.ask(b, "got")-before == sent*w.cell.members })
	return sent
}

// spent is the CPU seconds that NATS and all pods spend on something.
func (w *benchPods) spent(b *testing.B, do func()) (nats, pods float64) {
	b.Helper()
	read := func() (nats, pods float64) {
		for _, p := range w.list {
			pods += cpuOf(b, p.cmd.Process.Pid).Seconds()
		}
		return cpuOf(b, w.nats.cmd.Process.Pid).Seconds(), pods
	}
	nats0, pods0 := read()
	do()
	nats, pods = read()
	return nats - nats0, pods - pods0
}

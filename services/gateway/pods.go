package gateway

import (
	"os"
	"time"

	"github.com/parley-chat/parley/pkg/bus"
	"github.com/parley-chat/parley/services/gateway/internal/roster"
)

// PodStatus is what a pod tells of itself, once a second, on [bus.TopicControl].
type PodStatus = roster.Status

// PodBeat is how often a pod tells its status: who listens for twice as long has
// heard every pod that the bus can reach.
const PodBeat = roster.Beat

// ParsePodStatus reads a message of [bus.TopicControl]; ok is false for all that are
// no status.
func ParsePodStatus(data []byte) (PodStatus, bool) { return roster.Parse(data) }

// SortPods sorts by name and id.
func SortPods(list []PodStatus) { roster.Sort(list) }

// podName is what operators call this pod.
func podName(name string) string {
	if name == "" {
		name, _ = os.Hostname() // then it has its id alone
	}
	return name[:min(len(name), 256)]
}

// Pods is this pod and those it has heard in the last seconds, by name. It does not
// block.
func (g *Gateway) Pods() []PodStatus {
	list := append(g.roster.List(*g.epoch.Load(), time.Now()), g.status())
	roster.Sort(list)
	return list
}

func (g *Gateway) status() PodStatus {
	pod, last, settled := g.journal.Position()
	left, _ := g.opts.Expiries.Soonest(time.Now())
	return PodStatus{
		Version: roster.Version, Epoch: *g.epoch.Load(), Pod: pod, Name: g.opts.Name, Server: g.opts.Server,
		Routing: string(g.opts.Routing), Up: time.Since(g.began).Milliseconds(),
		Sessions: g.sessionCount(), Users: g.presence.Stats().Users, Syncing: int(g.syncing.Load()),
		Leaving: g.balance.leaving(), Pending: g.commit.Pending(), Last: last, Open: last + 1 - min(settled, last+1),
		Lag: g.repair.Lag(), CertLeft: int64(left.Seconds()), Draining: g.Draining(),
	}
}

// tellStatus tells the other pods about this one; bye: for the last time.
func (g *Gateway) tellStatus(bye bool) {
	s := g.status()
	s.Bye = bye
	data, err := roster.Encode(s)
	if err == nil {
		err = g.opts.Bus.Publish(bus.TopicControl, data)
	}
	if err != nil {
		g.log.Debug("could not tell the status", "error", err)
	}
}

// watchPods tells the status, and looks whether sessions are even.
func (g *Gateway) watchPods() {
	every := time.NewTicker(roster.Beat)
	defer every.Stop()
	g.tellStatus(false)
	for {
		select {
		case <-g.ctx.Done():
			return
		case now := <-every.C:
			g.tellStatus(false)
			g.rebalance(now)
		}
	}
}

// onPods takes what pods tell about themselves; false: the message is another.
func (g *Gateway) onPods(data []byte) bool {
	if s, ok := roster.Parse(data); ok {
		if s.Pod != g.Pod() {
			g.roster.Heard(s, time.Now())
		}
		return true
	}
	return g.onRebalance(data)
}

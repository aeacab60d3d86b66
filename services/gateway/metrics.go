package gateway

import (
	"github.com/parley-chat/parley/pkg/bus"
	"github.com/parley-chat/parley/pkg/ops"
)

// RegisterMetrics shows the counts of a pod, or the sum of several, on the
// operations port.
func RegisterMetrics(m *ops.Metrics, stats func() Stats) {
	m.Gauge("gateway_sessions", "Connections of clients.", func() float64 { return float64(stats().Sessions) })
	m.Gauge("gateway_commands_pending", "Commands waiting to be stored, or in flight.", func() float64 { return float64(stats().Pending) })
	m.Gauge("gateway_users_online", "Users with a session on this pod.", func() float64 { return float64(stats().Online.Users) })
	m.Gauge("gateway_cluster_users_online", "Users online over all pods that are heard; who is on two pods counts twice.", func() float64 { return float64(stats().Online.ClusterUsers) })
	m.Gauge("gateway_users_watched", "Users whose presence is watched on this pod.", func() float64 { return float64(stats().Online.Subjects) })
	m.Gauge("gateway_revocations", "Revocations and bans that are in force.", func() float64 { return float64(stats().Revoked.Entries) })
	m.Gauge("gateway_revocations_age_seconds", "Time since revocations were last read: more than a few seconds means that new ones are not heard of.", func() float64 { return stats().Revoked.Age.Seconds() })
	m.Gauge("gateway_sessions_syncing", "Sessions that are reading what they missed.", func() float64 { return float64(stats().Syncing) })
	m.Gauge("gateway_rebalance_over", "Sessions above what the pod would have if sessions were even; see --rebalance.", func() float64 { return float64(stats().Over) })
	m.Gauge("gateway_commands_pending_bytes", "Bytes of the bodies of these commands.", func() float64 { return float64(stats().Bytes) })
	m.GaugeBy("gateway_jobs", "Jobs of all tenants that are not done, by state, as this pod has counted last; of a kind 1,000 are counted at most.", "state", func() map[string]float64 {
		out := map[string]float64{}
		for state, n := range stats().Census.States {
			out[state] = float64(n)
		}
		return out
	})
	m.Gauge("gateway_jobs_late_seconds", "Since when the job that is due longest has been due, as this pod has counted last; 0: none is.", func() float64 { return stats().Census.Late.Seconds() })
	for _, c := range []struct {
		name, help, label string
		of                func(Stats) map[string]uint64
	}{
		{"gateway_connections_closed_total", "Connections that ended, by the close code that they were given; 1006: none, the client went.", "code", func(s Stats) map[string]uint64 { return s.Traffic.Closed }},
		{"gateway_frames_received_total", "Frames that clients sent, by type; invalid: not understood.", "type", func(s Stats) map[string]uint64 { return s.Traffic.Received }},
		{"gateway_frames_sent_total", "Frames that were sent to clients, by type.", "type", func(s Stats) map[string]uint64 { return s.Traffic.Sent }},
		{"gateway_frames_refused_total", "Frames that were answered with an error, by its code.", "code", func(s Stats) map[string]uint64 { return s.Refused }},
		{"gateway_queue_drops_total", "What was not kept in a session's queue, by reason. Entries are read again; too_slow closes the session.", "reason", func(s Stats) map[string]uint64 { return s.Traffic.Dropped }},
	} {
		m.CounterBy(c.name, c.help, c.label, func() map[string]uint64 { return c.of(stats()) })
	}
	m.CounterBy("gateway_repaired_total", "Entries that were announced and not heard, found by repair.", "trigger",
		func() map[string]uint64 { return stats().Repaired })
	m.CounterBy("gateway_limited_total", "Connections, requests and sends that were refused because of a limit.", "limit",
		func() map[string]uint64 { return stats().Limited })
	for _, c := range []struct {
		name, help string
		of         func(Stats) uint64
	}{
		{"gateway_entries_stored_total", "Entries that were stored and announced here.", func(s Stats) uint64 { return s.Entries }},
		{"gateway_entries_heard_total", "Entries that other pods announced.", func(s Stats) uint64 { return s.Received }},
		{"gateway_announcements_lost_total", "Announcements that NATS did not take.", func(s Stats) uint64 { return s.Unheard }},
		{"gateway_envelopes_foreign_total", "Envelopes of another epoch, or that could not be read.", func(s Stats) uint64 { return s.Foreign }},
		{"gateway_gaps_read_total", "Gaps in what was announced that were read from the store.", func(s Stats) uint64 { return s.Gaps }},
		{"gateway_panics_total", "Panics in the loops of repair, presence and jobs that were contained.", func(s Stats) uint64 { return s.Panics }},
		{"gateway_presence_asked_total", "Users that other pods were asked about.", func(s Stats) uint64 { return s.Online.Asked }},
		{"gateway_presence_told_total", "Users that other pods were told of.", func(s Stats) uint64 { return s.Online.Told }},
		{"gateway_signals_dropped_total", "Typing and last visits that were left out.", func(s Stats) uint64 { return s.Online.Dropped + s.Dropped }},
		{"gateway_attachments_completed_total", "Uploads that were looked at and taken.", func(s Stats) uint64 { return s.Files.Completed }},
		{"gateway_attachments_refused_total", "Uploads that were not what was announced, or not there.", func(s Stats) uint64 { return s.Files.Refused }},
		{"gateway_attachments_collected_total", "Files that no message carried any more, and that were deleted.", func(s Stats) uint64 { return s.Files.Collected }},
		{"gateway_rebalance_moved_total", "Sessions that were sent to other pods because this one had more.", func(s Stats) uint64 { return s.Moved }},
		{"gateway_jobs_ended_total", "Broadcasts and erasures that ended on this pod.", func(s Stats) uint64 { return s.Jobs.Ended }},
		{"gateway_jobs_failures_total", "Steps of jobs that failed and are tried again.", func(s Stats) uint64 { return s.Jobs.Failures }},
		{"gateway_jobs_given_up_total", "Jobs that were given up.", func(s Stats) uint64 { return s.Jobs.GivenUp }},
		{"gateway_keep_looks_total", "Looks at conversations whose content is kept for a time only.", func(s Stats) uint64 { return s.Keep.Looks }},
		{"gateway_keep_raised_total", "Floors that were raised because content was older than its conversation keeps it.", func(s Stats) uint64 { return s.Keep.Raised }},
		{"gateway_keep_rounds_total", "Rounds over all conversations for which nobody has decided how long they are kept.", func(s Stats) uint64 { return s.Keep.Rounds }},
		{"gateway_keep_failures_total", "Steps of looking at what is kept for a time that failed and are tried again.", func(s Stats) uint64 { return s.Keep.Failures }},
		{"gateway_connections_opened_total", "Connections of clients whose handshake was accepted.", func(s Stats) uint64 { return s.Traffic.Opened }},
		{"gateway_frames_sent_bytes_total", "Bytes of the frames that were sent, without WebSocket's headers.", func(s Stats) uint64 { return s.Traffic.Bytes }},
		{"gateway_envelopes_published_total", "Announcements that NATS took; one may carry many entries.", func(s Stats) uint64 { return s.Envelopes }},
		{"gateway_lost_races_total", "Commands whose place in a log another pod's entry had taken: they were judged again and stored behind it.", func(s Stats) uint64 { return s.Commit.LostRaces }},
		{"gateway_appends_unknown_total", "Entries of which the store did not say whether they are stored: it was looked up.", func(s Stats) uint64 { return s.Commit.Unknown }},
		{"gateway_repeats_total", "Commands that were found stored.", func(s Stats) uint64 { return s.Commit.Repeats }},
		{"gateway_lane_repairs_total", "Looks into the store before a conversation's commands could be appended.", func(s Stats) uint64 { return s.Commit.Repairs }},
	} {
		m.Counter(c.name, c.help, func() uint64 { return c.of(stats()) })
	}
}

// RegisterBus shows what a bus counts, or the sum of several.
func RegisterBus(m *ops.Metrics, stats func() bus.Stats) {
	m.Gauge("bus_connected", "1 while NATS is connected; with several gateways in a process, how many of them are.", func() float64 {
		return float64(stats().Connected)
	})
	m.Gauge("bus_messages_waiting", "Messages that have come from NATS and wait to be looked at: how far behind this pod is.", func() float64 { return float64(stats().Waiting) })
	m.Gauge("bus_outbound_bytes", "Bytes that wait to be written to NATS.", func() float64 { return float64(stats().Outbound) })
	for _, c := range []struct {
		name, help string
		of         func(bus.Stats) uint64
	}{
		{"bus_messages_published_total", "Messages that were handed to the connection.", func(s bus.Stats) uint64 { return s.Published }},
		{"bus_messages_received_total", "Messages that came from NATS.", func(s bus.Stats) uint64 { return s.Received }},
		{"bus_messages_refused_total", "Messages that were not taken, as NATS was away or too slow.", func(s bus.Stats) uint64 { return s.Refused }},
		{"bus_messages_dropped_total", "Messages that were taken and lost with the connection.", func(s bus.Stats) uint64 { return s.Dropped }},
		{"bus_messages_lost_total", "Messages that this pod was too slow for: NATS' slow consumer.", func(s bus.Stats) uint64 { return s.Lost }},
		{"bus_reconnects_total", "Times that NATS was connected again.", func(s bus.Stats) uint64 { return s.Reconnects }},
	} {
		m.Counter(c.name, c.help, func() uint64 { return c.of(stats()) })
	}
}

package gateway

import "github.com/parley-chat/parley/pkg/ops"

// RegisterMetrics shows the counts of a pod, or the sum of several, on the
// operations port.
func RegisterMetrics(m *ops.Metrics, stats func() Stats) {
	m.Gauge("gateway_sessions", "Connections of clients.", func() float64 { return float64(stats().Sessions) })
	m.Gauge("gateway_commands_pending", "Commands waiting to be stored, or in flight.", func() float64 { return float64(stats().Pending) })
	m.Gauge("gateway_users_online", "Users with a session on this pod.", func() float64 { return float64(stats().Online.Users) })
	m.Gauge("gateway_cluster_users_online", "Users online over all pods that are heard; who is on two pods counts twice.", func() float64 { return float64(stats().Online.ClusterUsers) })
	m.Gauge("gateway_users_watched", "Users whose presence is watched on this pod.", func() float64 { return float64(stats().Online.Subjects) })
	m.Gauge("gateway_sessions_syncing", "Sessions that are reading what they missed.", func() float64 { return float64(stats().Syncing) })
	m.Gauge("gateway_rebalance_over", "Sessions above what the pod would have if sessions were even; see --rebalance.", func() float64 { return float64(stats().Over) })
	m.CounterBy("gateway_repaired_total", "Entries that were announced and not heard, found by repair.", "trigger",
		func() map[string]uint64 { return stats().Repaired })
	for _, c := range []struct {
		name, help string
		of         func(Stats) uint64
	}{
		{"gateway_entries_stored_total", "Entries that were stored and announced here.", func(s Stats) uint64 { return s.Entries }},
		{"gateway_entries_heard_total", "Entries that other pods announced.", func(s Stats) uint64 { return s.Received }},
		{"gateway_announcements_lost_total", "Announcements that NATS did not take.", func(s Stats) uint64 { return s.Unheard }},
		{"gateway_envelopes_foreign_total", "Envelopes of another epoch, or that could not be read.", func(s Stats) uint64 { return s.Foreign }},
		{"gateway_gaps_read_total", "Gaps in what was announced that were read from the store.", func(s Stats) uint64 { return s.Gaps }},
		{"gateway_presence_asked_total", "Users that other pods were asked about.", func(s Stats) uint64 { return s.Online.Asked }},
		{"gateway_presence_told_total", "Users that other pods were told of.", func(s Stats) uint64 { return s.Online.Told }},
		{"gateway_signals_dropped_total", "Typing and last visits that were left out.", func(s Stats) uint64 { return s.Online.Dropped + s.Dropped }},
		{"gateway_attachments_completed_total", "Uploads that were looked at and taken.", func(s Stats) uint64 { return s.Files.Completed }},
		{"gateway_attachments_refused_total", "Uploads that were not what was announced, or not there.", func(s Stats) uint64 { return s.Files.Refused }},
		{"gateway_attachments_collected_total", "Files that no message carried any more, and that were deleted.", func(s Stats) uint64 { return s.Files.Collected }},
		{"gateway_rebalance_moved_total", "Sessions that were sent to other pods because this one had more.", func(s Stats) uint64 { return s.Moved }},
		{"gateway_frames_refused_total", "Frames that were answered with an error.", func(s Stats) uint64 { return s.Refused }},
	} {
		m.Counter(c.name, c.help, func() uint64 { return c.of(stats()) })
	}
}

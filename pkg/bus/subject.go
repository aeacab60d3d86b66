package bus

// Topic is one kind of traffic between the pods of a cluster. Each has one
// subject, that every pod takes all of.
type Topic string

// The topics.
const (
	// TopicEntries has the announcements of stored entries.
	TopicEntries Topic = "entries"
	// TopicSignals has what may be lost without repair: receipts, typing, presence.
	TopicSignals Topic = "signals"
	// TopicControl has what pods tell each other about themselves and about
	// sessions: heartbeats, kicks.
	TopicControl Topic = "control"
)

// subjects is the subject of each topic: parley.<cluster>.<topic>.
func subjects(cluster string) map[Topic]string {
	m := make(map[Topic]string, 3)
	for _, t := range []Topic{TopicEntries, TopicSignals, TopicControl} {
		m[t] = "parley." + cluster + "." + string(t)
	}
	return m
}

// validCluster keeps out what means something in a subject: dots, blanks, * and >.
func validCluster(s string) bool {
	for _, c := range s {
		alnum := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
		if !alnum && c != '_' && c != '-' {
			return false
		}
	}
	return 1 <= len(s) && len(s) <= 64
}

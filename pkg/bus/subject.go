package bus

// Topic is one kind of traffic between the pods of a cluster. Each but
// [TopicUsers] has one subject, that every pod takes all of.
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
	// TopicUsers has what concerns single users. It is no topic to publish to: each
	// [Address] has a subject of its own, parley.<cluster>.u.<address>.
	TopicUsers Topic = "u"
)

// subjects is the subject of each topic: parley.<cluster>.<topic>.
func subjects(cluster string) map[Topic]string {
	m := make(map[Topic]string, 3)
	for _, t := range []Topic{TopicEntries, TopicSignals, TopicControl} {
		m[t] = "parley." + cluster + "." + string(t)
	}
	return m
}

// subjectOf is the subject of an address: 8 hexadecimal digits.
func (b *Bus) subjectOf(a Address) string {
	const digits = "0123456789abcdef"
	s := make([]byte, 0, 96) // on the stack: a cluster's name has at most 64
	s = append(append(append(s, "parley."...), b.o.Cluster...), ".u."...)
	for shift := 28; shift >= 0; shift -= 4 {
		s = append(s, digits[a>>shift&15])
	}
	return string(s)
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

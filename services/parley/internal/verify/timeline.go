package verify

import "time"

// Moment is something that happened to a client and took a time, for whoever draws a
// run.
type Moment struct {
	At   time.Duration // since the start of the run
	Kind Kind          // Ack, Entry (a delivery to somebody else's device), or Open
	Took time.Duration // since the message was first written; Open: since the session before was lost, 0 for the first
}

// Timeline is the acks, deliveries and connects of all clients, in the order of
// clients. Devices that came when all was over are left out.
func (h *History) Timeline() (list []Moment) {
	first := firstWrites(h)
	for i := range h.Clients {
		l := &h.Clients[i]
		if l.Device == lateDevice {
			continue
		}
		list = append(list, l.moments(first)...)
	}
	return list
}

func (l *ClientLog) moments(first map[command]time.Duration) (list []Moment) {
	seen := map[command]bool{}
	lost := time.Duration(-1)
	for i := range l.Events {
		e := &l.Events[i]
		k := command{e.From, e.CMID}
		switch {
		case e.Kind == Open:
			m := Moment{At: e.At, Kind: Open}
			if lost >= 0 {
				m.Took = e.At - lost
			}
			list = append(list, m)
			continue
		case e.Kind == Close:
			lost = e.At
			continue
		case e.Kind == Ack:
			k.from = l.User
		case e.Kind != Entry || e.From == l.User:
			continue
		}
		if at, sent := first[k]; sent && !seen[k] {
			seen[k] = true
			list = append(list, Moment{At: e.At, Kind: e.Kind, Took: e.At - at})
		}
	}
	return list
}

package ops

import (
	"time"

	"github.com/parley-chat/parley/pkg/certs"
)

// Certificates shows for how long the certificates of a binary are good.
func (m *Metrics) Certificates(e *certs.Expiries) {
	m.GaugeBy("certificate_left_seconds", "Time until a certificate that is used expires, by what it is used for; below 0: it has.", "use", func() map[string]float64 {
		list := map[string]float64{}
		for use, left := range e.Left(time.Now()) {
			list[use] = left.Seconds()
		}
		return list
	})
}

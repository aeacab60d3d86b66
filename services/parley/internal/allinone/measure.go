package allinone

import (
	"github.com/parley-chat/parley/pkg/auth"
	"github.com/parley-chat/parley/pkg/bus"
	"github.com/parley-chat/parley/pkg/meters"
	"github.com/parley-chat/parley/pkg/rest"
	"github.com/parley-chat/parley/pkg/store"
	"github.com/parley-chat/parley/services/gateway"
)

// measured is what the parts of a cluster share, observed or not.
type measured struct {
	store    store.Store
	tokens   auth.TokenVerifier
	gateways *gateway.Meters
	history  *rest.Meter
}

// measure shows on o.Metrics what the binaries of a deployment show: the gateways' counts
// as their sums.
func (c *Cluster) measure(o Options, st Store, v auth.TokenVerifier) measured {
	m := o.Metrics
	meters.Spans(m, o.Tracer)
	gateway.RegisterMetrics(m, func() gateway.Stats { return gateway.Sum(c.Stats()) })
	gateway.RegisterBus(m, c.busStats)
	if c.search != nil {
		c.search.RegisterMetrics(m)
	}
	return measured{store: meters.Store(m, o.Tracer, st), tokens: meters.Tokens(m, v, c.issuer),
		gateways: gateway.NewMeters(m), history: rest.NewMeter(m, "history")}
}

func (c *Cluster) busStats() (sum bus.Stats) {
	for _, b := range c.buses {
		sum = sum.Add(b.Stats())
	}
	return sum
}

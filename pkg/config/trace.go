package config

import (
	"flag"
	"fmt"
	"net/netip"
	"net/url"
)

// Trace is which messages and requests are followed, and where to. OpenTelemetry's
// own variables (OTEL_…) are not read: what a binary does is in its settings alone.
type Trace struct {
	Endpoint string  // "": nothing is followed
	Sample   float64 // share of frames and requests
	From     []string
	Trusted  []netip.Prefix // From, as Validate has read it
}

// Register declares --otlp-endpoint, --trace-sample and --trace-trusted.
func (g *Trace) Register(fs *flag.FlagSet) {
	if g.Sample == 0 {
		g.Sample = 0.001
	}
	fs.StringVar(&g.Endpoint, "otlp-endpoint", g.Endpoint, "send traces to the OpenTelemetry collector at this `url`, e.g. http://otel-collector:4318;\nnone: no traces")
	fs.Float64Var(&g.Sample, "trace-sample", g.Sample, "follow this `share` of frames and requests, 0 to 1")
	fs.Var((*commaList)(&g.From), "trace-trusted", "let callers in these `networks` decide with a traceparent header whether a request is followed,\nwith commas between them, e.g. 10.0.0.0/8; none: nobody")
}

// Validate checks the form of each.
func (g *Trace) Validate() error {
	if g.Endpoint != "" {
		u, err := url.Parse(g.Endpoint)
		if err != nil || u.Host == "" || u.User != nil || u.Scheme != "http" && u.Scheme != "https" {
			return fmt.Errorf("the collector's address is not of the form http://host:4318: set %s", both("otlp-endpoint"))
		}
	}
	if !(g.Sample >= 0 && g.Sample <= 1) {
		return fmt.Errorf("%v is no share: set %s to 0 to 1", g.Sample, both("trace-sample"))
	}
	g.Trusted = nil
	for _, n := range g.From {
		p, err := netip.ParsePrefix(n)
		if err != nil {
			return fmt.Errorf("%q is no network: set %s to e.g. 10.0.0.0/8", n, both("trace-trusted"))
		}
		g.Trusted = append(g.Trusted, p)
	}
	return nil
}

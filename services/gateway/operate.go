package gateway

import (
	"fmt"
	"net/url"
	"time"

	"github.com/parley-chat/parley/pkg/ops"
)

// Operate adds what operators ask of a pod to its operations port: GET /pods, this pod
// and those it hears; and POST /rebalance?for=10m, which asks all pods to even their
// sessions out (for=0: to stop). All answers are about the cluster, so one pod is as
// good as another. It comes before the port is served to anybody who asks.
func (g *Gateway) Operate(o *ops.Server) {
	o.HandleJSON("/pods", func() any { return g.Pods() })
	o.HandleAction("/rebalance", func(query url.Values) error {
		over := RebalanceFor
		if text := query.Get("for"); text != "" {
			var err error
			if over, err = time.ParseDuration(text); err != nil {
				return fmt.Errorf("for=%q is no duration, such as 10m", text)
			}
		}
		return g.Rebalance(over)
	})
}

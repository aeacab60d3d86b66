package drill

import (
	"context"
	"fmt"
	"strings"
	"sync"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
)

// links makes the proxies of a scenario, and closes them.
type links struct {
	server *toxiproxy.ApiServer // only what proxies log and count with; it does not listen

	mu  sync.Mutex
	all []*link
}

func newLinks() *links {
	return &links{server: toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())}
}

// open makes a link to an address.
func (l *links) open(name, to string) (*link, error) {
	k := &link{name: name, proxy: toxiproxy.NewProxy(l.server, name, "127.0.0.1:0", to)}
	if err := k.proxy.Start(); err != nil {
		return nil, fmt.Errorf("listen for the link %s: %w", name, err)
	}
	k.addr = k.proxy.Listen
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, k)
	return k, nil
}

func (l *links) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, k := range l.all {
		k.proxy.Stop()
	}
}

// link is what stands between two parties.
type link struct {
	name  string
	addr  string // where it is reached; the same after a cut
	proxy *toxiproxy.Proxy
}

// cut closes all connections and refuses new ones, until restore.
func (k *link) cut() { k.proxy.Stop() }

func (k *link) restore() error {
	if err := k.proxy.Start(); err != nil {
		return fmt.Errorf("restore the link %s: %w", k.name, err)
	}
	return nil
}

// direction of bytes on a link.
type direction string

const (
	toServer   direction = "upstream"
	fromServer direction = "downstream"
)

// slow delays the bytes of one direction by milliseconds, give or take jitter.
func (k *link) slow(d direction, ms, jitter int) error {
	return k.add(fmt.Sprintf(`{"name":"slow-%s","type":"latency","stream":"%s","attributes":{"latency":%d,"jitter":%d}}`, d, d, ms, jitter))
}

// swallow drops the bytes of one direction; the connections stay open, and nobody
// is told, also on new ones. They are closed when the link heals.
func (k *link) swallow(d direction) error {
	return k.add(fmt.Sprintf(`{"name":"swallow-%s","type":"timeout","stream":"%s","attributes":{"timeout":0}}`, d, d))
}

func (k *link) add(toxic string) error {
	if _, err := k.proxy.Toxics.AddToxicJson(strings.NewReader(toxic)); err != nil {
		return fmt.Errorf("spoil the link %s: %w", k.name, err)
	}
	return nil
}

// heal ends what slow and swallow began.
func (k *link) heal() { k.proxy.Toxics.ResetToxics(context.Background()) }

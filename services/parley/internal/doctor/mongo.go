package doctor

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/parley-chat/parley/pkg/store/mongostore"
)

// mongo looks at the store.
func (e *examination) mongo(ctx context.Context, f *findings) {
	o := mongostore.Options{URI: string(e.s.Mongo.URI), Timeout: e.s.Timeout * 9 / 10}
	in, err := mongostore.Inspect(ctx, o)
	judgeMongo(f, in, err)
	if e.unread = err != nil; e.unread {
		return
	}
	if in.Meta != nil {
		e.cluster = in.Meta.Cluster
	}
	for _, p := range in.Pods {
		if p.Until.After(in.PodsAt) {
			e.pods = append(e.pods, p.ID)
		}
	}
	if !e.s.Write {
		f.ok("no write was tried: --write does, with majority and journal")
		return
	}
	took, err := mongostore.TryWrite(ctx, o)
	judgeWrite(f, took, cmp.Or(e.s.slow, 100*time.Millisecond), err)
}

func judgeMongo(f *findings, in mongostore.Inspection, err error) {
	if in.Stage == "connect" && err != nil {
		do := "see whether it runs, whether this machine may reach it, and whether user, password and authSource are right"
		if ofTLS(err) {
			do = "see whether the URI has tls=true&tlsCAFile=… with the authority of MongoDB's certificate, and names its hosts as that certificate does"
		}
		f.fail(do, "%v", err)
		return
	}
	judgeMembers(f, in)
	judgeClock(f, "MongoDB", in.Clock.Sub(in.Asked), in.Took)
	if len(in.Ignore) > 0 {
		f.warn("remove it, so that nobody believes in it", "the URI's %s is not followed: Parley writes with majority and journal, and reads from the primary with majority", strings.Join(in.Ignore, ", "))
	}
	if err != nil {
		f.fail("give the user readWrite on the database, and listCollections and listIndexes with it", "%s: %v", in.Stage, err)
		return
	}
	for _, wrong := range in.Wrong {
		f.fail("drop that index while no service runs; the next one that starts makes it as it must be", "%s", wrong)
	}
	switch {
	case in.Meta == nil && len(in.Missing) > 0:
		f.ok("the database is empty: the first service that starts makes collections, indexes and the cluster's identity")
	case len(in.Missing) > 0:
		f.fail("start a gateway of this version once: it makes them", "missing: %s", strings.Join(in.Missing, ", "))
	case len(in.Wrong) == 0:
		f.ok("all collections and indexes are there")
	}
	switch {
	case in.Meta != nil && in.Meta.Cluster != "" && in.Meta.Epoch != "":
		f.ok("cluster %s is in epoch %s", in.Meta.Cluster, in.Meta.Epoch)
	case in.Meta != nil:
		f.fail("restore the collection meta from a backup, then run parley epoch new", "the document of the cluster and its epoch is damaged")
	}
}

// judgeMembers looks at who holds the data.
func judgeMembers(f *findings, in mongostore.Inspection) {
	holding := len(in.Members) + len(in.Passives)
	switch {
	case in.Sharded:
		f.ok("a sharded cluster, through mongos")
	case in.SetName == "":
		f.warn("use a replica set of three members that hold data", "MongoDB is a standalone server: what was acknowledged is lost with its disk")
	case len(in.Arbiters) > 0:
		f.fail("replace them by members that hold data: with one member away the set has a primary, and no majority that could confirm a write; Parley does not start on it",
			"the replica set %s has arbiters: %s", in.SetName, strings.Join(in.Arbiters, ", "))
	case holding == 1:
		f.warn("add two members that hold data", "the replica set %s has one member: what was acknowledged is lost with its disk", in.SetName)
	case holding%2 == 0:
		f.warn("add one: with an even number, no more may be away than with one less", "the replica set %s has %d members that hold data", in.SetName, holding)
	default:
		f.ok("the replica set %s has %d members that hold data, and no arbiter", in.SetName, holding)
	}
}

func judgeWrite(f *findings, took, slow time.Duration, err error) {
	text := fmt.Sprintf("a write was confirmed by a majority, and journaled, in %v", took.Round(100*time.Microsecond))
	switch {
	case err != nil:
		f.fail("see whether a majority of the members is there (rs.status()), and whether the user may write: until then sends are answered with unavailable", "%v", err)
	case took > slow:
		f.warn("look at the members' disks and at the replication lag: no send is answered faster than this", "%s", text)
	default:
		f.ok("%s, and read back", text)
	}
}

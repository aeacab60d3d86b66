package mongostore

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store"
)

// jobDoc is a document of the collection jobs. A claim is one update of one document
// that names the attempt and the version which were read, so that of several only
// one finds it.
type jobDoc struct {
	ID       string    `bson:"_id"` // tenant, job
	Kind     string    `bson:"k"`
	Creator  string    `bson:"f"`
	Hash     []byte    `bson:"h"`
	Payload  []byte    `bson:"p,omitempty"`
	Created  time.Time `bson:"t"`
	Started  time.Time `bson:"s"` // 1970: not yet
	State    int32     `bson:"st"`
	Due      time.Time `bson:"due"`
	Owner    string    `bson:"o"`
	Attempt  int64     `bson:"a"`
	Version  int64     `bson:"v"`
	Tries    int32     `bson:"n"`
	Progress []byte    `bson:"g"`
	Failure  string    `bson:"e"`
	Cancel   bool      `bson:"x"`
}

func jobID(ns chat.NS, id chat.JobID) string { return string(ns) + "/" + string(id) }

func (d *jobDoc) job() store.Job {
	ns, id, _ := strings.Cut(d.ID, "/")
	j := store.Job{NS: chat.NS(ns), ID: chat.JobID(id), Kind: store.JobKind(d.Kind), Creator: chat.User(d.Creator), Payload: d.Payload,
		Created: d.Created.UTC(), State: store.JobState(d.State), Due: d.Due.UTC(), Owner: d.Owner, Attempt: d.Attempt,
		Version: d.Version, Tries: int(d.Tries), Failure: d.Failure, Cancel: d.Cancel}
	copy(j.Hash[:], d.Hash)
	if len(d.Progress) > 0 {
		j.Progress = d.Progress
	}
	if d.Started.UnixMilli() > 0 {
		j.Started = d.Started.UTC()
	}
	return j
}

var (
	liveJobs  = bson.E{Key: "st", Value: bson.D{{Key: "$in", Value: []int32{int32(store.JobNew), int32(store.JobLeased)}}}}
	endedJobs = bson.E{Key: "st", Value: bson.D{{Key: "$in", Value: []int32{int32(store.JobDone), int32(store.JobDead)}}}}
	// noPayload leaves out what may be large and is only for who does the job.
	noPayload = bson.D{{Key: "p", Value: 0}}
)

func anyKind(kinds []store.JobKind) bson.E {
	names := make([]string, len(kinds))
	for i, k := range kinds {
		names[i] = string(k)
	}
	return bson.E{Key: "k", Value: bson.D{{Key: "$in", Value: names}}}
}

// jobByID reads a job without its payload; ErrNotFound if there is none.
func (s *Store) jobByID(ctx context.Context, ns chat.NS, id chat.JobID) (store.Job, error) {
	list, err := s.Jobs(ctx, store.JobQuery{NS: ns, ID: id, Limit: 1})
	if err != nil {
		return store.Job{}, err
	}
	if len(list) == 0 {
		return store.Job{}, store.ErrNotFound
	}
	return list[0], nil
}

// CreateJob implements [store.Jobs].
func (s *Store) CreateJob(ctx context.Context, j store.Job) (store.Job, error) {
	h, err := s.hello(ctx)
	if err != nil {
		return store.Job{}, err
	}
	now := h.LocalTime
	d := jobDoc{ID: jobID(j.NS, j.ID), Kind: string(j.Kind), Creator: string(j.Creator), Hash: j.Hash[:], Payload: j.Payload,
		Created: now, Started: time.UnixMilli(0), State: int32(store.JobNew), Due: now, Progress: j.Progress}
	if _, err := insertMissing(ctx, s.jobs, []*jobDoc{&d}); err != nil {
		return store.Job{}, s.fail("creating a job", err)
	}
	kept, err := s.jobByID(ctx, j.NS, j.ID)
	if err != nil {
		return store.Job{}, s.fail("creating a job", err)
	}
	return kept, nil
}

// Jobs implements [store.Jobs].
func (s *Store) Jobs(ctx context.Context, q store.JobQuery) ([]store.Job, error) {
	filter, o := byID(jobID(q.NS, q.ID)), options.Find().SetProjection(noPayload).SetLimit(int64(q.Limit))
	if q.ID == "" {
		filter = jobFilter(&q)
		o.SetSort(ascending("due", "_id"))
		if q.Newest {
			o.SetSort(bson.D{{Key: "due", Value: -1}, {Key: "_id", Value: -1}})
		}
	}
	list, err := s.findJobs(ctx, filter, o)
	if err != nil {
		return nil, s.fail("reading jobs", err)
	}
	return list, nil
}

// jobFilter is a list of jobs, all of which the index of kind, state, time and id tells:
// one range of it for each kind and state, merged, as far as a page goes.
func jobFilter(q *store.JobQuery) bson.D {
	states := liveJobs
	if len(q.States) > 0 {
		list := make([]int32, len(q.States))
		for i, st := range q.States {
			list[i] = int32(st)
		}
		states = bson.E{Key: "st", Value: bson.D{{Key: "$in", Value: list}}}
	}
	filter := bson.D{anyKind(q.Kinds), states, {Key: "_id", Value: below(string(q.NS))}}
	if q.After == (store.JobMark{}) {
		return filter
	}
	side := "$gt"
	if q.Newest {
		side = "$lt"
	}
	at := q.After.Due
	return append(filter, bson.E{Key: "due", Value: bson.D{{Key: side + "e", Value: at}}}, bson.E{Key: "$or", Value: bson.A{
		bson.D{{Key: "due", Value: bson.D{{Key: side, Value: at}}}},
		bson.D{{Key: "due", Value: at}, {Key: "_id", Value: bson.D{{Key: side, Value: jobID(q.NS, q.After.ID)}}}},
	}})
}

func (s *Store) findJobs(ctx context.Context, filter bson.D, o *options.FindOptionsBuilder) ([]store.Job, error) {
	docs, err := find[jobDoc](ctx, s.jobs, filter, o)
	if err != nil {
		return nil, err
	}
	list := make([]store.Job, len(docs))
	for i := range docs {
		list[i] = docs[i].job()
	}
	return list, nil
}

// ClaimJobs implements [store.Jobs], by the primary's clock as Register has it.
func (s *Store) ClaimJobs(ctx context.Context, c store.Claim) ([]store.Job, error) {
	h, err := s.hello(ctx)
	if err != nil {
		return nil, err
	}
	now := h.LocalTime.UTC()
	due := bson.D{anyKind(c.Kinds), liveJobs, {Key: "due", Value: bson.D{{Key: "$lte", Value: now}}}}
	found, err := s.findJobs(ctx, due, options.Find().SetSort(ascending("due")).SetLimit(int64(c.Limit)))
	if err != nil {
		return nil, s.fail("finding jobs", err)
	}
	claimed := found[:0]
	for _, j := range found {
		if j.Started.IsZero() {
			j.Started = now
		}
		res, err := s.jobs.UpdateOne(ctx,
			append(byID(jobID(j.NS, j.ID)), bson.E{Key: "a", Value: j.Attempt}, bson.E{Key: "v", Value: j.Version}),
			bson.D{{Key: "$set", Value: bson.D{
				{Key: "st", Value: int32(store.JobLeased)}, {Key: "o", Value: c.Owner}, {Key: "due", Value: now.Add(c.Lease)},
				{Key: "a", Value: j.Attempt + 1}, {Key: "n", Value: int32(j.Tries + 1)}, {Key: "v", Value: int64(0)}, {Key: "s", Value: j.Started},
			}}})
		if err != nil && len(claimed) > 0 {
			break // what was claimed is done now; the rest comes back
		}
		if err != nil {
			return nil, s.fail("claiming a job", err)
		}
		if res.MatchedCount == 0 {
			continue // somebody else was first
		}
		j.State, j.Owner, j.Due, j.Version = store.JobLeased, c.Owner, now.Add(c.Lease), 0
		j.Attempt++
		j.Tries++
		claimed = append(claimed, j)
	}
	return slices.Clip(claimed), nil
}

// SaveJob implements [store.Jobs].
func (s *Store) SaveJob(ctx context.Context, j store.Job, wait time.Duration) (store.Job, error) {
	h, err := s.hello(ctx)
	if err != nil {
		return store.Job{}, err
	}
	due := h.LocalTime
	if !j.State.Ended() {
		due = due.Add(wait)
	}
	change := bson.D{{Key: "$set", Value: bson.D{
		{Key: "st", Value: int32(j.State)}, {Key: "due", Value: due}, {Key: "v", Value: j.Version}, {Key: "n", Value: int32(j.Tries)},
		{Key: "g", Value: j.Progress}, {Key: "e", Value: j.Failure},
	}}}
	if j.State == store.JobDone {
		change = append(change, bson.E{Key: "$unset", Value: bson.D{{Key: "p", Value: ""}}})
	}
	older := append(byID(jobID(j.NS, j.ID)), bson.E{Key: "a", Value: j.Attempt}, bson.E{Key: "v", Value: bson.D{{Key: "$lt", Value: j.Version}}})
	res, err := s.jobs.UpdateOne(ctx, older, change)
	if err != nil {
		return store.Job{}, s.fail("saving a job", err)
	}
	kept, err := s.jobByID(ctx, j.NS, j.ID)
	if err == nil && res.MatchedCount == 0 && (kept.Attempt != j.Attempt || kept.Version != j.Version) {
		err = store.ErrConflict
	}
	if res.MatchedCount == 0 && errors.Is(err, store.ErrNotFound) {
		err = store.ErrConflict
	}
	if err != nil {
		return store.Job{}, s.fail("saving a job", err)
	}
	return kept, nil
}

// CancelJob implements [store.Jobs]. What waits is made due last: a worker that sets
// it back in between has seen, or is given, the mark.
func (s *Store) CancelJob(ctx context.Context, ns chat.NS, id chat.JobID) (store.Job, error) {
	h, err := s.hello(ctx)
	if err != nil {
		return store.Job{}, err
	}
	_, err = s.jobs.UpdateOne(ctx, append(byID(jobID(ns, id)), liveJobs),
		bson.D{{Key: "$set", Value: bson.D{{Key: "x", Value: true}}}})
	if err == nil {
		_, err = s.jobs.UpdateOne(ctx, append(byID(jobID(ns, id)), bson.E{Key: "st", Value: int32(store.JobNew)}),
			bson.D{{Key: "$min", Value: bson.D{{Key: "due", Value: h.LocalTime}}}})
	}
	var kept store.Job
	if err == nil {
		kept, err = s.jobByID(ctx, ns, id)
	}
	if err != nil {
		return store.Job{}, s.fail("cancelling a job", err)
	}
	return kept, nil
}

// ResolveJob implements [store.Jobs]: the update finds the job only as it was read.
func (s *Store) ResolveJob(ctx context.Context, ns chat.NS, id chat.JobID, attempt int64, to store.JobState) (store.Job, error) {
	h, err := s.hello(ctx)
	if err != nil {
		return store.Job{}, err
	}
	j, err := s.jobByID(ctx, ns, id)
	if err != nil {
		return store.Job{}, s.fail("resolving a job", err)
	}
	was := j
	if !j.Resolve(attempt, to, h.LocalTime.UTC()) {
		return j, nil
	}
	change := bson.D{{Key: "$set", Value: bson.D{
		{Key: "st", Value: int32(j.State)}, {Key: "due", Value: j.Due}, {Key: "a", Value: j.Attempt}, {Key: "v", Value: j.Version},
		{Key: "n", Value: int32(j.Tries)}, {Key: "x", Value: j.Cancel},
	}}}
	if j.State == store.JobDone {
		change = append(change, bson.E{Key: "$unset", Value: bson.D{{Key: "p", Value: ""}}})
	}
	asRead := append(byID(jobID(ns, id)), bson.E{Key: "a", Value: was.Attempt}, bson.E{Key: "v", Value: was.Version}, bson.E{Key: "x", Value: was.Cancel})
	res, err := s.jobs.UpdateOne(ctx, asRead, change)
	if err == nil && res.MatchedCount == 0 { // somebody was faster: it is as they left it
		j, err = s.jobByID(ctx, ns, id)
	}
	if err != nil {
		return store.Job{}, s.fail("resolving a job", err)
	}
	return j, nil
}

// CountJobs implements [store.Jobs], by the index alone.
func (s *Store) CountJobs(ctx context.Context, kinds []store.JobKind, most int) ([]store.JobCount, error) {
	h, err := s.hello(ctx)
	if err != nil {
		return nil, err
	}
	inIndex := bson.D{{Key: "_id", Value: 0}, {Key: "k", Value: 1}, {Key: "st", Value: 1}, {Key: "due", Value: 1}}
	var out []store.JobCount
	for _, kind := range kinds {
		for _, state := range []store.JobState{store.JobNew, store.JobLeased, store.JobDead} {
			list, err := s.findJobs(ctx, bson.D{{Key: "k", Value: string(kind)}, {Key: "st", Value: int32(state)}},
				options.Find().SetProjection(inIndex).SetSort(ascending("due")).SetLimit(int64(most)))
			if err != nil {
				return nil, s.fail("counting jobs", err)
			}
			c := store.JobCount{Kind: kind, State: state}
			for i := range list {
				c.Add(&list[i], h.LocalTime)
			}
			if c.Jobs > 0 {
				out = append(out, c)
			}
		}
	}
	return out, nil
}

// ForgetJobs implements [store.Jobs].
func (s *Store) ForgetJobs(ctx context.Context, kinds []store.JobKind, age time.Duration, limit int) (int, error) {
	h, err := s.hello(ctx)
	if err != nil {
		return 0, err
	}
	old := bson.D{anyKind(kinds), endedJobs, {Key: "due", Value: bson.D{{Key: "$lt", Value: h.LocalTime.Add(-age)}}}}
	found, err := s.findJobs(ctx, old, options.Find().SetProjection(noPayload).SetLimit(int64(limit)))
	if err != nil {
		return 0, s.fail("finding old jobs", err)
	}
	if len(found) == 0 {
		return 0, nil
	}
	ids := make([]string, len(found))
	for i, j := range found {
		ids[i] = jobID(j.NS, j.ID)
	}
	var res *mongo.DeleteResult
	if res, err = s.jobs.DeleteMany(ctx, append(anyOf(ids), endedJobs)); err != nil {
		return 0, s.fail("forgetting jobs", err)
	}
	return int(res.DeletedCount), nil
}

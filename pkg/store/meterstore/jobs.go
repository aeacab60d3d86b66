package meterstore

import (
	"context"
	"time"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store"
)

// CreateJob implements store.Store.
func (m *Store) CreateJob(ctx context.Context, j store.Job) (store.Job, error) {
	begun := time.Now()
	v, err := m.Store.CreateJob(ctx, j)
	m.done(ctx, opCreateJob, begun, err)
	return v, err
}

// Jobs implements store.Store.
func (m *Store) Jobs(ctx context.Context, q store.JobQuery) ([]store.Job, error) {
	begun := time.Now()
	v, err := m.Store.Jobs(ctx, q)
	m.done(ctx, opJobs, begun, err)
	return v, err
}

// ClaimJobs implements store.Store.
func (m *Store) ClaimJobs(ctx context.Context, c store.Claim) ([]store.Job, error) {
	begun := time.Now()
	v, err := m.Store.ClaimJobs(ctx, c)
	m.done(ctx, opClaimJobs, begun, err)
	return v, err
}

// SaveJob implements store.Store.
func (m *Store) SaveJob(ctx context.Context, j store.Job, wait time.Duration) (store.Job, error) {
	begun := time.Now()
	v, err := m.Store.SaveJob(ctx, j, wait)
	m.done(ctx, opSaveJob, begun, err)
	return v, err
}

// CancelJob implements store.Store.
func (m *Store) CancelJob(ctx context.Context, ns chat.NS, id chat.JobID) (store.Job, error) {
	begun := time.Now()
	v, err := m.Store.CancelJob(ctx, ns, id)
	m.done(ctx, opCancelJob, begun, err)
	return v, err
}

// ResolveJob implements store.Store.
func (m *Store) ResolveJob(ctx context.Context, ns chat.NS, id chat.JobID, attempt int64, to store.JobState) (store.Job, error) {
	begun := time.Now()
	v, err := m.Store.ResolveJob(ctx, ns, id, attempt, to)
	m.done(ctx, opResolveJob, begun, err)
	return v, err
}

// CountJobs implements store.Store.
func (m *Store) CountJobs(ctx context.Context, kinds []store.JobKind, most int) ([]store.JobCount, error) {
	begun := time.Now()
	v, err := m.Store.CountJobs(ctx, kinds, most)
	m.done(ctx, opCountJobs, begun, err)
	return v, err
}

// ForgetJobs implements store.Store.
func (m *Store) ForgetJobs(ctx context.Context, kinds []store.JobKind, age time.Duration, limit int) (int, error) {
	begun := time.Now()
	v, err := m.Store.ForgetJobs(ctx, kinds, age, limit)
	m.done(ctx, opForgetJobs, begun, err)
	return v, err
}

// PutRevocation implements store.Store.
func (m *Store) PutRevocation(ctx context.Context, r store.Revocation) (store.Revocation, error) {
	begun := time.Now()
	v, err := m.Store.PutRevocation(ctx, r)
	m.done(ctx, opPutRevocation, begun, err)
	return v, err
}

// Revocations implements store.Store.
func (m *Store) Revocations(ctx context.Context, since time.Time) ([]store.Revocation, error) {
	begun := time.Now()
	v, err := m.Store.Revocations(ctx, since)
	m.done(ctx, opRevocations, begun, err)
	return v, err
}

// DropRevocations implements store.Store.
func (m *Store) DropRevocations(ctx context.Context, ended time.Time) error {
	begun := time.Now()
	err := m.Store.DropRevocations(ctx, ended)
	m.done(ctx, opDropRevocations, begun, err)
	return err
}

package meterstore

import (
	"context"
	"time"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store"
)

// The methods are alike: the call, its time, its error.

// CreateAttachment implements store.Store.
func (m *Store) CreateAttachment(ctx context.Context, a store.Attachment) error {
	begun := time.Now()
	err := m.Store.CreateAttachment(ctx, a)
	m.done(ctx, opCreateAttachment, begun, err)
	return err
}

// UpdateAttachment implements store.Store.
func (m *Store) UpdateAttachment(ctx context.Context, a store.Attachment) error {
	begun := time.Now()
	err := m.Store.UpdateAttachment(ctx, a)
	m.done(ctx, opUpdateAttachment, begun, err)
	return err
}

// DeleteAttachment implements store.Store.
func (m *Store) DeleteAttachment(ctx context.Context, ns chat.NS, id chat.AttachmentID, version int64) error {
	begun := time.Now()
	err := m.Store.DeleteAttachment(ctx, ns, id, version)
	m.done(ctx, opDeleteAttachment, begun, err)
	return err
}

// AttachmentsByID implements store.Store.
func (m *Store) AttachmentsByID(ctx context.Context, ns chat.NS, ids []chat.AttachmentID) ([]store.Attachment, error) {
	begun := time.Now()
	v, err := m.Store.AttachmentsByID(ctx, ns, ids)
	m.done(ctx, opAttachmentsByID, begun, err)
	return v, err
}

// AttachmentsByUse implements store.Store.
func (m *Store) AttachmentsByUse(ctx context.Context, key chat.Key, owner chat.User, use store.Use, limit int) ([]store.Attachment, error) {
	begun := time.Now()
	v, err := m.Store.AttachmentsByUse(ctx, key, owner, use, limit)
	m.done(ctx, opAttachmentsByUse, begun, err)
	return v, err
}

// DueAttachments implements store.Store.
func (m *Store) DueAttachments(ctx context.Context, before time.Time, limit int) ([]store.Attachment, error) {
	begun := time.Now()
	v, err := m.Store.DueAttachments(ctx, before, limit)
	m.done(ctx, opDueAttachments, begun, err)
	return v, err
}

// PutBlock implements store.Store.
func (m *Store) PutBlock(ctx context.Context, ns chat.NS, b chat.Block) (chat.Block, error) {
	begun := time.Now()
	v, err := m.Store.PutBlock(ctx, ns, b)
	m.done(ctx, opPutBlock, begun, err)
	return v, err
}

// Blocks implements store.Store.
func (m *Store) Blocks(ctx context.Context, ns chat.NS, user, after chat.User, limit int) ([]chat.Block, error) {
	begun := time.Now()
	v, err := m.Store.Blocks(ctx, ns, user, after, limit)
	m.done(ctx, opBlocks, begun, err)
	return v, err
}

// BlocksAmong implements store.Store.
func (m *Store) BlocksAmong(ctx context.Context, pairs []store.Pair) (map[store.Pair]chat.Block, error) {
	begun := time.Now()
	v, err := m.Store.BlocksAmong(ctx, pairs)
	m.done(ctx, opBlocksAmong, begun, err)
	return v, err
}

// Create implements store.Store.
func (m *Store) Create(ctx context.Context, c chat.Conversation, members []chat.Member) error {
	begun := time.Now()
	err := m.Store.Create(ctx, c, members)
	m.done(ctx, opCreate, begun, err)
	return err
}

// ConversationsByKey implements store.Store.
func (m *Store) ConversationsByKey(ctx context.Context, keys []chat.Key) ([]chat.Conversation, error) {
	begun := time.Now()
	v, err := m.Store.ConversationsByKey(ctx, keys)
	m.done(ctx, opConversationsByKey, begun, err)
	return v, err
}

// Members implements store.Store.
func (m *Store) Members(ctx context.Context, key chat.Key, after chat.User, limit int) ([]chat.Member, error) {
	begun := time.Now()
	v, err := m.Store.Members(ctx, key, after, limit)
	m.done(ctx, opMembers, begun, err)
	return v, err
}

// MembersByUser implements store.Store.
func (m *Store) MembersByUser(ctx context.Context, key chat.Key, users []chat.User) ([]chat.Member, error) {
	begun := time.Now()
	v, err := m.Store.MembersByUser(ctx, key, users)
	m.done(ctx, opMembersByUser, begun, err)
	return v, err
}

// Memberships implements store.Store.
func (m *Store) Memberships(ctx context.Context, ns chat.NS, user chat.User, after chat.ConvID, limit int) ([]chat.Member, error) {
	begun := time.Now()
	v, err := m.Store.Memberships(ctx, ns, user, after, limit)
	m.done(ctx, opMemberships, begun, err)
	return v, err
}

// Advance implements store.Store.
func (m *Store) Advance(ctx context.Context, moves []store.Move) ([]chat.Member, error) {
	begun := time.Now()
	v, err := m.Store.Advance(ctx, moves)
	m.done(ctx, opAdvance, begun, err)
	return v, err
}

// Devices implements store.Store.
func (m *Store) Devices(ctx context.Context, ns chat.NS, user chat.User) ([]store.DeviceInfo, error) {
	begun := time.Now()
	v, err := m.Store.Devices(ctx, ns, user)
	m.done(ctx, opDevices, begun, err)
	return v, err
}

// TouchDevice implements store.Store.
func (m *Store) TouchDevice(ctx context.Context, ns chat.NS, user chat.User, d store.DeviceInfo) error {
	begun := time.Now()
	err := m.Store.TouchDevice(ctx, ns, user, d)
	m.done(ctx, opTouchDevice, begun, err)
	return err
}

// DropDevice implements store.Store.
func (m *Store) DropDevice(ctx context.Context, ns chat.NS, user chat.User, device chat.Device) error {
	begun := time.Now()
	err := m.Store.DropDevice(ctx, ns, user, device)
	m.done(ctx, opDropDevice, begun, err)
	return err
}

// ReadJournal implements store.Store.
func (m *Store) ReadJournal(ctx context.Context, pod string, after uint64, limit int) ([]store.JournalDoc, error) {
	begun := time.Now()
	v, err := m.Store.ReadJournal(ctx, pod, after, limit)
	m.done(ctx, opReadJournal, begun, err)
	return v, err
}

// TrimJournal implements store.Store.
func (m *Store) TrimJournal(ctx context.Context, pod string, before uint64) error {
	begun := time.Now()
	err := m.Store.TrimJournal(ctx, pod, before)
	m.done(ctx, opTrimJournal, begun, err)
	return err
}

// Finish implements store.Store.
func (m *Store) Finish(ctx context.Context, b store.Batch) error {
	begun := time.Now()
	err := m.Store.Finish(ctx, b)
	m.done(ctx, opFinish, begun, err)
	return err
}

// Entries implements store.Store.
func (m *Store) Entries(ctx context.Context, key chat.Key, r store.Range) ([]chat.Entry, error) {
	begun := time.Now()
	v, err := m.Store.Entries(ctx, key, r)
	m.done(ctx, opEntries, begun, err)
	return v, err
}

// Lookup implements store.Store.
func (m *Store) Lookup(ctx context.Context, key chat.Key, from chat.User, cmid chat.CMID) (chat.Entry, error) {
	begun := time.Now()
	v, err := m.Store.Lookup(ctx, key, from, cmid)
	m.done(ctx, opLookup, begun, err)
	return v, err
}

// LookupLinearizable implements store.Store.
func (m *Store) LookupLinearizable(ctx context.Context, key chat.Key, from chat.User, cmid chat.CMID) (chat.Entry, error) {
	begun := time.Now()
	v, err := m.Store.LookupLinearizable(ctx, key, from, cmid)
	m.done(ctx, opLookupLinearizable, begun, err)
	return v, err
}

// Folds implements store.Store.
func (m *Store) Folds(ctx context.Context, key chat.Key, seqs []chat.Seq) (map[chat.Seq]store.Fold, error) {
	begun := time.Now()
	v, err := m.Store.Folds(ctx, key, seqs)
	m.done(ctx, opFolds, begun, err)
	return v, err
}

// Meta implements store.Store.
func (m *Store) Meta(ctx context.Context) (store.MetaInfo, error) {
	begun := time.Now()
	v, err := m.Store.Meta(ctx)
	m.done(ctx, opMeta, begun, err)
	return v, err
}

// NewEpoch implements store.Store.
func (m *Store) NewEpoch(ctx context.Context) (store.MetaInfo, error) {
	begun := time.Now()
	v, err := m.Store.NewEpoch(ctx)
	m.done(ctx, opNewEpoch, begun, err)
	return v, err
}

// Ping implements store.Store.
func (m *Store) Ping(ctx context.Context) error {
	begun := time.Now()
	err := m.Store.Ping(ctx)
	m.done(ctx, opPing, begun, err)
	return err
}

// Register implements store.Store.
func (m *Store) Register(ctx context.Context, p store.Pod, lease time.Duration) error {
	begun := time.Now()
	err := m.Store.Register(ctx, p, lease)
	m.done(ctx, opRegister, begun, err)
	return err
}

// Pods implements store.Store.
func (m *Store) Pods(ctx context.Context) ([]store.Pod, time.Time, error) {
	begun := time.Now()
	v, at, err := m.Store.Pods(ctx)
	m.done(ctx, opPods, begun, err)
	return v, at, err
}

// Forget implements store.Store.
func (m *Store) Forget(ctx context.Context, id string) error {
	begun := time.Now()
	err := m.Store.Forget(ctx, id)
	m.done(ctx, opForget, begun, err)
	return err
}

// SetKeep implements store.Store.
func (m *Store) SetKeep(ctx context.Context, key chat.Key, keep chat.Keep) (chat.Keep, error) {
	begun := time.Now()
	v, err := m.Store.SetKeep(ctx, key, keep)
	m.done(ctx, opSetKeep, begun, err)
	return v, err
}

// RaiseFloor implements store.Store.
func (m *Store) RaiseFloor(ctx context.Context, key chat.Key, floor chat.Seq, under *chat.Keep) (chat.Seq, error) {
	begun := time.Now()
	v, err := m.Store.RaiseFloor(ctx, key, floor, under)
	m.done(ctx, opRaiseFloor, begun, err)
	return v, err
}

// Blank implements store.Store.
func (m *Store) Blank(ctx context.Context, key chat.Key, messages []chat.Seq) error {
	begun := time.Now()
	err := m.Store.Blank(ctx, key, messages)
	m.done(ctx, opBlank, begun, err)
	return err
}

// Configure implements store.Store.
func (m *Store) Configure(ctx context.Context, key chat.Key, user chat.User, s chat.Settings) (chat.Member, error) {
	begun := time.Now()
	v, err := m.Store.Configure(ctx, key, user, s)
	m.done(ctx, opConfigure, begun, err)
	return v, err
}

// PutProfile implements store.Store.
func (m *Store) PutProfile(ctx context.Context, ns chat.NS, user chat.User, p chat.Profile) (chat.Profile, error) {
	begun := time.Now()
	v, err := m.Store.PutProfile(ctx, ns, user, p)
	m.done(ctx, opPutProfile, begun, err)
	return v, err
}

// Profiles implements store.Store.
func (m *Store) Profiles(ctx context.Context, ns chat.NS, users []chat.User) (map[chat.User]chat.Profile, error) {
	begun := time.Now()
	v, err := m.Store.Profiles(ctx, ns, users)
	m.done(ctx, opProfiles, begun, err)
	return v, err
}

// EntriesBy implements store.Store.
func (m *Store) EntriesBy(ctx context.Context, key chat.Key, from chat.User, limit int) ([]chat.Entry, bool, error) {
	begun := time.Now()
	v, all, err := m.Store.EntriesBy(ctx, key, from, limit)
	m.done(ctx, opEntriesBy, begun, err)
	return v, all, err
}

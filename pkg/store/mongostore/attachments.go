package mongostore

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store"
)

// attachmentDoc is a document of the collection attachments.
type attachmentDoc struct {
	ID      string    `bson:"_id"`
	Conv    string    `bson:"c"`
	Owner   string    `bson:"f"`
	Object  string    `bson:"o"`
	State   int32     `bson:"st"`
	Created time.Time `bson:"t"`
	Name    string    `bson:"name"`
	Type    string    `bson:"type"`
	Size    int64     `bson:"size"`
	File    string    `bson:"file"`
	Serve   string    `bson:"serve"`
	W       int32     `bson:"w"`
	H       int32     `bson:"h"`
	Thumb   string    `bson:"thumb"`
	Uses    []string  `bson:"uses"` // see useKeys
	Due     time.Time `bson:"due"`
	Version int64     `bson:"v"`
}

func attachmentID(ns chat.NS, id chat.AttachmentID) string { return string(ns) + "/" + string(id) }

// cmidUse and targetUse are the keys under which the uses of an attachment are
// found. A cmid has neither "#" nor a slash.
func cmidUse(k chat.Key, owner chat.User, cmid chat.CMID) string {
	return memberID(k, owner) + "/" + string(cmid)
}

func targetUse(k chat.Key, owner chat.User, target chat.Seq) string {
	return memberID(k, owner) + "#" + strconv.FormatInt(int64(target), 10)
}

// useKeys writes each use as one key, and an edit's as two that follow on one
// another.
func useKeys(a *store.Attachment) []string {
	keys := make([]string, 0, 2*len(a.Uses))
	for _, u := range a.Uses {
		keys = append(keys, cmidUse(a.Key, a.Owner, u.CMID))
		if u.Target != 0 {
			keys = append(keys, targetUse(a.Key, a.Owner, u.Target))
		}
	}
	return keys
}

func usesOf(keys []string, prefix string) ([]store.Use, error) {
	var uses []store.Use
	for _, k := range keys {
		if cmid, ok := strings.CutPrefix(k, prefix+"/"); ok {
			uses = append(uses, store.Use{CMID: chat.CMID(cmid)})
			continue
		}
		target, ok := strings.CutPrefix(k, prefix+"#")
		n, err := strconv.ParseInt(target, 10, 64)
		if !ok || err != nil || len(uses) == 0 {
			return nil, fmt.Errorf("the use %q of an attachment cannot be read", k)
		}
		uses[len(uses)-1].Target = chat.Seq(n)
	}
	return uses, nil
}

func attachmentOf(a *store.Attachment) *attachmentDoc {
	return &attachmentDoc{
		ID: attachmentID(a.NS, a.ID), Conv: string(a.Conv), Owner: string(a.Owner), Object: a.Object, State: int32(a.State),
		Created: a.Created, Name: a.Name, Type: a.Type, Size: a.Size, File: a.File, Serve: a.Serve, W: int32(a.W), H: int32(a.H),
		Thumb: a.Thumb, Uses: useKeys(a), Due: a.Due, Version: a.Version,
	}
}

func (d *attachmentDoc) attachment() (store.Attachment, error) {
	ns, id, _ := strings.Cut(d.ID, "/")
	a := store.Attachment{
		Key: chat.Key{NS: chat.NS(ns), Conv: chat.ConvID(d.Conv)}, ID: chat.AttachmentID(id), Owner: chat.User(d.Owner),
		Object: d.Object, State: store.AttachmentState(d.State), Created: d.Created.UTC(), Name: d.Name, Type: d.Type,
		Size: d.Size, File: d.File, Serve: d.Serve, W: int(d.W), H: int(d.H), Thumb: d.Thumb, Due: d.Due.UTC(), Version: d.Version,
	}
	var err error
	a.Uses, err = usesOf(d.Uses, memberID(a.Key, a.Owner))
	return a, err
}

// CreateAttachment implements [store.Attachments].
func (s *Store) CreateAttachment(ctx context.Context, a store.Attachment) error {
	if _, err := insertMissing(ctx, s.attachments, []*attachmentDoc{attachmentOf(&a)}); err != nil {
		return s.fail("creating an attachment", err)
	}
	return nil
}

func byVersion(ns chat.NS, id chat.AttachmentID, version int64) bson.D {
	return append(byID(attachmentID(ns, id)), bson.E{Key: "v", Value: version})
}

// UpdateAttachment implements [store.Attachments].
func (s *Store) UpdateAttachment(ctx context.Context, a store.Attachment) error {
	d := attachmentOf(&a)
	res, err := s.attachments.UpdateOne(ctx, byVersion(a.NS, a.ID, a.Version), bson.D{{Key: "$set", Value: bson.D{
		{Key: "st", Value: d.State}, {Key: "name", Value: d.Name}, {Key: "type", Value: d.Type}, {Key: "size", Value: d.Size},
		{Key: "file", Value: d.File}, {Key: "serve", Value: d.Serve}, {Key: "w", Value: d.W}, {Key: "h", Value: d.H}, {Key: "thumb", Value: d.Thumb},
		{Key: "uses", Value: d.Uses}, {Key: "due", Value: d.Due}, {Key: "v", Value: d.Version + 1},
	}}})
	if err != nil {
		return s.fail("changing an attachment", err)
	}
	if res.MatchedCount == 0 {
		return s.fail("changing an attachment", store.ErrConflict)
	}
	return nil
}

// DeleteAttachment implements [store.Attachments].
func (s *Store) DeleteAttachment(ctx context.Context, ns chat.NS, id chat.AttachmentID, version int64) error {
	res, err := s.attachments.DeleteOne(ctx, byVersion(ns, id, version))
	if err != nil {
		return s.fail("deleting an attachment", err)
	}
	if res.DeletedCount > 0 {
		return nil
	}
	left, err := s.AttachmentsByID(ctx, ns, []chat.AttachmentID{id})
	if err == nil && len(left) > 0 && left[0].Version != version {
		err = s.fail("deleting an attachment", store.ErrConflict)
	}
	return err
}

// AttachmentsByID implements [store.Attachments].
func (s *Store) AttachmentsByID(ctx context.Context, ns chat.NS, ids []chat.AttachmentID) ([]store.Attachment, error) {
	keys := make([]string, len(ids))
	for i, id := range ids {
		keys[i] = attachmentID(ns, id)
	}
	return s.findAttachments(ctx, anyOf(keys), options.Find())
}

// AttachmentsByUse implements [store.Attachments].
func (s *Store) AttachmentsByUse(ctx context.Context, key chat.Key, owner chat.User, use store.Use, limit int) ([]store.Attachment, error) {
	keys := []string{cmidUse(key, owner, use.CMID)}
	if use.Target != 0 {
		keys = append(keys, targetUse(key, owner, use.Target))
	}
	return s.findAttachments(ctx, bson.D{{Key: "uses", Value: bson.D{{Key: "$in", Value: keys}}}}, options.Find().SetLimit(int64(limit)))
}

// DueAttachments implements [store.Attachments].
func (s *Store) DueAttachments(ctx context.Context, before time.Time, limit int) ([]store.Attachment, error) {
	return s.findAttachments(ctx, bson.D{{Key: "due", Value: bson.D{{Key: "$lt", Value: before}}}},
		options.Find().SetSort(ascending("due")).SetLimit(int64(limit)))
}

func (s *Store) findAttachments(ctx context.Context, filter bson.D, o *options.FindOptionsBuilder) ([]store.Attachment, error) {
	docs, err := find[attachmentDoc](ctx, s.attachments, filter, o)
	if err != nil {
		return nil, s.fail("reading attachments", err)
	}
	list := make([]store.Attachment, len(docs))
	for i := range docs {
		if list[i], err = docs[i].attachment(); err != nil {
			return nil, s.fail("reading attachments", err)
		}
	}
	return list, nil
}

package pebblestore

import (
	"encoding/binary"
	"errors"
	"strings"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store"
)

// The tables. A key is a table, then names that each end in a zero byte, then
// what orders the rows: a big-endian number or a last name. A zero byte sorts
// before every byte of a name, so rows are in order of names.
//
//	e ns conv seq                  entry
//	h ns conv seq                  page of hashes of cmids, up to seq
//	k ns conv from cmid            seq of the entry, where no page has it
//	c ns conv                      conversation, but for what its log says
//	m ns conv user                 member
//	u ns user conv                 nothing: the member is in m
//	f ns conv target 'e' seq       nothing: seq is an edit of target
//	f ns conv target 'r'           recall of target
//	f ns conv target 'x' emoji user  version of a reaction to target
//	d ns user device               when the device was seen
//	b ns user peer                 block
//	o ns user                      profile
//	v ns kind name                 revocation
//	A ns id                        attachment
//	D due ns id                    nothing: the attachment is in A, and due then
//	R ns conv owner use id         nothing: the attachment in A has the use
//	J ns id                        job, but for its payload
//	P ns id                        payload of a job
//	W kind ended due ns id         nothing: the job is in J, and due then
//	j pod number                   document of a journal
//	p pod                          registration
//	s …                            search index, see search.go
//	! name                         format and identity of the data
const (
	tableEntry        = 'e'
	tablePage         = 'h'
	tableCMID         = 'k'
	tableConversation = 'c'
	tableMember       = 'm'
	tableMembership   = 'u'
	tableFold         = 'f'
	tableDevice       = 'd'
	tableBlock        = 'b'
	tableProfile      = 'o'
	tableRevocation   = 'v'
	tableAttachment   = 'A'
	tableDue          = 'D'
	tableUse          = 'R'
	tableJob          = 'J'
	tablePayload      = 'P'
	tableJobDue       = 'W'
	tableJournal      = 'j'
	tablePod          = 'p'
	tableSelf         = '!'

	foldEdit     = 'e'
	foldRecall   = 'r'
	foldReaction = 'x'
)

// errName refuses what would break the order of keys. The ids of the protocol
// cannot contain it.
var errName = errors.New("a name contains a zero byte")

// checkNames must be asked about every name that a caller gives before a key is
// made of it for a write.
func checkNames(names ...string) error {
	for _, n := range names {
		if strings.IndexByte(n, 0) >= 0 {
			return errName
		}
	}
	return nil
}

// row appends the key that a table and names make, each name with its end.
func row(dst []byte, table byte, names ...string) []byte {
	dst = append(dst, table)
	for _, n := range names {
		dst = append(dst, n...)
		dst = append(dst, 0)
	}
	return dst
}

func inConv(table byte, key chat.Key, names ...string) []byte {
	k := make([]byte, 0, 96)
	k = row(k, table, string(key.NS), string(key.Conv))
	for _, n := range names {
		k = append(k, n...)
		k = append(k, 0)
	}
	return k
}

func number(k []byte, n uint64) []byte { return binary.BigEndian.AppendUint64(k, n) }

func entryKey(key chat.Key, seq chat.Seq) []byte { return number(inConv(tableEntry, key), uint64(seq)) }

func cmidKey(key chat.Key, from chat.User, cmid chat.CMID) []byte {
	return append(inConv(tableCMID, key, string(from)), cmid...)
}

// pagesKey is the beginning of the pages of a log.
func pagesKey(key chat.Key) []byte { return inConv(tablePage, key) }

func conversationKey(key chat.Key) []byte { return inConv(tableConversation, key) }

func memberKey(key chat.Key, u chat.User) []byte { return inConv(tableMember, key, string(u)) }

func membershipKey(ns chat.NS, u chat.User, conv chat.ConvID) []byte {
	return row(nil, tableMembership, string(ns), string(u), string(conv))
}

// foldsKey is the beginning of what happened to one message.
func foldsKey(key chat.Key, target chat.Seq) []byte {
	return number(inConv(tableFold, key), uint64(target))
}

// editsKey is the beginning of the edits of one message.
func editsKey(key chat.Key, target chat.Seq) []byte { return append(foldsKey(key, target), foldEdit) }

func editKey(key chat.Key, target, seq chat.Seq) []byte {
	return number(editsKey(key, target), uint64(seq))
}

func recallKey(key chat.Key, target chat.Seq) []byte {
	return append(foldsKey(key, target), foldRecall)
}

func reactionKey(key chat.Key, target chat.Seq, r store.Reaction) []byte {
	k := append(foldsKey(key, target), foldReaction)
	k = append(k, r.Emoji...)
	k = append(k, 0)
	return append(k, r.User...)
}

func deviceKey(ns chat.NS, u chat.User, d chat.Device) []byte {
	return append(row(nil, tableDevice, string(ns), string(u)), d...)
}

func journalKey(pod string, n uint64) []byte { return number(row(nil, tableJournal, pod), n) }

func podKey(id string) []byte { return row(nil, tablePod, id) }

func selfKey(name string) []byte { return row(nil, tableSelf, name) }

// after is the first key behind all that begin with prefix. A prefix begins with
// a table's letter, so there is one.
func after(prefix []byte) []byte {
	end := append([]byte(nil), prefix...)
	for i := len(end) - 1; i >= 0; i-- {
		end[i]++
		if end[i] != 0 {
			return end[:i+1]
		}
	}
	return nil
}

// rest is the last name of a key that begins with prefix.
func rest(k, prefix []byte) string {
	return strings.TrimSuffix(string(k[len(prefix):]), "\x00")
}

package transcript

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/parley-chat/parley/services/parley/internal/generated"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const document = "../../../../docs/transcripts.md"

// sections is the document, in order. A new feature adds one.
var sections = []section{
	{"Messages, repeats, resuming", "", playMessages},
	{"Edits, recalls, reactions, mentions", "", playChanges},
	{"Groups", "", playGroups},
	{"Blocks", "", playBlocks},
	{"Settings of a conversation", "", playSettings},
	{"Receipts and unread", "", playReceipts},
	{"Unread, explained", "", playUnread},
	{"Seen by, and hidden read positions", "", playSeen},
	{"Typing and presence", "", playSignals},
	{"History", "", playHistory},
	{"Search", "", playSearch},
	{"Attachments", "", playFiles},
	{"Devices", "", playDevices},
	{"Server to server", "", playServices},
	{"Where is my message", "", playTrace},
	{"Export of a user's data", "", playExport},
	{"Retention", "", playRetention},
	{"Contracts", "", playContracts},
}

// TestTranscripts plays all sections. With PARLEY_WRITE_TRANSCRIPTS set (make
// transcripts) it writes them down; else the document must have them as they are.
func TestTranscripts(t *testing.T) {
	var doc strings.Builder
	for _, sec := range sections {
		t.Run(sec.title, func(t *testing.T) {
			s := newStage(t)
			sec.play(s)
			fmt.Fprintf(&doc, "## %s\n\n", sec.title)
			if sec.text != "" {
				fmt.Fprintf(&doc, "%s\n\n", sec.text)
			}
			fmt.Fprintf(&doc, "```\n%s\n```\n\n", s.text())
		})
	}
	if t.Failed() {
		return
	}
	if os.Getenv("PARLEY_WRITE_TRANSCRIPTS") != "" {
		if err := generated.ReplaceFile(document, "make transcripts", doc.String()); err != nil {
			t.Fatal(err)
		}
		return
	}
	have, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(strings.TrimSpace(doc.String()), "\n") {
		if !strings.Contains(string(have), line+"\n") {
			t.Errorf("docs/transcripts.md is out of date: run make transcripts. Now: %s", line)
		}
	}
}

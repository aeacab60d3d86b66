package chat

// AttachmentID names an uploaded file inside its tenant.
type AttachmentID string

// NewAttachmentID is the id of the file that owner announces for a conversation
// with cmid. It follows from them, so that a repeated request finds the file of
// the first one; it cannot be guessed, because a cmid has 96 random bits.
func NewAttachmentID(key Key, owner User, cmid CMID) AttachmentID {
	return AttachmentID(hashID("a_", string(key.NS), string(key.Conv), string(owner), string(cmid)))
}

// Valid reports whether id has the form of an attachment's id.
func (id AttachmentID) Valid() bool {
	if len(id) != 2+26 || id[:2] != "a_" {
		return false
	}
	for i := 2; i < len(id); i++ {
		if !('a' <= id[i] && id[i] <= 'z') && !('2' <= id[i] && id[i] <= '7') {
			return false
		}
	}
	return true
}

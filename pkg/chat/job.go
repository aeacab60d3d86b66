package chat

// JobID names a job inside its tenant.
type JobID string

// NewJobID is the id of the job of a kind that creator asks for with cmid. It
// follows from them, so that a repeated request finds the job of the first one; it
// cannot be guessed, because a cmid has 96 random bits.
func NewJobID(ns NS, kind string, creator User, cmid CMID) JobID {
	return JobID(hashID("j_", string(ns), kind, string(creator), string(cmid)))
}

// Valid reports whether id has the form of a job's id.
func (id JobID) Valid() bool {
	if len(id) != 2+26 || id[:2] != "j_" {
		return false
	}
	for i := 2; i < len(id); i++ {
		if !('a' <= id[i] && id[i] <= 'z') && !('2' <= id[i] && id[i] <= '7') {
			return false
		}
	}
	return true
}

// CMID is the cmid of the one message that the job sends to a user: whoever does the
// job again, sends it under the same.
func (id JobID) CMID(to User) CMID {
	return CMID(hashID("j_", string(id), string(to)))
}

// Package backup has no code: its test restores an older backup under clients that
// know more than it, and sees that nobody is silently wrong afterwards. The steps for
// operators are those of the test.
package backup

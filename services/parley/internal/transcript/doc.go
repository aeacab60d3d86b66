// Package transcript plays each feature against an in-process `parley up` and writes
// down what goes over the wire: docs/transcripts.md, by `make transcripts`. A test
// plays them all and holds the document against it, so it shows what really happens.
//
// A feature is a [section] in a list; each gets a deployment of its own, so that a new
// one changes nothing of the others. What differs from run to run (times, random ids,
// signatures) is shortened.
package transcript

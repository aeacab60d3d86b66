//go:build !failpoints

// Package failpoint marks the places where a drill lets a gateway die: between two
// steps that no signal from outside could hit. Only a program that was built with
// the tag failpoints can be made to; in every other one a mark is nothing.
package failpoint

// Hit marks a place. Without the build tag failpoints it does nothing.
func Hit(string) {}

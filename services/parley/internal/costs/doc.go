// Package costs measures what each action of a client costs the store: the calls on
// the store port, and the commands that they become on MongoDB, with the indexes and
// documents that these touch. `make costs` writes the tables of docs/costs.md; the
// tests of this package fail where the document is not what is measured, and where a
// bound that operators rely on does not hold.
package costs

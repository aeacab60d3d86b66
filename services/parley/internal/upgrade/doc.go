// Package upgrade has no code: its tests hold what is stored to the files in testdata,
// which earlier versions wrote. During an upgrade two versions work on one database,
// and the next start of an all-in-one binary finds the folder of the last: docs/upgrade.md
// has the rule. What goes over the bus is held in the same way beside its code, in
// services/gateway.
package upgrade

// Package parley is the folder of the all-in-one binary; see cmd/parley.
package parley

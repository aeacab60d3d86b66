// Package manifests holds what is shipped for operators to what the programs are: its
// tests render the Kubernetes overlays, read the Dockerfiles, the compose file, the
// alert rules and the dashboard, and compare them with the binaries. There is nothing
// in it to import.
package manifests

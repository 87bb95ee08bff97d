// Package archtest guards the picture in docs/architecture.md: which package
// may import which, where each outside library has its home, who may touch
// files, print, or read the environment, and a few habits of the house that a
// machine can see.
//
// It is all tests. The tables are in table_test.go: they are the architecture,
// so a change to them is a change to docs/architecture.md too. The rules are in
// rules_test.go and work on packages as parsed, whatever their build tags;
// each is shown to bite in bite_test.go, on small packages written for it.
package archtest

package tally

import "testing"

// Dir is where books lie, for what a test has to keep beside its figures.
func Dir(t testing.TB) string {
	t.Helper()
	return stateDir(t)
}

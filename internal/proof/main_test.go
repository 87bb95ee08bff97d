package proof

import (
	"os"
	"runtime/debug"
	"testing"
)

// Millions of small repositories come and go here: with room to collect them late,
// a state takes a quarter less time.
func TestMain(m *testing.M) {
	debug.SetGCPercent(800)
	os.Exit(m.Run())
}

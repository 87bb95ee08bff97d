package interleave

import (
	"os"
	"runtime/debug"
	"testing"
)

// Tens of thousands of small repositories come and go here: with room to collect them
// late, a schedule takes a third less time.
func TestMain(m *testing.M) {
	debug.SetGCPercent(1600)
	os.Exit(m.Run())
}

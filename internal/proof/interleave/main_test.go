package interleave

import (
	"os"
	"runtime"
	"runtime/debug"
	"testing"
)

// Tens of thousands of small repositories come and go here: with room to collect them
// late, a schedule takes a third less time. One process runs at a time, so that a second
// processor would only be woken up and put to sleep: without it, it is an eighth less again.
func TestMain(m *testing.M) {
	runtime.GOMAXPROCS(1)
	debug.SetGCPercent(1600)
	os.Exit(m.Run())
}

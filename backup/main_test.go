package backup_test

import (
	"flag"
	"os"
	"testing"

	"varve/internal/durable/durabletest"
)

// TestMain tries fewer histories where the race detector looks on, unless -rapid.checks says otherwise.
func TestMain(m *testing.M) {
	if durabletest.Race {
		if err := flag.Set("rapid.checks", "20"); err != nil {
			panic(err)
		}
	}
	flag.Parse()
	os.Exit(m.Run())
}

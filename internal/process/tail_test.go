package process_test

import (
	"bytes"
	"testing"

	"pgregory.net/rapid"

	"varve/internal/process"
)

func TestTheTailIsTheEnd(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var tail process.Tail
		var all []byte
		for range rapid.IntRange(0, 8).Draw(t, "writes") {
			p := bytes.Repeat([]byte{byte(rapid.IntRange('a', 'z').Draw(t, "letter"))}, rapid.IntRange(0, 2*process.MaxTail).Draw(t, "length"))
			if n, err := tail.Write(p); n != len(p) || err != nil {
				t.Fatalf("Write of %d: %d, %v", len(p), n, err)
			}
			all = append(all, p...)
		}
		if want := string(all[max(0, len(all)-process.MaxTail):]); tail.String() != want {
			t.Fatalf("%d bytes kept of %d, or others", len(tail.String()), len(all))
		}
	})
}

package human_test

import (
	"testing"

	"varve/internal/human"
)

func TestSize(t *testing.T) {
	tests := map[int64]string{
		0: "0 bytes", 1: "1 byte", 1023: "1023 bytes", 1024: "1 KiB", 1536: "1.5 KiB", 38 << 20: "38 MiB",
		412<<20 + 5: "412 MiB", 60 << 30: "60 GiB", 16 << 30 * 149 / 160: "14.9 GiB", 1<<40 + 1<<39: "1.5 TiB",
		1<<20 - 1: "1 MiB", 1<<63 - 1: "8 EiB", 10 << 20: "10 MiB", 102 << 29: "51 GiB",
	}
	for n, want := range tests {
		if got := human.Size(n); got != want {
			t.Errorf("human.Size(%d) = %q, want %q", n, got, want)
		}
	}
	if got := human.Part(38<<30, 60<<30); got != "38 of 60 GiB" {
		t.Errorf("Part = %q", got)
	}
}

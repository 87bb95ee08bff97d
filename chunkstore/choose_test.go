package chunkstore

import (
	"math/rand/v2"
	"strings"
	"testing"
)

// TestZstdGivesWayToS2WhereThatIsNearlyAsSmall looks at the codec that frames get.
func TestZstdGivesWayToS2WhereThatIsNearlyAsSmall(t *testing.T) {
	t.Parallel()
	const size = 1 << 20
	r := rand.New(rand.NewPCG(1, 2))
	dense := make([]byte, size) // 7 bits of noise in 8: little for anybody to gain
	for i := range dense {
		dense[i] = byte(r.Uint32() & 0x7f)
	}
	words := strings.Fields("an encoder that counts letters makes prose much smaller than one that only finds repeats")
	var prose strings.Builder
	for prose.Len() < size {
		prose.WriteString(words[r.IntN(len(words))])
		prose.WriteByte(byte('a' + r.IntN(26)))
	}
	text := []byte(prose.String()[:size])
	for name, test := range map[string]struct {
		asked, want Codec
		plain       []byte
	}{
		"dense":            {Zstd, S2, dense},
		"prose":            {Zstd, Zstd, text},
		"too small to try": {Zstd, Zstd, dense[:4<<segmentLog]},
		"lz4 was asked":    {LZ4, LZ4, dense},
		"noise":            {Zstd, Zstd, noise(r, size)},
	} {
		var c coder
		codec, err := c.choose(test.asked, test.plain)
		if err != nil {
			t.Fatal(err)
		}
		frame, err := c.encodeFrame(codec, Chunk, ID{1}, test.plain)
		if err != nil {
			t.Fatal(err)
		}
		head, err := parseFrameHead(frame)
		if err != nil {
			t.Fatal(err)
		}
		if head.codec != test.want {
			t.Errorf("%s: codec %s, want %s", name, head.codec, test.want)
		}
		if err := c.verifyFrame(frame, Chunk, ID{1}, test.plain); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func noise(r *rand.Rand, n int) []byte {
	p := make([]byte, n)
	for i := range p {
		p[i] = byte(r.Uint32())
	}
	return p
}

package backup_test

import (
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"os"
	"testing"

	"pgregory.net/rapid"

	"varve/backup"
	"varve/chunkstore"
	"varve/internal/durable/durabletest"
	"varve/repository"
	"varve/revision"
)

// fillRandom fills p as a disk is filled: some of it incompressible, some of it
// text, some of it zeros.
func fillRandom(p []byte, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 1))
	for off := 0; off < len(p); off += 512 {
		part := p[off:min(off+512, len(p))]
		switch r.IntN(3) {
		case 0:
			for i := range part {
				part[i] = byte(r.Uint32())
			}
		case 1:
			for i := range part {
				part[i] = "the quick brown fox "[i%20]
			}
		default:
			clear(part)
		}
	}
}

// change does one thing to a volume that guests and operators do.
func change(t *rapid.T, data []byte) []byte {
	seed := rapid.Uint64().Draw(t, "seed")
	spot := func() (from, to int) {
		from = rapid.IntRange(0, len(data)-1).Draw(t, "from")
		return from, min(len(data), from+rapid.IntRange(1, 3*chunkSize).Draw(t, "length"))
	}
	kind := rapid.SampledFrom([]string{"write", "write", "byte", "zero", "grow", "shrink", "copy", "nothing"}).Draw(t, "change")
	if len(data) == 0 {
		kind = "grow"
	}
	switch kind {
	case "write":
		from, to := spot()
		fillRandom(data[from:to], seed)
	case "byte":
		data[rapid.IntRange(0, len(data)-1).Draw(t, "at")] ^= 1
	case "zero":
		from, to := spot()
		clear(data[from:to])
	case "copy":
		from, to := spot()
		copy(data[rapid.IntRange(0, len(data)-1).Draw(t, "to"):], data[from:to])
	case "grow":
		more := make([]byte, rapid.IntRange(1, 4*chunkSize).Draw(t, "by"))
		if rapid.Bool().Draw(t, "with data") {
			fillRandom(more, seed)
		}
		data = append(data, more...)
	case "shrink":
		data = data[:rapid.IntRange(0, len(data)).Draw(t, "to")]
	}
	return bytes.Clone(data)
}

// TestEveryNightComesBack backs up random histories, and gives every night of them
// back: restored, streamed, read at random places, verified.
func TestEveryNightComesBack(t *testing.T) {
	t.Parallel()
	base := durabletest.TempDir(t)
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp(base, "")
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := os.RemoveAll(dir); err != nil {
				t.Error(err)
			}
		}()
		p := newPlace(t, dir)
		defer p.close(t)
		nights := map[revision.ID][]byte{}
		data := make([]byte, rapid.IntRange(0, 6*chunkSize).Draw(t, "size"))
		fillRandom(data, 1)
		for range rapid.IntRange(1, 12).Draw(t, "nights") {
			for range rapid.IntRange(0, 3).Draw(t, "changes") {
				data = change(t, data)
			}
			result := p.mustCreate(t, &memSource{data: data, noHoles: rapid.Bool().Draw(t, "no holes")}, backup.CreateOptions{
				Full:    rapid.IntRange(0, 5).Draw(t, "full") == 0,
				ReadAll: rapid.Bool().Draw(t, "read all"),
				Codec:   new(rapid.SampledFrom([]chunkstore.Codec{chunkstore.None, chunkstore.LZ4, chunkstore.Zstd}).Draw(t, "codec")),
				Workers: rapid.IntRange(1, 3).Draw(t, "workers"),
			})
			if len(result.Findings) > 0 {
				t.Fatalf("findings in a history without damage: %+v", result.Findings)
			}
			nights[result.Statement.ID] = bytes.Clone(data)
		}
		for id, want := range nights {
			checkNight(t, p, id, want)
		}
	})
}

func checkNight(t *rapid.T, p *place, id revision.ID, want []byte) {
	t.Helper()
	if got := p.restored(t, "v", id); !bytes.Equal(got, want) {
		t.Fatalf("revision %s: restored bytes differ", id)
	}
	p.image(t, "v", id, func(im *repository.Image) {
		var stream bytes.Buffer
		if err := backup.Stream(context.Background(), im, &stream, backup.StreamOptions{}); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(stream.Bytes(), want) {
			t.Fatalf("revision %s: streamed bytes differ", id)
		}
		off := rapid.IntRange(0, len(want)).Draw(t, "read from")
		buf := make([]byte, rapid.IntRange(0, 2*chunkSize).Draw(t, "read length"))
		n, err := im.ReadAt(buf, int64(off))
		if n < len(buf) && err != io.EOF || !bytes.Equal(buf[:n], want[off:off+n]) || n < min(len(buf), len(want)-off) {
			t.Fatalf("revision %s: ReadAt(%d bytes at %d) = %d, %v, or wrong bytes", id, len(buf), off, n, err)
		}
		if _, err := backup.Verify(context.Background(), im, backup.VerifyOptions{Against: &memSource{data: want}}); err != nil {
			t.Fatalf("revision %s: %v", id, err)
		}
	})
}

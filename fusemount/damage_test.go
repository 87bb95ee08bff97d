package fusemount

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"varve/chunkstore"
	"varve/revision"
)

// stored finds where the base of a chunk lies: its pack, and a byte in the middle of its frame.
func (p *place) stored(name revision.Name, id revision.ID, chunk uint64) (pack string, at int64) {
	p.t.Helper()
	rd, err := p.repo.NewReader(p.t.Context())
	if err != nil {
		p.t.Fatal(err)
	}
	defer closeIt(p.t, rd)
	v, err := p.repo.Volume(name)
	if err != nil {
		p.t.Fatal(err)
	}
	im, err := rd.Image(p.t.Context(), v, id)
	if err != nil {
		p.t.Fatal(err)
	}
	defer closeIt(p.t, im)
	c, found, err := im.Chunk(chunk)
	if err != nil || !found {
		p.t.Fatalf("no chunk %d: %v", chunk, err)
	}
	pack = filepath.Join(p.dir, chunkstore.PackName(c.Stack.Base.Pack))
	data := read(p.t, pack)
	at = int64(bytes.Index(data, c.Stack.Base.ID[:]))
	size, _, err := im.StoredSize(context.Background(), c.Stack)
	if err != nil || at < 0 {
		p.t.Fatalf("where chunk %d lies is not known: %v", chunk, err)
	}
	return pack, at + size/2
}

// turn turns a byte of a file around.
func turn(t testing.TB, path string, at int64) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 1)
	_, err = f.ReadAt(b, at)
	b[0] ^= 0xff
	_, werr := f.WriteAt(b, at)
	if err := errors.Join(err, werr, f.Close()); err != nil {
		t.Fatal(err)
	}
}

// Damage costs the piece in which it lies, and nothing else: all around it is read, in order
// and here and there, what it hits is an error each time, and it is logged once and noted.
func TestDamageIsAnErrorForThatRangeAlone(t *testing.T) {
	p := newPlace(t, mib)
	const size, hurt = 24 * mib, 9
	src := p.source("src", size, 1, extent{0, size})
	id := p.backup("v", src)
	want := read(t, src)
	pack, at := p.stored("v", id, hurt)
	turn(t, pack, at)
	m, dir := p.mount(Options{})
	f, err := os.Open(filepath.Join(dir, "v", string(id)+".img"))
	if err != nil {
		t.Fatal(err)
	}
	defer closeIt(t, f)
	lost := map[int64]bool{}
	for range 2 {
		for off := int64(0); off < size; off += 4 * kib {
			buf := make([]byte, 4*kib)
			n, err := f.ReadAt(buf, off)
			switch {
			case errors.Is(err, syscall.EIO):
				lost[off/pieceSize] = true
			case err != nil && err != io.EOF || n != len(buf):
				t.Fatalf("read at %d: %d bytes, %v", off, n, err)
			case !bytes.Equal(buf, want[off:off+4*kib]):
				t.Fatalf("wrong bytes at %d", off)
			}
		}
	}
	if len(lost) != 1 {
		t.Fatalf("pieces %v are lost, want one", lost)
	}
	for piece := range lost {
		if chunk := piece * pieceSize / mib; chunk != hurt {
			t.Errorf("what is lost lies in chunk %d, what was hurt in %d", chunk, hurt)
		}
	}
	if told := p.log.lines("are lost"); len(told) != 1 {
		t.Errorf("damage was logged as %q, want one line", told)
	}
	noted, err := os.ReadDir(filepath.Join(p.dir, "damage"))
	if err != nil || len(noted) != 1 {
		t.Errorf("damage was noted as %v, %v", noted, err)
	}
	if err := errors.Join(f.Close(), m.Close()); err != nil {
		t.Error(err)
	}
}

// A map that is damaged, and its copy too: the image is there, and cannot be read.
func TestDamagedMaps(t *testing.T) {
	p := newPlace(t, 64*kib)
	src := p.source("src", 40*mib, 1, extent{0, 40 * mib})
	id := p.backup("v", src)
	v, err := p.repo.Volume("v")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{filepath.Join("volumes", "v", string(id)+".rev"), filepath.Join("copies", v.UUID.String(), string(id)+".rev")} {
		turn(t, filepath.Join(p.dir, file), 5000)
	}
	_, dir := p.mount(Options{})
	path := filepath.Join(dir, "v", string(id)+".img")
	if info, err := os.Stat(path); err != nil || blocksOf(info) != 40*mib/512 {
		t.Errorf("an image of which the holes are not known: %v, %v", info, err)
	}
	if _, err := os.ReadFile(path); !errors.Is(err, syscall.EIO) {
		t.Errorf("reading by a damaged map gave %v", err)
	}
}

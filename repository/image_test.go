package repository_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"varve/internal/durable/durabletest"
	"varve/repository"
	"varve/revision"
)

// openImage opens a revision for the rest of the test.
func (p *place) openImage(r *repository.Repository, st *revision.Statement) *repository.Image {
	p.t.Helper()
	rd, err := r.NewReader(p.t.Context())
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { _ = rd.Close() })
	im, err := rd.Image(p.t.Context(), repository.Volume{Name: st.Volume.Name, UUID: st.Volume.UUID}, st.ID)
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { _ = im.Close() })
	return im
}

// Random histories of one volume: writes, zeros, resizes, fulls and deltas. Each
// revision gives back what the volume held then.
func TestImagesGiveBackTheirMoment(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	r := p.open()
	volumes := 0
	rapid.Check(t, func(rt *rapid.T) {
		volumes++
		name := revision.Name(fmt.Sprintf("v%d", volumes))
		const most = 12 * chunkSize
		now := newImage(rapid.Int64Range(0, most).Draw(rt, "size"))
		var images []*image
		var made []*revision.Statement
		for range rapid.IntRange(1, 6).Draw(rt, "revisions") {
			for range rapid.IntRange(0, 4).Draw(rt, "changes") {
				change(rt, now, most)
			}
			opts := storeOptions{full: rapid.Float64().Draw(rt, "full") > 0.9, whole: rapid.Bool().Draw(rt, "whole")}
			st, err := store(t.Context(), r, name, now, opts)
			if err != nil {
				rt.Fatal(err)
			}
			images, made = append(images, now.clone()), append(made, st)
		}
		for i, st := range made {
			im := p.openImage(r, st)
			checkReads(rt, im, images[i])
			checkExtents(rt, im, images[i])
		}
	})
}

// change does to an image what a night does to a volume.
func change(rt *rapid.T, im *image, most int64) {
	switch rapid.IntRange(0, 3).Draw(rt, "kind") {
	case 0: // grow or shrink, by any number of bytes
		im.resize(rapid.Int64Range(0, most).Draw(rt, "size"))
	case 1: // discard whole chunks
		if count := (im.size + chunkSize - 1) / chunkSize; count > 0 {
			first := rapid.Int64Range(0, count-1).Draw(rt, "first")
			for i := first; i < min(count, first+3); i++ {
				delete(im.chunks, uint64(i))
			}
		}
	default: // write
		if im.size == 0 {
			return
		}
		off := rapid.Int64Range(0, im.size-1).Draw(rt, "off")
		n := min(im.size-off, rapid.SampledFrom([]int64{1, 4096, 50_000, 2 * chunkSize}).Draw(rt, "n"))
		im.write(off, bytes.Repeat([]byte{rapid.Byte().Draw(rt, "byte"), 7}, int(n/2+1))[:n])
	}
}

func checkReads(rt *rapid.T, im *repository.Image, want *image) {
	if im.Size() != want.size {
		rt.Fatalf("size is %d, want %d", im.Size(), want.size)
	}
	whole := make([]byte, want.size)
	if n, err := im.ReadAt(whole, 0); n != len(whole) || err != nil && (err != io.EOF || n > 0) {
		rt.Fatalf("reading all gave %d bytes, %v", n, err)
	}
	if !bytes.Equal(whole, want.at(0, want.size)) {
		rt.Fatal("the image differs")
	}
	for range 4 {
		off := rapid.Int64Range(0, want.size+10).Draw(rt, "at")
		buf := make([]byte, rapid.IntRange(0, 3*chunkSize).Draw(rt, "length"))
		n, err := im.ReadAt(buf, off)
		expected := want.at(off, int64(len(buf)))
		if n != len(expected) || !bytes.Equal(buf[:n], expected) {
			rt.Fatalf("reading %d at %d gave %d bytes, want %d, or others", len(buf), off, n, len(expected))
		}
		if short := n < len(buf); short != (err == io.EOF) && off < want.size || err != nil && err != io.EOF {
			rt.Fatalf("reading %d at %d of %d gave %d and %v", len(buf), off, want.size, n, err)
		}
	}
}

func checkExtents(rt *rapid.T, im *repository.Image, want *image) {
	covered := map[uint64]bool{}
	last := int64(-1)
	for e, err := range im.Extents(rtContext(rt)) {
		if err != nil {
			rt.Fatal(err)
		}
		if e.Offset <= last || e.Offset%chunkSize != 0 || e.Length < 1 || e.Offset+e.Length > want.size {
			rt.Fatalf("extent %+v after %d in an image of %d", e, last, want.size)
		}
		last = e.Offset
		covered[uint64(e.Offset/chunkSize)] = true
	}
	for i, chunk := range want.chunks {
		if covered[i] == isZero(chunk) {
			rt.Fatalf("chunk %d: in the extents: %v", i, covered[i])
		}
	}
	rows, err := im.Regions()
	if err != nil {
		rt.Fatal(err)
	}
	if got := revision.ImageDigest(chunkSize, uint64(want.size), rows); got != im.Statement().Digest {
		rt.Fatalf("regions give digest %s, the statement has %s", got, im.Statement().Digest)
	}
}

func TestReadAtRefusesNegativeOffsets(t *testing.T) {
	t.Parallel()
	h := newHistory(t)
	im := h.openImage(h.open(), h.made[0])
	if _, err := im.ReadAt(make([]byte, 1), -1); err == nil || err == io.EOF {
		t.Errorf("ReadAt(-1) = %v", err)
	}
	if _, err := im.ReadAt(make([]byte, 1), im.Size()); err != io.EOF {
		t.Errorf("ReadAt at the end = %v, want EOF", err)
	}
	for range 2 {
		if err := im.Close(); err != nil {
			t.Error(err)
		}
	}
}

// More regions than the cache holds, read by many at once.
func TestRegionsAreForgotten(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	r := p.open()
	const regionSize = revision.RegionChunks * chunkSize
	const regions = repository.MaxRegions + 5
	want := newImage(regions * regionSize)
	for i := range regions {
		want.write(int64(i)*regionSize+int64(i)*100, []byte{byte(i + 1)})
	}
	p.mustStore(r, "db1", want)
	want.write(regionSize/2, []byte("more"))
	st := p.mustStore(r, "db1", want)
	im := p.openImage(r, st)
	if im.RegionCount() != regions || im.ChainLength() != 2 {
		t.Errorf("%d regions in %d maps, want %d in 2", im.RegionCount(), im.ChainLength(), regions)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if err := compareImage(im, want); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := im.CachedRegions(); n > repository.MaxRegions {
		t.Errorf("%d regions are kept, want at most %d", n, repository.MaxRegions)
	}
}

// large is a volume whose map is too large to be read when it is opened.
func large(t *testing.T) (*place, *revision.Statement, *image) {
	p := newPlace(t)
	im := newImage(1200 * chunkSize)
	for i := range 1200 {
		im.write(int64(i)*chunkSize+9, []byte{byte(i), byte(i >> 8), 1})
	}
	st := p.mustStore(p.open(), "db1", im)
	if size := len(p.read(repository.RevisionName("db1", st.ID))); size <= repository.SmallMap {
		t.Fatalf("a map of %d bytes is not large", size)
	}
	return p, st, im
}

// flip damages a file where it lies, under those who have it open.
func (p *place) flip(name string, at int64) {
	p.t.Helper()
	f, err := os.OpenFile(p.path(name), os.O_RDWR, 0)
	if err != nil {
		p.t.Fatal(err)
	}
	var b [1]byte
	_, err = f.ReadAt(b[:], at)
	b[0] ^= 0xff
	if err == nil {
		_, err = f.WriteAt(b[:], at)
	}
	if err := errors.Join(err, f.Close()); err != nil {
		p.t.Fatal(err)
	}
}

func TestADamagedPageIsRescued(t *testing.T) {
	t.Parallel()
	p, st, want := large(t)
	r := p.open()
	im := p.openImage(r, st)
	p.flip(repository.RevisionName("db1", st.ID), 500) // in the first page
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if err := compareImage(im, want); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

func TestADamagedPageWithoutCopyIsDamage(t *testing.T) {
	t.Parallel()
	p, st, want := large(t)
	second := repository.CopyName(st.Volume.UUID, st.ID)
	whole := p.read(second)
	stale := p.rewrite(second, func(s *revision.Statement) { s.Nonce = revision.Nonce{1} })
	p.flip(repository.RevisionName("db1", st.ID), 500)
	for name, content := range map[string][]byte{"missing": nil, "as bad": p.read(repository.RevisionName("db1", st.ID)), "stale": stale} {
		if content != nil {
			p.write(second, content)
		} else if p.exists(second) {
			p.remove(second)
		}
		im := p.openImage(p.open(), st)
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				err := compareImage(im, want)
				if damaged := new(repository.DamagedRevisionError); !errors.As(err, &damaged) || damaged.ID != st.ID {
					t.Errorf("copy %s: reading gives %v, want a DamagedRevisionError", name, err)
				}
			})
		}
		wg.Wait()
	}
	p.write(second, whole)
	if err := compareImage(p.openImage(p.open(), st), want); err != nil {
		t.Errorf("with the copy back: %v", err)
	}
}

func TestImagesCloseTheirFiles(t *testing.T) {
	t.Parallel()
	p, st, want := large(t)
	var mu sync.Mutex
	opened := 0
	r := p.openOn(durabletest.NewWatched(p.tree(), func(op, name string) error {
		mu.Lock()
		defer mu.Unlock()
		if op == "open" && name == repository.RevisionName("db1", st.ID) {
			opened++
		}
		return nil
	}))
	im := p.openImage(r, st)
	p.flip(repository.RevisionName("db1", st.ID), 500)
	if err := compareImage(im, want); err != nil {
		t.Fatal(err)
	}
	if opened != 1 {
		t.Errorf("the map was opened %d times, want once", opened)
	}
	if err := im.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := im.ReadAt(make([]byte, 1), 700*chunkSize); err == nil {
		t.Log("the region was still known")
	}
}

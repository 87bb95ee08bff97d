package fusemount

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"varve/internal/durable"
	"varve/repository"
	"varve/revision"
)

// Whatever is read, in whatever order and by however many, is what the source had: of fulls,
// of deltas, with chunks of every size, through a cache that holds a small part of it.
func TestReadsWhatTheSourceHad(t *testing.T) {
	for _, chunkSize := range []int{64 * kib, mib, 4 * mib} {
		t.Run(fmt.Sprintf("chunks of %d KiB", chunkSize/kib), func(t *testing.T) {
			p := newPlace(t, chunkSize)
			const size = 48*mib + 12345
			src := p.source("src", size, 1, extent{0, 3 * mib}, extent{9*mib + 5, 20 * mib}, extent{size - 70000, 70000})
			first := p.backup("v", src)
			before := filepath.Join(p.base, "before")
			if err := os.WriteFile(before, read(t, src), 0o600); err != nil {
				t.Fatal(err)
			}
			scribble(t, src, size, 2)
			second := p.backup("v", src)
			m, dir := p.mount(Options{Cache: 1})
			for id, want := range map[revision.ID]string{first: before, second: src} {
				image := filepath.Join(dir, "v", string(id)+".img")
				same(t, image, want)
				readAtRandom(t, image, read(t, want))
			}
			if err := m.Close(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// scribble changes a few blocks all over a file.
func scribble(t testing.TB, path string, size int64, seed uint64) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(seed, 3))
	for range 40 {
		buf := make([]byte, 1+random.IntN(9000))
		for i := range buf {
			buf[i] = byte(random.Uint32())
		}
		if _, err := f.WriteAt(buf, random.Int64N(size-9000)); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// readAtRandom has several readers read parts of all sizes, past the page cache too.
func readAtRandom(t testing.TB, path string, want []byte) {
	t.Helper()
	var readers sync.WaitGroup
	for seed := range uint64(6) {
		readers.Go(func() {
			flag := 0
			if seed%2 == 1 {
				flag = syscall.O_DIRECT
			}
			f, err := os.OpenFile(path, os.O_RDONLY|flag, 0)
			if err != nil {
				t.Error(err)
				return
			}
			defer closeIt(t, f)
			random := rand.New(rand.NewPCG(seed, 7))
			buf := make([]byte, 3*mib)
			for range 60 {
				n := 1 + random.IntN([]int{100, 5000, 70000, 3 * mib}[random.IntN(4)])
				off := random.IntN(len(want) + 100)
				got, err := f.ReadAt(buf[:n], int64(off))
				end := min(off+n, len(want))
				if err != nil && !(errors.Is(err, io.EOF) && off+got == max(off, len(want))) {
					t.Errorf("seed %d: read %d bytes at %d: %v", seed, n, off, err)
					return
				}
				if !bytes.Equal(buf[:got], want[min(off, len(want)):max(end, min(off, len(want)))]) {
					t.Errorf("seed %d: %d bytes at %d are not those of the source", seed, n, off)
					return
				}
			}
		})
	}
	readers.Wait()
}

// An open revision that is removed, and whose packs a collection would take away, still reads;
// the leases of others are renewed meanwhile, so that the collection takes what it can.
func TestAnOpenRevisionOutlivesItsRemoval(t *testing.T) {
	p := newPlace(t, 64*kib)
	const size = 8 * mib
	old := p.source("old", size, 1, extent{0, size})
	young := p.source("young", size, 2, extent{0, size})
	gone := p.backup("gone", old)
	stays := p.backup("stays", young)
	m, dir := p.mount(Options{})
	path := filepath.Join(dir, "gone", string(gone)+".img")
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer closeIt(t, f)
	other, err := os.Open(filepath.Join(dir, "stays", string(stays)+".img"))
	if err != nil {
		t.Fatal(err)
	}
	defer closeIt(t, other)
	p.backup("gone", young)
	p.remove("gone", gone)
	renew(m)
	if _, err := p.repo.CollectGarbage(t.Context(), gcNow()); err != nil {
		t.Fatal(err)
	}
	renew(m)
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a removed revision is listed still: %v", err)
	}
	got := make([]byte, size)
	if _, err := f.ReadAt(got, 0); err != nil {
		t.Fatalf("read a removed revision: %v", err)
	}
	if !bytes.Equal(got, read(t, old)) {
		t.Error("a removed revision reads otherwise than before")
	}
	if n := packs(t, p); n < 2 {
		t.Errorf("%d packs are left while one is read that is garbage", n)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	settle(t, m, 1)
	renew(m)
	if _, err := p.repo.CollectGarbage(t.Context(), gcNow()); err != nil {
		t.Fatal(err)
	}
	if n := packs(t, p); n != 1 {
		t.Errorf("%d packs are left: a mount holds what nobody reads", n)
	}
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	settle(t, m, 0)
	renew(m)
	m.images.burials.Wait()
	leases, err := os.ReadDir(filepath.Join(p.dir, "locks", "leases"))
	if err != nil || len(leases) != 0 {
		t.Errorf("with nothing open there are leases: %v, %v", leases, err)
	}
}

// Who reads the same at the same moment shares one decoding.
func TestManyReadersDecodeOnce(t *testing.T) {
	p := newPlace(t, mib)
	const size = 8 * mib
	src := p.source("src", size, 1, extent{0, size})
	id := p.backup("v", src)
	want := read(t, src)
	tree, err := durable.OpenTree(p.dir)
	if err != nil {
		t.Fatal(err)
	}
	counted := &countingFS{FS: tree}
	repo, err := repository.Open(counted, repository.Options{Command: "test"})
	if err != nil {
		t.Fatal(err)
	}
	defer p.close(repo)
	dir := filepath.Join(p.base, "mnt")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	m, err := Mount(t.Context(), repo, dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	v, err := repo.Volume("v")
	if err != nil {
		t.Fatal(err)
	}
	o, errno := m.openImage(t.Context(), imageKey{v.UUID, id})
	if errno != 0 {
		t.Fatal(errno)
	}
	var readers sync.WaitGroup
	begin := make(chan bool)
	for range 12 {
		readers.Go(func() {
			<-begin
			room := make([]byte, 128*kib)
			for off := int64(0); off < size; off += int64(len(room)) {
				r, errno := o.readAt(t.Context(), room, off)
				if errno != 0 {
					t.Errorf("read at %d: %v", off, errno)
					return
				}
				if got := slices.Concat(r.slices...); !bytes.Equal(got, want[off:off+int64(len(room))]) {
					t.Errorf("wrong bytes at %d", off)
				}
				r.done()
			}
		})
	}
	close(begin)
	readers.Wait()
	m.closeImage(o)
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	// Every byte once, the first chunk's pieces again with the whole chunk, and tables of contents.
	if got := counted.read.Load(); got > size*3/2 {
		t.Errorf("12 readers of %d bytes read %d bytes of packs", size, got)
	}
}

// countingFS counts the bytes that are read of packs.
type countingFS struct {
	durable.FS
	read atomic.Int64
}

func (c *countingFS) Open(name string) (durable.File, error) {
	f, err := c.FS.Open(name)
	if err != nil || !strings.HasPrefix(name, "packs/") {
		return f, err
	}
	return &countingFile{f, &c.read}, nil
}

type countingFile struct {
	durable.File
	read *atomic.Int64
}

func (f *countingFile) ReadAt(p []byte, off int64) (int, error) {
	n, err := f.File.ReadAt(p, off)
	f.read.Add(int64(n))
	return n, err
}

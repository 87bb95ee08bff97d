package fusemount

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"varve/revision"
)

// tree is a digest of each file of a directory.
func (p *place) tree() (files map[string]string) {
	p.t.Helper()
	files = map[string]string{}
	err := filepath.WalkDir(p.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(p.dir, path)
		if err != nil || rel == "locks/gate" { // whose counter leases raise
			return err
		}
		data, err := os.ReadFile(path)
		files[rel] = fmt.Sprintf("%x", sha256.Sum256(data))
		return err
	})
	if err != nil {
		p.t.Fatal(err)
	}
	return files
}

// unchanged makes sure that the repository is what it was.
func (p *place) unchanged(was map[string]string) {
	p.t.Helper()
	is := p.tree()
	for name, sum := range was {
		if is[name] != sum {
			p.t.Errorf("%s of the repository was changed", name)
		}
	}
	for name := range is {
		if _, there := was[name]; !there {
			p.t.Errorf("%s is new in the repository", name)
		}
	}
}

// What is written, discarded and read, by several at once and in all sizes, is what a file
// would hold, whoever opens the image; and it is gone with the mount.
func TestWrites(t *testing.T) {
	p := newPlace(t, 64*kib)
	const size = 3*mib + 1000
	src := p.source("src", size, 1, extent{0, mib}, extent{2 * mib, mib + 1000})
	id := p.backup("v", src)
	before := p.tree()
	overlay := filepath.Join(p.base, "overlay")
	if err := os.Mkdir(overlay, 0o700); err != nil {
		t.Fatal(err)
	}
	m, dir := p.mount(Options{Writable: true, Overlay: overlay})
	path := filepath.Join(dir, "v", string(id)+".img")
	model := read(t, src)
	var mu sync.Mutex // a part of the image is one writer's
	var writers sync.WaitGroup
	const share = size / 4 / 512 * 512
	for w := range 4 {
		writers.Go(func() {
			from, to := w*share, (w+1)*share
			if w == 3 {
				to = size
			}
			scribbleOn(t, path, model[from:to], int64(from), uint64(w), &mu)
		})
	}
	writers.Wait()
	if !bytes.Equal(read(t, path), model) {
		t.Error("an image holds something else than was written to it")
	}
	settle(t, m, 0)
	renew(m)
	if !bytes.Equal(read(t, path), model) {
		t.Error("an image holds something else than was written to it, once it was closed and opened again")
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	for what, got := range map[string]error{
		"made shorter": f.Truncate(10), "made longer": f.Truncate(size + 1), "given to others": f.Chmod(0o666),
	} {
		if !errors.Is(got, syscall.EPERM) {
			t.Errorf("when an image was to be %s, the answer was %v", what, got)
		}
	}
	if _, err := f.WriteAt([]byte{1}, size); !errors.Is(err, syscall.EFBIG) {
		t.Errorf("writing beyond the end gave %v", err)
	}
	if n, err := syscall.Pwrite(int(f.Fd()), make([]byte, 10), size-5); n != 5 || err != nil {
		t.Errorf("of 10 bytes at 5 bytes before the end %d were written: %v", n, err)
	}
	if err := errors.Join(f.Sync(), f.Truncate(size), f.Close()); err != nil {
		t.Error(err)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	if left := names(t, overlay); len(left) != 0 {
		t.Errorf("of what was written, %q is left", left)
	}
	p.unchanged(before)
	_, dir = p.mount(Options{Writable: true, Overlay: overlay})
	same(t, filepath.Join(dir, "v", string(id)+".img"), src)
}

// scribbleOn writes to a part of an image, that begins at base, what it notes in the model.
func scribbleOn(t testing.TB, path string, model []byte, base int64, seed uint64, mu *sync.Mutex) {
	t.Helper()
	random := rand.New(rand.NewPCG(seed, 11))
	for round := range 120 {
		flag := 0
		if round%3 == 2 {
			flag = syscall.O_DIRECT
		}
		f, err := os.OpenFile(path, os.O_RDWR|flag, 0)
		if err != nil {
			t.Error(err)
			return
		}
		off := random.IntN(len(model))
		n := min(1+random.IntN([]int{100, 9000, 200_000}[random.IntN(3)]), len(model)-off)
		if flag != 0 {
			off, n = off&^511, n&^511
		}
		part := model[off : off+n]
		switch what := random.IntN(6); {
		case n == 0:
		case what == 0:
			mode := uint32(unix.FALLOC_FL_PUNCH_HOLE | unix.FALLOC_FL_KEEP_SIZE)
			if random.IntN(2) == 0 {
				mode = unix.FALLOC_FL_ZERO_RANGE | unix.FALLOC_FL_KEEP_SIZE
			}
			err = syscall.Fallocate(int(f.Fd()), mode, base+int64(off), int64(n))
			clear(part)
		case what < 4:
			for i := range part {
				part[i] = byte(random.Uint32())
			}
			_, err = f.WriteAt(part, base+int64(off))
		default:
			got := make([]byte, n)
			if _, err = f.ReadAt(got, base+int64(off)); !bytes.Equal(got, part) {
				t.Errorf("seed %d, round %d: %d bytes at %d are not what was written", seed, round, n, base+int64(off))
			}
		}
		if err := errors.Join(err, f.Close()); err != nil {
			t.Errorf("seed %d, round %d: %d bytes at %d: %v", seed, round, n, base+int64(off), err)
			return
		}
	}
}

// Holes of an image that was written to are where there is nothing.
func TestHolesOfWhatIsWritten(t *testing.T) {
	p := newPlace(t, mib)
	id := p.backup("v", p.source("src", 8*mib, 1, extent{mib, 2 * mib}, extent{7 * mib, mib}))
	_, dir := p.mount(Options{Writable: true, Overlay: p.base})
	path := filepath.Join(dir, "v", string(id)+".img")
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, werr := f.WriteAt(make([]byte, 8*kib), 5*mib+4*kib)
	err = errors.Join(werr, syscall.Fallocate(int(f.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, 2*mib-4*kib, 8*kib), f.Close())
	if err != nil {
		t.Fatal(err)
	}
	got, _ := sparse(t, path)
	want := []extent{{mib, mib - 4*kib}, {2*mib + 4*kib, mib - 4*kib}, {5*mib + 4*kib, 8 * kib}, {7 * mib, mib}}
	if !slices.Equal(got, want) {
		t.Errorf("there is data at %v, want %v", got, want)
	}
}

// Once the room for layers is taken, writing fails for want of room, which is logged, and goes
// on when there is some again; what was written stays.
func TestFullOverlay(t *testing.T) {
	p := newPlace(t, 64*kib)
	const size = 4 * mib
	a, b := p.backup("a", p.source("a", size, 1)), p.backup("b", p.source("b", size, 2))
	_, dir := p.mount(Options{Writable: true, Overlay: p.base, OverlaySize: mib})
	open := func(name string, id string) *os.File {
		f, err := os.OpenFile(filepath.Join(dir, name, id+".img"), os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = f.Close() })
		return f
	}
	fa, fb := open("a", string(a)), open("b", string(b))
	data := bytes.Repeat([]byte("data"), mib/4)
	if _, err := fa.WriteAt(data[:mib-4*kib], 0); err != nil {
		t.Fatal(err)
	}
	if _, err := fb.WriteAt(data[:4*kib], 0); err != nil {
		t.Fatal(err)
	}
	if _, err := fb.WriteAt(data[:4*kib], 64*kib); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("writing without room gave %v", err)
	}
	if _, err := fb.WriteAt(data[:4*kib], 68*kib); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("writing without room gave %v", err)
	}
	if _, err := fb.WriteAt(data[:4*kib], 0); err != nil {
		t.Errorf("writing again what has room gave %v", err)
	}
	if told := p.log.lines("no room is left"); len(told) != 1 {
		t.Errorf("that the room is taken was logged as %q", told)
	}
	if err := fb.Sync(); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("a sync of what is not all there gave %v", err)
	}
	if err := fa.Sync(); err != nil {
		t.Errorf("a sync of what is all there gave %v", err)
	}
	if err := syscall.Fallocate(int(fa.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, 0, 64*kib); err != nil {
		t.Fatal(err)
	}
	if _, err := fb.WriteAt(data[:64*kib], 64*kib); err != nil {
		t.Errorf("writing after room was given back gave %v", err)
	}
	got := make([]byte, 64*kib)
	if _, err := fb.ReadAt(got, 64*kib); err != nil || !bytes.Equal(got, data[:64*kib]) {
		t.Errorf("what was written is not there: %v", err)
	}
}

// A file system that is full below the layers is the same to who writes.
func TestFullFileSystemOfLayers(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root, to mount a small tmpfs")
	}
	p := newPlace(t, 64*kib)
	id := p.backup("v", p.source("src", 8*mib, 1))
	small := filepath.Join(p.base, "small")
	if err := os.Mkdir(small, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("small", small, "tmpfs", 0, "size=1m"); err != nil {
		t.Skipf("needs to mount a tmpfs: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(small, syscall.MNT_DETACH) })
	_, dir := p.mount(Options{Writable: true, Overlay: small})
	f, err := os.OpenFile(filepath.Join(dir, "v", string(id)+".img"), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer closeIt(t, f)
	data := bytes.Repeat([]byte("data"), mib/4)
	var failed error
	for off := int64(0); off < 8*mib && failed == nil; off += mib {
		_, failed = f.WriteAt(data, off)
	}
	if !errors.Is(failed, syscall.ENOSPC) {
		t.Errorf("writing to a full disk gave %v", failed)
	}
	if told := p.log.lines("no room is left"); len(told) != 1 {
		t.Errorf("that the disk is full was logged as %q", told)
	}
	got := make([]byte, 64*kib)
	if _, err := f.ReadAt(got, 0); err != nil || !bytes.Equal(got, data[:64*kib]) {
		t.Errorf("what was written before is not there: %v", err)
	}
}

// What was written stays while its volume is not listed for a moment, and goes when its
// revision is gone for good and closed.
func TestLayersOfWhatIsGone(t *testing.T) {
	p := newPlace(t, 64*kib)
	src := p.source("src", mib, 1, extent{0, mib})
	id := p.backup("v", src)
	m, dir := p.mount(Options{Writable: true, Overlay: p.base, OverlaySize: mib})
	path := filepath.Join(dir, "v", string(id)+".img")
	written := bytes.Repeat([]byte("written"), 4*kib)
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteAt(written, 0)
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	settle(t, m, 0)
	volume, away := filepath.Join(p.dir, "volumes", "v"), filepath.Join(p.base, "away")
	for range 3 { // now and then, not twice in a row
		if err := os.Rename(volume, away); err != nil {
			t.Fatal(err)
		}
		m.layers.forgetGone(m.isOpen)
		if err := os.Rename(away, volume); err != nil {
			t.Fatal(err)
		}
		m.layers.forgetGone(m.isOpen)
	}
	if got := read(t, path); !bytes.Equal(got[:len(written)], written) {
		t.Error("what was written is lost")
	}
	p.backup("v", src)
	if f, err = os.Open(path); err != nil {
		t.Fatal(err)
	}
	defer closeIt(t, f)
	p.remove("v", id)
	for range 3 {
		m.layers.forgetGone(m.isOpen)
	}
	got := make([]byte, len(written))
	if _, err := f.ReadAt(got, 0); err != nil || !bytes.Equal(got, written) {
		t.Errorf("of a revision that was removed, what was written is lost while it is open: %v", err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	settle(t, m, 0)
	for range 2 {
		m.layers.forgetGone(m.isOpen)
	}
	if m.layers.find(imageKey{p.uuidOf("v"), id}) != nil || m.layers.taken != 0 {
		t.Errorf("what was written to a revision that is gone takes %d blocks", m.layers.taken)
	}
}

func (p *place) uuidOf(name revision.Name) revision.UUID {
	p.t.Helper()
	v, err := p.repo.Volume(name)
	if err != nil {
		p.t.Fatal(err)
	}
	return v.UUID
}

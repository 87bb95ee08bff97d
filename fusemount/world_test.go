package fusemount

import (
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"varve/repository"
)

// gcNow collects all that can go, the trash too.
func gcNow() repository.GCOptions {
	return repository.GCOptions{EmptyTrash: true}
}

// packs counts the packs of the repository.
func packs(t testing.TB, p *place) int {
	t.Helper()
	list, err := filepath.Glob(filepath.Join(p.dir, "packs", "*", "*"))
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

// settle waits until so many images are open: the kernel says that a file was closed some
// time after it was.
func settle(t testing.TB, m *Mounted, open int) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); ; runtime.Gosched() {
		m.images.mu.Lock()
		n := len(m.images.open)
		m.images.mu.Unlock()
		if n == open {
			buried(m)
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%d images are open, want %d", n, open)
		}
	}
}

// renew takes another lease, and waits until the former ones are buried.
func renew(m *Mounted) {
	m.renew()
	buried(m)
}

// buried waits for the burials that were begun.
func buried(m *Mounted) {
	m.images.mu.Lock() // under which they are begun
	defer m.images.mu.Unlock()
	m.images.burials.Wait()
}

// sparse tells the extents of a file that are no holes.
func sparse(t testing.TB, path string) (data []extent, allocated int64) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer closeIt(t, f)
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	for off := int64(0); off < info.Size(); {
		from, err := f.Seek(off, unix.SEEK_DATA)
		if err != nil {
			break // nothing but a hole is left
		}
		if off, err = f.Seek(from, unix.SEEK_HOLE); err != nil {
			t.Fatal(err)
		}
		data = append(data, extent{from, off - from})
	}
	return data, blocksOf(info) * 512
}

func blocksOf(info os.FileInfo) int64 { return info.Sys().(*syscall.Stat_t).Blocks }

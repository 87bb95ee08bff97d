package repository_test

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"varve/internal/durable"
	"varve/internal/durable/durabletest"
	"varve/repository"
)

func TestTheGateExcludes(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.write(repository.GateName, []byte("00000000000000000000\n"))
	repos := []*repository.Repository{p.open(), p.open(), p.open()}
	var inside, total atomic.Int32
	var wg sync.WaitGroup
	for _, r := range repos {
		for range 2 {
			wg.Go(func() {
				for range 20 {
					err := r.AtGate(t.Context(), func() error {
						total.Add(1)
						if n := inside.Add(1); n != 1 {
							t.Errorf("%d are inside the gate", n)
						}
						inside.Add(-1)
						return nil
					})
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
	}
	wg.Wait()
	if got := string(p.read(repository.GateName)); total.Load() != 120 || got != "00000000000000000120\n" {
		t.Errorf("after %d uses the counter is %q", total.Load(), got)
	}
}

func TestTheGateEndsWithItsContext(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	held, err := repository.TakeGate(t.Context(), p.tree())
	if err != nil {
		t.Fatal(err)
	}
	closeAfter(t, held)
	ctx, cancel := contextOf(t)
	cancel()
	err = p.open().AtGate(ctx, func() error { t.Error("the gate was open"); return nil })
	if err == nil || strings.Contains(err.Error(), "stayed shut") {
		t.Errorf("AtGate = %v, want the context's end", err)
	}
}

func TestAnUnreadableCounterGoesOn(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	r := p.open()
	seen := map[string]bool{}
	for _, content := range []string{"", "x", "0000000000000000001", "-0000000000000000001\n", "99999999999999999999\n", "00000000000000000001x"} {
		p.write(repository.GateName, []byte(content))
		if err := r.AtGate(t.Context(), func() error { return nil }); err != nil {
			t.Errorf("counter %q: %v", content, err)
		}
		got := string(p.read(repository.GateName))
		if len(got) != 21 || seen[got] {
			t.Errorf("counter %q became %q", content, got)
		}
		seen[got] = true
	}
	p.remove(repository.GateName)
	if err := r.AtGate(t.Context(), func() error { return nil }); err != nil {
		t.Errorf("without its file: %v", err)
	}
	failing := p.openOn(durabletest.NewWatched(p.tree(), func(op, name string) error {
		if op == "read" && name == repository.GateName {
			return syscall.EIO
		}
		return nil
	}))
	err := failing.AtGate(t.Context(), func() error { t.Error("the gate opened"); return nil })
	if !errors.Is(err, syscall.EIO) {
		t.Errorf("AtGate with an unreadable disk = %v, want EIO", err)
	}
}

func TestALeaseLivesAsLongAsItsReader(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	r := p.open()
	rd, err := r.NewReader(t.Context())
	if err != nil || rd.Unprotected() != nil {
		t.Fatal(err, rd.Unprotected())
	}
	leases := p.files(repository.LeasesDir)
	if len(leases) != 1 {
		t.Fatalf("leases are %q, want one", leases)
	}
	var record repository.LeaseRecord
	if err := repository.Unseal(p.read(leases[0]), &record); err != nil || record.Holder.PID != os.Getpid() {
		t.Errorf("the lease says %+v, %v", record, err)
	}
	other, err := p.open().NewReader(t.Context()) // comes upon the first one's
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	if left := p.files(repository.LeasesDir); len(left) != 1 || left[0] != leases[0] {
		t.Errorf("leases are %q, want %q", left, leases)
	}
	for range 2 {
		if err := rd.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if left := p.files(repository.LeasesDir); len(left) != 0 {
		t.Errorf("leases left are %q", left)
	}
}

// litter leaves temporary files of an owner wherever Varve makes some.
func (p *place) litter(owner string) (names []string) {
	p.t.Helper()
	for _, dir := range []string{"", "packs/00", "packs/ff", "volumes", "volumes/db1", "copies", "runs", "gc", "gc/moved", "damage", repository.LeasesDir, "trash"} {
		if err := os.MkdirAll(p.path(dir), 0o750); err != nil {
			p.t.Fatal(err)
		}
		name := path.Join(dir, durable.TempPrefix+owner+"-1")
		p.write(name, []byte("unfinished"))
		names = append(names, name)
	}
	return names
}

func TestTheDeadAreBuriedWithTheirFiles(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	r := p.open()
	live, err := r.NewReader(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	closeAfter(t, live)
	livingLease := p.files(repository.LeasesDir)[0]
	kept := p.litter(strings.TrimSuffix(path.Base(livingLease), ".json"))
	gone := p.litter("0123456789abcdef")
	p.write(repository.LeasesDir+"/0123456789abcdef.json", []byte("torn by a power cut"))
	p.write(repository.LeasesDir+"/notes.txt", []byte("nobody's lease"))
	if err := os.Symlink("nowhere", p.path(repository.LeasesDir+"/00ff.json")); err != nil {
		t.Fatal(err)
	}
	rd, err := p.open().NewReader(t.Context())
	if err != nil || rd.Unprotected() != nil {
		t.Fatal(err, rd.Unprotected())
	}
	closeAfter(t, rd)
	for _, name := range kept {
		if !p.exists(name) {
			t.Errorf("%s of a living lease was removed", name)
		}
	}
	for _, name := range append(gone, repository.LeasesDir+"/0123456789abcdef.json") {
		if p.exists(name) {
			t.Errorf("%s of a dead lease is still there", name)
		}
	}
	if !p.exists(livingLease) || !p.exists(repository.LeasesDir+"/notes.txt") {
		t.Error("more than the dead was removed")
	}
}

// A power cut takes leases, which are not synced, and may leave their files.
func TestABackupSweepsWhatTheDeadLeft(t *testing.T) {
	t.Parallel()
	h := newHistory(t)
	r := h.open()
	h.litter("0123456789abcdef") // nothing else tells of its owner
	if _, err := store(t.Context(), r, "db1", h.next(), storeOptions{}); err != nil {
		t.Fatal(err)
	}
	h.checkNoTemps()
	ctx, cancel := contextOf(t)
	im := h.next()
	im.write(1, []byte("once more"))
	if _, err := store(ctx, r, "db1", im, storeOptions{before: func(b *repository.Backup) {
		if err := b.Chunks().Barrier(t.Context()); err != nil {
			t.Error(err)
		}
		cancel()
	}}); err == nil {
		t.Fatal("a cancelled backup succeeded")
	}
	if _, err := store(t.Context(), r, "db1", im, storeOptions{}); err != nil {
		t.Fatal(err)
	}
	h.checkNoTemps()
}

// While the tree is searched, somebody is born and writes.
func TestANewbornsFilesAreNotSwept(t *testing.T) {
	t.Parallel()
	h := newHistory(t)
	h.litter("0123456789abcdef")
	h.write(repository.LeasesDir+"/0123456789abcdef.json", nil)
	other := h.open()
	var newborn *repository.Backup
	r := h.openOn(durabletest.NewWatched(h.tree(), func(op, name string) (err error) {
		if op == "readdir" && name == "volumes" && newborn == nil { // the search is half done
			newborn, err = other.BeginBackup(t.Context(), repository.BackupOptions{Volume: "db1"})
		}
		return err
	}))
	rd, err := r.NewReader(t.Context())
	if err != nil || rd.Unprotected() != nil {
		t.Fatal(err, rd.Unprotected())
	}
	closeAfter(t, rd)
	if newborn == nil {
		t.Fatal("nobody was born")
	}
	closeAfter(t, newborn)
	if _, err := newborn.Commit(t.Context(), mustRegions(t, newborn.Parent()), statement(h.images[1], storeOptions{})); err != nil {
		t.Errorf("the newborn's commit: %v", err)
	}
}

// readOnly refuses everything that a read-only file system refuses.
func readOnly(fsys durable.FS, err error) durable.FS {
	return durabletest.NewWatched(fsys, func(op, _ string) error {
		if durabletest.Mutating(op) {
			return err
		}
		return nil
	})
}

func TestReadingWithoutALease(t *testing.T) {
	t.Parallel()
	h := newHistory(t)
	for _, refusal := range []error{syscall.EROFS, fs.ErrPermission, syscall.ENOSPC} {
		r, err := repository.Open(readOnly(h.tree(), refusal), repository.Options{})
		if err != nil {
			t.Fatal(err)
		}
		rd, err := r.NewReader(t.Context())
		if err != nil {
			t.Fatalf("%v: %v", refusal, err)
		}
		if !errors.Is(rd.Unprotected(), refusal) {
			t.Errorf("%v: Unprotected = %v", refusal, rd.Unprotected())
		}
		if err := rd.Close(); err != nil {
			t.Error(err)
		}
		h.checkKept(r, refusal.Error())
		_, err = r.BeginBackup(t.Context(), repository.BackupOptions{Volume: "db1"})
		if errors.Is(refusal, syscall.ENOSPC) == errors.Is(err, repository.ErrReadOnly) || err == nil {
			t.Errorf("%v: BeginBackup = %v", refusal, err)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
	if temps := h.files(durable.TempPrefix); len(temps) > 0 {
		t.Error("something was written")
	}
}

// A copy made by a tool that leaves out empty directories.
func TestReadingACopyWithoutEmptyDirectories(t *testing.T) {
	t.Parallel()
	h := newHistory(t)
	for _, dir := range []string{"gc/moved", "gc", "damage", "runs", "trash", repository.LeasesDir} {
		h.remove(dir)
	}
	if err := os.RemoveAll(h.path("locks")); err != nil {
		t.Fatal(err)
	}
	h.checkKept(h.open(), "without empty directories")
}

// Another user's lease may not be opened: it is taken for a living one.
func TestALeaseThatMayNotBeOpenedLives(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	lease := repository.LeasesDir + "/0123456789abcdef.json"
	p.write(lease, nil)
	r := p.openOn(durabletest.NewWatched(p.tree(), func(op, name string) error {
		if name == lease && strings.HasPrefix(op, "open") {
			return fs.ErrPermission
		}
		return nil
	}))
	rd, err := r.NewReader(t.Context())
	if err != nil || rd.Unprotected() != nil {
		t.Fatal(err, rd.Unprotected())
	}
	closeAfter(t, rd)
	if !p.exists(lease) {
		t.Error("another user's lease was buried")
	}
}

// What a dead run left is what fills the disk: it goes before the run gives up.
func TestAFullDiskIsClearedOfWhatTheDeadLeft(t *testing.T) {
	t.Parallel()
	h := newHistory(t)
	h.write("packs/00/.tmp-0123456789abcdef-1", make([]byte, 4096))
	full := durabletest.NewWatched(h.tree(), func(op, name string) error {
		if op == "create" && h.exists("packs/00/.tmp-0123456789abcdef-1") {
			return syscall.ENOSPC
		}
		return nil
	})
	r := h.openOn(full)
	if _, err := store(t.Context(), r, "db1", h.next(), storeOptions{}); err != nil {
		t.Errorf("a backup onto a disk that is full of temporary files: %v", err)
	}
}

// Of another user's lease whose lock cannot be tried, as on NFS, nobody says that it is dead.
func TestALeaseThatCannotBeTriedLives(t *testing.T) {
	t.Parallel()
	h := newHistory(t)
	lease := repository.LeasesDir + "/0123456789abcdef.json"
	h.write(lease, []byte("{}\n"))
	others := &othersLease{FS: h.tree(), name: lease}
	r := h.openOn(others)
	if _, err := store(t.Context(), r, "db1", h.next(), storeOptions{}); err != nil {
		t.Errorf("beside another user's lease: %v", err)
	}
	if !h.exists(lease) {
		t.Error("another user's lease was buried")
	}
}

// othersLease is a lease of another user on a file system that locks nothing through
// a handle for reading.
type othersLease struct {
	durable.FS
	name string
}

func (o *othersLease) OpenWrite(name string) (durable.File, error) {
	if name == o.name {
		return nil, fs.ErrPermission
	}
	return o.FS.OpenWrite(name)
}

func (o *othersLease) Open(name string) (durable.File, error) {
	f, err := o.FS.Open(name)
	if err == nil && name == o.name {
		f = unlockable{f}
	}
	return f, err
}

type unlockable struct{ durable.File }

func (unlockable) TryLock() (bool, error) { return false, syscall.EBADF }

package proof

import (
	"errors"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"varve/internal/durable"
	"varve/internal/durable/durabletest"
)

// What others lost data by between a write and the disk: the traps that are set for
// every command that writes. The others are in package traps.

// watch runs every command on a disk that is recorded. What set returns is told before
// each call what is to be done and, when the command has succeeded, asked to look at
// the outcome.
func watch(t *testing.T, set func(t *testing.T, w *World) (before func(op, name string), after func())) {
	t.Helper()
	for _, c := range commands {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := NewWorld(durabletest.TempDir(t))
			c.before(t.Context(), w)
			w.Record()
			before, after := set(t, w)
			var mu sync.Mutex
			err := c.command(t.Context(), w, durabletest.NewWatched(w.Disk, func(op, name string) error {
				mu.Lock()
				defer mu.Unlock()
				if !t.Failed() { // the first fault is what is to be known
					before(op, name)
				}
				return nil
			}))
			if err != nil {
				t.Fatal(err)
			}
			after()
		})
	}
}

// atRisk lists what a power cut at this moment could take of what is to last. Files
// that are gone may come back, but not a revision.
func (w *World) atRisk() (lost []string) {
	p := w.recording.Pending()
	for _, name := range p.Contents {
		if w.lasts(name) {
			lost = append(lost, "the content of "+name)
		}
	}
	for _, name := range p.Names {
		if w.lasts(name) {
			lost = append(lost, "the name "+name)
		}
	}
	for _, name := range p.Gone {
		if isRevision(name) {
			lost = append(lost, "that "+name+" is gone")
		}
	}
	return lost
}

// lasts tells what is not meant to die with the power, as locks and leases are, or
// with whoever made it, as temporary files are.
func (w *World) lasts(name string) bool {
	if durable.IsTemp(path.Base(name)) {
		return false
	}
	info, err := w.Disk.Lstat(name)
	return !strings.HasPrefix(name, "locks/") || err == nil && info.IsDir()
}

func isRevision(name string) bool {
	return strings.HasSuffix(name, ".rev") && !durable.IsTemp(path.Base(name))
}

// files lists those whose name begins so.
func (w *World) files(prefix string) []string {
	files := w.Disk.Files()
	maps.DeleteFunc(files, func(name string, _ []byte) bool { return !strings.HasPrefix(name, prefix) })
	return slices.Sorted(maps.Keys(files))
}

// revisionFiles lists the files of revisions, and their copies.
func (w *World) revisionFiles() []string {
	return slices.DeleteFunc(w.files(""), func(name string) bool { return !isRevision(name) })
}

// isLocked tells whether somebody holds the lock of a file.
func (w *World) isLocked(t *testing.T, name string) bool {
	t.Helper()
	f, err := w.Disk.OpenWrite(name)
	if err != nil {
		t.Error(err)
		return false
	}
	got, err := f.TryLock()
	if err := errors.Join(err, f.Close()); err != nil {
		t.Error(err)
	}
	return !got
}

// A file gets its name when its content is on disk; a name counts when its
// directory is on disk.
func TestTrapRenameWithoutSync(t *testing.T) {
	t.Parallel()
	watch(t, func(t *testing.T, w *World) (func(op, name string), func()) {
		return func(op, name string) {
				if !durabletest.Mutating(op) && op != "fsync" {
					return
				}
				for _, file := range w.recording.Pending().Contents {
					if w.lasts(file) && !strings.HasPrefix(file, "journal/") { // which is written where it lies
						t.Errorf("%s has its name, and not its content, before %s %s", file, op, name)
					}
				}
				if lost := w.atRisk(); op == "rename" && strings.HasPrefix(name, "varve.json") && len(lost) > 0 {
					t.Errorf("a descriptor, which makes a repository of it, comes before these are on disk: %q", lost)
				}
			}, func() {
				if lost := w.atRisk(); len(lost) > 0 {
					t.Errorf("success, and a power cut would take %q", lost)
				}
			}
	})
}

// Backy marked a revision complete before its chunks were on disk. When ours
// becomes visible, all that was written is; the gate is held; the run still has its
// record, so that nobody relies on packs that may yet be withdrawn.
func TestTrapCompleteBeforeItsChunks(t *testing.T) {
	t.Parallel()
	watch(t, func(t *testing.T, w *World) (func(op, name string), func()) {
		promised, visible := len(w.Promised), 0
		return func(op, name string) {
				if op != "rename" || !strings.HasPrefix(name, "volumes/") || !isRevision(name) {
					return
				}
				visible++
				if lost := w.atRisk(); len(lost) > 0 {
					t.Errorf("%s becomes visible, and a power cut would take %q", name, lost)
				}
				for _, pack := range w.files("packs/") {
					if !strings.HasSuffix(pack, ".pack") {
						t.Errorf("%s becomes visible, and %s is not sealed", name, pack)
					}
				}
				if !w.isLocked(t, "locks/gate") {
					t.Errorf("%s becomes visible outside the gate", name)
				}
				if len(w.files("runs/")) == 0 {
					t.Errorf("%s becomes visible when its run has no record", name)
				}
			}, func() {
				if visible < len(w.Promised)-promised {
					t.Errorf("%d revisions were promised, and %d became visible", len(w.Promised)-promised, visible)
				}
			}
	})
}

// The run record is on disk before the first pack is begun, and there is a lease
// before there is anything that could be swept.
func TestTrapPacksOfNobody(t *testing.T) {
	t.Parallel()
	watch(t, func(t *testing.T, w *World) (func(op, name string), func()) {
		return func(op, name string) {
			isPack := strings.HasPrefix(name, "packs/")
			if op != "create" || !isPack && !strings.HasPrefix(name, "runs/") {
				return
			}
			if leases, held := w.leases(t); !held {
				t.Errorf("%s is made without a lease: %q", name, leases)
			}
			if !isPack {
				return
			}
			records := w.files("runs/")
			lost := slices.DeleteFunc(w.atRisk(), func(what string) bool { return !strings.Contains(what, " runs") })
			if len(records) == 0 || len(lost) > 0 {
				t.Errorf("%s is begun, run records are %q, and a power cut would take %q", name, records, lost)
			}
		}, func() {}
	})
}

// leases lists the leases, and tells whether there is one, and all are locked: a collection
// that rebuilds stacks has another for that.
func (w *World) leases(t *testing.T) (leases []string, held bool) {
	leases = w.files("locks/leases/")
	return leases, len(leases) > 0 && !slices.ContainsFunc(leases, func(lease string) bool { return !w.isLocked(t, lease) })
}

// The lease is seen, and locked, before its run looks at what is condemned: a
// collector that condemns later sees it.
func TestTrapLeaseReadsBeforeItIsSeen(t *testing.T) {
	t.Parallel()
	watch(t, func(t *testing.T, w *World) (func(op, name string), func()) {
		promised, looks := len(w.Promised), 0
		return func(op, name string) {
				if op != "readdir" || name != "gc" {
					return
				}
				looks++
				if leases, held := w.leases(t); !held {
					t.Errorf("look %d at what is condemned: leases are %q, or are not locked", looks, leases)
				}
			}, func() {
				if n := len(w.Promised) - promised; looks < 2*n {
					t.Errorf("%d looks in %d backups, want one at the birth and one at the commit", looks, n)
				}
			}
	})
}

// Whoever renamed a pack may not have synced its directory yet, whoever made a
// directory not its parent: who builds on them must.
func TestTrapFoundBeforeItsDirectoryWasSynced(t *testing.T) {
	t.Parallel()
	w := NewWorld(durabletest.TempDir(t))
	emptyRepository(t.Context(), w)
	w.mustBackup(t.Context(), "db", BackupOptions{})
	w.Volumes["mail"] = w.Volumes["db"]
	w.Record()
	packs := w.files("packs/")
	for _, name := range append(packs, "copies", "journal", path.Dir(w.files("journal/")[0])) {
		// As if it had got its name just now.
		if err := errors.Join(w.Disk.RenameNew(name, name+".new"), w.Disk.RenameNew(name+".new", name)); err != nil {
			t.Fatal(err)
		}
	}
	w.mustBackup(t.Context(), "mail", BackupOptions{})
	if lost := w.atRisk(); len(lost) > 0 {
		t.Errorf("success, and a power cut would take %q", lost)
	}
	if now := w.files("packs/"); !slices.Equal(now, packs) {
		t.Errorf("packs are %q and were %q: not all was found", now, packs)
	}
}

// worlds makes the world before a command, one after the other. It is recorded.
func worlds(t *testing.T, c command) func() *World {
	t.Helper()
	dir := durabletest.TempDir(t)
	before := NewWorld(filepath.Join(dir, "before"))
	c.before(t.Context(), before)
	return func() *World {
		state := filepath.Join(dir, "state")
		if err := os.RemoveAll(state); err != nil {
			t.Fatal(err)
		}
		w, err := before.Copy(state)
		if err != nil {
			t.Fatal(err)
		}
		w.Record()
		return w
	}
}

// fail runs every command once for each call of an operation, which fails there. The
// command has to fail too, unless what failed concerns the journal, of which only a
// warning is made, or a lock, which is not meant to last. What the world is then, the
// oracle says in TestEnumerateFaults.
func fail(t *testing.T, op string, with error, check func(t *testing.T, w *World, name string)) {
	t.Helper()
	for _, c := range commands {
		if c.name == "interrupted and resumed full" {
			continue // its first half is to fail
		}
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			next := worlds(t, c)
			for n := 1; ; n++ {
				w, calls, failed := next(), 0, ""
				promised := len(w.Promised)
				var mu sync.Mutex
				err := c.command(t.Context(), w, durabletest.NewWatched(w.Disk, func(now, name string) error {
					mu.Lock()
					defer mu.Unlock()
					if now != op {
						return nil
					}
					if name == failed && op == "fsync" {
						t.Errorf("%s is synced again after its sync had failed", name)
					}
					if calls++; calls != n {
						return nil
					}
					failed = name
					return with
				}))
				if failed == "" {
					break
				}
				succeeded := err == nil || len(w.Promised) > promised
				if succeeded && !strings.HasPrefix(failed, "journal/") && !strings.HasPrefix(failed, "locks/") {
					t.Errorf("%s %s failed, and the command did not", op, failed)
				}
				check(t, w, failed)
			}
		})
	}
}

// After a failed sync the kernel may have dropped the pages, and the next sync
// says that all is well. So there is no next, and the file never counts.
func TestTrapFailedSyncTriedAgain(t *testing.T) {
	t.Parallel()
	fail(t, "fsync", syscall.EIO, func(t *testing.T, w *World, failed string) {
		t.Helper()
		for _, name := range w.recording.Pending().Contents {
			if w.lasts(name) && name != failed {
				t.Errorf("the sync of %s failed, and what it was to write counts as %s", failed, name)
			}
		}
	})
}

// A close that fails, as on a network or with a quota, is a write that failed.
func TestTrapFailedCloseIgnored(t *testing.T) {
	t.Parallel()
	fail(t, "close", syscall.EDQUOT, func(*testing.T, *World, string) {})
}

// The sync after ★ fails: the name is taken back, for good, before the copy is.
func TestTrapRevisionTakenBackComesBack(t *testing.T) {
	t.Parallel()
	for _, dir := range []string{"volumes/db", "copies/"} {
		w := NewWorld(durabletest.TempDir(t))
		twoVolumes(t.Context(), w)
		w.Record()
		before := w.revisionFiles()
		named, failed, removed := false, false, ""
		watched := durabletest.NewWatched(w.Disk, func(op, name string) error {
			switch {
			case op == "rename":
				named = isRevision(name) && strings.HasPrefix(name, dir)
			case op == "remove" && isRevision(name) && removed == "":
				removed = name
			case op == "fsync directory" && named && !failed && strings.HasPrefix(name, dir):
				failed = true
				return syscall.EIO
			}
			return nil
		})
		if _, err := w.Backup(t.Context(), watched, "db", BackupOptions{}); !errors.Is(err, syscall.EIO) {
			t.Errorf("%s: the backup ended with %v, want EIO", dir, err)
		}
		if now := w.revisionFiles(); !slices.Equal(now, before) {
			t.Errorf("%s: files are %q, want %q", dir, now, before)
		}
		if lost := w.atRisk(); len(lost) > 0 {
			t.Errorf("%s: a power cut would undo %q", dir, lost)
		}
		if dir == "volumes/db" && !strings.HasPrefix(removed, dir) {
			t.Errorf("%s was removed first: a crash would leave a revision without its copy", removed)
		}
		w.stopRecording()
		if err := w.Check(t.Context()); err != nil {
			t.Errorf("%s: %v", dir, err)
		}
	}
}

// The disk is full after so many bytes: either there is a revision, and it is
// right, or the backup has failed.
func TestTrapFullDiskSwallowed(t *testing.T) {
	t.Parallel()
	for _, c := range commands {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for _, freed := range []int64{0, 1 << 30} { // what somebody frees after the first write that was refused
				fillDisk(t, c, freed)
			}
		})
	}
}

func fillDisk(t *testing.T, c command, freed int64) {
	t.Helper()
	next := worlds(t, c)
	for room, full := int64(0), true; full; room += 6000 + room/2 {
		w := next()
		w.stopRecording()
		w.Disk.SetRoom(room)
		err := c.command(t.Context(), w, durabletest.NewWatched(w.Disk, func(string, string) error {
			if freed > 0 && w.Disk.Refused() > 0 {
				w.Disk.SetRoom(freed)
			}
			return nil
		}))
		full = w.Disk.Refused() > 0
		if err != nil && !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("with room for %d bytes, and %d more later: %v", room, freed, err)
		}
		w.Disk.SetRoom(1 << 30)
		if err := w.Check(t.Context()); err != nil {
			t.Errorf("with room for %d bytes, and %d more later: %v", room, freed, err)
		}
	}
}

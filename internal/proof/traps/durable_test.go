package traps

import (
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"

	"varve/backup"
	"varve/chunkstore"
	"varve/internal/durable"
	"varve/internal/durable/durabletest"
	"varve/repository"
	"varve/revision"
)

// A writing is a command that writes, for the books to be looked at after.
type writing struct {
	name string
	do   func(p *place, r *repository.Repository) error
}

// night is what db1 holds in a night.
func night(n int) []byte {
	data := noise(1, 3*chunkSize+100)
	for i := range n {
		copy(data[i*5000:], noise(uint64(100+i), 3000))
	}
	return data
}

func backUp(name revision.Name, data []byte, opts backup.CreateOptions) func(*place, *repository.Repository) error {
	return func(p *place, r *repository.Repository) error {
		opts.Volume = name
		_, err := create(p.t.Context(), r, &source{data: data}, opts)
		return err
	}
}

// writings is every command that writes but init, on a repository with one
// revision of db1.
var writings = []writing{
	{"first full", backUp("db2", noise(5, 2*chunkSize), backup.CreateOptions{})},
	{"full of found objects", backUp("db2", night(0), backup.CreateOptions{})},
	{"delta", backUp("db1", night(1), backup.CreateOptions{Tags: []string{"x"}})},
	{"forced full", backUp("db1", night(0), backup.CreateOptions{Full: true})},
	{"mended descriptor", func(p *place, _ *repository.Repository) error {
		p.remove("varve.json")
		return nil // the backup that follows mends it
	}},
	{"adopt", func(p *place, r *repository.Repository) error {
		_, err := r.AdoptCopy(p.t.Context())
		return err
	}},
	{"mark", func(p *place, r *repository.Repository) error {
		v, err := r.Volume("db1")
		if err != nil {
			return err
		}
		revs, err := r.Revisions(v)
		if err != nil {
			return err
		}
		return r.Mark(p.t.Context(), revs[0], func(i *repository.Info) { i.State = repository.Suspect })
	}},
	{"damage", func(p *place, r *repository.Repository) error {
		return r.RecordDamage(p.t.Context(), &chunkstore.CorruptError{
			Pack: chunkstore.PackID{1}, ID: chunkstore.ID{2}, Kind: chunkstore.Chunk, Cause: errors.New("rot"),
		})
	}},
	{"condemned and found", func(p *place, r *repository.Repository) error {
		src := &source{data: night(0)}
		src.before = func(off int64) {
			if off >= 2*chunkSize && len(p.files("gc/7.json")) == 0 {
				p.condemn(7, p.packs()...)
			}
		}
		_, err := create(p.t.Context(), r, src, backup.CreateOptions{Volume: "db3"})
		return err
	}},
}

// withOneNight is a repository with one revision of db1.
func withOneNight(t *testing.T) *place {
	t.Helper()
	p := newPlace(t)
	p.mustBackup(p.open(), "db1", night(0))
	return p
}

// eachWriting runs every command that writes, and a backup after it, on the books
// that prepare makes, and hands them to check.
func eachWriting(t *testing.T, prepare func(*place, *ledger), check func(p *place, l *ledger, err error)) {
	t.Helper()
	for _, w := range writings {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			p := withOneNight(t)
			l := newLedger(p.tree())
			prepare(p, l)
			err := w.do(p, p.openOn(l))
			if err == nil && w.name == "mended descriptor" {
				err = backUp("db1", night(1), backup.CreateOptions{})(p, p.openOn(l))
			}
			check(p, l, err)
		})
	}
}

// A file gets its name when its content is on disk; a name counts when its
// directory is on disk.
func TestTrapRenameWithoutSync(t *testing.T) {
	t.Parallel()
	t.Run("init", func(t *testing.T) {
		t.Parallel()
		p := &place{t: t, dir: durabletest.TempDir(t)}
		l := newLedger(p.tree())
		l.beforeName = func(name string) {
			if lost := l.open(); strings.HasPrefix(name, "varve.json") && len(lost) > 0 {
				t.Errorf("a descriptor, which makes a repository of it, comes before these are on disk: %q", lost)
			}
		}
		if _, err := repository.Init(t.Context(), l, repository.InitOptions{ChunkSize: chunkSize}); err != nil {
			t.Fatal(err)
		}
		if lost := append(l.faults, l.open()...); len(lost) > 0 {
			t.Errorf("success, and a power cut would take %q", lost)
		}
	})
	eachWriting(t, func(*place, *ledger) {}, func(p *place, l *ledger, err error) {
		if err != nil {
			p.t.Fatal(err)
		}
		if lost := append(l.faults, l.open()...); len(lost) > 0 {
			p.t.Errorf("success, and a power cut would take %q", lost)
		}
	})
}

// Backy marked a revision complete before its chunks were on disk. When ours
// becomes visible, all that was written is; the gate is held; the run still has its
// record, so that nobody relies on packs that may yet be withdrawn.
func TestTrapCompleteBeforeItsChunks(t *testing.T) {
	t.Parallel()
	eachWriting(t, func(p *place, l *ledger) {
		l.beforeName = func(name string) {
			if !strings.HasPrefix(name, "volumes/") || !strings.HasSuffix(name, ".rev") {
				return
			}
			lost, held := l.open(), p.isLocked("locks/gate")
			for _, pack := range p.files("packs/") {
				if !strings.HasSuffix(pack, ".pack") {
					lost = append(lost, pack)
				}
			}
			l.locked(func() {
				if len(lost) > 0 {
					l.fault("%s becomes visible, and a power cut would take %q", name, lost)
				}
				if !held {
					l.fault("%s becomes visible outside the gate", name)
				}
				if len(p.files("runs/")) != 1 {
					l.fault("%s becomes visible when its run has no record", name)
				}
			})
		}
	}, func(p *place, l *ledger, err error) {
		if err != nil || len(l.faults) > 0 {
			p.t.Errorf("%v, %q", err, l.faults)
		}
	})
}

// isLocked tells whether somebody holds the lock of a file.
func (p *place) isLocked(name string) bool {
	p.t.Helper()
	f, err := p.tree().OpenWrite(name)
	if err != nil {
		p.t.Error(err)
		return false
	}
	got, err := f.TryLock()
	if err := errors.Join(err, f.Close()); err != nil {
		p.t.Error(err)
	}
	return !got
}

// The run record is on disk before the first pack is begun, and there is a lease
// before there is anything that could be swept.
func TestTrapPacksOfNobody(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	l := newLedger(p.tree())
	begun := 0
	l.beforeCreate = func(name string) {
		if strings.HasPrefix(name, "packs/") || strings.HasPrefix(name, "runs/") || strings.HasPrefix(name, "volumes/db1/2") {
			if leases := p.files("locks/leases/"); len(leases) != 1 || !p.isLocked(leases[0]) {
				t.Errorf("%s is made without a lease: %q", name, leases)
			}
		}
		if !strings.HasPrefix(name, "packs/") {
			return
		}
		begun++
		if lost := l.open(); len(p.files("runs/")) != 1 || len(lost) > 0 {
			t.Errorf("%s is begun, run records are %q, and a power cut would take %q", name, p.files("runs/"), lost)
		}
	}
	if err := backUp("db1", night(0), backup.CreateOptions{})(p, p.openOn(l)); err != nil || begun == 0 {
		t.Error(begun, err)
	}
	if lost := append(l.faults, l.open()...); len(lost) > 0 { // the very first backup, and line of the journal
		t.Errorf("success, and a power cut would take %q", lost)
	}
}

// Whoever renamed a pack may not have synced its directory yet, whoever made a
// directory not its parent: who builds on them must.
func TestTrapFoundBeforeItsDirectoryWasSynced(t *testing.T) {
	t.Parallel()
	p := withOneNight(t)
	l := newLedger(p.tree())
	for _, name := range append(p.files(".pack"), "volumes/db1", "copies", "journal") {
		l.names[name] = true
	}
	dirs, err := os.ReadDir(p.path("journal"))
	if err != nil || len(dirs) != 1 {
		t.Fatal(dirs, err)
	}
	l.names["journal/"+dirs[0].Name()] = true
	delete(l.names, "volumes/db1") // its volume.json is read, and was durable before that
	if err := backUp("db2", night(0), backup.CreateOptions{})(p, p.openOn(l)); err != nil {
		t.Fatal(err)
	}
	if lost := l.open(); len(lost) > 0 {
		t.Errorf("success, and a power cut would take %q", lost)
	}
	if packs := p.files(".pack"); len(packs) != 1 {
		t.Errorf("packs are %q: nothing was found", packs)
	}
}

// After a failed sync the kernel may have dropped the pages, and the next sync
// says that all is well. So there is no next, and the file never counts.
func TestTrapFailedSyncTriedAgain(t *testing.T) {
	t.Parallel()
	for _, w := range writings {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			for n, done := 1, false; !done; n++ {
				p := withOneNight(t)
				l := newLedger(p.tree())
				failed := ""
				l.failSync = func(name string) error {
					if l.syncs != n {
						return nil
					}
					failed = name
					return syscall.EIO
				}
				err := w.do(p, p.openOn(l))
				if done = failed == ""; done {
					break
				}
				if err == nil && !strings.HasPrefix(failed, "journal/") {
					t.Errorf("the sync of %s failed, and the command did not", failed)
				}
				if len(l.faults) > 0 {
					t.Errorf("sync %d: %q", n, l.faults)
				}
				p.checkPromises(step("after failed sync", n))
			}
		})
	}
}

// A close that fails, as on a network or with a quota, is a write that failed.
func TestTrapFailedCloseIgnored(t *testing.T) {
	t.Parallel()
	for _, w := range writings {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			for n := 1; ; n++ {
				p := withOneNight(t)
				l := newLedger(p.tree())
				closes, failed := 0, ""
				l.failClose = func(name string) error {
					if closes++; closes != n {
						return nil
					}
					failed = name
					return syscall.EDQUOT
				}
				err := w.do(p, p.openOn(l))
				if failed == "" {
					break
				}
				if err == nil && !strings.HasPrefix(failed, "journal/") {
					t.Errorf("closing %s failed, and the command did not", failed)
				}
				p.checkPromises(step("after failed close", n))
			}
		})
	}
}

// The sync after ★ fails: the name is taken back, for good, before the copy is.
func TestTrapRevisionTakenBackComesBack(t *testing.T) {
	t.Parallel()
	for _, dir := range []string{"volumes/db1", "copies/"} {
		p := withOneNight(t)
		l := newLedger(p.tree())
		named, times := false, 0
		l.beforeName = func(name string) { named = strings.HasSuffix(name, ".rev") && strings.HasPrefix(name, dir) }
		l.failSyncDir = func(name string) error {
			if named && strings.HasPrefix(name, dir) && times == 0 {
				times++
				return syscall.EIO
			}
			return nil
		}
		err := backUp("db1", night(1), backup.CreateOptions{})(p, p.openOn(l))
		if !errors.Is(err, syscall.EIO) {
			t.Errorf("%s: the backup ended with %v, want EIO", dir, err)
		}
		if revs := p.files(".rev"); len(revs) != 2 {
			t.Errorf("%s: files are %q, want the first revision and its copy", dir, revs)
		}
		if lost := l.open(); len(lost) > 0 {
			t.Errorf("%s: a power cut would undo %q", dir, lost)
		}
		if first := l.removed[0]; dir == "volumes/db1" && !strings.HasPrefix(first, dir) {
			t.Errorf("%s was removed first: a crash would leave a revision without its copy", first)
		}
	}
}

// The disk is full after so many bytes: either there is a revision, and it is
// right, or the backup has failed.
func TestTrapFullDiskSwallowed(t *testing.T) {
	t.Parallel()
	for _, freed := range []int64{0, 1 << 40} { // what somebody frees after the first write that was refused
		fillDisk(t, freed)
	}
}

func fillDisk(t *testing.T, freed int64) {
	t.Helper()
	for room, full := int64(0), true; full; room += 9000 {
		p := withOneNight(t)
		disk := &fullDisk{FS: p.tree(), room: room, freed: freed}
		r, err := repository.Open(disk, repository.Options{StateDir: p.state})
		if err != nil {
			t.Fatal(err)
		}
		data := night(3)
		result, err := create(t.Context(), r, &source{data: data}, backup.CreateOptions{Volume: "db2"})
		if cerr := r.Close(); cerr != nil {
			t.Error(cerr)
		}
		full = disk.refused
		if result != nil && result.Statement != nil && err == nil {
			p.promised[result.Statement] = data
		}
		if err != nil && !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("with room for %d bytes, and %d more later: %v", room, freed, err)
		}
		p.checkPromises(step("with room for", int(room)))
		p.mustBackup(p.open(), "db2", data)
		p.checkPromises(step("once there is room again", int(room)))
	}
}

// fullDisk takes so many bytes more, of the last write only a part.
type fullDisk struct {
	durable.FS
	room    int64
	freed   int64 // comes back after the first refusal
	refused bool
}

func (d *fullDisk) Create(name string) (durable.File, error)    { return d.over(d.FS.Create(name)) }
func (d *fullDisk) OpenWrite(name string) (durable.File, error) { return d.over(d.FS.OpenWrite(name)) }

func (d *fullDisk) over(f durable.File, err error) (durable.File, error) {
	if err != nil {
		return nil, err
	}
	return &fullDiskFile{f, d}, nil
}

type fullDiskFile struct {
	durable.File
	disk *fullDisk
}

func (f *fullDiskFile) WriteAt(p []byte, off int64) (int, error) {
	fits := min(int64(len(p)), f.disk.room)
	f.disk.room -= fits
	n, err := f.File.WriteAt(p[:fits], off)
	if err == nil && n < len(p) {
		if !f.disk.refused {
			f.disk.room = f.disk.freed
		}
		f.disk.refused = true
		err = syscall.ENOSPC
	}
	return n, err
}

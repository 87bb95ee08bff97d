package repository_test

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"varve/internal/durable"
	"varve/internal/durable/durabletest"
	"varve/repository"
	"varve/revision"
)

// history is a repository with a full and a delta of one volume.
type history struct {
	*place
	images []*image
	made   []*revision.Statement
}

func newHistory(t testing.TB) *history {
	t.Helper()
	h := &history{place: newPlace(t)}
	r := h.open()
	im := randomImage(5, 3)
	for i := range 2 {
		im = im.clone()
		im.write(int64(i)*chunkSize+100, []byte("changed"))
		h.images = append(h.images, im)
		h.made = append(h.made, h.mustStore(r, "db1", im))
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	return h
}

func (h *history) copy(t testing.TB) *history {
	return &history{place: copyOf(t, h.place), images: h.images, made: h.made}
}

// next is what the volume holds at the next backup.
func (h *history) next() *image {
	im := h.images[len(h.images)-1].clone()
	im.write(2*chunkSize, []byte("the next night"))
	im.write(0, []byte("too"))
	im.chunks[1] = randomImage(77, 1).chunks[0]
	return im
}

// checkKept makes sure that the revisions there were are listed and read right.
func (h *history) checkKept(r *repository.Repository, when string) {
	h.t.Helper()
	listed := ids(h.revisions(r, "db1"))
	for i, st := range h.made {
		if !slices.Contains(listed, st.ID) {
			h.t.Errorf("%s: revision %d is not listed", when, i)
		}
		if err := compare(h.t.Context(), r, st, h.images[i]); err != nil {
			h.t.Errorf("%s: revision %d: %v", when, i, err)
		}
	}
}

// calls writes down what is done to a repository.
type calls struct {
	mu   sync.Mutex
	list []string
}

func (c *calls) note(op, name string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.list = append(c.list, op+" "+name)
	return nil
}

// after finds the first call from a place on that has this prefix and suffix.
func (c *calls) after(t *testing.T, from int, prefix, suffix string) int {
	t.Helper()
	for i := from; i < len(c.list); i++ {
		if strings.HasPrefix(c.list[i], prefix) && strings.HasSuffix(c.list[i], suffix) {
			return i
		}
	}
	t.Fatalf("no %q … %q after call %d in\n%s", prefix, suffix, from, strings.Join(c.list, "\n"))
	return 0
}

func TestCommitKeepsTheOrder(t *testing.T) {
	t.Parallel()
	h := newHistory(t)
	var c calls
	r := h.openOn(durabletest.NewWatched(h.tree(), c.note))
	var begin, commit int
	st, err := store(t.Context(), r, "db1", h.next(), storeOptions{before: func(*repository.Backup) { commit = len(c.list) }})
	if err != nil {
		t.Fatal(err)
	}
	begin = c.after(t, 0, "create locks/leases/", ".json")
	at := c.after(t, begin, "rename runs/", ".json")
	if at = c.after(t, at, "fsync directory runs", ""); at > c.after(t, 0, "create packs/", "") {
		t.Error("a pack was begun before the run record was durable")
	}
	for i, call := range c.list[:commit] {
		if strings.HasPrefix(call, "rename volumes/") || strings.HasPrefix(call, "rename copies/") || strings.HasPrefix(call, "link") {
			t.Errorf("call %d, before the commit: %s", i, call)
		}
	}
	// barrier
	sealed := c.after(t, commit, "fsync packs/", "")
	renamed := c.after(t, sealed, "rename packs/", ".pack")
	dir := path.Dir(strings.TrimPrefix(c.list[renamed], "rename "))
	at = c.after(t, renamed, "fsync directory "+dir, "")
	at = c.after(t, at, "fsync volumes/db1/"+durable.TempPrefix, "")
	at = c.after(t, at, "open volumes/db1/"+durable.TempPrefix, "") // read again
	at = c.after(t, at, "fsync copies/", "")
	at = c.after(t, at, "open copies/", "") // read again
	at = c.after(t, at, "fsync directory runs", "")
	// gate
	at = c.after(t, at, "lock "+repository.GateName, "")
	at = c.after(t, at, "write "+repository.GateName, "")
	at = c.after(t, at, "write locks/leases/", "")
	at = c.after(t, at, "open volumes/db1/"+string(h.made[1].ID)+".rev", "")
	at = c.after(t, at, "lstat packs/", ".pack")
	at = c.after(t, at, "rename copies/", string(st.ID)+".rev")
	at = c.after(t, at, "fsync directory copies/", "")
	star := c.after(t, at, "rename volumes/db1/", string(st.ID)+".rev")
	if next := c.list[star+1]; next != "fsync directory volumes/db1" {
		t.Errorf("after ★ comes %s", next)
	}
	at = c.after(t, star, "remove runs/", ".json")
	c.after(t, at, "remove locks/leases/", ".json")
	for _, call := range c.list {
		if strings.HasPrefix(call, "rename volumes/") && call != c.list[star] {
			t.Errorf("another rename among volumes: %s", call)
		}
	}
}

// A found object's pack may have been renamed by somebody who had not synced its
// directory yet.
func TestCommitSyncsFoundPacksToo(t *testing.T) {
	t.Parallel()
	h := newHistory(t)
	var c calls
	r := h.openOn(durabletest.NewWatched(h.tree(), c.note))
	if _, err := store(t.Context(), r, "db2", h.images[0], storeOptions{}); err != nil {
		t.Fatal(err)
	}
	if made := h.files(".pack"); len(made) != 2 {
		t.Fatalf("packs are %q: nothing was found again", made)
	}
	found := 0
	for _, call := range c.list {
		if strings.HasPrefix(call, "fsync directory packs/") {
			found++
		}
	}
	if found == 0 {
		t.Error("the directory of the found pack was not synced")
	}
}

// What a revision stands on goes away between the barrier and the gate.
func TestCommitOnLostGround(t *testing.T) {
	t.Parallel()
	original := newHistory(t)
	next := original.next()
	tests := map[string]func(h *history, b *repository.Backup){
		"lease removed": func(h *history, b *repository.Backup) { h.remove(b.LeaseName()) },
		"lease replaced": func(h *history, b *repository.Backup) {
			content := h.read(b.LeaseName())
			h.remove(b.LeaseName())
			h.write(b.LeaseName(), content)
		},
		"pack removed": func(h *history, b *repository.Backup) {
			if err := b.Chunks().Barrier(t.Context()); err != nil {
				t.Error(err)
			}
			for _, pack := range b.Chunks().Relied() {
				h.remove(repository.PackName(pack))
			}
		},
		"parent removed": func(h *history, _ *repository.Backup) {
			h.remove(repository.RevisionName("db1", h.made[1].ID))
		},
		"parent replaced": func(h *history, _ *repository.Backup) {
			for _, name := range []string{repository.RevisionName("db1", h.made[1].ID), repository.CopyName(h.made[1].Volume.UUID, h.made[1].ID)} {
				h.write(name, h.read(repository.RevisionName("db1", h.made[0].ID)))
			}
		},
		"generation unreadable": func(h *history, _ *repository.Backup) { h.write("gc/7.json", []byte("x")) },
		"a revision appeared": func(h *history, _ *repository.Backup) {
			h.write("volumes/db1/20261124T010003Z-abcd.rev", h.read(repository.RevisionName("db1", h.made[0].ID)))
		},
	}
	for name, lose := range tests {
		h := original.copy(t)
		r := h.open()
		b := len(h.files("volumes/db1/"))
		_, err := store(t.Context(), r, "db1", next, storeOptions{before: func(b *repository.Backup) { lose(h, b) }})
		if !errors.Is(err, repository.ErrLostGround) {
			t.Errorf("%s: Commit = %v, want ErrLostGround", name, err)
		}
		after := len(h.files("volumes/db1/"))
		if name == "a revision appeared" {
			h.remove("volumes/db1/20261124T010003Z-abcd.rev")
			after--
		}
		if name == "parent removed" {
			after++
		}
		if after != b {
			t.Errorf("%s: %d files of the volume, want %d", name, after, b)
		}
		if name == "lease replaced" {
			if left := h.files(repository.LeasesDir); len(left) != 1 {
				t.Errorf("%s: the other's lease was removed", name)
			}
		}
		again, err := store(t.Context(), r, "db1", next, storeOptions{})
		if err != nil {
			t.Errorf("%s: the next backup: %v", name, err)
			continue
		}
		if err := compare(t.Context(), r, again, next); err != nil {
			t.Errorf("%s: the next revision: %v", name, err)
		}
	}
}

// A rename that took effect and failed all the same, as on a network.
func TestCommitTakesBackWhatItCannotVouchFor(t *testing.T) {
	t.Parallel()
	h := newHistory(t)
	tree := h.tree()
	for _, dir := range []string{"copies/", "volumes/db1/"} {
		var lying durable.FS = &lyingRename{FS: tree, dir: dir}
		r := h.openOn(lying)
		if _, err := store(t.Context(), r, "db1", h.next(), storeOptions{}); !errors.Is(err, syscall.EIO) {
			t.Errorf("%s: Commit = %v, want EIO", dir, err)
		}
		h.checkKept(r, dir)
		if revs := h.files(".rev"); len(revs) != 4 {
			t.Errorf("%s: files left are %q", dir, revs)
		}
	}
}

// A disk that fails for good just as the revision becomes visible: whether it is
// there is not known, and that is what is said.
func TestCommitThatIsUndecided(t *testing.T) {
	t.Parallel()
	h := newHistory(t)
	var gone atomic.Bool // revisions are listed by several goroutines
	r := h.openOn(durabletest.NewWatched(h.tree(), func(op, name string) error {
		if op == "fsync directory" && name == "volumes/db1" {
			gone.Store(true)
		}
		if gone.Load() {
			return syscall.EIO
		}
		return nil
	}))
	if _, err := store(t.Context(), r, "db1", h.next(), storeOptions{}); !errors.Is(err, repository.ErrUndecided) {
		t.Errorf("got %v, want ErrUndecided", err)
	}
}

type lyingRename struct {
	durable.FS
	dir string
}

func (l *lyingRename) RenameNew(oldName, newName string) error {
	err := l.FS.RenameNew(oldName, newName)
	if err == nil && strings.HasPrefix(newName, l.dir) && strings.HasSuffix(newName, ".rev") {
		return &fs.PathError{Op: "rename", Path: newName, Err: syscall.EIO}
	}
	return err
}

func TestACancelledBackupMakesNothing(t *testing.T) {
	t.Parallel()
	h := newHistory(t)
	r := h.open()
	ctx, cancel := contextOf(t)
	_, err := store(ctx, r, "db1", h.next(), storeOptions{before: func(*repository.Backup) { cancel() }})
	if err == nil {
		t.Error("a cancelled backup succeeded")
	}
	if revs := h.files(".rev"); len(revs) != 4 {
		t.Errorf("files left are %q", revs)
	}
	h.checkNoTemps()
}

// A run that ends before it stored anything leaves no record; one that did, does,
// and the next run goes on with its packs.
func TestRunRecordsOfEndedRuns(t *testing.T) {
	t.Parallel()
	h := newHistory(t)
	r := h.open()
	b, err := r.BeginBackup(t.Context(), repository.BackupOptions{Volume: "db1"})
	if err != nil {
		t.Fatal(err)
	}
	if !h.exists(repository.RunName(b.Run())) {
		t.Error("a backup has no run record")
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if left := h.files("runs/"); len(left) > 0 {
		t.Errorf("a run that stored nothing left %q", left)
	}
	ctx, cancel := contextOf(t)
	_, err = store(ctx, r, "db1", h.next(), storeOptions{before: func(b *repository.Backup) {
		if err := b.Chunks().Barrier(t.Context()); err != nil {
			t.Error(err)
		}
		cancel()
	}})
	if err == nil {
		t.Fatal("a cancelled backup succeeded")
	}
	if left := h.files("runs/"); len(left) != 1 {
		t.Errorf("run records are %q, want one", left)
	}
	packs := len(h.files(".pack"))
	if _, err := store(t.Context(), r, "db1", h.next(), storeOptions{}); err != nil {
		t.Fatal(err)
	}
	if got := len(h.files(".pack")); got != packs {
		t.Errorf("the next run made %d packs of its own", got-packs)
	}
}

func ExampleBusyError() {
	err := error(&repository.BusyError{What: `volume "db1"`})
	fmt.Println(err)
	// Output: volume "db1" is in use by another process
}

package proof

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/zeebo/xxh3"

	"varve/chunkstore"
	"varve/internal/durable"
	"varve/internal/durable/durabletest"
	"varve/repository"
	"varve/revision"
	"varve/scrub"
)

// command is one that writes: what was there before, and what it does. Every
// command that writes has a line in commands; crash states, faults and what else
// there is are tried on each.
type command struct {
	name    string
	before  func(ctx context.Context, w *World) // nothing of it is in doubt
	command func(ctx context.Context, w *World, fsys durable.FS) error
}

var commands = []command{
	{"init", nothing, initialize},
	{"first full", emptyRepository, backUp("db", BackupOptions{})},
	{"delta with patches", twoVolumes, backUp("db", BackupOptions{})},
	{"forced full", twoVolumes, backUp("db", BackupOptions{Full: true})},
	{"found objects", sameContent, backUp("mail", BackupOptions{})},
	{"several packs", manyPacks, backUp("db", BackupOptions{Codec: new(chunkstore.Codec)})},
	{"grown", then(twoVolumes, resize("db", 4*ChunkSize+100)), backUp("db", BackupOptions{})},
	{"shrunk", then(twoVolumes, resize("db", ChunkSize-5)), backUp("db", BackupOptions{})},
	{"resumed full", interruptedFull, backUp("db", BackupOptions{})},
	{"interrupted and resumed full", manyPacks, interruptAndResume},
	{"mended descriptor", then(twoVolumes, loseDescriptor), backUp("db", BackupOptions{})},
	{"rebuild", twoVolumes, rebuild},
	{"adopt", twoVolumes, adopt},
	{"a note of what verify found", twoVolumes, noteProven},
	{"a note of damage", twoVolumes, noteDamage},
	{"condemned objects found", interruptedFull, findCondemned},
	{"a scrub", fourNights, scrubAll},
	{"a note of a person", twoVolumes, noteOfAPerson},
	{"rename", twoVolumes, rename},
	{"rename, and the old name anew", twoVolumes, renameAndMakeAnew},
	{"a backup after a rename that was cut off", twoVolumes, renameCutOff},
	{"retire", twoVolumes, retire},
	{"the end of a retirement", after(twoVolumes, retire), unretire},
	{"a backup that ends a retirement", after(twoVolumes, retire), backUp("db", BackupOptions{})},
	{"merge of one in between", fourNights, take(repository.OpMerge, 1)},
	{"merge of the oldest, a full", fourNights, take(repository.OpMerge, 0)},
	{"prune of neighbours", fourNights, take(repository.OpPrune, 0, 1, 2)},
	{"rm of the newest", fourNights, take(repository.OpRemove, 3)},
	{"rm of a volume", twoVolumes, take(repository.OpRemove)},
	{"a synthetic full", fourNights, flatten},
	{"undelete of one in between", after(fourNights, take(repository.OpPrune, 1)), undelete},
	{"undelete of several", after(fourNights, take(repository.OpPrune, 0, 2)), undelete},
	{"undelete of a volume that went", after(twoVolumes, take(repository.OpRemove)), undelete},
	{"gc of what is stored twice", then(twoVolumes, storeAgain), collect},
	{"gc of what a dead run left", then(interruptedFull, superseded), collect},
	{"gc beside the trash", after(fourNights, take(repository.OpPrune, 0, 2)), collect},
	{"gc that rebuilds stacks", wornNights, collectAll},
	{"a set", twoVolumes, backUpSet("db", "mail")},
	{"a set with a volume that is new", then(emptyRepository, newMail), backUpSet("db", "mail")},
	{"a set after one that was cut off", then(twoVolumes, setCutOff), backUpSet("db", "mail")},
	{"a backup after a set that was cut off", then(twoVolumes, setCutOff), backUp("db", BackupOptions{})},
	{"repair", then(twoVolumes, breakWhatHasACopy), repair},
	{"gc of a set that went", after(after(twoVolumes, backUpSet("db", "mail")), loseSet), collectAll},
}

func initialize(ctx context.Context, w *World, fsys durable.FS) error { return w.Init(ctx, fsys) }

func rebuild(ctx context.Context, w *World, fsys durable.FS) error { return w.Rebuild(ctx, fsys) }

func adopt(ctx context.Context, w *World, fsys durable.FS) error { return w.Adopt(ctx, fsys) }

// noteProven writes beside each revision that it was read and found right.
func noteProven(ctx context.Context, w *World, fsys durable.FS) (err error) {
	r, err := w.Open(fsys)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	v, err := r.Volume("db")
	if err != nil {
		return err
	}
	revisions, err := r.Revisions(v)
	if err != nil {
		return err
	}
	for _, rev := range revisions {
		if err := r.Mark(ctx, rev, func(i *repository.Info) { i.State, i.Proven = repository.Proven, time.Now() }); err != nil {
			return err
		}
	}
	return nil
}

// scrubAll looks through everything. What it finds in a repository in which nothing is hurt
// is what could not be read, or not be written.
func scrubAll(ctx context.Context, w *World, fsys durable.FS) error {
	return w.with(fsys, func(r *repository.Repository) error {
		report, err := scrub.Run(ctx, r, scrub.Options{Workers: 1})
		if err != nil {
			return err
		}
		for _, f := range report.Findings {
			if f.Grade != scrub.Note {
				return fmt.Errorf("%s of %s: %s", f.Grade, f.Path, f.Cause)
			}
		}
		if report.Unrecorded || !report.Finished {
			return errors.New("it is not recorded")
		}
		return nil
	})
}

// noteOfAPerson is what tag, pin and distrust write.
func noteOfAPerson(ctx context.Context, w *World, fsys durable.FS) error {
	return w.with(fsys, func(r *repository.Repository) error {
		v, err := r.Volume("db")
		if err != nil {
			return err
		}
		revisions, err := r.Revisions(v)
		if err != nil {
			return err
		}
		return r.Mark(ctx, revisions[0], func(i *repository.Info) {
			i.Tags, i.Pin = []string{"release"}, &revision.Pin{Reason: "audit"}
			i.State, i.Reason = repository.Suspect, "the controller was faulty"
		})
	})
}

func rename(ctx context.Context, w *World, fsys durable.FS) error {
	return w.Rename(ctx, fsys, "db", "db2")
}

// renameAndMakeAnew frees a name that a new volume gets.
func renameAndMakeAnew(ctx context.Context, w *World, fsys durable.FS) error {
	if err := w.Rename(ctx, fsys, "mail", "mail2"); err != nil {
		return err
	}
	w.Volumes["mail"] = Noise(7, ChunkSize)
	_, err := w.Backup(ctx, fsys, "mail", BackupOptions{})
	return err
}

// renameCutOff backs up under the new name what somebody renamed who was killed before
// that was durable: from then on the volume keeps it.
func renameCutOff(ctx context.Context, w *World, fsys durable.FS) error {
	if err := w.with(fsys, func(r *repository.Repository) error { return w.toBeRenamed(r, "db", "db2") }); err != nil {
		return err
	}
	if err := fsys.Rename("volumes/db", "volumes/db2"); err != nil {
		return err
	}
	if _, err := w.Backup(ctx, fsys, "db2", BackupOptions{}); err != nil {
		return err
	}
	w.isRenamed()
	return nil
}

func retire(ctx context.Context, w *World, fsys durable.FS) error {
	return w.with(fsys, func(r *repository.Repository) error {
		v, err := r.Volume("db")
		if err != nil {
			return err
		}
		_, err = r.Retire(ctx, v)
		return err
	})
}

func unretire(ctx context.Context, w *World, fsys durable.FS) error {
	return w.with(fsys, func(r *repository.Repository) error {
		v, err := r.Volume("db")
		if err != nil {
			return err
		}
		return r.Unretire(ctx, v)
	})
}

// take takes revisions away, by number; none: the whole volume.
func take(op string, numbers ...int) func(context.Context, *World, durable.FS) error {
	return func(ctx context.Context, w *World, fsys durable.FS) error {
		return w.Remove(ctx, fsys, "db", op, numbers...)
	}
}

func flatten(ctx context.Context, w *World, fsys durable.FS) error {
	return w.with(fsys, func(r *repository.Repository) error {
		v, err := r.Volume("db")
		if err != nil {
			return err
		}
		_, err = r.Flatten(ctx, v, []revision.ID{w.promisedOf(v.UUID)[2].ID}, 0)
		return err
	})
}

func undelete(ctx context.Context, w *World, fsys durable.FS) error { return w.Undelete(ctx, fsys) }

// fourNights have a full, a delta with patches, one that shrank and one that grew, and
// what is noted of each.
func fourNights(ctx context.Context, w *World) {
	emptyRepository(ctx, w)
	w.mustBackup(ctx, "db", BackupOptions{})
	w.Change("db", 1, 2)
	w.mustBackup(ctx, "db", BackupOptions{})
	w.Resize("db", ChunkSize-5)
	w.mustBackup(ctx, "db", BackupOptions{})
	w.Resize("db", 2*ChunkSize+5)
	w.mustBackup(ctx, "db", BackupOptions{})
	if err := noteProven(ctx, w, w.Disk); err != nil {
		panic(fmt.Sprintf("prepare: %v", err))
	}
}

// after is a past in which a command was done.
func after(past func(context.Context, *World), command func(context.Context, *World, durable.FS) error) func(context.Context, *World) {
	return func(ctx context.Context, w *World) {
		past(ctx, w)
		if err := command(ctx, w, w.Disk); err != nil {
			panic(fmt.Sprintf("prepare: %v", err))
		}
	}
}

// collect collects garbage, and compacts whatever can be.
func collect(ctx context.Context, w *World, fsys durable.FS) error {
	return w.with(fsys, func(r *repository.Repository) error {
		result, err := r.CollectGarbage(ctx, repository.GCOptions{Threshold: 1e-9})
		if err == nil && result.NoRoom {
			err = fmt.Errorf("compact what is left: %w", syscall.ENOSPC)
		}
		return errors.Join(append(result.Findings, err)...)
	})
}

// wornNights have lost some from under others, for good once the trash is emptied: a full
// is a base with a patch, a whole chunk could be a patch, and two patches could be one.
func wornNights(ctx context.Context, w *World) {
	emptyRepository(ctx, w)
	w.mustBackup(ctx, "db", BackupOptions{})
	night := func(seed uint64, at, length int) {
		content := bytes.Clone(w.Volumes["db"])
		copy(content[at:], Noise(seed, length))
		w.Volumes["db"] = content
		w.mustBackup(ctx, "db", BackupOptions{})
	}
	night(1, chunkstore.BlockSize, chunkstore.BlockSize)
	before := w.Volumes["db"]
	night(2, ChunkSize, ChunkSize)
	w.Volumes["db"] = before
	night(3, ChunkSize+chunkstore.BlockSize, chunkstore.BlockSize)
	night(4, chunkstore.BlockSize, chunkstore.BlockSize)
	night(5, chunkstore.BlockSize, 2*chunkstore.BlockSize)
	if err := take(repository.OpPrune, 0, 2, 4)(ctx, w, w.Disk); err != nil {
		panic(fmt.Sprintf("prepare: %v", err))
	}
	w.Promised = slices.DeleteFunc(w.Promised, func(p Promise) bool { return p.Place != isListed })
}

// collectAll collects garbage, with what is in the trash.
func collectAll(ctx context.Context, w *World, fsys durable.FS) error {
	return w.with(fsys, func(r *repository.Repository) error {
		result, err := r.CollectGarbage(ctx, repository.GCOptions{Threshold: 1e-9, EmptyTrash: true})
		if w.rebuilt = result.Rebuilt; err == nil && result.NoRoom {
			err = fmt.Errorf("compact what is left: %w", syscall.ENOSPC)
		}
		return errors.Join(append(result.Findings, err)...)
	})
}

// The command that is to rebuild stacks does.
func TestWornNightsAreRebuilt(t *testing.T) {
	w := NewWorld("")
	wornNights(t.Context(), w)
	if err := collectAll(t.Context(), w, w.Disk); err != nil {
		t.Fatal(err)
	}
	if w.rebuilt != 3 {
		t.Errorf("%d chunks were stored anew, want 3", w.rebuilt)
	}
	if err := w.Check(t.Context()); err != nil {
		t.Error(err)
	}
}

// storeAgain stores all of a volume once more, a part of it changed.
func storeAgain(ctx context.Context, w *World) {
	w.Change("db", 1, 1)
	w.mustBackup(ctx, "db", BackupOptions{Full: true})
}

// breakWhatHasACopy takes files away without which nothing is lost. What takes more to be
// repaired is tried in package repository: here all has to be well before, too.
func breakWhatHasACopy(_ context.Context, w *World) {
	for _, name := range []string{"varve.json.copy", "README.txt", "volumes/mail/volume.json", "volumes/db/volume.json"} {
		if err := w.Disk.Remove(name); err != nil {
			panic(fmt.Sprintf("prepare: %v", err))
		}
	}
}

func repair(ctx context.Context, w *World, fsys durable.FS) error {
	return w.with(fsys, func(r *repository.Repository) error {
		result, err := r.Repair(ctx, repository.RepairOptions{})
		if err == nil && !result.Whole() {
			err = fmt.Errorf("not all was repaired: %+v", result)
		}
		return err
	})
}

// superseded makes a revision of the number of the run that died, which uses a part of
// what that left.
func superseded(ctx context.Context, w *World) {
	w.Change("db", 1, 1)
	w.mustBackup(ctx, "db", BackupOptions{})
}

// noteDamage writes that a copy of an object is hurt: of one in a pack that is not
// there, so that nothing is lost.
func noteDamage(ctx context.Context, w *World, fsys durable.FS) (err error) {
	r, err := w.Open(fsys)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	return r.RecordDamage(ctx, &chunkstore.CorruptError{
		Pack: chunkstore.PackID{1}, ID: chunkstore.ID{2}, Kind: chunkstore.Chunk, Cause: errors.New("rot"),
	})
}

// findCondemned backs up what lies in packs that no revision names, and that a
// collector condemns meanwhile: the commit has to take them off its list.
func findCondemned(ctx context.Context, w *World, fsys durable.FS) error {
	fails := w.FailReads
	defer func() { w.FailReads = fails }()
	w.FailReads = func(n int) error {
		if n == 2 { // the first of them was found
			if err := condemn(w.Disk); err != nil {
				return err
			}
		}
		if fails != nil {
			return fails(n)
		}
		return nil
	}
	if _, err := w.Backup(ctx, fsys, "db", BackupOptions{}); err != nil {
		return err
	}
	if _, published := w.Disk.Files()["gc/8.json"]; !published {
		return errors.New("a commit that relies on condemned packs took none off the list")
	}
	return nil
}

// condemn writes a generation that condemns every pack, as a collector would: docs/format.md.
func condemn(disk *durabletest.Disk) error {
	var list []string
	for name := range disk.Files() {
		if id, isPack := strings.CutSuffix(path.Base(name), ".pack"); isPack {
			list = append(list, fmt.Sprintf(`{"pack":"%s","since":7}`, id))
		}
	}
	slices.Sort(list)
	data := fmt.Sprintf(`{"g":7,"nonce":"%s","condemned":[%s]}`, strings.Repeat("5a", 16), strings.Join(list, ","))
	sum := xxh3.Hash128([]byte(data)).Bytes()
	return durable.WriteNew(disk, durable.NewTemps("collector"), "gc/7.json", fmt.Appendf(nil, "{\"sum\":\"%x\",\"data\":%s}\n", sum[:], data))
}

func backUp(name string, opts BackupOptions) func(context.Context, *World, durable.FS) error {
	return func(ctx context.Context, w *World, fsys durable.FS) error {
		_, err := w.Backup(ctx, fsys, revision.Name(name), opts)
		return err
	}
}

func backUpSet(names ...revision.Name) func(context.Context, *World, durable.FS) error {
	return func(ctx context.Context, w *World, fsys durable.FS) error { return w.BackupSet(ctx, fsys, names...) }
}

func newMail(_ context.Context, w *World) { w.Volumes["mail"] = Noise(2, ChunkSize) }

// setCutOff has revisions that wait for a set of which the file never came.
func setCutOff(ctx context.Context, w *World) {
	gone := durabletest.NewWatched(w.Disk, func(op, name string) error {
		if strings.HasPrefix(name, "sets/") && !durable.IsTemp(path.Base(name)) && op != "lstat" || op == "remove" && strings.HasPrefix(name, "volumes/") {
			return syscall.EIO
		}
		return nil
	})
	if err := w.BackupSet(ctx, gone, "db", "mail"); err == nil {
		panic("prepare: a set whose file could not be written was a success")
	}
	waiting := 0
	for name := range w.Disk.Files() {
		if strings.HasPrefix(name, "volumes/") && strings.HasSuffix(name, ".rev") {
			waiting++
		}
	}
	if waiting != len(w.Promised)+2 {
		panic(fmt.Sprintf("prepare: %d revisions are there, %d were promised, and two should wait", waiting, len(w.Promised)))
	}
}

// loseSet takes the revisions of a set away.
func loseSet(ctx context.Context, w *World, fsys durable.FS) error {
	for _, name := range []revision.Name{"db", "mail"} {
		newest := -1
		for _, p := range w.Promised {
			if p.Volume == name {
				newest++
			}
		}
		if err := w.Remove(ctx, fsys, name, repository.OpRemove, newest); err != nil {
			return err
		}
	}
	w.Promised = slices.DeleteFunc(w.Promised, func(p Promise) bool { return p.Place != isListed })
	w.SetSize = 0 // one may go for good, and the other come back
	return nil
}

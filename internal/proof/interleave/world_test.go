package interleave

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"varve/backup"
	"varve/chunkstore"
	"varve/internal/durable"
	"varve/internal/durable/durabletest"
	"varve/repository"
	"varve/revision"
	"varve/volume"
)

const chunkSize = repository.MinChunkSize

// begin is when all begins, by a clock that is right.
var begin = time.Date(2026, 11, 1, 1, 0, 0, 0, time.UTC)

// longTime is until when revisions can be brought back, by all clocks there are.
const longTime = 100 * 365 * 24 * time.Hour

// named is one revision: two volumes may have the same id.
type named struct {
	volume revision.UUID
	id     revision.ID
}

// world is a repository, and what was promised of it.
type world struct {
	disk     *durabletest.Disk
	catalog  map[string][]byte                   // what a host knows of it: files, below the directory of its state
	volumes  map[revision.Name]repository.Volume // that there are to begin with
	past     map[revision.Name][]named           // their revisions, the oldest first
	contents map[named][]byte                    // of all revisions that somebody was told of
	tried    map[revision.Name][][]byte          // what backups were given that have not said what came of it
	listed   map[named]bool                      // where they are to be
	trashed  map[named]bool
	removing map[named]int // by how many it is to be taken away, who said nothing of it yet
	undoing  map[named]int // by how many it is to be brought back, likewise
	pinned   map[named]bool
	waits    map[named]bool // since their set was cut off: they are there only once they were brought back
	purging  bool           // the trash may be emptied

	forgotten map[named]bool    // in the past
	seen      map[string][]byte // by the oracle: files
	ofSets    map[named]string  // likewise: of which set each revision is that is there
	condemned map[chunkstore.PackID]bool
	first     map[string][]byte             // files there were in the beginning, when all was right
	sound     map[named][]string            // of these, the ones that a revision consists of
	packs     map[named][]chunkstore.PackID // among them
}

// files gives all there was when the oracle began to look.
func (w *world) files() map[string][]byte { return w.seen }

func (w *world) copy() *world {
	c := *w
	c.disk = w.disk.Copy()
	c.contents, c.tried = maps.Clone(w.contents), maps.Clone(w.tried)
	c.listed, c.trashed = maps.Clone(w.listed), maps.Clone(w.trashed)
	c.removing, c.undoing, c.pinned = map[named]int{}, map[named]int{}, map[named]bool{}
	return &c
}

// newWorld makes a repository with something of all that those at work on it may meet:
// a chain, of which one is in the trash, the last of a set; a pack of which a part is dead,
// one that nothing names any more, and those of a run that died; a set, and one that waits.
func newWorld(t *testing.T, state string) *world {
	t.Helper()
	w := &world{
		disk: durabletest.NewDisk(), volumes: map[revision.Name]repository.Volume{}, contents: map[named][]byte{},
		tried: map[revision.Name][][]byte{}, waits: map[named]bool{}, listed: map[named]bool{}, trashed: map[named]bool{},
		removing: map[named]int{}, undoing: map[named]int{}, pinned: map[named]bool{}, forgotten: map[named]bool{},
	}
	if _, err := repository.Init(t.Context(), w.disk, repository.InitOptions{ChunkSize: chunkSize, Codec: "lz4"}); err != nil {
		t.Fatal(err)
	}
	p := &process{w: w, fsys: w.disk, state: state, clock: ticking(begin)}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	ctx := t.Context()
	for n := range 3 {
		must(p.backup(ctx, "db", database(n), false))
	}
	must(p.backupSet(ctx, member{"db", database(3)}, member{"data", system(0)}))
	must(p.backup(ctx, "db", database(4), false))
	must(p.remove(ctx, "db", repository.OpPrune, 3))
	must(p.remove(ctx, "data", repository.OpRemove, 0))
	must(p.forget(ctx, "data"))
	must(p.backup(ctx, "half", half(0), false))
	must(p.backup(ctx, "half", half(1), false))
	must(p.backup(ctx, "gone", garbage(), false))
	must(p.remove(ctx, "half", repository.OpMerge, 0))
	must(p.remove(ctx, "gone", repository.OpRemove, 0))
	must(p.forget(ctx, "half", "gone"))
	must(p.die("copies/", func(p *process) error { return p.backup(ctx, "dead", deadRun, false) }))
	must(p.makeSets(ctx))
	must(filepath.WalkDir(state, func(name string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(state, name)
		if err != nil {
			return err
		}
		if w.catalog == nil {
			w.catalog = map[string][]byte{}
		}
		w.catalog[rel], err = os.ReadFile(name)
		return err
	}))
	looked := w.copy() // for who looks buries the dead
	must(looked.check(ctx))
	w.seen, w.condemned = w.disk.Files(), looked.condemned
	must(w.settle())
	past := map[revision.Name][]named{}
	for name := range w.volumes {
		past[name] = w.history(name)
	}
	w.past = past
	return w
}

// sparse is a volume of so many chunks that has a little in each of some.
func sparse(chunks int, texts map[int]string) []byte {
	data := make([]byte, chunks*chunkSize+100)
	for at, text := range texts {
		copy(data[at*chunkSize:], text)
	}
	return data
}

// database is what db holds in a night.
func database(n int) []byte {
	return sparse(2, map[int]string{0: fmt.Sprint("night ", n), 1: fmt.Sprint("every other night ", n/2)})
}

// half is what makes a pack of which a part is dead once the second is all that is left.
func half(n int) []byte {
	return sparse(2, map[int]string{0: strings.Repeat(fmt.Sprint("changes ", n), 5000), 1: "stays"})
}

// garbage is in a pack that nothing names any more.
func garbage() []byte { return sparse(1, map[int]string{0: "nobody needs it", 1: "nor this"}) }

// ticking is a clock that goes on by a second whenever somebody looks at it.
func ticking(now time.Time) func() time.Time {
	return func() time.Time {
		now = now.Add(time.Second)
		return now
	}
}

// process does what a command does, by itself.
type process struct {
	w     *world
	fsys  durable.FS
	state string
	clock func() time.Time
}

func (p *process) open(command string) (*repository.Repository, error) {
	return repository.Open(p.fsys, repository.Options{StateDir: p.state, Command: command, Now: p.clock, Listers: 1})
}

// with lends an open repository.
func (p *process) with(command string, use func(*repository.Repository) error) error {
	r, err := p.open(command)
	if err != nil {
		return err
	}
	return errors.Join(use(r), r.Close())
}

// wait is how long somebody waits for a volume: as long as it takes.
const wait = time.Hour

// backup makes a revision, which is promised when that is said.
func (p *process) backup(ctx context.Context, name revision.Name, content []byte, full bool) error {
	w := p.w
	return p.with("backup", func(r *repository.Repository) error {
		w.tried[name] = append(slices.Clip(w.tried[name]), content)
		result, err := backup.Create(ctx, r, &source{content}, backup.CreateOptions{Volume: name, Full: full, Wait: wait, Workers: 1})
		if err != nil {
			return err
		}
		w.promise(result.Statement, content)
		if len(result.Findings) > 0 {
			return &findingsError{result.Findings}
		}
		return nil
	})
}

// promise notes that a revision is to be there from now on.
func (w *world) promise(st *revision.Statement, content []byte) {
	if w.past == nil {
		w.volumes[st.Volume.Name] = repository.Volume{UUID: st.Volume.UUID, Name: st.Volume.Name}
	}
	n := named{st.Volume.UUID, st.ID}
	w.contents[n], w.listed[n] = content, true
}

// findingsError is damage that a backup found.
type findingsError struct{ findings []backup.Finding }

func (e *findingsError) Error() string { return fmt.Sprintf("it found damage: %v", e.findings) }

// history lists what there is of a volume to begin with, the oldest first.
func (w *world) history(name revision.Name) (history []named) {
	if w.past != nil {
		return w.past[name]
	}
	uuid := w.volumes[name].UUID
	for n := range w.contents {
		if n.volume == uuid {
			history = append(history, n)
		}
	}
	slices.SortFunc(history, func(a, b named) int { return a.id.Begun().Compare(b.id.Begun()) })
	return history
}

// remove takes revisions of a volume away, by their number in its history.
func (p *process) remove(ctx context.Context, name revision.Name, op string, numbers ...int) error {
	w := p.w
	history := w.history(name)
	var ids []revision.ID
	for _, n := range numbers {
		ids = append(ids, history[n].id)
		w.removing[history[n]]++
	}
	return p.with(op, func(r *repository.Repository) error {
		out, err := r.Remove(ctx, w.volumes[name], ids, repository.RemoveOptions{Op: op, Undelete: longTime, Wait: wait})
		for _, id := range out.Revisions {
			w.move(named{w.volumes[name].UUID, id}, w.listed, w.trashed)
		}
		if errors.Is(err, durabletest.ErrKilled) { // its last word was not heard
			return err
		}
		for _, n := range numbers {
			w.removing[history[n]]--
		}
		return err
	})
}

// move notes that a revision is somewhere else now.
func (w *world) move(n named, from, to map[named]bool) {
	delete(from, n)
	to[n] = true
}

// forget takes out of the trash, for good, what is there of volumes.
func (p *process) forget(ctx context.Context, names ...revision.Name) error {
	w := p.w
	for n := range w.trashed {
		for _, name := range names {
			if n.volume != w.volumes[name].UUID {
				continue
			}
			delete(w.trashed, n)
			delete(w.contents, n)
			w.forgotten[n] = true
			for _, file := range []string{"copies/%s/%s.rev", "trash/%s/%s.rev", "trash/%s/%s.trash"} {
				if err := p.fsys.Remove(fmt.Sprintf(file, n.volume, n.id)); err != nil {
					return err
				}
			}
		}
	}
	return ctx.Err()
}

// die lets somebody begin something, who is killed just before a file gets a name that
// begins so.
func (p *process) die(before string, begin func(*process) error) error {
	dead := false
	killed := &process{w: p.w, state: p.state, clock: p.clock, fsys: durabletest.NewWatched(p.fsys, func(op, file string) error {
		if dead = dead || op == "rename" && strings.HasPrefix(file, before); dead {
			return durabletest.ErrKilled
		}
		return nil
	})}
	if err := begin(killed); !errors.Is(err, durabletest.ErrKilled) {
		return fmt.Errorf("it did not die: %w", err)
	}
	p.w.tried = map[revision.Name][][]byte{}
	return nil
}

// source is a volume in memory.
type source struct{ content []byte }

var _ volume.Source = (*source)(nil)

// Describe implements [volume.Source].
func (s *source) Describe() volume.Identity {
	return volume.Identity{Kind: "file", Path: "/memory", Stable: "1"}
}

// Snapshot implements [volume.Source].
func (s *source) Snapshot(context.Context) (volume.Snapshot, error) { return snapshot{s}, nil }

type snapshot struct{ *source }

func (s snapshot) Size() int64  { return int64(len(s.content)) }
func (s snapshot) Close() error { return nil }

func (s snapshot) Consistency() (volume.Consistency, string, error) { return volume.Still, "", nil }

func (s snapshot) ReadAt(p []byte, off int64) (int, error) {
	n := copy(p, s.content[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// comparison is a writer that makes sure that it gets what it is to get.
type comparison struct{ left []byte }

var errOther = errors.New("its bytes are not those that were backed up")

// Write implements [io.Writer].
func (c *comparison) Write(p []byte) (int, error) {
	if !bytes.HasPrefix(c.left, p) {
		return 0, errOther
	}
	c.left = c.left[len(p):]
	return len(p), nil
}

// read compares all of an image.
func read(ctx context.Context, im *repository.Image, want []byte) error {
	c := &comparison{want}
	if err := backup.Stream(ctx, im, c, backup.StreamOptions{Workers: 1}); err != nil {
		return err
	}
	if len(c.left) > 0 {
		return errOther
	}
	return nil
}

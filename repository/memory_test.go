package repository_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"varve/internal/durable"
	"varve/repository"
	"varve/revision"
)

// stillFS answers what directories are as it did when it was last told to look, as a file
// system does whose clock stands still; and counts the files that are opened.
type stillFS struct {
	durable.FS
	mu     sync.Mutex
	still  bool
	seen   map[string]fs.FileInfo
	opened int
}

func (s *stillFS) Lstat(name string) (fs.FileInfo, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if info := s.seen[name]; s.still && info != nil {
		return info, nil
	}
	info, err := s.FS.Lstat(name)
	if err == nil && info.IsDir() {
		s.seen[name] = info
	}
	return info, err
}

func (s *stillFS) Open(name string) (durable.File, error) {
	s.mu.Lock()
	s.opened++
	s.mu.Unlock()
	return s.FS.Open(name)
}

// reader is a process that asks for summaries again and again.
type reader struct {
	t   *testing.T
	fs  *stillFS
	r   *repository.Repository
	now time.Time
}

func newReader(t *testing.T, p *place) *reader {
	t.Helper()
	rd := &reader{t: t, fs: &stillFS{FS: p.tree(), seen: map[string]fs.FileInfo{}}, now: time.Now()}
	opts := repository.Options{Now: func() time.Time { return rd.now }, Memory: new(repository.Memory)}
	r, err := repository.Open(rd.fs, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	rd.r = r
	return rd
}

// looks lets some time go by, and gives what the summaries say, and how many files that took.
func (rd *reader) looks(after time.Duration) (text string, opened int) {
	rd.t.Helper()
	rd.now = rd.now.Add(after)
	rd.fs.opened = 0
	return describeAll(rd.t, rd.r), rd.fs.opened
}

func describeAll(t *testing.T, r *repository.Repository) (text string) {
	t.Helper()
	all, err := r.Summaries(t.Context())
	for _, s := range all {
		unproven, err := r.Unproven([]repository.Volume{s.Volume})
		text += fmt.Sprintf("%s %s (retired: %v, drilled: %v, unproven: %v, %v): %s\n", s.Volume.Name, s.Volume.UUID, s.Retired, s.Drill != nil, unproven[s.Volume.UUID], err, describe(s))
	}
	if err != nil {
		text += err.Error()
	}
	return text
}

func describeEvents(t *testing.T, r *repository.Repository, since time.Time) (text string) {
	t.Helper()
	events, err := r.EventsSince(since)
	for _, e := range events {
		text += fmt.Sprintf("%s %s %s %s\n", e.Time, e.Op, e.Revision, e.Detail)
	}
	if err != nil {
		text += err.Error()
	}
	return text
}

// What did not change is not read again, once it is known that a change would have been seen.
func TestMemory(t *testing.T) {
	t.Parallel()
	p, w := nights(t, nightly(3))
	rd := newReader(t, p)
	first, opened := rd.looks(0)
	if opened == 0 {
		t.Fatal("files were read unseen")
	}
	rd.fs.still = true
	newest := p.revisions(w, "db")[2]
	mark := func(s repository.State) {
		if err := w.Mark(t.Context(), newest, func(info *repository.Info) { info.State = s }); err != nil {
			t.Fatal(err)
		}
	}
	mark(repository.Suspect) // in the same tick of the file system's clock as the look before
	suspect, _ := rd.looks(2 * time.Second)
	if suspect == first {
		t.Error("what changed just after the first look is not seen")
	}
	mark(repository.Good)
	if text, _ := rd.looks(time.Second); text != first {
		t.Errorf("what changed just after the second look is not seen: %s", text)
	}
	if _, opened := rd.looks(time.Second); opened != 0 {
		t.Errorf("%d files were opened again", opened)
	}
	mark(repository.Suspect) // as what rots does: no directory shows it
	if text, _ := rd.looks(50 * time.Minute); text != first {
		t.Error("what is remembered is not used; so the rest of this test shows nothing")
	}
	if text, _ := rd.looks(11 * time.Minute); text != suspect {
		t.Errorf("what no directory shows is not seen after an hour: %s", text)
	}
}

// A line of the journal that is being written is not passed over for ever.
func TestMemoryOfHalfALine(t *testing.T) {
	t.Parallel()
	p, w := nights(t, nightly(1))
	rd := newReader(t, p)
	since := rd.now.Add(-time.Hour)
	for _, detail := range []string{"one", "two", "three"} {
		if err := w.Record(t.Context(), repository.Event{Op: repository.OpTag, Result: repository.ResultOK, Detail: detail}); err != nil {
			t.Fatal(err)
		}
		month := p.files("journal/")[0]
		whole := p.read(month)
		p.write(month, whole[:len(whole)-40])
		if text := describeEvents(t, rd.r, since); strings.Contains(text, detail) {
			t.Errorf("half a line says %s", text)
		}
		p.write(month, whole)
		if text := describeEvents(t, rd.r, since); strings.Count(text, detail) != 1 {
			t.Errorf("a line that was written is not read: %s", text)
		}
	}
}

// Whatever is done to a repository, who remembers says the same as who reads.
func TestMemoryAgrees(t *testing.T) {
	t.Parallel()
	for seed := range uint64(3) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // repeatable, not secret
			p := newPlace(t)
			w := p.open()
			rd := newReader(t, p)
			remembered := 0
			for step := range 50 {
				said := changeSomething(p, w, random, rd.now.AddDate(0, 0, step-50))
				want := describeAll(t, w)
				for range random.IntN(3) + 1 {
					got, opened := rd.looks(time.Duration(random.IntN(4)) * time.Second)
					if got != want {
						t.Fatalf("after step %d, %s:\ngot  %s\nwant %s", step, said, got, want)
					}
					since := rd.now.Add(-time.Duration(random.IntN(10)) * time.Minute)
					if got, want := describeEvents(t, rd.r, since), describeEvents(t, w, since); got != want {
						t.Fatalf("after step %d, %s, since %s:\ngot  %s\nwant %s", step, said, since, got, want)
					}
					if want != "" && opened == 0 {
						remembered++
					}
				}
				p.tick()
			}
			if remembered == 0 {
				t.Error("nothing was ever remembered")
			}
		})
	}
}

// tick waits until the clock of the file system goes on.
func (p *place) tick() {
	p.t.Helper()
	name := filepath.Join(p.state, "tick")
	at := func() time.Time {
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			p.t.Fatal(err)
		}
		info, err := os.Stat(name)
		if err != nil {
			p.t.Fatal(err)
		}
		return info.ModTime()
	}
	for began := at(); at().Equal(began); {
		time.Sleep(time.Millisecond)
	}
}

// tearJournal leaves, at times, a line that is not whole, as a power cut does.
func (p *place) tearJournal(random *rand.Rand) {
	p.t.Helper()
	months := p.files("journal/")
	if len(months) == 0 || random.IntN(2) == 0 {
		return
	}
	name := months[len(months)-1]
	data := p.read(name)
	last := data[bytes.LastIndexByte(data[:len(data)-1], '\n')+1:]
	p.write(name, append(data, last[:random.IntN(len(last))]...))
}

// changeSomething does one of the things that summaries show. Backups are begun at that time.
func changeSomething(p *place, w *repository.Repository, random *rand.Rand, now time.Time) string {
	p.t.Helper()
	name := revision.Name([]string{"a", "b/c"}[random.IntN(2)])
	v, err := w.Volume(name)
	must := func(err error) {
		p.t.Helper()
		if err != nil {
			p.t.Fatal(err)
		}
	}
	if err != nil {
		p.mustStoreWith(w, name, randomImage(random.Uint64(), 1), storeOptions{begun: now})
		return "a first backup of " + string(name)
	}
	revisions := p.revisions(w, name)
	one := func() repository.Revision { return revisions[random.IntN(len(revisions))] }
	switch what := random.IntN(14); {
	case what >= 11:
		must(w.RecordOldest(p.t.Context(), v.UUID, now))
		return "a scrub"
	case what >= 9:
		p.tearJournal(random)
		must(w.Record(p.t.Context(), repository.Event{Op: "tag", Result: repository.ResultOK, Volume: name, Detail: fmt.Sprint(random.Uint64())}))
		return "a line of the journal"
	case what == 0 && len(revisions) > 1:
		_, err := w.Remove(p.t.Context(), v, []revision.ID{one().ID}, repository.RemoveOptions{})
		return fmt.Sprintf("a removal (%v)", err) // of what is damaged, and cannot be merged
	case what == 1:
		_, err := w.Retire(p.t.Context(), v)
		must(err)
		return "retired"
	case what == 2:
		must(w.Unretire(p.t.Context(), v))
		return "not retired any more"
	case what == 3:
		other := revision.Name("moved/" + string(name))
		if _, err := w.Volume(other); err == nil {
			return "nothing"
		}
		_, err := w.Rename(p.t.Context(), name, other, time.Second)
		must(err)
		return "renamed"
	case what == 4 && len(revisions) > 1:
		names := p.files(string(one().ID) + ".rev")
		p.remove(names[random.IntN(len(names))])
		return "a file is lost"
	case what < 7 && len(revisions) > 0:
		state := []repository.State{repository.Good, repository.Suspect, repository.Damaged}[random.IntN(3)]
		rev := one()
		if rev.Statement == nil {
			return "nothing"
		}
		must(w.Mark(p.t.Context(), rev, func(info *repository.Info) { info.State = state }))
		return fmt.Sprintf("%s is %s", rev.ID, state)
	}
	if slices.ContainsFunc(revisions, func(rev repository.Revision) bool { return rev.Statement == nil }) {
		return "nothing" // its next backup is a story of its own
	}
	if _, err := store(p.t.Context(), w, name, randomImage(random.Uint64(), 1), storeOptions{begun: now}); err != nil && !strings.Contains(err.Error(), "damaged") {
		p.t.Fatal(err)
	}
	return "a backup"
}

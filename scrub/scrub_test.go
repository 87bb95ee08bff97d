package scrub_test

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"varve/chunkstore"
	"varve/repository"
	"varve/revision"
	"varve/scrub"
)

// Of everything that is well nothing is told, all is proven, and each pack is read once,
// whoever shares it: what is patched is put together of one more reading of its objects.
func TestEachFrameIsReadOnce(t *testing.T) {
	t.Parallel()
	p := newPlace(t, 10)
	r := p.open()
	p.store(r, "a")
	for night := range 4 {
		p.change(3, night)
		p.store(r, "a")
	}
	p.store(r, "b") // the same once more
	w := &watched{FS: p.tree()}
	r = p.openOn(w)
	report := p.run(r, scrub.Options{})
	if len(damageOf(report)) > 0 || report.Count(scrub.Trouble) > 0 || !report.Finished || report.Read != report.Packs || report.Proven != 6 {
		t.Errorf("%+v", report)
	}
	for _, state := range append(p.states(r, "a"), p.states(r, "b")...) {
		if state != repository.Proven {
			t.Errorf("a revision is %s", state)
		}
	}
	// One chunk of ten and four patches are read again, with the tables of contents.
	if total := sum(w.read); total > report.Stored+2*chunkSize+int64(len(p.packs()))*3000 {
		t.Errorf("%d bytes of packs were read, of %d", total, report.Stored)
	}
	if u, err := r.UnfinishedScrub(); u != nil || err != nil {
		t.Errorf("it is still under way: %+v, %v", u, err)
	}
}

func sum(read map[string]int64) (n int64) {
	for _, bytes := range read {
		n += bytes
	}
	return n
}

// Two revisions may build on one, of which the first has others that build on it.
func TestBranchesAreFollowed(t *testing.T) {
	t.Parallel()
	p := newPlace(t, 4)
	r := p.open()
	p.store(r, "a")
	p.change(1, 0)
	p.store(r, "a")
	p.change(2, 0)
	second := p.store(r, "a")
	v, err := r.Volume("a")
	if err != nil {
		t.Fatal(err)
	}
	opts := repository.RemoveOptions{Op: repository.OpRemove, Undelete: time.Hour}
	if _, err := r.Remove(t.Context(), v, []revision.ID{second}, opts); err != nil {
		t.Fatal(err)
	}
	p.change(2, 0) // as before the one that went: nothing changed in between
	p.store(r, "a")
	p.change(3, 5)
	p.store(r, "a")
	if found := damageOf(p.run(r, scrub.Options{})); len(found) > 0 {
		t.Errorf("%+v", found)
	}
}

// A scrub that is killed has proven what it has proven; who goes on with it reads the rest,
// and finds what was hurt there in between.
func TestResume(t *testing.T) {
	t.Parallel()
	p := newPlace(t, 20)
	p.store(p.open(), "a")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	opened := map[string]int{}
	w := &watched{FS: p.tree()}
	w.open = func(name string) {
		if opened[name]++; opened[name] == 2 && len(opened) == len(p.packs()) && twice(opened) == 5 { // after the tables
			cancel()
		}
	}
	r := p.openOn(w)
	if _, err := scrub.Run(ctx, r, scrub.Options{Workers: 1}); !errors.Is(err, context.Canceled) {
		t.Fatalf("it ended with %v", err)
	}
	proofs, err := r.Proofs(t.Context())
	if err != nil || len(proofs.Packs) != 4 {
		t.Fatalf("%d packs are proven, %v; want 4", len(proofs.Packs), err)
	}
	hurt := ""
	for _, name := range p.packs() {
		id, err := chunkstore.ParsePackID(name[len(name)-len("0123456789abcdef0123456789abcdef.pack") : len(name)-len(".pack")])
		if err != nil {
			t.Fatal(err)
		}
		if _, proven := proofs.Packs[id]; !proven && hurt == "" {
			hurt = name
			p.flip(name, 5000)
		}
	}
	report := p.run(p.open(), scrub.Options{Resume: true})
	found := damageOf(report)
	if len(found) != 1 || !strings.HasSuffix(hurt, found[0].Path) || found[0].Kind != scrub.Frame || len(found[0].Lost) != 1 {
		t.Errorf("%+v", found)
	}
	if report.Read != report.Packs-4 || !report.Finished {
		t.Errorf("read %d of %d packs, finished %v; 4 were proven before", report.Read, report.Packs, report.Finished)
	}
	if states := p.states(r, "a"); !slices.Equal(states, []repository.State{repository.Damaged}) {
		t.Errorf("the revision is %v", states)
	}
	if _, err := scrub.Run(t.Context(), r, scrub.Options{Resume: true}); !errors.Is(err, scrub.ErrNothingToResume) {
		t.Errorf("gone on with what has ended: %v", err)
	}
}

// What a scrub found hurt before it was killed is known to who goes on with it, who does not
// read that again: nothing that needs it is proven, and it is told as what is new.
func TestResumeKnowsWhatWasHurt(t *testing.T) {
	t.Parallel()
	p := newPlace(t, 20)
	p.store(p.open(), "a")
	p.flip(p.packs()[0], 5000)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	opened := map[string]int{}
	w := &watched{FS: p.tree()}
	w.open = func(name string) {
		if opened[name]++; opened[name] == 2 && len(opened) == len(p.packs()) && twice(opened) == 5 { // after the tables
			cancel()
		}
	}
	if _, err := scrub.Run(ctx, p.openOn(w), scrub.Options{Workers: 1}); !errors.Is(err, context.Canceled) {
		t.Fatalf("it ended with %v", err)
	}
	r := p.open()
	report := p.run(r, scrub.Options{Resume: true})
	if report.Read != report.Packs-4 {
		t.Errorf("read %d of %d packs; 4 were read before", report.Read, report.Packs)
	}
	found := damageOf(report)
	if len(found) != 1 || !strings.HasSuffix(p.packs()[0], found[0].Path) || found[0].Kind != scrub.Frame || len(found[0].Lost) != 1 {
		t.Errorf("%+v", found)
	}
	if states := p.states(r, "a"); !slices.Equal(states, []repository.State{repository.Damaged}) {
		t.Errorf("the revision is %v", states)
	}
}

func twice(opened map[string]int) (n int) {
	for _, times := range opened {
		if times > 1 {
			n++
		}
	}
	return n
}

// What the disk does not give is trouble, and no damage: nothing is condemned, nothing that
// needs it is proven, and the next one reads it again.
func TestTroubleCondemnsNothing(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		kind scrub.Kind
		read int // packs, by who goes on with it
		bad  func(p *place) func(name string, off int64, n int) bool
	}{
		"a frame": {scrub.Frame, 1, func(p *place) func(string, int64, int) bool {
			bad := strings.TrimPrefix(p.packs()[1], p.dir+"/")
			return func(name string, off int64, n int) bool { return name == bad && off <= 2000 && off+int64(n) > 2000 }
		}},
		"the head of a pack": {scrub.Pack, 1, func(p *place) func(string, int64, int) bool {
			bad := strings.TrimPrefix(p.packs()[1], p.dir+"/")
			return func(name string, off int64, _ int) bool { return name == bad && off == 0 }
		}},
		"the maps of a revision on which others build": {scrub.Map, 0, func(p *place) func(string, int64, int) bool {
			bad := strings.TrimPrefix(p.one("volumes/a/*.rev"), p.dir+"/volumes/a/")
			return func(name string, _ int64, _ int) bool { return strings.HasSuffix(name, bad) }
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t, 8)
			p.store(p.open(), "a")
			p.change(3, 3)
			p.store(p.open(), "a")
			isBad := c.bad(p)
			w := &watched{FS: p.tree(), fail: func(name string, off int64, n int) error {
				if isBad(name, off, n) {
					return syscall.EIO
				}
				return nil
			}}
			r := p.openOn(w)
			report := p.run(r, scrub.Options{})
			if len(damageOf(report)) > 0 || report.Count(scrub.Trouble) == 0 || report.Finished {
				t.Errorf("%+v", report)
			}
			if f := report.Findings[0]; f.Kind != c.kind || len(report.Losses()) > 0 {
				t.Errorf("%+v", report.Findings)
			}
			if known, err := r.KnownDamage(); len(known) > 0 || err != nil {
				t.Errorf("condemned: %v, %v", known, err)
			}
			w.fail = nil
			for _, state := range p.states(r, "a") {
				if state == repository.Damaged {
					t.Error("a revision is damaged")
				}
			}
			report = p.run(r, scrub.Options{Resume: true})
			if report.Read != c.read || !report.Finished || len(report.Findings) > 0 {
				t.Errorf("gone on: %+v, want %d packs read", report, c.read)
			}
			for _, state := range p.states(r, "a") {
				if state != repository.Proven {
					t.Errorf("a revision is %s at last", state)
				}
			}
		})
	}
}

// What is read each night comes round, the longest unproven first, and never twice before.
func TestOlderThanComesRound(t *testing.T) {
	t.Parallel()
	p := newPlace(t, 30)
	r := p.open()
	p.store(r, "a")
	day := newClock()
	all, nights := len(p.packs()), 0
	for read := 0; read < all; nights++ {
		now, begun := day.at, 0
		report := p.run(r, scrub.Options{OlderThan: 30 * 24 * time.Hour, MaxDuration: 4 * time.Minute, Workers: 1, Now: func() time.Time {
			begun++
			now = now.Add(10 * time.Second)
			return now
		}})
		if report.Read == 0 || report.Due != all-read {
			t.Fatalf("night %d: %d of %d due packs were read; %d had been", nights, report.Read, report.Due, read)
		}
		read += report.Read
		day.at = day.at.AddDate(0, 0, 1)
	}
	if nights < 2 {
		t.Fatal("one night was enough")
	}
	if report := p.run(r, scrub.Options{OlderThan: 30 * 24 * time.Hour, Now: day.now}); report.Due != 0 || !report.Finished {
		t.Errorf("after all nights: %+v", report)
	}
	if states := p.states(r, "a"); states[0] != repository.Proven {
		t.Errorf("the revision is %v", states)
	}
	day.at = day.at.AddDate(0, 0, 31-nights)
	if report := p.run(r, scrub.Options{OlderThan: 30 * 24 * time.Hour, Now: day.now}); report.Due == 0 || report.Due == all && nights > 2 {
		t.Errorf("a month later, %d of %d packs are due", report.Due, all)
	}
}

// A clock that leapt ahead, and was set back, has dated what was proven then: that is read again
// once, as if it never had been, and not each night.
func TestProofsFromAheadCountAsNone(t *testing.T) {
	t.Parallel()
	p := newPlace(t, 8)
	r := p.open()
	p.store(r, "a")
	day := newClock()
	leapt := clock{day.at.AddDate(1, 0, 0)}
	p.run(r, scrub.Options{Now: leapt.now})
	for night, due := range []int{len(p.packs()), 0} {
		report := p.run(r, scrub.Options{OlderThan: 30 * 24 * time.Hour, Now: day.now})
		if report.Due != due {
			t.Errorf("night %d: %d packs are due, want %d", night, report.Due, due)
		}
		day.at = day.at.AddDate(0, 0, 1)
	}
}

// What was missing when a scrub began, and was stored again before it came to its end, is no loss;
// and what others found lost meanwhile is not proven by what was read before.
func TestWhatChangesBesideAScrub(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		before, beside func(p *place, r *repository.Repository)
		want           repository.State
	}{
		"it comes back": {
			func(p *place, _ *repository.Repository) { p.rename(p.packs()[0], p.dir+"/away") },
			func(p *place, _ *repository.Repository) { p.rename(p.dir+"/away", p.away) }, repository.Good,
		},
		"others find it damaged": {
			func(*place, *repository.Repository) {},
			func(p *place, r *repository.Repository) {
				v, err := r.Volume("a")
				if err != nil {
					p.t.Error(err)
				}
				revisions, err := r.Revisions(v)
				if err != nil {
					p.t.Error(err)
				}
				if err := r.Mark(p.t.Context(), revisions[0], func(info *repository.Info) {
					info.State, info.Lost = repository.Damaged, []repository.Extent{{Length: chunkSize}}
				}); err != nil {
					p.t.Error(err)
				}
			}, repository.Damaged,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t, 6)
			r := p.open()
			p.store(r, "a")
			p.away = p.packs()[0]
			c.before(p, r)
			p.run(r, scrub.Options{Step: func(what string) {
				if what == "losses" {
					c.beside(p, r)
				}
			}})
			if states := p.states(r, "a"); !slices.Equal(states, []repository.State{c.want}) {
				t.Errorf("the revision is %v, want %s", states, c.want)
			}
		})
	}
}

// A sample is a part of all, and another one each time.
func TestSample(t *testing.T) {
	t.Parallel()
	p := newPlace(t, 40)
	r := p.open()
	p.store(r, "a")
	read := map[int]bool{}
	for range 20 {
		report := p.run(r, scrub.Options{Sample: 0.5})
		if report.Due > report.Packs {
			t.Errorf("%+v", report)
		}
		read[report.Due] = true
	}
	if read[len(p.packs())] || len(read) < 2 {
		t.Errorf("samples of %v packs of %d", read, len(p.packs()))
	}
}

// Each kind of loss is named, with what it takes away, and by VOLUME only what that needs.
func TestFindings(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		harm func(p *place)
		kind scrub.Kind
		lost int // chunks
	}{
		"a pack that is gone":         {func(p *place) { mustRemove(p, p.packs()[0]) }, scrub.Missing, 2},
		"a table of contents":         {func(p *place) { p.flip(p.packs()[0], int(sizeOf(p, p.packs()[0]))-80) }, scrub.Pack, 2},
		"the head of a pack":          {func(p *place) { p.flip(p.packs()[0], 3) }, scrub.Pack, 2},
		"a frame":                     {func(p *place) { p.flip(p.packs()[0], 4000) }, scrub.Frame, 1},
		"a copy of a map":             {func(p *place) { p.flip(p.one("copies/*/*.rev"), 100) }, scrub.Copy, 0},
		"a map, of which one is left": {func(p *place) { p.flip(p.one("volumes/a/*.rev"), 100) }, scrub.Map, 0},
		"one descriptor":              {func(p *place) { mustRemove(p, p.dir+"/varve.json.copy") }, scrub.Descriptor, 0},
		"a line of the journal":       {func(p *place) { p.flip(p.one("journal/*/*.jsonl"), 100) }, scrub.Journal, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t, 6)
			r := p.open()
			p.store(r, "a")
			for range 2 { // a line that is hurt shows by the one behind it
				if err := r.Record(t.Context(), repository.Event{Op: repository.OpGC, Result: repository.ResultOK}); err != nil {
					t.Fatal(err)
				}
			}
			c.harm(p)
			found := damageOf(p.run(r, scrub.Options{}))
			if len(found) != 1 || found[0].Kind != c.kind {
				t.Fatalf("%+v, want one %s", found, c.kind)
			}
			bytes := int64(0)
			for _, l := range found[0].Lost {
				bytes += l.Bytes()
			}
			if bytes != int64(c.lost)*chunkSize {
				t.Errorf("%d bytes are lost, want %d chunks: %+v", bytes, c.lost, found[0])
			}
			if want := map[bool]repository.State{true: repository.Damaged, false: repository.Proven}[c.lost > 0]; p.states(r, "a")[0] != want {
				t.Errorf("the revision is %v, want %s", p.states(r, "a"), want)
			}
		})
	}
}

func mustRemove(p *place, name string) {
	p.t.Helper()
	if err := os.Remove(name); err != nil {
		p.t.Fatal(err)
	}
}

func sizeOf(p *place, name string) int64 {
	p.t.Helper()
	info, err := os.Stat(name)
	if err != nil {
		p.t.Fatal(err)
	}
	return info.Size()
}

package backup_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"varve/backup"
	"varve/internal/durable/durabletest"
	"varve/repository"
	"varve/revision"
	"varve/volume"
)

// keeper is a volume in memory whose snapshots can be kept, and that tells what changed between them.
type keeper struct {
	memSource
	snapshots map[string][]byte // by name, with what they hold
	number    int
	alter     func(honest []volume.Extent) ([]volume.Extent, error) // what is told in the place of the truth; nil: the truth
	strange   string                                                // why nothing can be told; empty: it can
	asked     []volume.Extent
	object    int64 // of so many bytes is told whether they changed, and blocks when they are asked for; 0: it knows no more than blocks
}

func newKeeper(data []byte) *keeper {
	return &keeper{
		memSource: memSource{data: data, is: volume.Identity{Kind: "rbd", Path: "vms/a", Stable: "fsid/1//a1"}},
		snapshots: map[string][]byte{"2 by-hand": bytes.Clone(data)},
	}
}

func (k *keeper) Snapshot(ctx context.Context) (volume.Snapshot, error) {
	return nil, errors.New("a snapshot without a label")
}

func (k *keeper) SnapshotFor(_ context.Context, l volume.Label) (volume.Snapshot, error) {
	k.number++
	s := &keptSnapshot{keeper: k, name: fmt.Sprintf("%d %s %s %s", 10+k.number, l.Repository, l.Volume, l.Revision)}
	k.snapshots[s.name] = bytes.Clone(k.data)
	s.memSnapshot.s = &memSource{data: k.snapshots[s.name], fail: k.fail}
	return s, nil
}

func (k *keeper) Tidy(_ context.Context, l volume.Label, but ...string) ([]string, error) {
	var removed []string
	for name := range maps.Clone(k.snapshots) {
		if strings.Contains(name, " "+l.Repository+" "+l.Volume+" ") && !slices.Contains(but, name) {
			delete(k.snapshots, name)
			removed = append(removed, name)
		}
	}
	return removed, nil
}

// own lists the snapshots but the one that is not a backup's.
func (k *keeper) own() []string {
	var own []string
	for name := range k.snapshots {
		if name != "2 by-hand" {
			own = append(own, name)
		}
	}
	return own
}

type keptSnapshot struct {
	memSnapshot
	keeper *keeper
	name   string
	kept   bool
}

func (s *keptSnapshot) Base() string      { return s.name }
func (s *keptSnapshot) Keep()             { s.kept = true }
func (s *keptSnapshot) Independent() bool { return true }

func (s *keptSnapshot) Consistency() (volume.Consistency, string, error) {
	return volume.Snapshotted, "", nil
}

func (s *keptSnapshot) Close() error {
	if !s.kept {
		delete(s.keeper.snapshots, s.name)
	}
	return nil
}

func (s *keptSnapshot) Since(_ context.Context, base string) (volume.Changes, error) {
	before, there := s.keeper.snapshots[base]
	if !there {
		return nil, &volume.NoBaseError{Why: "the snapshot is gone"}
	}
	if s.keeper.strange != "" {
		return nil, &volume.NoBaseError{Why: s.keeper.strange}
	}
	if s.keeper.object > 0 {
		return preciseChanges{&keptChanges{s, before}}, nil
	}
	return &keptChanges{s, before}, nil
}

type keptChanges struct {
	now    *keptSnapshot
	before []byte
}

func (c *keptChanges) Changed(_ context.Context, within volume.Extent) iter.Seq2[volume.Extent, error] {
	c.now.keeper.asked = append(c.now.keeper.asked, within)
	return c.altered(c.honest(within))
}

// honest gives the blocks that changed.
func (c *keptChanges) honest(within volume.Extent) (told []volume.Extent) {
	now := c.now.s.data
	for off := within.Offset; off < min(within.End(), int64(len(now))); off += block {
		end := min(off+block, int64(len(now)))
		if off >= int64(len(c.before)) && allZero(now[off:end]) {
			continue
		}
		if off >= int64(len(c.before)) || !bytes.Equal(now[off:end], c.before[off:min(end, int64(len(c.before)))]) {
			told = append(told, volume.Extent{Offset: off, Length: end - off})
		}
	}
	return told
}

// altered tells it, or what the keeper makes of it.
func (c *keptChanges) altered(told []volume.Extent) iter.Seq2[volume.Extent, error] {
	return func(yield func(volume.Extent, error) bool) {
		if c.now.keeper.alter != nil {
			var err error
			if told, err = c.now.keeper.alter(told); err != nil {
				yield(volume.Extent{}, err)
				return
			}
		}
		for _, e := range told {
			if !yield(e, nil) {
				return
			}
		}
	}
}

// preciseChanges tell objects, and blocks if they are asked for.
type preciseChanges struct{ *keptChanges }

var _ volume.Precise = preciseChanges{}

func (c preciseChanges) Changed(_ context.Context, within volume.Extent) iter.Seq2[volume.Extent, error] {
	return func(yield func(volume.Extent, error) bool) {
		object := c.now.keeper.object
		for off := within.Offset; off < min(within.End(), int64(len(c.now.s.data))); off += object {
			if len(c.honest(volume.Extent{Offset: off, Length: object})) > 0 && !yield(volume.Extent{Offset: off, Length: object}, nil) {
				return
			}
		}
	}
}

func (c preciseChanges) Blocks(_ context.Context, within volume.Extent) iter.Seq2[volume.Extent, error] {
	c.now.keeper.asked = append(c.now.keeper.asked, within)
	return c.altered(c.honest(within))
}

func (p *place) mustHold(t tester, result *backup.Result, want []byte) {
	t.Helper()
	if !bytes.Equal(p.restored(t, "v", result.Statement.ID), want) {
		t.Fatalf("revision %s does not hold what its source held", result.Statement.ID)
	}
}

// A night reads what changed, and its slice; one snapshot is kept, and what is nobody's of ours stays.
func TestANightAsksTheTracker(t *testing.T) {
	t.Parallel()
	p := testPlace(t)
	k := newKeeper(randomBytes(28*chunkSize, 1))
	full := p.mustCreate(t, k, backup.CreateOptions{})
	copy(k.data[5*chunkSize+100:], "changed")
	night := p.mustCreate(t, k, backup.CreateOptions{})
	p.mustHold(t, night, k.data)
	plan := night.Statement.Plan
	if plan.Kind != "tracker" || plan.Since != full.Statement.Source.Snapshot || plan.Slice == nil {
		t.Errorf("plan: %+v", plan)
	}
	if read, want := night.Statement.Statistics.Read, uint64(3*chunkSize); read != want { // one that changed, and a slice of two
		t.Errorf("read %d bytes, want %d", read, want)
	}
	if own := k.own(); len(own) != 1 || own[0] != night.Statement.Source.Snapshot {
		t.Errorf("snapshots: %v; the revision counts from %q", own, night.Statement.Source.Snapshot)
	}
	if len(k.asked) != 1 {
		t.Errorf("the tracker was asked %d times: %v", len(k.asked), k.asked)
	}
	if len(k.snapshots) != 2 {
		t.Errorf("a snapshot of somebody else is gone: %v", slices.Collect(maps.Keys(k.snapshots)))
	}
}

// What a tracker tells wrongly is found by the slice within CompareAll nights; then what believed it is suspect,
// everything is read for some nights, and then it is asked again.
func TestATrackerThatLies(t *testing.T) {
	t.Parallel()
	const night = 7
	lies := map[string]func([]volume.Extent) ([]volume.Extent, error){
		"nothing": func([]volume.Extent) ([]volume.Extent, error) { return nil, nil },
		"one misses": func(honest []volume.Extent) ([]volume.Extent, error) {
			return honest[:max(len(honest)-1, 0)], nil
		},
		"elsewhere": func(honest []volume.Extent) ([]volume.Extent, error) {
			for i := range honest {
				honest[i].Offset = (honest[i].Offset + 6*chunkSize) % (20 * chunkSize)
			}
			return honest, nil
		},
	}
	for name, lie := range lies {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := testPlace(t)
			k := newKeeper(randomBytes(20*chunkSize, 1))
			options := backup.CreateOptions{CompareAll: night}
			p.mustCreate(t, k, options)
			k.alter = lie
			copy(k.data[11*chunkSize+9:], "changed")
			caught := 0
			for i := 1; caught == 0; i++ {
				if i > night {
					t.Fatalf("not caught in %d nights", night)
				}
				result := p.mustCreate(t, k, options)
				if len(result.Findings) > 0 {
					caught = i
					p.mustHold(t, result, k.data)
					if f := result.Findings[0]; f.Kind != backup.FoundLie || f.Extent == nil || f.Extent.Offset != 11*chunkSize || !strings.Contains(f.Text, "unchanged") {
						t.Errorf("finding: %+v", f)
					}
					if result.Statement.Plan.Kind != "all" || result.Statement.Plan.Distrust != 2 {
						t.Errorf("plan: %+v", result.Statement.Plan)
					}
				}
			}
			revisions := p.revisions(t, "v")
			for i, rev := range revisions[:len(revisions)-1] {
				want := repository.Suspect
				if i == 0 && rev.Statement.Plan.Kind == "all" {
					want = repository.Good
				}
				if rev.Info.State != want {
					t.Errorf("revision %d is %s, want %s", i, rev.Info.State, want)
				}
			}
			k.alter = nil
			for i, want := range []string{"all", "all", "tracker", "tracker"} {
				result := p.mustCreate(t, k, options)
				if got := string(result.Statement.Plan.Kind); got != want || len(result.Findings) > 0 {
					t.Errorf("%d nights later: %s, want %s; findings %v", i+1, got, want, result.Findings)
				}
			}
		})
	}
}

// The slice is as long as it is to be where the parent has data, whatever holes there are: only those are bounded.
func TestTheSliceOfATrackerIsWhole(t *testing.T) {
	t.Parallel()
	p := testPlace(t)
	data := randomBytes(40*chunkSize, 1)
	clear(data[35*chunkSize:])
	k := newKeeper(data)
	p.mustCreate(t, k, backup.CreateOptions{})
	for i, want := range []uint64{20, 18} { // the second one ends at the fourth of five holes, and compared three
		result := p.mustCreate(t, k, backup.CreateOptions{CompareAll: 2, CompareHoles: 3 * chunkSize})
		if got := result.Statement.Plan.Slice.Count; got != want {
			t.Errorf("slice %d is of %d chunks, want %d", i, got, want)
		}
	}
}

// One that tells too much costs time only.
func TestATrackerThatTellsTooMuch(t *testing.T) {
	t.Parallel()
	p := testPlace(t)
	k := newKeeper(randomBytes(20*chunkSize, 1))
	p.mustCreate(t, k, backup.CreateOptions{})
	k.alter = func([]volume.Extent) ([]volume.Extent, error) {
		return []volume.Extent{{Offset: 0, Length: 1 << 50}}, nil
	}
	copy(k.data[11*chunkSize+9:], "changed")
	result := p.mustCreate(t, k, backup.CreateOptions{})
	p.mustHold(t, result, k.data)
	if len(result.Findings) > 0 || result.Statement.Statistics.ChangedChunks != 1 {
		t.Errorf("findings %v, statistics %+v", result.Findings, result.Statement.Statistics)
	}
}

// One that fails makes the backup fail, which leaves no snapshot behind but what the last revision counts from.
func TestATrackerThatFails(t *testing.T) {
	t.Parallel()
	p := testPlace(t)
	k := newKeeper(randomBytes(20*chunkSize, 1))
	full := p.mustCreate(t, k, backup.CreateOptions{})
	broken := errors.New("the cluster went away")
	k.alter = func([]volume.Extent) ([]volume.Extent, error) { return nil, broken }
	if _, err := backup.Create(t.Context(), p.repo, k, backup.CreateOptions{Volume: "v"}); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	if own := k.own(); len(own) != 1 || own[0] != full.Statement.Source.Snapshot {
		t.Errorf("snapshots: %v", own)
	}
}

// Where nothing can be counted from, everything is read, and it is said why.
func TestWithoutABaseEverythingIsRead(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		spoil func(k *keeper)
		why   string
	}{
		"the snapshot is gone":        {func(k *keeper) { clear(k.snapshots) }, "the snapshot is gone"},
		"made anew under its name":    {func(k *keeper) { k.is.Stable = "fsid/1//b2" }, "another source (fsid/1//a1, now fsid/1//b2)"},
		"something else is not right": {func(k *keeper) { k.strange = "its maps are not valid" }, "its maps are not valid"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := testPlace(t)
			k := newKeeper(randomBytes(20*chunkSize, 1))
			p.mustCreate(t, k, backup.CreateOptions{})
			c.spoil(k)
			k.alter = func([]volume.Extent) ([]volume.Extent, error) { return nil, nil }
			copy(k.data[11*chunkSize+9:], "changed")
			result := p.mustCreate(t, k, backup.CreateOptions{})
			p.mustHold(t, result, k.data)
			if !strings.Contains(strings.Join(result.Warnings, "\n"), "everything is read: ") || !strings.Contains(strings.Join(result.Warnings, "\n"), c.why) {
				t.Errorf("warnings: %q", result.Warnings)
			}
			if result.Statement.Plan.Kind != "all" || result.Statement.Plan.Distrust != 0 {
				t.Errorf("plan: %+v", result.Statement.Plan)
			}
		})
	}
}

// A run that was killed leaves a snapshot, which the next removes; those of other volumes stay.
func TestSnapshotsOfDeadRunsGo(t *testing.T) {
	t.Parallel()
	p := testPlace(t)
	k := newKeeper(randomBytes(4*chunkSize, 1))
	p.mustCreate(t, k, backup.CreateOptions{})
	p.mustCreate(t, k, backup.CreateOptions{Volume: "w"})
	v := p.volume(t, "v")
	k.snapshots["99 "+p.repo.ID().String()+" "+v.UUID.String()+" dead"] = nil
	k.snapshots["98 another-repository "+v.UUID.String()+" dead"] = nil
	result := p.mustCreate(t, k, backup.CreateOptions{})
	if result.Statement.Plan.Kind != "tracker" {
		t.Errorf("plan: %+v", result.Statement.Plan)
	}
	own := k.own()
	slices.Sort(own)
	if len(own) != 3 || !strings.HasPrefix(own[2], "98 ") {
		t.Errorf("snapshots: %q", own)
	}
	next := p.mustCreate(t, k, backup.CreateOptions{Volume: "w"})
	if next.Statement.Plan.Kind != "tracker" {
		t.Errorf("the other volume's plan: %+v", next.Statement.Plan)
	}
}

// What is hurt in the parent is stored anew, though the tracker rightly says that it did not change.
func TestHurtChunksAreReadThoughUnchanged(t *testing.T) {
	t.Parallel()
	p := testPlace(t)
	k := newKeeper(randomBytes(20*chunkSize, 1))
	p.mustCreate(t, k, backup.CreateOptions{Workers: 1})
	rev := p.revisions(t, "v")[0]
	lost := repository.Extent{Offset: 15 * chunkSize, Length: chunkSize}
	if err := p.repo.Mark(t.Context(), rev, func(i *repository.Info) { i.Lost = []repository.Extent{lost} }); err != nil {
		t.Fatal(err)
	}
	result := p.mustCreate(t, k, backup.CreateOptions{})
	if got := result.Statement.Statistics.NewChunks + result.Statement.Statistics.Patches + result.Statement.Statistics.Found/chunkSize; got == 0 {
		t.Errorf("nothing was stored: %+v", result.Statement.Statistics)
	}
	p.mustHold(t, result, k.data)
}

// On a parent that is suspect nobody is believed, also if it is damaged as well.
func TestASuspectParentIsNoGroundForTrust(t *testing.T) {
	t.Parallel()
	for name, damaged := range map[string]bool{"suspect": false, "suspect and damaged": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := testPlace(t)
			k := newKeeper(randomBytes(8*chunkSize, 1))
			p.mustCreate(t, k, backup.CreateOptions{})
			err := p.repo.Mark(t.Context(), p.revisions(t, "v")[0], func(i *repository.Info) {
				i.Distrust("a lie")
				if damaged {
					i.Damage("rot", []repository.Extent{{Length: chunkSize}})
				}
			})
			if err != nil {
				t.Fatal(err)
			}
			if plan := p.mustCreate(t, k, backup.CreateOptions{}).Statement.Plan; plan.Kind != revision.PlanAll {
				t.Errorf("plan: %+v", plan)
			}
		})
	}
}

// Whatever is written and whatever sizes it takes, a night by the tracker is the whole truth.
func TestNightsByTheTracker(t *testing.T) {
	t.Parallel()
	base := durabletest.TempDir(t)
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp(base, "")
		if err != nil {
			t.Fatal(err)
		}
		p := newPlace(t, dir)
		defer p.close(t)
		k := newKeeper(make([]byte, rapid.IntRange(0, 6*chunkSize).Draw(t, "size")))
		fillRandom(k.data, 1)
		p.mustCreate(t, k, backup.CreateOptions{})
		for range rapid.IntRange(1, 5).Draw(t, "nights") {
			k.data = change(t, bytes.Clone(k.data))
			result := p.mustCreate(t, k, backup.CreateOptions{})
			if result.Statement.Plan.Kind != "tracker" || len(result.Findings) > 0 {
				t.Fatalf("plan %+v, findings %v", result.Statement.Plan, result.Findings)
			}
			p.mustHold(t, result, k.data)
		}
	})
}

// When another source is read, the snapshot goes that was kept on the former one; not if that has its name from another, and
// not that of the source itself. That it stays is said.
func TestTheFormerSourceIsLeft(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		open  func(former *keeper) (volume.Source, error)
		left  int
		warns bool
	}{
		"goes":              {func(k *keeper) (volume.Source, error) { return k, nil }, 0, false},
		"not in reach":      {func(*keeper) (volume.Source, error) { return nil, &volume.NoClusterError{Err: errors.New("down")} }, 1, true},
		"gone":              {func(*keeper) (volume.Source, error) { return nil, &volume.NoImageError{} }, 1, false},
		"another's name":    {func(k *keeper) (volume.Source, error) { k.is.Stable = "fsid/1//other"; return k, nil }, 1, false},
		"keeps nothing now": {func(k *keeper) (volume.Source, error) { return &k.memSource, nil }, 1, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			data := randomBytes(20*chunkSize, 1)
			former, now := newKeeper(data), newKeeper(data)
			now.is.Path, now.is.Stable = "vms/b", "fsid/1//b1"
			p := testPlace(t)
			p.mustCreate(t, former, backup.CreateOptions{})
			opened := ""
			opts := backup.CreateOptions{SourceChanged: true, Former: func(_ context.Context, was revision.Source) (volume.Source, error) {
				opened = was.Path
				return test.open(former)
			}}
			result := p.mustCreate(t, now, opts)
			if opened != "vms/a" || len(former.own()) != test.left || len(now.own()) != 1 {
				t.Errorf("opened %q, kept %v on it, and %v", opened, former.own(), now.own())
			}
			if warned := strings.Contains(strings.Join(result.Warnings, "\n"), "was read from before"); warned != test.warns {
				t.Errorf("warnings: %q", result.Warnings)
			}
			if left := map[bool]string{true: "vms/a"}[test.warns]; result.Left != left {
				t.Errorf("left on %q, want %q", result.Left, left)
			}
			opened = ""
			p.mustCreate(t, now, opts)
			if opened != "" || len(now.own()) != 1 {
				t.Errorf("of the same source opened %q, kept %v", opened, now.own())
			}
		})
	}
}

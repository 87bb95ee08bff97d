package interleave

import (
	"errors"
	"io/fs"
	"slices"
	"testing"
	"time"

	"varve/repository"
)

// trap is a schedule with a name: who does what, and until which call, before another goes on.
type trap struct {
	name  string
	does  []string // by actor: names of operations
	steps []step
	// Ends says how each is to end: nil is well. An error stands for those that are so.
	ends []error
}

// The disasters of others, and the traps of docs/protocol.md, as far as they are a matter
// of who comes when.
var traps = []trap{
	{
		name: "the lease is born after the collector has looked", does: []string{"gc", "a backup that finds garbage"},
		steps: []step{{actor: 0, until: "fsync directory trash", nth: 1}, {actor: 1}, {actor: 0}},
	},
	{
		name: "what a backup found is condemned, and it commits", does: []string{"a backup that finds garbage", "gc"},
		steps: []step{{actor: 0, until: "create copies/"}, {actor: 1}, {actor: 0}},
	},
	{
		name: "a backup finds what is dead in a pack that is being emptied", does: []string{"gc", "a backup that finds what is dead in a pack"},
		steps: []step{{actor: 0, until: "create gc/moved/"}, {actor: 1}, {actor: 0}},
	},
	{
		name: "a backup goes on with what a dead run left, which is looked at", does: []string{"gc", "a backup that goes on with a dead run"},
		steps: []step{{actor: 0, until: "readdir runs"}, {actor: 1}, {actor: 0}},
	},
	{
		name: "a revision comes back that was not where the collector looked", does: []string{"gc that keeps the trash", "an undelete of the last of a set"},
		steps: []step{{actor: 0, until: "readdir trash", nth: 2}, {actor: 1}, {actor: 0}},
	},
	{
		name: "a revision comes back when it is to be purged", does: []string{"gc", "an undelete of the last of a set"},
		steps: []step{{actor: 0, until: "open for writing locks/gate", nth: 4}, {actor: 1}, {actor: 0}},
	},
	{
		name: "a revision is purged that is being brought back", does: []string{"an undelete of the last of a set", "gc"},
		steps: []step{{actor: 0, until: "create copies/"}, {actor: 1}, {actor: 0}}, ends: []error{repository.ErrLostGround, nil},
	},
	{
		name: "what a reader reads is merged away, purged and compacted", does: []string{"a restore", "a merge", "gc"},
		steps: []step{{actor: 0, until: "open packs/"}, {actor: 1}, {actor: 2}, {actor: 0}},
	},
	{
		name: "a pack is compacted that a reader has looked up", does: []string{"a restore from a pack that is compacted", "gc"},
		steps: []step{{actor: 0, until: "open packs/"}, {actor: 1}, {actor: 0}},
	},
	{
		name: "a revision is pinned that is about to go", does: []string{"a prune", "a pin"},
		steps: []step{{actor: 0, until: "create copies/"}, {actor: 1}, {actor: 0}}, ends: []error{errPinned, nil},
	},
	{
		name: "a map is rewritten by somebody who took the lock away", does: []string{"a merge", "a synthetic full"},
		steps: []step{{actor: 0, until: "create copies/", loses: "locks/volumes/"}, {actor: 1}, {actor: 0}}, ends: []error{repository.ErrLostGround, nil},
	},
	{
		name: "a revision goes that is being rewritten", does: []string{"a merge", "rm of the newest"},
		steps: []step{{actor: 0, until: "create copies/", loses: "locks/volumes/"}, {actor: 1}, {actor: 0}}, ends: []error{repository.ErrLostGround, nil},
	},
	{
		name: "a revision comes back on one that is to go", does: []string{"a merge", "an undelete of the last of a set"},
		steps: []step{{actor: 0, until: "open for writing locks/gate", nth: 3, loses: "locks/volumes/"}, {actor: 1}, {actor: 0}}, ends: []error{repository.ErrLostGround, nil},
	},
	{
		name: "what an undelete builds on goes", does: []string{"an undelete of the last of a set", "a merge"},
		steps: []step{{actor: 0, until: "create copies/", loses: "locks/volumes/"}, {actor: 1}, {actor: 0}}, ends: []error{repository.ErrLostGround, nil},
	},
	{
		name: "a revision goes twice", does: []string{"rm of the newest", "rm of the newest"},
		steps: []step{{actor: 0, until: "open for writing locks/gate", nth: 2, loses: "locks/volumes/"}, {actor: 1}, {actor: 0}}, ends: []error{repository.ErrLostGround, nil},
	},
	{
		name: "a backup builds on what goes", does: []string{"a backup", "rm of the newest"},
		steps: []step{{actor: 0, until: "create copies/", loses: "locks/volumes/"}, {actor: 1}, {actor: 0}}, ends: []error{repository.ErrLostGround, nil},
	},
	{
		name: "a volume is renamed and another takes its name, while somebody who lost its lock backs it up", does: []string{"a full backup", "a rename", "a backup"},
		steps: []step{{actor: 0, until: "create volumes/db/.tmp", loses: "locks/volumes/"}, {actor: 1}, {actor: 2, until: "readdir trash/"}, {actor: 0}, {actor: 2}},
		ends:  []error{repository.ErrLostGround, nil, nil},
	},
	{
		name: "a revision goes on which somebody who was given the lock has put another", does: []string{"a prune", "a merge"},
		steps: []step{{actor: 0, until: "create copies/", loses: "locks/volumes/"}, {actor: 1, until: "open for writing locks/gate", nth: 3}, {actor: 0}, {actor: 1}},
		ends:  []error{repository.ErrLostGround, repository.ErrLostGround},
	},
	{
		name:  "a volume is renamed and another takes its name, while somebody who lost its lock brings a revision back",
		does:  []string{"an undelete of the last of a set", "rm of all below", "a rename", "a backup"},
		steps: []step{{actor: 1}, {actor: 0, until: "create volumes/db/.tmp", loses: "locks/volumes/"}, {actor: 2}, {actor: 3, until: "readdir trash/"}, {actor: 0}, {actor: 3}},
		ends:  []error{repository.ErrLostGround, nil, nil, nil},
	},
	{
		name: "a merge is taken for dead", does: []string{"a merge", "gc"},
		steps: []step{{actor: 0, until: "open for writing locks/gate", nth: 3, loses: "locks/leases/"}, {actor: 1}, {actor: 0}}, ends: []error{repository.ErrLostGround, nil},
	},
	{
		name: "an undelete is taken for dead", does: []string{"an undelete of the last of a set", "gc that keeps the trash"},
		steps: []step{{actor: 0, until: "open for writing locks/gate", nth: 2, loses: "locks/leases/"}, {actor: 1}, {actor: 0}}, ends: []error{repository.ErrLostGround, nil},
	},
	{
		name: "an undelete is taken for dead when the revision is back", does: []string{"an undelete of the last of a set", "gc that keeps the trash"},
		steps: []step{{actor: 0, until: "remove runs/", loses: "locks/leases/"}, {actor: 1}, {actor: 0}},
	},
	{
		name: "two take away at once", does: []string{"a merge", "a prune"},
		steps: []step{{actor: 0, until: "create copies/"}, {actor: 1}, {actor: 0}}, ends: []error{nil, fs.ErrNotExist},
	},
	{
		name: "what waits is put into the trash while its set comes, by somebody who was given the lock", does: []string{"a set", "a backup of one of a set"},
		steps: []step{{actor: 0, until: "rename sets/", loses: "locks/volumes/"}, {actor: 1}, {actor: 0}}, ends: []error{nil, repository.ErrLostGround},
	},
	{
		name: "what a set found is condemned, and it commits", does: []string{"a set", "gc"},
		steps: []step{{actor: 0, until: "open for writing locks/gate", nth: 6}, {actor: 1}, {actor: 0}},
	},
	{
		name: "somebody looks while a set becomes visible", does: []string{"a set", "a look at sets"},
		steps: []step{{actor: 0, until: "rename sets/"}, {actor: 1}, {actor: 0}},
	},
	{
		name: "a set becomes visible while somebody looks", does: []string{"a look at sets", "a set"},
		steps: []step{{actor: 0, until: "readdir volumes/", nth: 3}, {actor: 1}, {actor: 0}},
	},
	{
		name: "two sets at once, each with the lock of one of its volumes", does: []string{"a set", "another set"},
		steps: []step{{actor: 0, until: "open for writing locks/volumes/", nth: 1}, {actor: 1}, {actor: 0}},
	},
	{
		name: "two sets at once, of the same volumes in another order", does: []string{"a set", "another set"},
		steps: []step{{actor: 0, until: "rename sets/"}, {actor: 1}, {actor: 0}},
	},
	{
		name: "two collect garbage at once", does: []string{"gc", "gc that keeps the trash"},
		steps: []step{{actor: 0, until: "create gc/.tmp"}, {actor: 1}, {actor: 0}},
	},
}

// Each trap is gone through with clocks that are right, and with clocks that are not.
func TestEnumerateTraps(t *testing.T) {
	x := newExplorer(t)
	for _, trap := range traps {
		t.Run(trap.name, func(t *testing.T) {
			for i, off := range []time.Duration{0, tenYears, -tenYears} {
				sch := &schedule{seed: uint64(i), plan: &script{steps: trap.steps}, night: true}
				for n, name := range trap.does {
					sch.does = append(sch.does, operationOf(name))
					sch.clocks = append(sch.clocks, off*time.Duration(1-2*(n%2)))
				}
				s, err := x.try(t, sch)
				p := sch.plan.(*script)
				if err := errors.Join(err, p.err); err != nil {
					t.Fatalf("%v\n%v", err, sch)
				}
				if p.missed() {
					t.Errorf("it came no further than %v", sch)
				}
				for n, a := range s.actors {
					want := error(nil)
					if trap.ends != nil {
						want = trap.ends[n]
					}
					if is := (&operation{may: []error{want}}).isOf(a.err); !is || (want == nil) != (a.err == nil) {
						t.Errorf("%s ends with %v, want %v", trap.does[n], a.err, want)
					}
				}
			}
		})
	}
}

// operationOf finds the operation of that name.
func operationOf(name string) *operation {
	for _, of := range [][]operation{operations, ofTraps} {
		if at := slices.IndexFunc(of, func(o operation) bool { return o.name == name }); at >= 0 {
			return &of[at]
		}
	}
	panic("interleave: there is no " + name)
}

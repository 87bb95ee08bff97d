package main

import (
	"slices"
	"testing"
	"time"

	"varve/backup"
	"varve/repository"
	"varve/revision"
)

// statement is that of a delta of 60 GiB.
func statement() *revision.Statement {
	begun := time.Date(2026, 11, 24, 1, 0, 3, 0, time.UTC)
	return &revision.Statement{
		ID: "20261124T010003Z-k3f9", Volume: revision.Volume{Name: "db1"}, Sequence: 33, Kind: revision.Delta,
		Parent: &revision.Parent{ID: "20261121T010002Z-p7d1"}, Begun: begun, Size: 60 << 30,
		Source: revision.Source{Path: "/dev/vg/db1"}, Consistency: revision.Frozen,
		Statistics: revision.Statistics{
			Read: 60 << 30, Holes: 12 << 30, Changed: 412 << 20, ChangedChunks: 391, NewChunks: 9, Patches: 29,
			Stored: 38 << 20, Found: 22 << 20, Milliseconds: 31000,
		},
	}
}

func deltas(changes ...uint64) (list []repository.Revision) {
	for _, n := range changes {
		st := &revision.Statement{Kind: revision.Delta, Statistics: revision.Statistics{Changed: n}}
		list = append(list, repository.Revision{Statement: st})
	}
	return list
}

func testPage() *page {
	return &page{now: time.Date(2026, 11, 24, 2, 0, 40, 0, time.FixedZone("CET", 3600))}
}

func TestBackupBlock(t *testing.T) {
	done := &backup.Result{Statement: statement(), Warnings: []string{"the source grew"}}
	res, err := newBacked(done, deltas(380<<20, 1, 500<<20))
	if err != nil {
		t.Fatal(err)
	}
	p := testPage()
	res.print(p)
	want := `db1@k3f9 is safe                                   Tue 24 Nov 02:00:03, took 31 s
read        60 GiB   at 1.9 GiB/s, 12 GiB of holes skipped
changed    412 MiB   in 391 chunks (usually 380 MiB)
stored      38 MiB   patches 29, new chunks 9; 22 MiB were here already
WARNING    the source grew
`
	if got := p.text.String(); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

// What stays on an image that the volume was read from before comes with what removes it.
func TestBackupAdvisesOnWhatIsLeft(t *testing.T) {
	res, err := newBacked(&backup.Result{Statement: statement(), Warnings: []string{"it stays"}, Left: "vms/a b"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"it stays", "of the snapshot on vms/a b: varve snapshots 'rbd:vms/a b' --orphans removes it"}
	if !slices.Equal(res.warnings, want) {
		t.Errorf("warns %q, want %q", res.warnings, want)
	}
}

// What an older program let people note over several lines stays on one, where a line
// means something.
func TestNotesOfSeveralLines(t *testing.T) {
	p := testPage()
	p.facts("note", "two\nlines", "id", "x")
	if got, want := p.text.String(), "note          two lines\nid            x\n"; got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	p = testPage()
	(&candidates{[]candidate{{"v@k3f9", "good, two\nrm -rf x"}}}).print(p)
	if got, want := p.text.String(), "v@k3f9\tgood, two rm -rf x\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestBackupInOneLine(t *testing.T) {
	done := &backup.Result{Statement: statement(), Findings: []backup.Finding{{Kind: backup.FoundDamage, Text: "a hurt chunk"}}}
	res, err := newBacked(done, deltas(1, 2))
	if code := exitCode(err); code != exitDamage {
		t.Errorf("exit code %d with findings, want %d", code, exitDamage)
	}
	if usually := res.Usually; usually != nil {
		t.Errorf("two deltas tell what is usual: %d", *usually)
	}
	p := testPage()
	p.terse = true
	res.print(p)
	want := "db1@k3f9 safe: delta, read 60 GiB, stored 38 MiB, 31 s\nFINDING    a hurt chunk\n"
	if got := p.text.String(); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestLogTable(t *testing.T) {
	first := repository.Revision{
		Volume: repository.Volume{Name: "db1"}, ID: "20261121T010002Z-p7d1",
		Info: repository.Info{State: repository.Damaged, Reason: "volumes/db1/x.rev is damaged"},
	}
	second := statement()
	second.ID, second.Size, second.Consistency = "20261123T010002Z-w7ra", 40<<30, revision.Still
	l := &listed{all: []entry{
		newEntry(first),
		newEntry(repository.Revision{
			Volume: first.Volume, ID: second.ID, Statement: second,
			Info: repository.Info{State: repository.Damaged, Lost: []repository.Extent{{Offset: 1, Length: 8 << 10}}},
		}),
		newEntry(repository.Revision{
			Volume: first.Volume, ID: statement().ID, Statement: statement(),
			Info: repository.Info{State: repository.Proven, Proven: testPage().now, Tags: []string{"t"}, Pin: &revision.Pin{}},
		}),
	}, Volume: "db1"}
	l.Revisions = l.all
	p := testPage()
	l.print(p)
	want := `db1   /dev/vg/db1   60 GiB   3 revisions since Sat 21 Nov
ID    BEGUN                KIND     READ  CHANGED  STORED  STATE       NOTES
p7d1  Sat 21 Nov 02:00:02  ?           ?        ?       ?  DAMAGED     volumes/db1/x.rev is damaged
w7ra  Tue 24 Nov 02:00:03  delta  60 GiB  412 MiB  38 MiB  DAMAGED     8 KiB lost
k3f9  Tue 24 Nov 02:00:03  delta  60 GiB  412 MiB  38 MiB  proven now  frozen; grown +20 GiB; pinned; #t
`
	if got := p.text.String(); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestLogKeeps(t *testing.T) {
	var all []entry
	for i := range 30 {
		all = append(all, entry{Begun: time.Date(2026, 11, i+1, 0, 0, 0, 0, time.UTC)})
	}
	since := moment{Time: time.Date(2026, 11, 6, 0, 0, 0, 0, time.UTC)}
	tests := map[string]struct {
		f    logFlags
		want int
	}{
		"as it is":       {logFlags{}, 20},
		"some":           {logFlags{count: 3}, 3},
		"more than all":  {logFlags{count: 99}, 30},
		"all":            {logFlags{all: true}, 30},
		"since":          {logFlags{since: since}, 25},
		"some of since":  {logFlags{since: since, count: 2}, 2},
		"beyond any int": {logFlags{count: 1 << 63}, 30},
	}
	for name, test := range tests {
		kept := test.f.keep(all)
		if len(kept) != test.want || !kept[len(kept)-1].Begun.Equal(all[29].Begun) {
			t.Errorf("%s: kept %d, want the newest %d", name, len(kept), test.want)
		}
	}
}

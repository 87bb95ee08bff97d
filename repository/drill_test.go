package repository_test

import (
	"testing"
	"time"

	"varve/repository"
	"varve/revision"
)

// The last drill of a volume is the latest of its revisions, whichever is the newest, and goes with its revision.
func TestSummaryTellsTheLastDrill(t *testing.T) {
	p := newPlace(t)
	r := p.open()
	im := newImage(2 * chunkSize)
	for i := range 3 {
		im.write(int64(i), []byte{byte(i + 1)})
		p.mustStore(r, "db1", im)
	}
	revs := p.revisions(r, "db1")
	last := func() *repository.LastDrill {
		t.Helper()
		s, err := r.Summary(revs[0].Volume)
		if err != nil {
			t.Fatal(err)
		}
		return s.Drill
	}
	if got := last(); got != nil {
		t.Errorf("without a drill: %+v", got)
	}
	at := time.Date(2026, 11, 24, 3, 0, 0, 0, time.UTC)
	for i, rev := range revs[:2] {
		d := repository.Drill{Time: at.Add(-time.Duration(i) * time.Hour), Outcome: repository.DrillPassed, FirstByte: 0.25, Rate: 1 << 30, Restore: 240.5}
		if err := r.Mark(t.Context(), rev, func(info *repository.Info) { info.Drill = &d }); err != nil {
			t.Fatal(err)
		}
	}
	if got := last(); got == nil || got.Revision != revs[0].ID || !got.Time.Equal(at) || got.RestoreTime() != 240500*time.Millisecond {
		t.Errorf("the last one is %+v", got)
	}
	if info := p.revisions(r, "db1")[1].Info; info.Drill == nil || info.State != repository.Good {
		t.Errorf("noted: %+v", info)
	}
	if _, err := r.Remove(t.Context(), revs[0].Volume, []revision.ID{revs[0].ID}, repository.RemoveOptions{Op: repository.OpRemove}); err != nil {
		t.Fatal(err)
	}
	if got := last(); got == nil || got.Revision != revs[1].ID {
		t.Errorf("without that revision, the last one is %+v", got)
	}
}

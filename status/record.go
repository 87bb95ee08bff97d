package status

import (
	"fmt"

	"varve/repository"
	"varve/revision"
)

// record is what the whole journal has of volumes that are not there.
type record struct {
	tries    map[revision.Name]*late
	vanished map[revision.Name]int // revisions that were made, and that nobody removed
}

// newRecord reads the journal, if it was needed. A volume that was renamed has what
// was recorded under its earlier names, and its earlier names have nothing.
func newRecord(in Input) record {
	present := map[revision.UUID]bool{}
	for _, v := range in.Volumes {
		present[v.Volume.UUID] = true
	}
	var others []repository.Event
	called := map[revision.UUID]revision.Name{}
	made := map[revision.UUID]map[revision.ID]int{}
	for _, e := range in.Journal {
		if e.UUID == nil {
			others = append(others, e)
			continue
		}
		uuid := *e.UUID
		if present[uuid] || e.Result == repository.ResultFailed {
			continue
		}
		others = append(others, e)
		if e.Volume != "" {
			called[uuid] = e.Volume
		}
		if made[uuid] == nil {
			made[uuid] = map[revision.ID]int{}
		}
		switch e.Op { // counted, for the order of events is only as good as the clocks
		case repository.OpBackup, repository.OpUndelete:
			made[uuid][e.Revision]++
		case repository.OpRemove, repository.OpPrune, repository.OpMerge:
			made[uuid][e.Revision]--
		}
	}
	r := record{tries: newLate(others), vanished: map[revision.Name]int{}}
	for uuid, ids := range made {
		for id, n := range ids {
			if n > 0 && id != "" {
				r.vanished[called[uuid]]++
			}
		}
	}
	return r
}

// IsAwaited tells whether a volume that is expected has no revision.
func (v *Volume) IsAwaited() bool { return v.Expectation != nil && !v.hasRevisions() }

// untried adds that a volume without a revision, which was never tried, is expected for
// longer than was promised. It cannot be longer than there is a journal.
func (v *Volume) untried(in Input) {
	since := v.Expectation.Since
	if since.IsZero() || v.Promise == 0 || len(in.Journal) == 0 {
		return
	}
	if first := in.Journal[0].Time; first.After(since) {
		since = first
	}
	if in.Now.Sub(since) > v.Promise {
		v.add(Overdue, "", "it has no revision, and nobody tried since "+since.In(in.Now.Location()).Format("Mon _2 Jan 2006 15:04"), v.Again())
	}
}

// missing adds that so many revisions were made, and none is there.
func (v *Volume) missing(n int) {
	if n == 0 {
		return
	}
	have, what := "have", "revisions"
	if n == 1 {
		have, what = "has", "revision"
	}
	v.add(Damaged, "", fmt.Sprintf("%d %s that the journal tells of %s vanished", n, what, have), "varve history --volume "+v.typed(""))
}

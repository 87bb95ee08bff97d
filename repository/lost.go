package repository

import (
	"maps"
	"slices"

	"varve/revision"
)

// lostRevisions returns those that were committed, that nobody removed, and whose
// file is gone all the same. Whether their copies can stand in is left open.
//
// A copy gets its name just before the revision does: so that there is one is no
// proof. A child is, and the journal; that is read only where there is a copy that
// nothing else explains.
func (r *Repository) lostRevisions(v Volume, ids []revision.ID, visible []Revision) (map[revision.ID]bool, error) {
	present := map[revision.ID]bool{}
	for _, id := range ids {
		present[id] = true
	}
	var children []*revision.Statement
	for _, rev := range visible {
		if rev.Statement != nil {
			children = append(children, rev.Statement)
		}
	}
	lost := r.missingAncestors(v, present, children)
	copies, err := r.idsIn(copyDir(v.UUID))
	if err != nil && !notFound(err) {
		return nil, err
	}
	trashed, err := r.trashedIDs(v)
	if err != nil {
		return nil, err
	}
	unexplained := map[revision.ID]bool{}
	for _, id := range copies {
		unexplained[id] = !present[id] && !lost[id]
	}
	for _, id := range trashed {
		unexplained[id] = false
	}
	children = nil // those that no visible one builds on, and what they build on
	var committed map[revision.ID]bool
	for _, id := range slices.Sorted(maps.Keys(unexplained)) {
		if !unexplained[id] {
			continue
		}
		if committed == nil {
			committed = r.committed(v)
		}
		if !committed[id] {
			continue
		}
		lost[id] = true
		if m, err := r.openCopy(v, id); err == nil {
			children = append(children, m.Statement())
			_ = m.Close() // it was only read
		}
	}
	maps.Copy(lost, r.missingAncestors(v, present, children))
	return lost, nil
}

// missingAncestors returns what these children build on, directly or through
// others that only their copies know, and what is not there.
func (r *Repository) missingAncestors(v Volume, present map[revision.ID]bool, children []*revision.Statement) map[revision.ID]bool {
	missing := map[revision.ID]bool{}
	for ; len(children) > 0; children = children[1:] {
		parent := children[0].Parent
		if parent == nil || present[parent.ID] || missing[parent.ID] {
			continue
		}
		missing[parent.ID] = true
		m, err := r.openCopy(v, parent.ID)
		if err != nil {
			continue // then nothing tells what lies below
		}
		children = append(children, m.Statement())
		_ = m.Close() // it was only read
	}
	return missing
}

// committed tells, by the journal, which revisions of the volume became visible
// and were not removed since.
func (r *Repository) committed(v Volume) map[revision.ID]bool {
	events, err := r.Events()
	if err != nil {
		r.opts.Log.Warn("the journal cannot be read", "error", err)
	}
	known := map[revision.ID]bool{}
	for k, n := range visibleBy(events) {
		if k.volume == v.UUID {
			known[k.id] = n > 0
		}
	}
	return known
}

// visibleBy counts, of each revision that events tell of, how often it became visible, less how often it went.
func visibleBy(events []Event) map[revisionKey]int {
	counts := map[revisionKey]int{}
	for _, e := range events {
		if e.UUID != nil && e.Revision != "" && e.Result != ResultFailed {
			counts[revisionKey{*e.UUID, e.Revision}] += e.visible()
		}
	}
	return counts
}

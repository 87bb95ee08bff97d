package repository

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"varve/revision"
)

// forest is the revisions of a volume, visible, waiting and in the trash, in an order in
// which each stands behind the one that it builds on, as close as can be.
type forest struct {
	volume Volume
	nodes  []node
}

// node is one revision of a forest.
type node struct {
	rev    Revision
	kind   nodeKind
	parent int // in the nodes; -1: a full, or it is not there
	kids   int // how many build on it
	lost   bool

	file   string // under which name it lies, besides its copy
	use    string // the one of its files that is whole; empty: none
	broken bool   // its map, or one that it builds on, cannot be read whole
	again  error  // why its map cannot, if that is trouble with reading
}

type nodeKind int

const (
	nodeVisible nodeKind = iota
	nodeWaits            // for its set
	nodeTrashed
)

// forestOf lists all there is of a volume.
func (r *Repository) forestOf(v Volume) (*forest, error) {
	var all []node
	if v.Name != "" {
		l, err := r.list(v)
		if err != nil && !errors.Is(err, ErrNoVolume) {
			return nil, err
		}
		for _, rev := range l.visible {
			all = append(all, node{rev: rev, lost: l.lost[rev.ID], file: revisionName(rev.Volume.Name, rev.ID)})
		}
		for _, rev := range l.waiting {
			all = append(all, node{rev: rev, kind: nodeWaits, file: revisionName(rev.Volume.Name, rev.ID)})
		}
	}
	trashed, err := r.TrashOf(v)
	if err != nil {
		return nil, err
	}
	for _, t := range trashed {
		if !t.going && !slices.ContainsFunc(all, func(n node) bool { return n.rev.ID == t.ID }) {
			all = append(all, node{rev: t.Revision, kind: nodeTrashed, file: trashName(v.UUID, t.ID)})
		}
	}
	return &forest{volume: v, nodes: arrange(all)}, nil
}

// arrange puts nodes in their order.
func arrange(all []node) []node {
	at := make(map[revision.ID]int, len(all))
	for i := range all {
		at[all[i].rev.ID] = i
	}
	above := make([][]int, len(all)) // which build on each
	var roots []int
	for i := range all {
		st := all[i].rev.Statement
		if st != nil && st.Parent != nil {
			// Numbers fall along a chain: so nothing goes round in a circle.
			if p, there := at[st.Parent.ID]; there && all[p].rev.Statement != nil && all[p].rev.Statement.Sequence < st.Sequence {
				above[p] = append(above[p], i)
				continue
			}
		}
		roots = append(roots, i)
	}
	out := make([]node, 0, len(all))
	type place struct{ from, parent int }
	var stack []place
	for _, root := range slices.Backward(roots) {
		stack = append(stack, place{root, -1})
	}
	for len(stack) > 0 {
		next := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		n := all[next.from]
		n.parent, n.kids = next.parent, len(above[next.from])
		out = append(out, n)
		for _, kid := range slices.Backward(above[next.from]) {
			stack = append(stack, place{kid, len(out) - 1})
		}
	}
	return out
}

// climb goes through a forest and hands what was made of each node to those that build on
// it. Sole says that nobody else gets it, so that it may be changed.
func climb[S any](f *forest, step func(n *node, below S, sole bool) (S, error)) error {
	states := make([]S, len(f.nodes))
	left := make([]int, len(f.nodes))
	var none S
	for i := range f.nodes {
		n := &f.nodes[i]
		left[i] = n.kids
		below, sole := none, true
		if n.parent >= 0 {
			below = states[n.parent]
			if left[n.parent]--; left[n.parent] > 0 {
				sole = false
			} else {
				states[n.parent] = none
			}
		}
		state, err := step(n, below, sole)
		if err != nil {
			return err
		}
		if n.kids > 0 {
			states[i] = state
		}
	}
	return nil
}

// open opens the whole one of a node's files. That it is not what it was when the forest
// was listed is errMoved.
func (f *forest) open(r *Repository, n *node) (*mapFile, error) {
	m, err := openMap(r.fsys, n.use)
	if notFound(err) {
		return nil, errMoved
	}
	if err != nil {
		return nil, err
	}
	if m.Statement().Nonce != n.rev.Statement.Nonce {
		return nil, errors.Join(errMoved, m.Close())
	}
	return m, nil
}

// isAsListed tells whether a volume has the same revisions, in the same writing, still.
func (r *Repository) isAsListed(f *forest) (bool, error) {
	now, err := r.forestOf(f.volume)
	if err != nil {
		return false, err
	}
	return slices.EqualFunc(f.nodes, now.nodes, func(a, b node) bool {
		if a.rev.ID != b.rev.ID || a.kind != b.kind || a.lost != b.lost || (a.rev.Statement == nil) != (b.rev.Statement == nil) {
			return false
		}
		return a.rev.Statement == nil || a.rev.Statement.Nonce == b.rev.Statement.Nonce
	}), nil
}

// forestTries is how often a volume is looked at anew that changes meanwhile.
const forestTries = 5

// settled looks at a volume until it stays the same while that is done, or for the last
// time. Look gets a list that was made at that moment.
func (r *Repository) settled(ctx context.Context, v Volume, look func(*forest) (doubtful bool, err error)) (*forest, error) {
	for try := 1; ; try++ {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if v.Name != "" {
			v, _ = r.movedTo(v)
		}
		f, err := r.forestOf(v)
		if err != nil {
			return nil, err
		}
		doubtful, err := look(f)
		if err != nil && !errors.Is(err, errMoved) {
			return nil, err
		}
		if err == nil && !doubtful {
			return f, nil
		}
		if err == nil {
			same, serr := r.isAsListed(f)
			if serr != nil {
				return nil, serr
			}
			if same {
				return f, nil
			}
		}
		if try == forestTries {
			if err == nil {
				return f, nil
			}
			return nil, fmt.Errorf("look at volume %q: %w", v.Name, err)
		}
	}
}

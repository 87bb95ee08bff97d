package scrub

import (
	"cmp"
	"slices"

	"varve/repository"
	"varve/revision"
)

// losses are those of some revisions, each once.
type losses struct {
	list []Loss
	at   map[lossKey]int
}

type lossKey struct {
	volume   revision.UUID
	revision revision.ID
}

func (ls *losses) add(l Loss) {
	key := lossKey{l.Volume.UUID, l.Revision}
	i, known := ls.at[key]
	if !known {
		if ls.at == nil {
			ls.at = map[lossKey]int{}
		}
		ls.at[key] = len(ls.list)
		l.Extents = slices.Clone(l.Extents)
		ls.list = append(ls.list, l)
		return
	}
	have := &ls.list[i]
	if have.Whole = have.Whole || l.Whole; have.Whole {
		have.Extents = nil
		return
	}
	have.Extents = repository.JoinExtents(append(have.Extents, l.Extents...))
}

// sorted gives them by name of the volume, and oldest first.
func (ls *losses) sorted() []Loss {
	slices.SortStableFunc(ls.list, func(a, b Loss) int {
		return cmp.Or(cmp.Compare(a.Volume.Name, b.Volume.Name), cmp.Compare(a.Sequence, b.Sequence), cmp.Compare(a.Revision, b.Revision))
	})
	return ls.list
}

// lossOf is what the repository says of a loss.
func lossOf(l repository.Loss) Loss {
	out := Loss{Volume: l.Revision.Volume, Revision: l.Revision.ID, Begun: l.Revision.ID.Begun(), Whole: l.Whole, Extents: l.Extents}
	if st := l.Revision.Statement; st != nil {
		out.Sequence, out.Begun, out.Size = st.Sequence, st.Begun, int64(st.Size)
	}
	return out
}

package revision

import (
	"errors"
	"fmt"
	"slices"

	"varve/chunkstore"
)

// Resolve overlays one region of a chain: the newest revision first, the full that
// all of them build on last. It gives the chunks that are not zeros, ascending, and
// only after they gave the region hash that the newest records. Otherwise the error
// is a [*CorruptError] with [ErrOverlay], or says which map is damaged. A region
// beyond the image is empty.
//
// Only pages that touch the region are read, and none once every chunk is known.
func Resolve(chain []*Map, region uint64) ([]Chunk, error) {
	if err := checkChain(chain); err != nil {
		return nil, err
	}
	newest, oldest := chain[0].statement, chain[len(chain)-1].statement
	if oldest.Kind != Full {
		return nil, &ChainError{Revision: oldest.ID, Cause: errors.New("the chain does not end in a full")}
	}
	if region >= RegionCount(newest.Chunks()) {
		return nil, nil
	}
	first := region * RegionChunks
	o := newOverlay(first, min(RegionChunks, newest.Chunks()-first))
	if err := o.layAll(chain); err != nil {
		return nil, err
	}
	chunks := o.chunks()
	row, found, err := chain[0].regionRow(region)
	if err != nil {
		return nil, err
	}
	if found != (len(chunks) > 0) || found && RegionHash(chunks) != row.Hash {
		return nil, &CorruptError{
			Revision: newest.ID,
			Part:     fmt.Sprintf("region %d", region),
			Offset:   int64(chain[0].footer.parts[partRegions].offset),
			Cause:    ErrOverlay,
		}
	}
	return chunks, nil
}

// overlay collects what a range of chunks, no longer than a region, is made of.
type overlay struct {
	first uint64
	slots []slot
	left  int // slots that an older map may still say something about
}

// slot is what is known of one chunk.
type slot struct {
	state slotState
	entry Entry // if state is partial or settled
}

type slotState uint8

const (
	open    slotState = iota // no map said anything
	partial                  // patches are known, what they lie on is not
	settled                  // all is known
	erased                   // zeros
)

func newOverlay(first, count uint64) *overlay {
	return &overlay{first: first, slots: make([]slot, count), left: int(count)}
}

// layAll goes from the newest map to the oldest. What lies beyond the end of any
// newer revision is zeros whatever an older one says: it was cut off in between,
// and never comes back, however far the volume grew again.
func (o *overlay) layAll(chain []*Map) error {
	limit := uint64(maxChunks)
	for _, m := range chain {
		if o.left == 0 {
			return nil
		}
		if err := o.lay(m, limit); err != nil {
			return err
		}
		limit = min(limit, m.statement.Chunks())
	}
	return nil
}

// lay puts a map below all that was laid before.
func (o *overlay) lay(m *Map, limit uint64) error {
	end := o.first + uint64(len(o.slots))
	for r, err := range m.scan(o.first, end) {
		if err != nil {
			return err
		}
		if r.isRun() || r.first >= limit {
			for i := max(r.first, o.first); i < min(r.end, end); i++ {
				o.erase(&o.slots[i-o.first])
			}
			continue
		}
		s := &o.slots[r.first-o.first]
		if s.state != open && s.state != partial {
			continue
		}
		packs, err := m.Packs()
		if err != nil {
			return err
		}
		e, err := r.entry(packs)
		if err == nil {
			err = o.put(s, e)
		}
		if err != nil {
			return m.corruptPart(partPages, err)
		}
	}
	return nil
}

// put lays an entry below what the slot holds.
func (o *overlay) put(s *slot, e Entry) error {
	if s.state == open {
		s.entry = e
	} else {
		if len(e.Patches)+len(s.entry.Patches) > MaxPatches {
			return fmt.Errorf("the stack of chunk %d grows beyond %d patches", e.Index, MaxPatches)
		}
		s.entry.Base, s.entry.BaseRef = e.Base, e.BaseRef
		// Whether an object is that of the content depends on whose content.
		switch {
		case e.Base == BaseContent && e.Content != s.entry.Content:
			s.entry.Base = BaseObject
		case e.Base == BaseObject && e.BaseRef.ID == s.entry.Content:
			s.entry.Base = BaseContent
		}
		s.entry.Patches = slices.Concat(e.Patches, s.entry.Patches)
	}
	s.state = partial
	if e.Base != BaseParent {
		s.state = settled
		o.left--
	}
	return nil
}

// erase lays zeros below what the slot holds.
func (o *overlay) erase(s *slot) {
	switch s.state {
	case open:
		s.state = erased
	case partial:
		s.entry.Base, s.state = BaseZeros, settled
	default:
		return
	}
	o.left--
}

// chunks gives the outcome if nothing lies below: what is still unknown is zeros.
func (o *overlay) chunks() []Chunk {
	count := 0
	for i := range o.slots {
		o.erase(&o.slots[i])
		if o.slots[i].state == settled {
			count++
		}
	}
	chunks := make([]Chunk, 0, count)
	for i := range o.slots {
		s := &o.slots[i]
		if s.state == settled {
			chunks = append(chunks, Chunk{
				Index: s.entry.Index, Fingerprint: s.entry.Fingerprint, Content: s.entry.Content,
				Stack: chunkstore.Stack{Base: s.entry.BaseRef, Patches: s.entry.Patches},
			})
		}
	}
	return chunks
}

// records gives the outcome if something lies below.
func (o *overlay) records() []Record {
	var records []Record
	var run *ZeroRun // the one that grows, if the last slot was erased
	for i := range o.slots {
		switch s := &o.slots[i]; s.state {
		case erased:
			if run == nil {
				run = &ZeroRun{First: o.first + uint64(i)}
				records = append(records, Record{Zeros: run})
			}
			run.Count++
		case partial, settled:
			records = append(records, Record{Entry: s.entry})
			run = nil
		default:
			run = nil
		}
	}
	return records
}

package revision

import (
	"errors"
	"fmt"
	"slices"

	"github.com/zeebo/xxh3"

	"varve/chunkstore"
)

// Check reads the whole file, a page at a time, and tells whether it is what a
// [Writer] wrote: every checksum, every table against what it describes, the order
// and the extent of all records, and for a full the region hashes. The first damage
// ends it: a damaged file is replaced whole.
//
// Whether the records are true of the image is for [Resolve] to say; whether they
// fit the parent, for [CheckAgainstParent].
func (m *Map) Check() error {
	for i := range m.footer.parts {
		if i == partPages {
			continue
		}
		if _, err := m.readPart(i, maxTable); err != nil {
			return err
		}
	}
	regions, err := m.Regions()
	if err != nil {
		return err
	}
	if err := m.checkPagesSum(); err != nil {
		return err
	}
	content, err := m.checkRecords()
	if err != nil {
		return err
	}
	if m.statement.Kind == Full && !slices.Equal(content.regions, regions) {
		return m.corruptPart(partRegions, errors.New("the entries of the full give other regions"))
	}
	return nil
}

// checkPagesSum holds the pages against the footer.
func (m *Map) checkPagesSum() error {
	pages := m.footer.parts[partPages]
	sum := xxh3.New()
	buf := make([]byte, min(maxPage, pages.length))
	for offset := pages.offset; offset < pages.end(); {
		n := min(uint64(len(buf)), pages.end()-offset)
		if err := m.read(buf[:n], offset, "map pages"); err != nil {
			return err
		}
		// A hash never fails.
		_, _ = sum.Write(buf[:n])
		offset += n
	}
	if got := sum.Sum64(); got != pages.checksum {
		return m.corruptPart(partPages, fmt.Errorf("checksum in the footer is %016x, the bytes give %016x", pages.checksum, got))
	}
	return nil
}

// checkRecords decodes everything that the map lists.
func (m *Map) checkRecords() (*contentCheck, error) {
	packs, err := m.Packs()
	if err != nil {
		return nil, err
	}
	content := new(contentCheck)
	named := make(map[chunkstore.PackID]bool, len(packs))
	runEnd := uint64(0) // of the last record, if it was a run
	for r, err := range m.scan(0, maxChunks) {
		if err != nil {
			return nil, err
		}
		if r.isRun() {
			if runEnd == r.first && runEnd > 0 {
				return nil, m.corruptPart(partPages, fmt.Errorf("two runs of zeros meet at chunk %d", r.first))
			}
			runEnd = r.end
			continue
		}
		runEnd = 0
		e, err := r.entry(packs)
		if err != nil {
			return nil, m.corruptPart(partPages, err)
		}
		content.add(&e)
		for _, ref := range e.refs() {
			named[ref.Pack] = true
		}
	}
	content.endRegion()
	if len(named) != len(packs) {
		return nil, m.corruptPart(partPacks, fmt.Errorf("lists %d packs, the entries name %d", len(packs), len(named)))
	}
	return content, nil
}

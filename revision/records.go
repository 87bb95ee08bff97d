package revision

import (
	"errors"
	"fmt"
	"iter"
	"sort"
)

// Records gives what the map lists of the chunks from first to before end: the
// records that touch the range, whole and ascending. After an error there are no
// more.
func (m *Map) Records(first, end uint64) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		packs, err := m.Packs()
		if err != nil {
			yield(Record{}, err)
			return
		}
		for raw, err := range m.scan(first, end) {
			var record Record
			switch {
			case err != nil:
			case raw.isRun():
				record.Zeros = &ZeroRun{First: raw.first, Count: raw.end - raw.first}
			default:
				if record.Entry, err = raw.entry(packs); err != nil {
					err = m.corruptPart(partPages, err)
				}
			}
			if !yield(record, err) || err != nil {
				return
			}
		}
	}
}

// MayTouch tells whether any page of the map reaches into a region. It reads the
// page index only, so it says yes where a page skips the region.
func (m *Map) MayTouch(region uint64) (bool, error) {
	rows, err := m.pageRows()
	if err != nil {
		return false, err
	}
	first := region * RegionChunks
	i := firstPage(rows, first)
	return i < len(rows) && rows[i].first < first+RegionChunks, nil
}

// PageRegions gives the regions in which the map's pages begin, ascending. Who
// reads these has read every page.
func (m *Map) PageRegions() ([]uint64, error) {
	rows, err := m.pageRows()
	if err != nil {
		return nil, err
	}
	var regions []uint64
	for _, row := range rows {
		if region := row.first / RegionChunks; len(regions) == 0 || regions[len(regions)-1] != region {
			regions = append(regions, region)
		}
	}
	return regions, nil
}

// End is the first chunk after all that the map speaks of. In a delta that
// shrank, this lies beyond the image.
func (m *Map) End() (uint64, error) {
	rows, err := m.pageRows()
	if err != nil || len(rows) == 0 {
		return 0, err
	}
	return rows[len(rows)-1].last + 1, nil
}

// firstPage finds the first page that ends at or after a chunk.
func firstPage(rows []pageRow, chunk uint64) int {
	return sort.Search(len(rows), func(i int) bool { return rows[i].last >= chunk })
}

// scan gives the records that touch [first, end), reading only the pages that do.
// A record is good until the next one is asked for.
func (m *Map) scan(first, end uint64) iter.Seq2[rawRecord, error] {
	return func(yield func(rawRecord, error) bool) {
		rows, err := m.pageRows()
		if err != nil {
			yield(rawRecord{}, err)
			return
		}
		var buf []byte
		for i := firstPage(rows, first); i < len(rows) && rows[i].first < end; i++ {
			if n := int(rows[i].length); cap(buf) < n {
				buf = make([]byte, n)
			}
			p, err := m.page(rows[i], buf[:rows[i].length])
			if err != nil {
				yield(rawRecord{}, err)
				return
			}
			for records := p.scan(); ; {
				r, more, err := records.record()
				if err == nil && more {
					err = m.allows(r)
				}
				if err != nil {
					yield(rawRecord{}, m.corrupt("map page", rows[i].offset, err))
					return
				}
				if !more {
					break
				}
				if r.first >= end {
					return
				}
				if r.end > first && !yield(r, nil) {
					return
				}
			}
		}
	}
}

// page reads a page into buf and holds it against its row of the page index.
func (m *Map) page(row pageRow, buf []byte) (page, error) {
	if err := m.read(buf, row.offset, "map page"); err != nil {
		return page{}, err
	}
	p, err := decodePage(buf)
	if err == nil && !row.describes(p, buf) {
		err = errors.New("another page than the page index says")
	}
	if err != nil {
		return page{}, m.corrupt("map page", row.offset, err)
	}
	return p, nil
}

// allows refuses a record that a map of this kind and size must not hold.
func (m *Map) allows(r rawRecord) error {
	switch {
	case r.isRun():
		if m.statement.Kind == Full {
			return fmt.Errorf("a full with a run of zeros at %d", r.first)
		}
	case r.first >= m.statement.Chunks():
		return fmt.Errorf("chunk %d in an image of %d", r.first, m.statement.Chunks())
	case m.statement.Kind == Full && r.base() == BaseParent:
		return fmt.Errorf("a full that leaves chunk %d to a parent", r.first)
	}
	return nil
}

package revision

import (
	"context"
	"fmt"
	"slices"
)

// Fold overlays one region of neighbours, newest first, and leaves to the oldest
// one's parent what the oldest leaves to it: the outcome is what the newest says if
// the others are merged into it. If the oldest is a full, so is the outcome. Runs
// of zeros are cut at the region's ends; [Writer.AddZeros] joins them again.
//
// A map has records in the regions before its [Map.End], which may lie beyond the
// image. Nothing is checked against region hashes: see [Unproven].
func Fold(neighbours []*Map, region uint64) ([]Record, error) {
	if err := checkChain(neighbours); err != nil {
		return nil, err
	}
	o := newOverlay(region*RegionChunks, RegionChunks)
	if err := o.layAll(neighbours); err != nil {
		return nil, err
	}
	if neighbours[len(neighbours)-1].statement.Kind == Full {
		chunks := o.chunks()
		records := make([]Record, len(chunks))
		for i, c := range chunks {
			records[i].Entry = c.Entry()
		}
		return records, nil
	}
	return o.records(), nil
}

// FoldInto writes what [Fold] gives of all regions, one region at a time. Change may
// alter an entry before it is written; nil leaves them as they are.
func FoldInto(ctx context.Context, w *Writer, neighbours []*Map, change func(*Entry) error) error {
	for next := uint64(0); ; {
		if err := ctx.Err(); err != nil {
			return err
		}
		region, touched, err := nextTouched(neighbours, next)
		if err != nil || !touched {
			return err
		}
		zeros, err := zeroRegions(neighbours, region)
		if err != nil {
			return err
		}
		if next = region + max(zeros, 1); zeros > 0 {
			if neighbours[len(neighbours)-1].statement.Kind == Full {
				continue // it says nothing of what is zeros
			}
			if err := w.AddZeros(region*RegionChunks, zeros*RegionChunks); err != nil {
				return err
			}
			continue
		}
		records, err := Fold(neighbours, region)
		if err != nil {
			return fmt.Errorf("fold region %d: %w", region, err)
		}
		if err := addAll(w, records, change); err != nil {
			return err
		}
	}
}

func addAll(w *Writer, records []Record, change func(*Entry) error) error {
	for i := range records {
		if zeros := records[i].Zeros; zeros != nil {
			if err := w.AddZeros(zeros.First, zeros.Count); err != nil {
				return err
			}
			continue
		}
		if change != nil {
			if err := change(&records[i].Entry); err != nil {
				return err
			}
		}
		if err := w.Add(records[i].Entry); err != nil {
			return err
		}
	}
	return nil
}

// firstRecord finds the first record that ends after a chunk.
func (m *Map) firstRecord(chunk uint64) (r rawRecord, found bool, err error) {
	for r, err := range m.scan(chunk, maxChunks) {
		return r, err == nil, err
	}
	return r, false, nil
}

// nextTouched finds the first region, from that one on, of which any map says something.
func nextTouched(maps []*Map, from uint64) (region uint64, found bool, err error) {
	for _, m := range maps {
		r, more, err := m.firstRecord(from * RegionChunks)
		if err != nil {
			return 0, false, err
		}
		if next := max(from, r.first/RegionChunks); more && (!found || next < region) {
			region, found = next, true
		}
	}
	return region, found, nil
}

// zeroRegions counts the regions, from that one on, that a single run of zeros covers
// and of which no newer map says anything: a discarded TiB is one step, and not 256.
func zeroRegions(neighbours []*Map, region uint64) (uint64, error) {
	first, limit := region*RegionChunks, uint64(maxChunks)
	for _, m := range neighbours {
		r, found, err := m.firstRecord(first)
		switch {
		case err != nil:
			return 0, err
		case !found:
		case r.isRun() && r.first <= first:
			return (min(r.end, limit) - first) / RegionChunks, nil
		case r.first < first+RegionChunks:
			return 0, nil
		default:
			limit = min(limit, r.first)
		}
	}
	return 0, nil
}

// Unproven gives the regions of a map, ascending, that are to be resolved to know that
// it gives the image it states, laid over a parent that is known to give its own (nil:
// it is a full). In all others the map says nothing, and both have the same hash.
func Unproven(m, parent *Map) ([]uint64, error) {
	rows, err := m.Regions()
	if err != nil {
		return nil, err
	}
	count := RegionCount(m.statement.Chunks())
	var before []Region
	regions := map[uint64]bool{}
	if parent != nil {
		if before, err = parent.Regions(); err != nil {
			return nil, err
		}
		if count > 0 { // a shorter image may end within it
			regions[count-1] = true
		}
	}
	for next := uint64(0); next < count; {
		region, touched, err := nextTouched([]*Map{m}, next)
		if err != nil {
			return nil, err
		}
		if !touched || region >= count {
			break
		}
		regions[region] = true
		next = region + 1
	}
	hashes := make(map[uint64][32]byte, len(before))
	for _, row := range before {
		hashes[row.Region] = row.Hash
	}
	for _, row := range rows {
		if hash, had := hashes[row.Region]; !had || hash != row.Hash {
			regions[row.Region] = true
		}
		delete(hashes, row.Region)
	}
	for region := range hashes { // the parent has something there, and the map says it is zeros
		if region < count {
			regions[region] = true
		}
	}
	all := make([]uint64, 0, len(regions))
	for region := range regions {
		all = append(all, region)
	}
	slices.Sort(all)
	return all, nil
}

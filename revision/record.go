package revision

import (
	"encoding/binary"
	"errors"
	"fmt"

	"varve/chunkstore"
)

// rawRecord is a record whose extent is checked and whose body is not yet decoded:
// most records that an overlay meets are hidden by newer ones.
type rawRecord struct {
	first, end uint64 // chunks
	body       []byte // nil for a run of zeros
}

func (r rawRecord) isRun() bool { return r.body == nil }

func (r rawRecord) base() BaseKind { return BaseKind(r.body[0]) }

// scanner reads the records of a page one after the other.
type scanner struct {
	page
	left int    // records to come
	next uint64 // the lowest chunk that the next record may speak of
}

func (p page) scan() scanner { return scanner{page: p, left: p.count, next: p.first} }

// record gives the next record, and false after the last. Every bound is checked:
// records ascend, begin and end where the page says, and fill it exactly.
func (s *scanner) record() (r rawRecord, more bool, err error) {
	if s.left == 0 {
		switch {
		case len(s.records) != 0:
			return r, false, fmt.Errorf("%d bytes after the last record", len(s.records))
		case s.next != s.last+1:
			return r, false, fmt.Errorf("ends at chunk %d, not at its last chunk %d", s.next, s.last)
		}
		return r, false, nil
	}
	if len(s.records) > 0 && s.records[0] == runMark {
		r, err = s.run()
	} else {
		r, err = s.chunk()
	}
	if err != nil {
		return r, false, err
	}
	switch {
	case r.first < s.next || r.end-1 > s.last:
		return r, false, fmt.Errorf("record of chunk %d is out of order", r.first)
	case s.left == s.count && r.first != s.first:
		return r, false, fmt.Errorf("begins at chunk %d, not at its first chunk %d", r.first, s.first)
	}
	s.left--
	s.next = r.end
	return r, true, nil
}

func (s *scanner) run() (rawRecord, error) {
	if len(s.records) < runSize {
		return rawRecord{}, errors.New("a run of zeros is cut off")
	}
	first, count := binary.LittleEndian.Uint64(s.records[2:]), binary.LittleEndian.Uint64(s.records[10:])
	if s.records[1] != 0 || count == 0 || first >= maxChunks || count > maxChunks-first {
		return rawRecord{}, fmt.Errorf("a run of %d zero chunks at %d", count, first)
	}
	s.records = s.records[runSize:]
	return rawRecord{first: first, end: first + count}, nil
}

func (s *scanner) chunk() (rawRecord, error) {
	if len(s.records) < chunkFixedSize {
		return rawRecord{}, errors.New("an entry is cut off")
	}
	size := chunkFixedSize + refSize*int(s.records[1])
	switch base := BaseKind(s.records[0]); base {
	case BaseZeros, BaseParent:
	case BaseContent:
		size += hintSize
	case BaseObject:
		size += refSize
	default:
		return rawRecord{}, fmt.Errorf("unknown kind of base %d", base)
	}
	if len(s.records) < size {
		return rawRecord{}, errors.New("an entry is cut off")
	}
	index := s.first + uint64(binary.LittleEndian.Uint32(s.records[2:]))
	r := rawRecord{first: index, end: index + 1, body: s.records[:size]}
	s.records = s.records[size:]
	return r, nil
}

// entry decodes the body of a chunk's record.
func (r rawRecord) entry(packs []chunkstore.PackID) (Entry, error) {
	e := Entry{
		Index:       r.first,
		Fingerprint: chunkstore.Fingerprint(r.body[6:22]),
		Content:     chunkstore.ID(r.body[22:54]),
		Base:        r.base(),
	}
	rest := r.body[chunkFixedSize:]
	var err error
	switch e.Base {
	case BaseContent:
		e.BaseRef.ID = e.Content
		e.BaseRef.Pack, err = packAt(packs, rest)
		rest = rest[hintSize:]
	case BaseObject:
		e.BaseRef.ID = chunkstore.ID(rest[:32])
		e.BaseRef.Pack, err = packAt(packs, rest[32:])
		rest = rest[refSize:]
	}
	if err != nil {
		return Entry{}, err
	}
	if n := len(rest) / refSize; n > 0 {
		e.Patches = make([]chunkstore.Ref, n)
	}
	for i := range e.Patches {
		e.Patches[i].ID = chunkstore.ID(rest[:32])
		if e.Patches[i].Pack, err = packAt(packs, rest[32:]); err != nil {
			return Entry{}, err
		}
		rest = rest[refSize:]
	}
	if err := e.validate(); err != nil {
		return Entry{}, fmt.Errorf("chunk %d: %w", r.first, err)
	}
	return e, nil
}

// packAt reads a hint.
func packAt(packs []chunkstore.PackID, hint []byte) (chunkstore.PackID, error) {
	i := binary.LittleEndian.Uint32(hint)
	if uint64(i) >= uint64(len(packs)) {
		return chunkstore.PackID{}, fmt.Errorf("hint %d in a table of %d packs", i, len(packs))
	}
	return packs[i], nil
}

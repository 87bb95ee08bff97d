package revision

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/zeebo/xxh3"

	"varve/chunkstore"
)

// pageEnough is how full a page must be to be ended where a region ends. Then
// resolving a region of a well-filled map reads no page in vain, and a sparse map
// still has few pages.
const pageEnough = 4 << 10

// A Writer streams one revision file: records in ascending order, then Finish.
// It holds one page, the table of packs and 40 bytes for each page written. After
// an error the file is of no use, and every further call returns that error.
type Writer struct {
	w      io.Writer
	header Header
	offset uint64 // bytes written
	footer footer
	err    error
	done   bool

	page     []byte // being filled
	first    uint64 // chunk of the page
	last     uint64 // chunk of the page
	records  int    // in the page
	index    []pageRow
	pagesSum *xxh3.Hasher

	run   ZeroRun // not yet written, it may still grow
	next  uint64  // the lowest chunk that may come next
	hints map[chunkstore.PackID]uint32
	packs []chunkstore.PackID

	content contentCheck
}

// contentCheck gathers what Finish holds against the statement.
type contentCheck struct {
	runs, parents bool // has runs of zeros, has entries that build on the parent
	end           uint64
	leaves        []byte // of the region that is being written
	region        uint64
	regions       []Region // what a full of these entries must say
}

// NewWriter begins a revision file. The Writer makes calls of up to 64 KiB, and
// larger ones for the tables.
func NewWriter(w io.Writer, h Header) (*Writer, error) {
	if err := chunkstore.CheckChunkSize(h.ChunkSize); err != nil {
		return nil, err
	}
	if h.Nonce.IsZero() {
		return nil, errors.New("no nonce")
	}
	wr := &Writer{
		w: w, header: h,
		footer:   footer{nonce: h.Nonce},
		page:     startPage(make([]byte, 0, maxPage)),
		pagesSum: xxh3.New(),
		hints:    make(map[chunkstore.PackID]uint32),
	}
	if err := wr.writePart(partPreamble, encodePreamble(h)); err != nil {
		return nil, err
	}
	return wr, nil
}

// Add writes a chunk that is not zeros. It keeps nothing of e.
func (w *Writer) Add(e Entry) error {
	w.mayCall("Add")
	if w.err == nil {
		w.err = w.add(&e)
	}
	return w.err
}

func (w *Writer) add(e *Entry) error {
	if err := e.validate(); err != nil {
		return fmt.Errorf("add chunk %d: %w", e.Index, err)
	}
	if e.Index < w.next {
		return fmt.Errorf("add chunk %d: out of order, want %d or higher", e.Index, w.next)
	}
	if err := w.addPacks(e); err != nil {
		return fmt.Errorf("add chunk %d: %w", e.Index, err)
	}
	if err := w.flushRun(); err != nil {
		return err
	}
	if err := w.makeRoom(entrySize(e), e.Index); err != nil {
		return err
	}
	w.page = appendEntry(w.page, e, w.first, func(id chunkstore.PackID) uint32 { return w.hints[id] })
	w.last, w.next = e.Index, e.Index+1
	w.records++
	w.content.add(e)
	return nil
}

// AddZeros writes a run of zero chunks. Runs that follow one another become one.
func (w *Writer) AddZeros(first, count uint64) error {
	w.mayCall("AddZeros")
	if w.err != nil || count == 0 {
		return w.err
	}
	if first < w.next || first >= maxChunks || count > maxChunks-first {
		w.err = fmt.Errorf("add %d zero chunks at %d: out of order or beyond every image", count, first)
		return w.err
	}
	if w.run.Count > 0 && first == w.run.End() {
		w.run.Count += count
	} else {
		if w.err = w.flushRun(); w.err != nil {
			return w.err
		}
		w.run = ZeroRun{First: first, Count: count}
	}
	w.next = first + count
	w.content.runs = true
	return nil
}

func (w *Writer) mayCall(method string) {
	if w.done {
		panic("revision: " + method + " after Finish")
	}
}

// addPacks gives each pack that the entry names its place in the pack table.
func (w *Writer) addPacks(e *Entry) error {
	for _, ref := range e.refs() {
		if err := w.addPack(ref.Pack); err != nil {
			return err
		}
	}
	return nil
}

func (w *Writer) addPack(id chunkstore.PackID) error {
	if _, known := w.hints[id]; known {
		return nil
	}
	if id.IsZero() {
		return errors.New("a reference without a pack")
	}
	if len(w.packs) == math.MaxUint32 {
		return errors.New("too many packs")
	}
	w.hints[id] = uint32(len(w.packs))
	w.packs = append(w.packs, id)
	return nil
}

func (w *Writer) flushRun() error {
	if w.run.Count == 0 {
		return nil
	}
	run := w.run
	w.run = ZeroRun{}
	if err := w.makeRoom(runSize, run.First); err != nil {
		return err
	}
	w.page = appendRun(w.page, run)
	w.last = run.End() - 1
	w.records++
	return nil
}

// makeRoom ends the page if the next record, of that size and first chunk, should
// not go into it.
func (w *Writer) makeRoom(size int, first uint64) error {
	if w.records > 0 {
		full := len(w.page)+size+checksumSize > maxPage
		far := first-w.first > math.MaxUint32
		aligned := len(w.page) >= pageEnough && first/RegionChunks != w.last/RegionChunks
		if full || far || aligned {
			if err := w.flushPage(); err != nil {
				return err
			}
		}
	}
	if w.records == 0 {
		w.first = first
	}
	return nil
}

func (w *Writer) flushPage() error {
	if w.records == 0 {
		return nil
	}
	page := finishPage(w.page, w.first, w.last, w.records)
	w.index = append(w.index, pageRow{
		first: w.first, last: w.last, offset: w.offset,
		length: uint32(len(page)), records: uint32(w.records),
		checksum: binary.LittleEndian.Uint64(page[len(page)-checksumSize:]),
	})
	// A hash never fails.
	_, _ = w.pagesSum.Write(page)
	if err := w.write(page); err != nil {
		return err
	}
	w.page, w.records = startPage(w.page), 0
	return nil
}

func (w *Writer) write(data []byte) error {
	n, err := w.w.Write(data)
	w.offset += uint64(n)
	if err != nil {
		return fmt.Errorf("write revision file: %w", err)
	}
	return nil
}

// writePart writes one part whole and notes it for the footer.
func (w *Writer) writePart(i int, data []byte) error {
	w.footer.parts[i] = part{offset: w.offset, length: uint64(len(data)), checksum: xxh3.Hash(data)}
	return w.write(data)
}

// add notes an entry.
func (c *contentCheck) add(e *Entry) {
	c.parents = c.parents || e.Base == BaseParent
	c.end = e.Index + 1
	if region := e.Index / RegionChunks; region != c.region {
		c.endRegion()
		c.region = region
	}
	c.leaves = appendLeaf(c.leaves, e.Index, e.Content)
}

func (c *contentCheck) endRegion() {
	if len(c.leaves) > 0 {
		c.regions = append(c.regions, Region{Region: c.region, Hash: regionHash(c.leaves)})
		c.leaves = c.leaves[:0]
	}
}

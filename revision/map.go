package revision

import (
	"errors"
	"fmt"
	"io"
	"sort"
	"sync"

	"github.com/zeebo/xxh3"

	"varve/chunkstore"
)

const (
	// tailSize is what Open reads at once. It holds a small delta whole, and
	// then no later call reads anything.
	tailSize = 8 << 10
	// maxTable bounds a table by itself; none of a volume that exists comes near.
	maxTable = 1 << 30
)

// A Map reads one revision file. The tables are loaded when first needed, pages
// each time they are needed. It is safe for concurrent use. The reader belongs to
// the caller and must outlive the Map.
type Map struct {
	r         io.ReaderAt
	tail      []byte // the last bytes of the file
	tailStart uint64
	footer    footer
	statement *Statement

	index   lazy[[]pageRow]
	regions lazy[[]Region]
	packs   lazy[[]chunkstore.PackID]
}

// Open reads the footer, the preamble and the statement of a file of that size.
// Damage elsewhere is found when it is met, or by [Map.Check].
func Open(r io.ReaderAt, size int64) (*Map, error) {
	if size < preambleSize+footerSize {
		return nil, &CorruptError{Part: "file", Cause: fmt.Errorf("%d bytes", size)}
	}
	m := &Map{r: r}
	tail := make([]byte, min(size, tailSize))
	if err := m.read(tail, uint64(size)-uint64(len(tail)), "tail"); err != nil {
		return nil, err
	}
	m.tail, m.tailStart = tail, uint64(size)-uint64(len(tail))
	var err error
	if m.footer, err = decodeFooter(tail[len(tail)-footerSize:], uint64(size)); err != nil {
		return nil, m.withoutFooter(m.corrupt("footer", uint64(size)-footerSize, err))
	}
	if err := m.loadStatement(); err != nil {
		return nil, err
	}
	if err := m.checkTableSizes(); err != nil {
		return nil, err
	}
	return m, nil
}

// withoutFooter tells a file of a future version, whose footer may be another, from
// a damaged one.
func (m *Map) withoutFooter(damage error) error {
	preamble := make([]byte, preambleSize)
	if err := m.read(preamble, 0, "preamble"); err != nil {
		return err
	}
	var unsupported *UnsupportedError
	if _, err := decodePreamble(preamble); errors.As(err, &unsupported) {
		return err
	}
	return damage
}

func (m *Map) loadStatement() error {
	preamble, err := m.readPart(partPreamble, preambleSize)
	if err != nil {
		return err
	}
	header, err := decodePreamble(preamble)
	if err != nil {
		return m.corrupt("preamble", 0, err)
	}
	data, err := m.readPart(partStatement, maxStatement)
	if err != nil {
		return err
	}
	st, err := DecodeStatement(data)
	if err == nil && (st.Nonce != header.Nonce || st.Nonce != m.footer.nonce || st.ChunkSize != header.ChunkSize) {
		err = errors.New("preamble, statement and footer are of different files")
	}
	if err != nil {
		return m.corruptPart(partStatement, err)
	}
	m.statement = st
	return nil
}

// checkTableSizes bounds the tables by what they describe, before anybody takes
// memory for one.
func (m *Map) checkTableSizes() error {
	pages := m.footer.parts[partPages].length
	for _, table := range []struct {
		part         int
		rows, rowLen uint64
	}{
		{partPageIndex, pages / minPage, pageRowSize},
		{partRegions, RegionCount(m.statement.Chunks()), regionRowSize},
		{partPacks, pages / hintSize, packRowSize},
	} {
		p := m.footer.parts[table.part]
		if rows := p.length / table.rowLen; p.length > maxTable || rows > table.rows+1 {
			return m.corruptPart(table.part, fmt.Errorf("%d bytes are too many", p.length))
		}
	}
	return nil
}

// ReadNonce reads which writing of a revision a file is, and no more of it. Damage and
// versions of the future are told as by [Open].
func ReadNonce(r io.ReaderAt) (Nonce, error) {
	m := &Map{r: r}
	preamble := make([]byte, preambleSize)
	if err := m.read(preamble, 0, partNames[partPreamble]); err != nil {
		return Nonce{}, err
	}
	h, err := decodePreamble(preamble)
	if err != nil {
		return Nonce{}, m.corrupt(partNames[partPreamble], 0, err)
	}
	return h.Nonce, nil
}

// Statement gives what the revision says about itself. It must not be changed.
func (m *Map) Statement() *Statement { return m.statement }

// Regions gives the hash of every region that is not all zeros, ascending. They
// are known to give the image digest. The caller must not change them.
func (m *Map) Regions() ([]Region, error) {
	return m.regions.get(func() ([]Region, error) {
		return loadTable(m, partRegions, regionTableMagic, regionRowSize, decodeRegionRow, func(rows []Region) error {
			if err := checkRegions(rows, m.statement.Chunks()); err != nil {
				return err
			}
			if got := ImageDigest(m.statement.ChunkSize, m.statement.Size, rows); got != m.statement.Digest {
				return fmt.Errorf("regions give image digest %s, the statement says %s", got, m.statement.Digest)
			}
			return nil
		})
	})
}

// Packs gives the packs that the map names. The caller must not change them.
func (m *Map) Packs() ([]chunkstore.PackID, error) {
	return m.packs.get(func() ([]chunkstore.PackID, error) {
		return loadTable(m, partPacks, packTableMagic, packRowSize, decodePackRow, checkPacks)
	})
}

func (m *Map) pageRows() ([]pageRow, error) {
	return m.index.get(func() ([]pageRow, error) {
		return loadTable(m, partPageIndex, pageIndexMagic, pageRowSize, decodePageRow, func(rows []pageRow) error {
			return checkPageRows(rows, m.footer.parts[partPages])
		})
	})
}

// regionRow finds the row of a region; without one the region is all zeros.
func (m *Map) regionRow(region uint64) (row Region, found bool, err error) {
	rows, err := m.Regions()
	if err != nil {
		return row, false, err
	}
	i := sort.Search(len(rows), func(i int) bool { return rows[i].Region >= region })
	if i < len(rows) && rows[i].Region == region {
		return rows[i], true, nil
	}
	return row, false, nil
}

func loadTable[R any](
	m *Map, i int, magic string, rowSize int, decode func([]byte) R, check func([]R) error,
) ([]R, error) {
	data, err := m.readPart(i, maxTable)
	if err != nil {
		return nil, err
	}
	rows, err := decodeTable(data, magic, rowSize, decode)
	if err == nil {
		err = check(rows)
	}
	if err != nil {
		return nil, m.corruptPart(i, err)
	}
	return rows, nil
}

// partNames is how damage is reported.
var partNames = [partCount]string{
	"preamble", "map pages", "page index", "region table", "pack table", "statement",
}

// readPart reads a part of at most limit bytes, and holds it against the footer.
func (m *Map) readPart(i int, limit uint64) ([]byte, error) {
	p := m.footer.parts[i]
	if p.length > limit {
		return nil, m.corruptPart(i, fmt.Errorf("%d bytes, at most %d are possible", p.length, limit))
	}
	data := make([]byte, p.length)
	if err := m.read(data, p.offset, partNames[i]); err != nil {
		return nil, err
	}
	if got := xxh3.Hash(data); got != p.checksum {
		return nil, m.corruptPart(i, fmt.Errorf("checksum in the footer is %016x, the bytes give %016x", p.checksum, got))
	}
	return data, nil
}

// read fills buf from the file. A file that ends too early is damage, all else
// that goes wrong is trouble.
func (m *Map) read(buf []byte, offset uint64, what string) error {
	if m.tail != nil && offset >= m.tailStart {
		copy(buf, m.tail[offset-m.tailStart:])
		return nil
	}
	n, err := m.r.ReadAt(buf, int64(offset))
	switch {
	case n == len(buf):
		return nil
	case err == nil || errors.Is(err, io.EOF):
		return m.corrupt(what, offset, io.ErrUnexpectedEOF)
	}
	return fmt.Errorf("read %s of a revision file at %d: %w", what, offset, err)
}

// corrupt reports damage, but for a format of the future, which may be whole.
func (m *Map) corrupt(what string, offset uint64, cause error) error {
	var unsupported *UnsupportedError
	if errors.As(cause, &unsupported) {
		return cause
	}
	e := &CorruptError{Part: what, Offset: int64(offset), Cause: cause}
	if m.statement != nil {
		e.Revision = m.statement.ID
	}
	return e
}

// corruptPart is corrupt of a part as a whole.
func (m *Map) corruptPart(i int, cause error) error {
	return m.corrupt(partNames[i], m.footer.parts[i].offset, cause)
}

// lazy is a value loaded at its first use. A failure is not remembered: reading
// again may succeed.
type lazy[T any] struct {
	mu     sync.Mutex
	loaded bool
	value  T
}

func (l *lazy[T]) get(load func() (T, error)) (T, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.loaded {
		return l.value, nil
	}
	value, err := load()
	if err == nil {
		l.value, l.loaded = value, true
	}
	return value, err
}

package revision

import (
	"errors"
	"fmt"
	"slices"
)

// maxStatement bounds the statement's JSON.
const maxStatement = 1 << 20

// Finish writes the tables, the statement and the footer. The regions are those of
// the whole image, also the ones that a delta does not touch. What was written is
// held against the statement, and an image digest, a kind or a size that does not
// fit is an error. The caller makes the file durable, and reads it again with
// [Map.Check] before relying on it.
func (w *Writer) Finish(regions []Region, st Statement) error {
	w.mayCall("Finish")
	w.done = true
	if w.err != nil {
		return w.err
	}
	if w.err = w.finish(regions, &st); w.err != nil {
		return fmt.Errorf("finish revision %s: %w", st.ID, w.err)
	}
	return nil
}

func (w *Writer) finish(regions []Region, st *Statement) error {
	if err := w.flushRun(); err != nil {
		return err
	}
	pagesStart := w.footer.parts[partPreamble].end()
	if err := w.flushPage(); err != nil {
		return err
	}
	w.content.endRegion()
	if st.Nonce != w.header.Nonce || st.ChunkSize != w.header.ChunkSize {
		return errors.New("statement has another nonce or chunk size than the file")
	}
	statement, err := st.Encode()
	if err != nil {
		return err
	}
	if _, err := DecodeStatement(statement); err != nil {
		return err
	}
	if len(statement) > maxStatement {
		return fmt.Errorf("statement of %d bytes, at most %d are possible", len(statement), maxStatement)
	}
	if err := w.content.compare(st, regions); err != nil {
		return err
	}
	w.footer.parts[partPages] = part{
		offset: pagesStart, length: w.offset - pagesStart, checksum: w.pagesSum.Sum64(),
	}
	for i, data := range [][]byte{
		encodeTable(pageIndexMagic, w.index, pageRowSize, appendPageRow),
		encodeTable(regionTableMagic, regions, regionRowSize, appendRegionRow),
		encodeTable(packTableMagic, w.packs, packRowSize, appendPackRow),
		statement,
	} {
		if err := w.writePart(partPageIndex+i, data); err != nil {
			return err
		}
	}
	return w.write(w.footer.encode())
}

// compare tells whether the statement and the regions may be true of the records.
func (c *contentCheck) compare(st *Statement, regions []Region) error {
	chunks := st.Chunks()
	if err := checkRegions(regions, chunks); err != nil {
		return err
	}
	if got := ImageDigest(st.ChunkSize, st.Size, regions); got != st.Digest {
		return fmt.Errorf("statement has image digest %s, the regions give %s", st.Digest, got)
	}
	if c.end > chunks {
		return fmt.Errorf("chunk %d in an image of %d", c.end-1, chunks)
	}
	if st.Kind == Delta {
		return nil
	}
	switch {
	case c.runs:
		return errors.New("a full with runs of zeros")
	case c.parents:
		return errors.New("a full that leaves something to a parent")
	case !slices.Equal(c.regions, regions):
		return errors.New("the entries of a full do not give its regions")
	}
	return nil
}

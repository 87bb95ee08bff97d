package disk

import (
	"cmp"
	"fmt"
	"io"
	"slices"

	"varve/volume"
)

// A Layout is what lies on a disk.
type Layout struct {
	Table Table
	// Parts are the partitions, by number. A disk without a table has one part, itself; so has one that is a file system
	// besides, as images of CDs are, before its partitions.
	Parts []Part
	// Problem is what is wrong with the table; empty: nothing.
	Problem string
}

// A Table is a kind of partition table.
type Table string

// The kinds of tables.
const (
	NoTable Table = ""
	MBR     Table = "mbr"
	GPT     Table = "gpt"
)

// A Part is a part of a disk, or all of it.
type Part struct {
	Number int // as Linux counts: logical partitions begin at 5; 0 is the whole disk
	volume.Extent
	Type    string // what the table says that it is for: "Linux"; of types that have no name here, their number or uuid
	Name    string // that the table gives it; MBR has none
	Problem string // what is wrong with it; empty: nothing
	Content
}

// Words is what people call the part: "partition 2", "the disk".
func (p *Part) Words() string {
	if p.Number == 0 {
		return "the disk"
	}
	return fmt.Sprintf("partition %d", p.Number)
}

// Content is what a part holds, by its marks.
type Content struct {
	Kind    Kind
	What    string // in words, with an article: "an ext4 file system", "an LVM physical volume"
	Label   string // of the file system
	UUID    string // of the file system, as its tools write it; empty: it has none, or it is not known here
	Unclean bool   // it was not unmounted, as far as its superblock tells: what changed last may be in its journal alone
}

// whole is the part that is all of the disk.
func whole(size int64) Part { return Part{Extent: volume.Extent{Length: size}} }

// maxParts is how many partitions are looked at: whoever has a table say that there are thousands would have each of them
// read. Linux makes devices of fewer.
const maxParts = 256

// Look tells what lies on a disk of size bytes. The error is of reading the table; a partition that cannot be read says
// so in its Problem. Of more than 256 partitions, which the table's Problem tells then, the others are left out.
func Look(r io.ReaderAt, size int64) (Layout, error) {
	all := whole(size)
	all.look(r, size)
	l, err := readTable(r, size, all.Kind)
	if err != nil {
		return Layout{}, err
	}
	if n := len(l.Parts); n > maxParts {
		l.Parts, l.Problem = l.Parts[:maxParts], fmt.Sprintf("the partition table has %d partitions: only the first %d are looked at", n, maxParts)
	}
	for i := range l.Parts {
		l.Parts[i].look(r, size)
	}
	noteOverlaps(l.Parts)
	if l.Table == NoTable || all.Kind == ISO9660 {
		l.Parts = slices.Insert(l.Parts, 0, all)
	}
	return l, nil
}

// look finds out what the part holds.
func (p *Part) look(r io.ReaderAt, size int64) {
	p.Content = Content{Kind: Unknown, What: whatUnknown}
	there := min(p.Length, size-p.Offset)
	switch {
	case there <= 0 && p.Number > 0:
		p.Problem = fmt.Sprintf("it begins %d bytes after the end of the disk", p.Offset-size)
		return
	case there < p.Length:
		p.Problem = fmt.Sprintf("its last %d bytes are after the end of the disk", p.Length-there)
	}
	content, err := identify(io.NewSectionReader(r, p.Offset, there), there)
	if err != nil {
		p.Problem = err.Error()
		return
	}
	p.Content = content
}

// noteOverlaps says of each part that shares bytes with one that begins before it.
func noteOverlaps(parts []Part) {
	order := make([]*Part, len(parts))
	for i := range parts {
		order[i] = &parts[i]
	}
	slices.SortStableFunc(order, func(a, b *Part) int { return cmp.Compare(a.Offset, b.Offset) })
	for i := 1; i < len(order); i++ {
		before, p := order[i-1], order[i]
		if p.Offset < before.End() {
			if p.Problem == "" {
				p.Problem = "it overlaps " + before.Words()
			}
			if before.End() > p.End() { // the next may lie in it, too
				order[i] = before
			}
		}
	}
}

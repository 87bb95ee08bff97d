package rot

import (
	"bytes"
	"encoding/binary"
	"slices"

	"github.com/zeebo/xxh3"
)

// The evil builder takes the repository's own files apart, lets an attack change
// the pieces, and puts them together again with every checksum right.

var le = binary.LittleEndian

// summed appends the checksum that ends most structures.
func summed(b []byte) []byte { return le.AppendUint64(slices.Clip(b), xxh3.Hash(b)) }

// resummed makes the checksum at the end right again.
func resummed(b []byte) []byte { return summed(b[:len(b)-8]) }

// evilPack is a pack in pieces.
type evilPack struct {
	header []byte // without its checksum, as all of these
	frames []evilFrame
	table  []byte                  // nil: made of the frames
	row    func(n int, row []byte) // changes a row of the table
	lie    func(footer []byte)     // changes the footer
}

// evilFrame is one object in pieces.
type evilFrame struct {
	header   []byte // 56 bytes; its last field is filled in unless fixed
	rows     []byte // of the segment table; nil: made of the segments
	segments [][]byte
	fixed    bool
}

func takePack(data []byte, l *laidOut) *evilPack {
	p := &evilPack{header: slices.Clone(data[:64])}
	for _, f := range l.frames {
		frame := evilFrame{header: slices.Clone(data[f.begin : f.begin+56])}
		at := f.head
		for row := f.begin + 56; row < f.head-8; row += 12 {
			n := int(le.Uint32(data[row:]))
			frame.segments = append(frame.segments, slices.Clone(data[at:at+n]))
			at += n
		}
		p.frames = append(p.frames, frame)
	}
	return p
}

func (f *evilFrame) encode() []byte {
	rows := f.rows
	if rows == nil {
		for _, s := range f.segments {
			rows = le.AppendUint32(rows, uint32(len(s)))
			rows = le.AppendUint64(rows, xxh3.Hash(s))
		}
	}
	body := bytes.Join(f.segments, nil)
	header := slices.Clone(f.header)
	if !f.fixed {
		le.PutUint32(header[52:], uint32(len(rows)+8+len(body)))
	}
	return append(summed(append(header, rows...)), body...)
}

func (p *evilPack) encode() []byte {
	out := summed(p.header)
	headerSum := le.Uint64(out[64:])
	var rows [][]byte
	for i, f := range p.frames {
		frame := f.encode()
		row := slices.Clone(f.header[16:48])
		row = append(row, f.header[6])
		row = le.AppendUint64(row, uint64(len(out)))
		row = le.AppendUint32(row, uint32(len(frame)))
		row = append(row, f.header[48:52]...)
		if p.row != nil {
			p.row(i, row)
		}
		rows, out = append(rows, row), append(out, frame...)
	}
	table := p.table
	if table == nil {
		slices.SortFunc(rows, func(a, b []byte) int { return bytes.Compare(a[:33], b[:33]) })
		table = append([]byte("VRVT"), 1, 0, 49, 0)
		table = le.AppendUint32(table, uint32(len(rows)))
		table = append(append(table, 0, 0, 0, 0), bytes.Join(rows, nil)...)
	}
	at := len(out)
	out = append(out, summed(table)...)
	footer := append([]byte("VRVE"), 1, 0, 56, 0)
	footer = le.AppendUint64(footer, uint64(at))
	footer = le.AppendUint64(footer, uint64(len(out)-at))
	footer = append(append(footer, out[len(out)-8:]...), le.AppendUint64(nil, headerSum)...)
	footer = le.AppendUint64(footer, uint64(len(out)+56))
	if p.lie != nil {
		p.lie(footer)
	}
	return append(out, summed(footer)...)
}

// evilMap is a revision's file in its parts, and the footer's rows about them.
type evilMap struct {
	parts [6][]byte
	nonce []byte
	lie   func(footer []byte)
}

func takeMap(data []byte, l *mapParts) *evilMap {
	m := &evilMap{nonce: slices.Clone(data[16:32])}
	for i, s := range l.parts {
		m.parts[i] = slices.Clone(data[s.begin:s.end])
	}
	return m
}

func (m *evilMap) encode() []byte {
	var out []byte
	footer := append([]byte("VARVEFTR"), 1, 0, 0, 0, 192, 0, 0, 0)
	footer = append(footer, m.nonce...)
	for _, part := range m.parts {
		footer = le.AppendUint64(footer, uint64(len(out)))
		footer = le.AppendUint64(footer, uint64(len(part)))
		footer = le.AppendUint64(footer, xxh3.Hash(part))
		out = append(out, part...)
	}
	footer = le.AppendUint64(footer, uint64(len(out)+192))
	if m.lie != nil {
		m.lie(footer)
	}
	return append(out, summed(footer)...)
}

// page replaces the only page by one of these bytes, which lack a checksum, and
// makes the page index say so.
func (m *evilMap) page(body []byte) {
	page := summed(body)
	m.parts[partPages] = page
	row := m.parts[partPageIndex][16:]
	copy(row[:16], body[16:32])
	le.PutUint32(row[24:], uint32(len(page)))
	le.PutUint32(row[28:], uint32(le.Uint16(body[6:])))
	copy(row[32:], page[len(page)-8:])
	m.parts[partPageIndex] = resummed(m.parts[partPageIndex])
}

// records makes a page of records, each given whole.
func records(first, last uint64, rows ...[]byte) []byte {
	body := append([]byte("VRMP"), 1, 0)
	body = le.AppendUint16(body, uint16(len(rows)))
	length := 32 + len(bytes.Join(rows, nil)) + 8
	body = le.AppendUint32(body, uint32(length))
	body = append(body, 0, 0, 0, 0)
	body = le.AppendUint64(body, first)
	body = le.AppendUint64(body, last)
	return append(body, bytes.Join(rows, nil)...)
}

func zeroRun(first, count uint64) []byte {
	return le.AppendUint64(le.AppendUint64([]byte{255, 0}, first), count)
}

// edges are numbers at which arithmetic goes wrong.
var edges = []uint64{
	0, 1, 7, 8, 55, 56, 57, 63, 64, 65, 1<<16 - 1, 1 << 16, 1<<16 + 1, 1<<31 - 1, 1 << 31, 1<<32 - 1, 1 << 32,
	1<<47 - 1, 1 << 47, 1<<48 - 1, 1<<62 + 7, 1<<63 - 1, 1 << 63, 1<<63 + 1, 1<<64 - 192, 1<<64 - 56, 1<<64 - 2, 1<<64 - 1,
}

package filevolume

import (
	"errors"
	"io"
	"os"
	"slices"
	"strconv"

	"varve/volume"
)

// A member is a device, or a partition of it, and what it seems to belong to.
type member struct {
	volume.Signature
	part string        // the partition; empty: the device itself
	at   volume.Extent // of the device
}

// findMembers reads the edges of a device and of each of its partitions.
func findMembers(path string, id deviceID) (found []member, err error) {
	direct, geometry, err := openDirect(path, os.O_RDONLY)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, direct.f.Close()) }()
	look := func(part string, at volume.Extent) error {
		marks, err := volume.FindSignatures(io.NewSectionReader(direct, at.Offset, at.Length), at.Length)
		if err != nil {
			return &volume.ReadError{Volume: path, Offset: at.Offset, Err: err}
		}
		for _, mark := range marks {
			found = append(found, member{Signature: mark, part: part, at: at})
		}
		return nil
	}
	if err := look("", volume.Extent{Length: geometry.size}); err != nil {
		return nil, err
	}
	for _, part := range id.partitions() {
		at, ok := part.extent()
		if !ok || at.End() > geometry.size {
			continue // gone since
		}
		if err := look(part.name(), at); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// extent is where a partition lies on its disk. The kernel counts in sectors of 512 bytes, whatever the disk has.
func (id deviceID) extent() (volume.Extent, bool) {
	start, err1 := strconv.ParseInt(id.attribute("start"), 10, 64)
	length, err2 := strconv.ParseInt(id.attribute("size"), 10, 64)
	const most = 1 << 54
	if err1 != nil || err2 != nil || start > most || length > most || start < 0 || length <= 2 { // an extended one is two sectors
		return volume.Extent{}, false
	}
	return volume.Extent{Offset: start * 512, Length: length * 512}, true
}

// mayHoldPool tells whether one of them is a disk of a pool.
func mayHoldPool(members []member) bool {
	return slices.ContainsFunc(members, func(m member) bool { return m.What == volume.ZFSDisk })
}

// memberUses makes uses of what a device seems to belong to. What the volume that is to be written has too, at the
// same place and with the same identity, is no use: then the device is the volume's own, and what belongs to it stays.
// See docs/decisions/0010-a-disk-that-belongs-to-something-is-in-use.md.
func memberUses(members []member, content io.ReaderAt, size int64) []volume.Use {
	var uses []volume.Use
	for _, m := range members {
		if m.isOf(content, size) {
			continue
		}
		by := m.What
		if m.part != "" {
			by += ", by its partition " + m.part
		}
		uses = append(uses, volume.Use{Kind: volume.Member, By: by, Writing: true})
	}
	return uses
}

// isOf tells whether the content has the member's very mark. Content that cannot be read has not.
func (m member) isOf(content io.ReaderAt, size int64) bool {
	length := min(m.at.Length, size-m.at.Offset)
	if content == nil || m.ID == "" || length <= 0 {
		return false
	}
	marks, err := volume.FindSignatures(io.NewSectionReader(content, m.at.Offset, length), length)
	return err == nil && slices.Contains(marks, m.Signature)
}

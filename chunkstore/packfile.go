package chunkstore

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"

	"varve/internal/durable"
)

const (
	packsDir   = "packs"
	packSuffix = ".pack"
)

// packDir is the directory of the packs that begin with this byte.
func packDir(first byte) string { return packsDir + "/" + hex.EncodeToString([]byte{first}) }

// PackName is the name of a sealed pack's file in the repository.
func PackName(id PackID) string { return path.Join(packDir(id[0]), id.String()+packSuffix) }

// MakeDirs makes the directories for packs in a new repository, durably. It may be
// repeated after a failure.
func MakeDirs(fsys durable.FS) error {
	dirs := []string{packsDir}
	for first := range 256 {
		dirs = append(dirs, packDir(byte(first)))
	}
	return durable.MakeDirs(fsys, dirs...)
}

// listPacks gives the sealed packs of one directory, ascending. Other names,
// temporary files among them, are not ours to judge.
func listPacks(fsys durable.FS, first byte) ([]PackID, error) {
	entries, err := fsys.ReadDir(packDir(first))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var ids []PackID
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), packSuffix)
		if !ok {
			continue
		}
		if id, err := ParsePackID(name); err == nil && id[0] == first {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

// packFile is a sealed pack, open for reading. It is safe for concurrent use.
type packFile struct {
	info     PackInfo
	path     string
	size     int64 // of the file, in bytes
	file     durable.File
	contents contents
}

// openPack opens a sealed pack and verifies its header, footer and table of
// contents. A pack that is gone gives fs.ErrNotExist, a damaged one a
// *CorruptError; any other error is trouble that says nothing about the pack.
func openPack(fsys durable.FS, id PackID) (*packFile, error) {
	p := &packFile{path: PackName(id)}
	var err error
	if p.file, err = fsys.Open(p.path); err != nil {
		return nil, err
	}
	if err := p.load(id); err != nil {
		return nil, errors.Join(err, p.file.Close())
	}
	return p, nil
}

func (p *packFile) load(id PackID) error {
	stat, err := p.file.Stat()
	if err != nil {
		return err
	}
	size := stat.Size()
	p.size = size
	if size < packHeaderLen+footerLen {
		return p.corrupt(id, 0, errShort)
	}
	var head [packHeaderLen]byte
	if err := p.read(id, head[:], 0); err != nil {
		return err
	}
	if p.info, err = parsePackHeader(head[:]); err != nil {
		return p.corrupt(id, 0, err)
	}
	if p.info.ID != id {
		return p.corrupt(id, 0, errPackName)
	}
	var foot [footerLen]byte
	if err := p.read(id, foot[:], size-footerLen); err != nil {
		return err
	}
	footer, err := parsePackFooter(foot[:], size)
	if err == nil && footer.headerSum != checksum(head[:packHeaderLen-checksumLen]) {
		err = errChecksum
	}
	if err != nil {
		return p.corrupt(id, size-footerLen, err)
	}
	table := make([]byte, footer.tableLen)
	if err := p.read(id, table, footer.tableOffset); err != nil {
		return err
	}
	if checksum(table[:len(table)-checksumLen]) != footer.tableSum {
		return p.corrupt(id, footer.tableOffset, errChecksum)
	}
	if p.contents, err = parseContents(table, footer.tableOffset); err != nil {
		return p.corrupt(id, footer.tableOffset, err)
	}
	p.info.Objects, p.info.Size = p.contents.len(), size
	return nil
}

// corrupt reports damage of the pack itself. What is from the future is no damage.
func (p *packFile) corrupt(id PackID, offset int64, cause error) error {
	if fromFuture(cause) {
		return fmt.Errorf("pack %s: %w", p.path, cause)
	}
	return &CorruptError{Pack: id, Path: p.path, Offset: offset, Cause: cause}
}

// corruptObject reports damage of one object in the pack.
func (p *packFile) corruptObject(e Entry, cause error) error {
	if fromFuture(cause) {
		return fmt.Errorf("%s %s in %s: %w", e.Kind, e.ID, p.path, cause)
	}
	return &CorruptError{Pack: p.info.ID, Kind: e.Kind, ID: e.ID, Path: p.path, Offset: e.Offset, Cause: cause}
}

func fromFuture(err error) bool {
	var version *VersionError
	var feature *FeatureError
	return errors.As(err, &version) || errors.As(err, &feature)
}

// read fills b; a file that ends before b is full is damaged.
func (p *packFile) read(id PackID, b []byte, offset int64) error {
	n, err := p.file.ReadAt(b, offset)
	switch {
	case n == len(b):
		return nil
	case err == nil, errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return p.corrupt(id, offset, errShort)
	}
	return fmt.Errorf("read %s at %d: %w", p.path, offset, err)
}

func (p *packFile) close() error { return p.file.Close() }

// readObject reads and decodes a whole object into dst, which has its length.
func (p *packFile) readObject(c *coder, e Entry, dst []byte) error {
	c.frame = sized(c.frame, e.Stored)
	if err := p.read(p.info.ID, c.frame, e.Offset); err != nil {
		return err
	}
	return p.decodeObject(c, e, c.frame, dst)
}

// decodeObject decodes the frame of an object into dst, which has its length.
func (p *packFile) decodeObject(c *coder, e Entry, frame, dst []byte) error {
	head, err := c.decodeFrame(frame, dst)
	if err == nil && (head.kind != e.Kind || head.id != e.ID) {
		err = errOtherObject
	}
	if err != nil {
		return p.corruptObject(e, err)
	}
	return nil
}

package repository

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"varve/internal/durable"
	"varve/revision"
)

// smallMap is the size up to which a map is read at once, so that a chain of a
// thousand deltas does not hold a thousand files open.
const smallMap = 32 << 10

// mapFile is an open revision file.
type mapFile struct {
	*revision.Map
	file durable.File // nil for a small one
	name string
}

// openMap opens the revision file of that name. What is wrong with its content
// is a [*DamagedFileError].
func openMap(fsys durable.FS, name string) (*mapFile, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, damagedFile(name, err)
	}
	m := &mapFile{file: f, name: name}
	if err := m.load(); err != nil {
		return nil, errors.Join(err, m.Close())
	}
	return m, nil
}

func (m *mapFile) load() error {
	info, err := m.file.Stat()
	if err != nil {
		return damagedFile(m.name, err)
	}
	reader := io.ReaderAt(m.file)
	if info.Size() <= smallMap {
		data := make([]byte, info.Size())
		if n, err := m.file.ReadAt(data, 0); n < len(data) {
			return damagedFile(m.name, fmt.Errorf("read %s: %w", m.name, err))
		}
		if err := m.Close(); err != nil {
			return err
		}
		reader = bytes.NewReader(data)
	}
	m.Map, err = revision.Open(reader, info.Size())
	if err != nil {
		return damagedMap(m.name, err)
	}
	return nil
}

// damagedMap makes wrong content of a map a DamagedFileError, and leaves trouble
// with reading it, and versions of the future, what they are.
func damagedMap(name string, err error) error {
	if corrupt := new(revision.CorruptError); errors.As(err, &corrupt) {
		return &DamagedFileError{Path: name, Cause: err}
	}
	return damagedFile(name, fmt.Errorf("read %s: %w", name, err))
}

// Close may be called twice.
func (m *mapFile) Close() error {
	if m.file == nil {
		return nil
	}
	f := m.file
	m.file = nil
	return f.Close()
}

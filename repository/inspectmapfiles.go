package repository

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"syscall"

	"varve/internal/durable"
)

// node checks both files of a revision, and chooses the one to go by.
func (l *mapLook) node(n *node) error {
	second := copyName(l.f.volume.UUID, n.rev.ID)
	err := l.check(n, n.file)
	switch {
	case err == nil:
		n.use = n.file
		l.checkCopy(n, second)
	default:
		if notFound(err) && !n.lost {
			return errMoved
		}
		if notFound(err) {
			err = &DamagedFileError{Path: n.file, Cause: errFileGone}
		}
		cerr := l.check(n, second)
		l.fault(Fault{Kind: FaultMap, Path: n.file, Revision: n.rev.ID, Err: err, Alone: cerr != nil})
		if cerr == nil {
			n.use = second
		} else {
			if notFound(cerr) {
				cerr = &DamagedFileError{Path: second, Cause: errFileGone}
			}
			l.fault(Fault{Kind: FaultCopy, Path: second, Revision: n.rev.ID, Err: cerr, Alone: true})
			if errors.Is(err, syscall.EIO) || errors.Is(cerr, syscall.EIO) {
				n.again = errors.Join(err, cerr)
			}
		}
	}
	return l.link(n)
}

// check makes sure that a file is the map that was listed, and that every byte of it is right.
func (l *mapLook) check(n *node, name string) error {
	m, err := openIdentified(l.in.rd.repo.fsys, name, l.f.volume, n.rev.ID)
	if err != nil {
		return err
	}
	defer func() { _ = m.Close() }() // it was only read
	st := m.Statement()
	if n.rev.Statement == nil {
		return &DamagedFileError{Path: name, Cause: errors.New(n.rev.Info.Reason)}
	}
	if st.Nonce != n.rev.Statement.Nonce {
		if name == n.file {
			return errMoved
		}
		return &DamagedFileError{Path: name, Cause: fmt.Errorf("%w: it is of another writing than the revision's file", errBadContent)}
	}
	if err := m.Check(); err != nil {
		return damagedMap(name, err)
	}
	if repo := l.in.rd.repo; st.Lineage != repo.desc.Lineage || int(st.ChunkSize) != repo.desc.ChunkSize {
		return &DamagedFileError{Path: name, Cause: fmt.Errorf("%w: it is of lineage %s, in chunks of %d bytes", errBadContent, st.Lineage, st.ChunkSize)}
	}
	rows, err := m.Regions()
	if err != nil {
		return damagedMap(name, err)
	}
	for _, row := range rows {
		l.regions[row.Region] = true
	}
	return nil
}

// checkCopy holds the copy of a map that is whole against it.
func (l *mapLook) checkCopy(n *node, name string) {
	repo := l.in.rd.repo
	same, err := sameFiles(repo.fsys, n.file, name)
	switch {
	case err == nil && same:
	case notFound(err):
		l.find(n, FaultCopy, name, false, &DamagedFileError{Path: name, Cause: errFileGone})
	case err != nil:
		l.find(n, FaultCopy, name, false, damagedFile(name, err))
	default:
		m, err := openIdentified(repo.fsys, name, l.f.volume, n.rev.ID)
		if err == nil {
			if err = m.Check(); err != nil {
				err = damagedMap(name, err)
			} else if m.Statement().Nonce != n.rev.Statement.Nonce {
				l.find(n, FaultCopy, name, true, fmt.Errorf("%s is of an earlier writing of the revision: who gave it a new map was cut off", name))
			} else {
				err = &DamagedFileError{Path: name, Cause: fmt.Errorf("%w: it is not as the revision's file", errBadContent)}
			}
			_ = m.Close() // it was only read
		}
		if err != nil {
			l.find(n, FaultCopy, name, false, err)
		}
	}
}

// sameFiles tells whether two files hold the same bytes.
func sameFiles(fsys durable.FS, one, other string) (same bool, err error) {
	a, err := fsys.Open(one)
	if err != nil {
		return false, err
	}
	defer func() { _ = a.Close() }() // it is only read
	b, err := fsys.Open(other)
	if err != nil {
		return false, err
	}
	defer func() { _ = b.Close() }() // likewise
	left, right := make([]byte, 64<<10), make([]byte, 64<<10)
	for off := int64(0); ; off += int64(len(left)) {
		n, aerr := a.ReadAt(left, off)
		m, berr := b.ReadAt(right, off)
		for _, err := range []error{aerr, berr} {
			if err != nil && !errors.Is(err, io.EOF) {
				return false, err
			}
		}
		if !bytes.Equal(left[:n], right[:m]) {
			return false, nil
		}
		if aerr != nil || berr != nil { // both have ended, for as much was read of them
			return true, nil
		}
	}
}

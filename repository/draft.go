package repository

import (
	"bufio"
	"crypto/rand"
	"errors"
	"io"
	"sync/atomic"

	"varve/internal/durable"
	"varve/revision"
)

// draft is the revision's file before it has its name.
type draft struct {
	repo   *Repository
	name   string // temporary
	file   durable.File
	at     atomic.Int64
	buffer *bufio.Writer
	writer *revision.Writer
	nonce  revision.Nonce
}

const draftBuffer = 64 << 10

// newDraft begins a revision file under a temporary name in that directory.
func (w *work) newDraft(dir string) (*draft, error) {
	d := &draft{repo: w.repo, name: w.lease.temps.In(dir)}
	rand.Read(d.nonce[:])
	var err error
	if d.file, err = w.repo.fsys.Create(d.name); err != nil {
		return nil, err
	}
	d.buffer = bufio.NewWriterSize(d, draftBuffer)
	d.writer, err = revision.NewWriter(d.buffer, revision.Header{ChunkSize: uint64(w.repo.desc.ChunkSize), Nonce: d.nonce})
	if err != nil {
		return nil, errors.Join(err, d.discard())
	}
	return d, nil
}

// Write appends to the file.
func (d *draft) Write(p []byte) (int, error) {
	n, err := d.file.WriteAt(p, d.at.Load())
	d.at.Add(int64(n))
	return n, err
}

// growth is how many bytes the file will take besides what it has, if nothing is added
// to it any more: what is in the buffer, and the copy. It is safe for many goroutines.
func (d *draft) growth() int64 { return d.at.Load() + 2*draftBuffer }

// seal makes the file's content durable and reads it again, every byte.
func (d *draft) seal() error {
	if err := d.buffer.Flush(); err != nil {
		return err
	}
	if err := d.file.Sync(); err != nil {
		return err
	}
	if err := d.file.Close(); err != nil {
		return err
	}
	d.file = nil
	return checkMapFile(d.repo.fsys, d.name)
}

func checkMapFile(fsys durable.FS, name string) error {
	m, err := openMap(fsys, name)
	if err != nil {
		return err
	}
	return errors.Join(m.Check(), m.Close())
}

// discard removes the file, if it still has its temporary name.
func (d *draft) discard() error {
	var err error
	if d.file != nil {
		err = d.file.Close()
		d.file = nil
	}
	if d.name == "" {
		return err
	}
	if rerr := d.repo.fsys.Remove(d.name); !notFound(rerr) {
		err = errors.Join(err, rerr)
	}
	d.name = ""
	return err
}

// writeCopy writes the second copy of a sealed draft, durable and read again,
// under a temporary name.
func (w *work) writeCopy(of *draft) (name string, err error) {
	dir := copyDir(w.volume.UUID)
	if err := durable.MkdirAll(w.repo.fsys, dir); err != nil {
		return "", err
	}
	d := &draft{repo: w.repo, name: w.lease.temps.In(dir)}
	if d.file, err = w.repo.fsys.Create(d.name); err != nil {
		return "", err
	}
	d.buffer = bufio.NewWriterSize(d, draftBuffer)
	if err := d.copyFrom(of.name); err != nil {
		return "", errors.Join(err, d.discard())
	}
	return d.name, nil
}

func (d *draft) copyFrom(name string) error {
	from, err := d.repo.fsys.Open(name)
	if err != nil {
		return err
	}
	defer func() { _ = from.Close() }() // it is only read
	info, err := from.Stat()
	if err != nil {
		return err
	}
	if _, err := io.Copy(d.buffer, io.NewSectionReader(from, 0, info.Size())); err != nil {
		return err
	}
	return d.seal()
}

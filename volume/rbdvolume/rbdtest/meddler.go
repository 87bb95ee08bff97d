//go:build ceph

package rbdtest

import (
	"fmt"
	"slices"

	"github.com/ceph/go-ceph/rbd"

	"varve/volume"
)

// Meddler is everybody who uses an image, but Varve.
type Meddler struct {
	*Guest
	At      volume.Image
	Draw    func(what string, n int64) int64 // from 0 on, below n
	Largest int64                            // that the image gets
	Alone   bool                             // nobody takes snapshots but Varve
	Clone   bool                             // that is not flattened yet
	Taken   []string                         // their snapshots that are there
	Did     []string
	number  int64
}

// Meddle does one thing that guests and operators do.
func (m *Meddler) Meddle(t T) {
	t.Helper()
	m.With(t, m.At, func(im *rbd.Image) error {
		size, err := im.GetSize()
		if err != nil {
			return err
		}
		what := m.Draw("what", 9)
		switch {
		case what < 3:
			return m.WriteSome(im, int64(size))
		case what == 3:
			off, length := m.spot(int64(size))
			m.did("discard of %d+%d", off, length)
			if length > 0 {
				_, err = im.Discard(uint64(off), uint64(length))
			}
		case what == 4:
			to := m.Draw("new size", m.Largest+1)
			m.did("resize from %d to %d", size, to)
			err = im.Resize(uint64(to))
		case what == 5 && !m.Alone:
			m.number++
			name := fmt.Sprintf("theirs%d", m.number)
			m.did("snapshot %s", name)
			m.Taken = append(m.Taken, name)
			_, err = im.CreateSnapshot(name)
		case what == 6 && len(m.Taken) > 0:
			name := m.Taken[m.Draw("to", int64(len(m.Taken)))]
			m.did("roll back to %s", name)
			err = im.GetSnapshot(name).Rollback()
		case what == 7 && len(m.Taken) > 0:
			i := int(m.Draw("which", int64(len(m.Taken))))
			name := m.Taken[i]
			m.did("removal of %s", name)
			m.Taken = slices.Delete(m.Taken, i, i+1)
			err = im.GetSnapshot(name).Remove()
		case what == 8 && m.Clone:
			m.did("flatten")
			m.Clone = false
			err = im.Flatten()
		}
		return err
	})
}

func (m *Meddler) did(format string, args ...any) {
	m.Did = append(m.Did, fmt.Sprintf(format, args...))
}

// WriteSome writes something somewhere into an image of that size, unless it is empty.
func (m *Meddler) WriteSome(im *rbd.Image, size int64) error {
	off, length := m.spot(size)
	m.did("write of %d+%d", off, length)
	if length == 0 {
		return nil
	}
	m.number++
	p := make([]byte, length)
	for i := range p {
		p[i] = byte(m.number) + byte(i*i>>4)
	}
	_, err := im.WriteAt(p, off)
	return err
}

func (m *Meddler) spot(size int64) (off, length int64) {
	if size == 0 {
		return 0, 0
	}
	off = m.Draw("offset", size)
	return off, 1 + m.Draw("length", min(size-off, 1+m.Largest/16))
}

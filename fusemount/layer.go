package fusemount

import (
	"errors"
	"fmt"
	"io"
	"math"
	"sync"
	"syscall"
	"time"

	"varve/internal/durable"
)

// blockSize is the unit in which an image is written to.
const blockSize = 4 << 10

// A layer is what was written to one image. What it has of it lies in its file at the same
// place.
type layer struct {
	all  *layers
	key  imageKey
	size int64
	file *durable.Scratch

	mu      sync.RWMutex
	parts   map[int64]*layerPart // by partSize of the image
	blocks  int64                // in the file
	written time.Time            // last
	refused bool                 // something was not written, for want of room
}

// partBlocks is how many blocks a layerPart knows of.
const (
	partBlocks = 256
	partSize   = partBlocks * blockSize
)

// layerPart tells of each block where it is: in the file, nowhere because it is zeros, or
// else in the revision.
type layerPart struct{ here, zero [partBlocks / 64]uint64 }

// A blockState says where a block is.
type blockState uint8

const (
	below blockState = iota // in the revision
	here                    // in the layer's file
	zeros
)

// state is that of the block at an offset. The lock is held.
func (l *layer) state(off int64) blockState {
	p := l.parts[off/partSize]
	if p == nil {
		return below
	}
	block := off % partSize / blockSize
	switch bit := uint64(1) << (block % 64); {
	case p.here[block/64]&bit != 0:
		return here
	case p.zero[block/64]&bit != 0:
		return zeros
	}
	return below
}

// isBelow tells whether a block is in the revision still. Once it is not, it never is again.
func (l *layer) isBelow(off int64) bool {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.state(off) == below
}

// setState notes where a block is now. The lock is held.
func (l *layer) setState(off int64, s blockState) {
	p := l.parts[off/partSize]
	if p == nil {
		p = &layerPart{}
		l.parts[off/partSize] = p
	}
	block := off % partSize / blockSize
	bit := uint64(1) << (block % 64)
	p.here[block/64] &^= bit
	p.zero[block/64] &^= bit
	switch s {
	case here:
		p.here[block/64] |= bit
	case zeros:
		p.zero[block/64] |= bit
	}
}

// extent tells where the block at an offset is, and up to where others are, too, or nothing
// else is known.
func (l *layer) extent(off int64) (s blockState, to int64) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if l.parts[off/partSize] == nil { // up to the next part that was written to
		next := int64(math.MaxInt64 / partSize)
		for part := range l.parts {
			if part > off/partSize {
				next = min(next, part)
			}
		}
		return below, min(next*partSize, l.size)
	}
	s = l.state(off)
	end := min((off/partSize+1)*partSize, l.size)
	for to = off - off%blockSize; to < end && l.state(to) == s; to += blockSize {
	}
	return s, min(to, l.size)
}

// A span is a range of what is being read or written, by offsets in it.
type span struct{ from, to int64 }

// overlay puts into p, which lies in the image at off, what the layer has of it, and tells
// what is to be read from the revision.
func (l *layer) overlay(p []byte, off int64) (rest []span, err error) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	for at := int64(0); at < int64(len(p)); {
		s := l.state(off + at)
		to := at
		for to < int64(len(p)) && l.state(off+to) == s {
			to = min(int64(len(p)), to+blockSize-(off+to)%blockSize)
		}
		switch s {
		case here:
			if n, err := l.file.ReadAt(p[at:to], off+at); err != nil && !(errors.Is(err, io.EOF) && int64(n) == to-at) {
				return nil, fmt.Errorf("read what was written to an image: %w", err)
			}
		case zeros:
			clear(p[at:to])
		default:
			rest = append(rest, span{at, to})
		}
		at = to
	}
	return rest, nil
}

// write writes p at off, both of whole blocks but for the image's last one.
func (l *layer) write(p []byte, off int64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.put(p, off)
}

// put is write, under the lock.
func (l *layer) put(p []byte, off int64) error {
	if l.parts == nil {
		return syscall.EIO // it was given up
	}
	var fresh int64
	for at := off; at < off+int64(len(p)); at += blockSize {
		if l.state(at) != here {
			fresh++
		}
	}
	if !l.all.reserve(fresh) {
		l.refused = true
		return syscall.ENOSPC
	}
	if _, err := l.file.WriteAt(p, off); err != nil {
		l.all.unreserve(fresh)
		if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
			l.all.mu.Lock()
			defer l.all.mu.Unlock()
			l.all.tellFull("error", err)
			l.refused = true
			return syscall.ENOSPC
		}
		return fmt.Errorf("write to the layer of an image: %w", err)
	}
	for at := off; at < off+int64(len(p)); at += blockSize {
		l.setState(at, here)
	}
	l.blocks += fresh
	l.written = time.Now()
	return nil
}

// lacks tells whether something was to be written, and found no room.
func (l *layer) lacks() bool {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.refused
}

// merge writes a part of one block, of which base is what the revision has.
func (l *layer) merge(p []byte, off int64, base []byte) error {
	first := off - off%blockSize
	l.mu.Lock()
	defer l.mu.Unlock()
	block := base
	switch l.state(first) {
	case zeros:
		clear(block)
	case here:
		if n, err := l.file.ReadAt(block, first); err != nil && !(errors.Is(err, io.EOF) && n == len(block)) {
			return fmt.Errorf("read what was written to an image: %w", err)
		}
	}
	copy(block[off-first:], p)
	return l.put(block, first)
}

// zero makes whole blocks zeros, and gives back what they took.
func (l *layer) zero(off, length int64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.parts == nil {
		return syscall.EIO
	}
	var freed int64
	for at := off; at < off+length; at += blockSize {
		if l.state(at) == here {
			freed++
		}
		l.setState(at, zeros)
	}
	l.blocks -= freed
	l.written = time.Now()
	l.all.unreserve(freed)
	if err := l.file.Punch(off, length); err != nil {
		return fmt.Errorf("give room of the layer of an image back: %w", err)
	}
	return nil
}

// usage is what a file's attributes tell of a layer.
func (l *layer) usage() (blocks int64, written time.Time) {
	if l == nil {
		return 0, written
	}
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.blocks, l.written
}

package filevolume

import (
	"io"
	"os"
	"sync"
	"unsafe"
)

// directFile does I/O past the page cache. The descriptor is open with O_DIRECT, which wants offsets, lengths and
// memory to be multiples of align; what is not goes through a buffer that is.
type directFile struct {
	f     *os.File
	align int64

	bounce sync.Pool  // of *[]byte, bounceSize long and aligned
	edges  sync.Mutex // held from reading a block that is written in part until it is written
}

// bounceSize is what goes through a buffer at once.
const bounceSize = 256 << 10

func newDirectFile(f *os.File, align int64) *directFile {
	d := &directFile{f: f, align: align}
	d.bounce.New = func() any {
		b := alignedBuffer(bounceSize, int(align))
		return &b
	}
	return d
}

func alignedBuffer(n, align int) []byte {
	b := make([]byte, n+align)
	skip := 0
	if over := misalignment(b, align); over != 0 {
		skip = align - over
	}
	return b[skip : skip+n : skip+n]
}

func misalignment(b []byte, align int) int {
	return int(uintptr(unsafe.Pointer(unsafe.SliceData(b))) % uintptr(align))
}

func (d *directFile) down(off int64) int64 { return off - off%d.align }

// straight is the length of the front of p that needs no buffer at off.
func (d *directFile) straight(p []byte, off int64) int64 {
	if off%d.align != 0 || misalignment(p, int(d.align)) != 0 {
		return 0
	}
	return d.down(int64(len(p)))
}

// ReadAt implements [io.ReaderAt].
func (d *directFile) ReadAt(p []byte, off int64) (int, error) {
	for done := 0; ; {
		rest, at := p[done:], off+int64(done)
		var n int
		var err error
		if straight := d.straight(rest, at); straight > 0 {
			n, err = preadOnce(d.f, rest[:straight], at)
		} else {
			n, err = d.readBounced(rest, at)
		}
		done += n
		if done == len(p) || err != nil {
			return done, err
		}
	}
}

// readBounced reads the beginning of p, as much as one buffer holds.
func (d *directFile) readBounced(p []byte, off int64) (int, error) {
	buf := d.bounce.Get().(*[]byte)
	defer d.bounce.Put(buf)
	start := d.down(off)
	want := min(bounceSize, d.down(off+int64(len(p))+d.align-1)-start)
	n, err := preadOnce(d.f, (*buf)[:want], start)
	if err != nil {
		return 0, err
	}
	if int64(n) <= off-start && len(p) > 0 {
		return 0, io.EOF
	}
	return copy(p, (*buf)[off-start:n]), nil
}

// WriteAt implements [io.WriterAt]. A block that is written in part is read first and written whole; its other part
// must not be written by another program at the same time.
func (d *directFile) WriteAt(p []byte, off int64) (int, error) {
	done := 0
	for done < len(p) {
		rest, at := p[done:], off+int64(done)
		var n int
		var err error
		switch straight := d.straight(rest, at); {
		case straight > 0:
			n, err = pwriteFull(d.f, rest[:straight], at)
		case at%d.align == 0 && int64(len(rest)) >= d.align:
			n, err = d.writeBounced(rest, at)
		default:
			n, err = d.writeEdge(rest, at)
		}
		done += n
		if err != nil {
			return done, err
		}
	}
	return done, nil
}

// writeBounced writes whole blocks from memory that is not aligned.
func (d *directFile) writeBounced(p []byte, off int64) (int, error) {
	buf := d.bounce.Get().(*[]byte)
	defer d.bounce.Put(buf)
	n := copy(*buf, p[:d.down(int64(len(p)))])
	return pwriteFull(d.f, (*buf)[:n], off)
}

// writeEdge writes a part of the one block at off.
func (d *directFile) writeEdge(p []byte, off int64) (int, error) {
	buf := d.bounce.Get().(*[]byte)
	defer d.bounce.Put(buf)
	start := d.down(off)
	block := (*buf)[:d.align]
	d.edges.Lock()
	defer d.edges.Unlock()
	if _, err := preadFull(d.f, block, start); err != nil {
		return 0, err
	}
	n := copy(block[off-start:], p)
	if _, err := pwriteFull(d.f, block, start); err != nil {
		return 0, err
	}
	return n, nil
}

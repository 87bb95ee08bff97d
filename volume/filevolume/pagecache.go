package filevolume

import (
	"errors"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// pageCache reads a regular file and leaves the page cache as it found it.
//
// It asks before each read, because afterwards it is too late: reading brings in what it reads and, by readahead, what
// comes next. That is also why RWF_NOWAIT cannot tell: where nothing is cached it answers EAGAIN, and starts the
// readahead. cachestat(2) (Linux 6.5) answers in about a microsecond for a chunk of 1 MiB, whose copying takes forty,
// so that a file in memory is read at memory speed; mincore(2) costs a mapping and takes thirty, but tells page from
// page.
//
//	all cached    read from the page cache
//	nothing       read past it, with O_DIRECT
//	some          or not known how much: mincore, read, and give back the pages that were absent
//
// Given back is only what was absent before, page by page: a large folio that somebody else brought in is never cut.
type pageCache struct {
	f        *os.File    // readahead off, so that a read brings in its own range only
	direct   *directFile // nil where the file system has no O_DIRECT
	pageSize int64
}

// directAlign suits every disk up to 4 KiB sectors; with larger ones O_DIRECT answers EINVAL and is not used.
const directAlign = 4096

func newPageCache(f *os.File) (*pageCache, error) {
	if err := unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_RANDOM); err != nil {
		return nil, fmt.Errorf("turn off readahead of %q: %w", f.Name(), err)
	}
	c := &pageCache{f: f, pageSize: int64(os.Getpagesize())}
	// Through /proc it is the same file, even if the path leads elsewhere by now.
	again, err := os.OpenFile(fmt.Sprintf("/proc/self/fd/%d", f.Fd()), os.O_RDONLY|unix.O_DIRECT, 0)
	if err == nil {
		c.direct = newDirectFile(again, directAlign)
	}
	return c, nil
}

// Close closes what newPageCache opened, and the file.
func (c *pageCache) Close() error {
	if c.direct == nil {
		return c.f.Close()
	}
	return errors.Join(c.direct.f.Close(), c.f.Close())
}

// ReadAt implements [io.ReaderAt].
func (c *pageCache) ReadAt(p []byte, off int64) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	first := off - off%c.pageSize
	pages := (off + int64(len(p)) - first + c.pageSize - 1) / c.pageSize
	whole := span{first, pages * c.pageSize}

	cached, known := c.count(whole)
	if known && cached >= pages {
		return preadFull(c.f, p, off)
	}
	if known && cached == 0 && c.direct != nil {
		n, err := c.direct.ReadAt(p, off)
		// Some file systems take O_DIRECT and read through the page cache all the same.
		if now, _ := c.count(whole); now > 0 {
			c.drop(whole)
		}
		if !errors.Is(err, unix.EINVAL) {
			return n, err
		}
	}
	absent := c.absent(whole)
	n, err := preadFull(c.f, p, off)
	for _, s := range absent {
		c.drop(s)
	}
	return n, err
}

// A span is a range of whole pages of a file.
type span struct {
	off, length int64
}

// count tells how many pages of s are in the page cache, if the kernel tells.
func (c *pageCache) count(s span) (pages int64, known bool) {
	var stat unix.Cachestat_t
	crange := unix.CachestatRange{Off: uint64(s.off), Len: uint64(s.length)}
	if err := unix.Cachestat(uint(c.f.Fd()), &crange, &stat, 0); err != nil {
		return 0, false
	}
	return int64(stat.Cache), true
}

// absent finds the pages of s that are not in the page cache. Where the kernel keeps that secret, from those who may
// not write the file, it finds none.
func (c *pageCache) absent(s span) []span {
	mapping, err := unix.Mmap(int(c.f.Fd()), s.off, int(s.length), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return nil
	}
	resident := make([]byte, s.length/c.pageSize)
	_, _, errno := unix.Syscall(unix.SYS_MINCORE, uintptr(unsafe.Pointer(unsafe.SliceData(mapping))),
		uintptr(s.length), uintptr(unsafe.Pointer(unsafe.SliceData(resident))))
	if err := unix.Munmap(mapping); err != nil || errno != 0 {
		return nil
	}
	var spans []span
	for i, r := range resident {
		off := s.off + int64(i)*c.pageSize
		switch last := len(spans) - 1; {
		case r&1 != 0:
		case last >= 0 && spans[last].off+spans[last].length == off:
			spans[last].length += c.pageSize
		default:
			spans = append(spans, span{off, c.pageSize})
		}
	}
	return spans
}

// drop gives back the pages of s. It is a courtesy: that it can fail changes nothing.
func (c *pageCache) drop(s span) {
	_ = unix.Fadvise(int(c.f.Fd()), s.off, s.length, unix.FADV_DONTNEED)
}

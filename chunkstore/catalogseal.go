package chunkstore

import (
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"syscall"

	"varve/internal/durable"
	"varve/internal/process"
)

// The seal is what the lock file says of the catalog, as its last writer left it:
// inode, size, times of change, the boot (0: synced, good for any boot), and a
// checksum. bbolt itself runs wild on a damaged file: a wrong number of pages to
// free fills memory, a page that is its own parent the stack, and no recover helps.
// So a file that anybody has touched since, that a writer did not live to finish or
// that a power cut may have torn is never opened.
type catalogSeal struct {
	inode, size, mtime, ctime, boot uint64
}

var errCatalogSeal = errors.New("it is not as its last writer left it")

const sealLen = 6 * 8

func (c *catalog) stat() (catalogSeal, error) {
	info, err := os.Lstat(c.path)
	if err != nil {
		return catalogSeal{}, err
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok || !info.Mode().IsRegular() {
		return catalogSeal{}, errCatalogSeal
	}
	return catalogSeal{
		inode: stat.Ino, size: uint64(stat.Size),
		mtime: uint64(stat.Mtim.Nano()), ctime: uint64(stat.Ctim.Nano()),
	}, nil
}

func (s catalogSeal) append(b []byte) []byte {
	start := len(b)
	for _, v := range []uint64{s.inode, s.size, s.mtime, s.ctime, s.boot} {
		b = binary.LittleEndian.AppendUint64(b, v)
	}
	return appendChecksum(b, b[start:])
}

// seal vouches for the catalog as it is: until the next boot, or for ever if synced.
func (c *catalog) seal(lock durable.File, synced bool) error {
	s, err := c.stat()
	if err != nil {
		return err
	}
	if !synced {
		s.boot = thisBoot()
	}
	_, err = lock.WriteAt(s.append(nil), 0)
	return err
}

func (c *catalog) checkSeal(lock durable.File) error {
	is, err := c.stat()
	if err != nil {
		return err
	}
	var was [sealLen]byte
	if _, err := lock.ReadAt(was[:], 0); err != nil {
		return errCatalogSeal
	}
	if string(was[:]) != string(is.append(nil)) {
		is.boot = thisBoot()
	}
	if string(was[:]) != string(is.append(nil)) {
		return errCatalogSeal
	}
	return nil
}

// thisBoot tells one boot of the machine from the next. It is never 0.
func thisBoot() uint64 {
	return checksum([]byte(process.Boot())) | 1 // where it has no name, all boots are one
}

// persist makes the catalog last beyond this boot. Batches are not synced, which
// would keep others from it for as long as the disk takes.
func (c *catalog) persist() {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.off {
		return
	}
	c.endSession()
	turn, err := c.takeTurn(writePatience)
	if err == nil {
		defer turn.end(c)
		err = c.checkSeal(turn.lock)
	}
	if err == nil {
		err = c.sync(turn)
	}
	if err != nil {
		c.trouble(err)
	}
}

func (c *catalog) sync(turn turn) error {
	f, err := turn.dir.OpenWrite(filepath.Base(c.path))
	if err != nil {
		return err
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := c.seal(turn.lock, true); err != nil {
		return err
	}
	return turn.lock.Sync()
}

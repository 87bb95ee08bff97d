package chunkstore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"varve/internal/durable"
)

const (
	sessionLength = 100 * time.Millisecond
	readPatience  = 250 * time.Millisecond // a lookup waits this long for others' batches
	writePatience = time.Second
	lockPoll      = 2 * time.Millisecond
	busyPause     = time.Second // no lookups after one found the catalog busy or missing
)

// view runs f in a read transaction, and tells whether it could.
func (c *catalog) view(f func(*bolt.Tx) error) bool {
	if c == nil {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.off || c.session == nil && time.Now().Before(c.retry) {
		return false
	}
	if c.session == nil {
		if err := c.beginSession(); err != nil {
			c.retry = time.Now().Add(busyPause)
			c.trouble(err)
			return false
		}
	}
	if err := guard(func() error { return c.session.View(f) }); err != nil {
		err = errors.Join(err, closeAfter(err, c.session))
		c.session = nil
		c.trouble(err)
		return false
	}
	return true
}

// update runs f in a write transaction, and tells whether it is committed. All
// buckets exist in it.
func (c *catalog) update(f func(*bolt.Tx) error) bool {
	if c == nil {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.off {
		return false
	}
	c.endSession()
	for range 2 { // the second time on a new file, if the first found the old one useless
		err := c.write(f)
		if err == nil {
			c.retry = time.Time{}
			return true
		}
		c.trouble(err)
		if c.off || errors.Is(err, ErrCatalogBusy) {
			return false
		}
	}
	return false
}

// write opens the catalog alone for one transaction, and seals it after.
func (c *catalog) write(f func(*bolt.Tx) error) error {
	if err := durable.EnsureDir(filepath.Dir(c.path)); err != nil {
		return err
	}
	turn, err := c.takeTurn(writePatience)
	if err != nil {
		return err
	}
	defer turn.end(c)
	if err := c.checkSeal(turn.lock); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	db, err := c.open(writePatience, false)
	if err != nil {
		return err
	}
	err = guard(func() error { return db.Update(func(tx *bolt.Tx) error { return c.prepared(tx, f) }) })
	if err := errors.Join(err, closeAfter(err, db)); err != nil {
		return err
	}
	return c.seal(turn.lock, false)
}

func (c *catalog) beginSession() error {
	turn, err := c.takeTurn(readPatience)
	if err != nil && !errors.Is(err, ErrCatalogBusy) {
		turn, err = c.peek() // read-only media for one: then nobody writes
	}
	if err != nil {
		return err
	}
	defer turn.end(c)
	if err := c.checkSeal(turn.lock); err != nil {
		return err
	}
	db, err := c.open(readPatience, true)
	if err != nil {
		return err
	}
	if err := guard(func() error { return db.View(c.check) }); err != nil {
		return errors.Join(err, closeAfter(err, db))
	}
	c.session = db
	c.expiry = time.AfterFunc(sessionLength, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.session == db {
			c.endSession()
		}
	})
	return nil
}

func (c *catalog) endSession() {
	if c.session == nil {
		return
	}
	c.expiry.Stop()
	if err := guard(c.session.Close); err != nil {
		c.log.Warn("catalog could not be closed", "error", err)
	}
	c.session = nil
}

// turn is the right to open the catalog, and to write it.
type turn struct {
	dir  *durable.Tree
	lock durable.File
}

func (c *catalog) lockName() string { return filepath.Base(c.path) + ".lock" }

func (c *catalog) takeTurn(patience time.Duration) (turn, error) {
	dir, err := durable.OpenTree(filepath.Dir(c.path))
	if err != nil {
		return turn{}, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	lock, err := durable.WaitLocked(ctx, dir, c.lockName())
	if err != nil {
		if ctx.Err() != nil {
			err = ErrCatalogBusy
		}
		return turn{}, errors.Join(err, dir.Close())
	}
	return turn{dir, lock}, nil
}

// peek is takeTurn where no lock can be taken, or made.
func (c *catalog) peek() (turn, error) {
	dir, err := durable.OpenTree(filepath.Dir(c.path))
	if err != nil {
		return turn{}, err
	}
	lock, err := dir.Open(c.lockName())
	if err != nil {
		return turn{}, errors.Join(err, dir.Close())
	}
	return turn{dir, lock}, nil
}

func (t turn) end(c *catalog) {
	if err := errors.Join(t.lock.Close(), t.dir.Close()); err != nil {
		c.log.Warn("the catalog's lock file could not be closed", "error", err)
	}
}

// open opens the file as soon as its lock allows, polling more closely than bbolt.
func (c *catalog) open(patience time.Duration, readOnly bool) (db *bolt.DB, err error) {
	options := &bolt.Options{
		Timeout: time.Nanosecond, ReadOnly: readOnly,
		NoStatistics: true, FreelistType: bolt.FreelistMapType, NoSync: true, NoGrowSync: true,
	}
	deadline := time.Now().Add(patience)
	for {
		err = guard(func() error {
			db, err = bolt.Open(c.path, 0o600, options)
			return err
		})
		if !errors.Is(err, bolterrors.ErrTimeout) {
			return db, err
		}
		if time.Now().After(deadline) {
			return nil, ErrCatalogBusy
		}
		time.Sleep(lockPoll)
	}
}

// trouble decides what an error means. c.mu is held.
func (c *catalog) trouble(err error) {
	switch {
	case errors.Is(err, ErrCatalogBusy):
		c.log.Debug("catalog is busy, going on without it")
	case errors.Is(err, fs.ErrNotExist):
	case errors.Is(err, fs.ErrPermission), durable.IsReadOnly(err), errors.Is(err, durable.ErrLink):
		c.log.Warn("catalog cannot be used", "error", err)
		c.off = true
	default:
		c.log.Warn("catalog is deleted, and will be built anew", "error", err)
		if err := c.remove(); err != nil {
			c.log.Warn("catalog cannot be deleted", "error", err)
			c.off = true
		}
	}
}

func (c *catalog) remove() error {
	if err := os.Remove(c.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// clear begins the catalog anew.
func (c *catalog) clear() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.endSession()
	c.retry = time.Time{}
	return c.remove()
}

// guard turns panics of bbolt into errors. It panics on damaged pages, and touching
// a part of the file that was cut off is a fault.
func guard(f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = &catalogPanic{p}
		}
	}()
	return f()
}

type catalogPanic struct{ value any }

func (p *catalogPanic) Error() string { return fmt.Sprintf("damaged: %v", p.value) }

// closeAfter closes the catalog after an operation on it. After a panic bbolt may
// hold its own locks for ever: then the handle is left to the garbage collector,
// which closes the file and so ends its lock.
func closeAfter(err error, db *bolt.DB) error {
	var panicked *catalogPanic
	if errors.As(err, &panicked) {
		return nil
	}
	return guard(db.Close)
}

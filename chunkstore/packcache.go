package chunkstore

import (
	"container/list"
	"errors"
	"sync"

	"varve/internal/durable"
)

// Bounds of what one Reader or Writer keeps open between uses.
const (
	maxOpenPacks     = 128
	maxContentsBytes = 32 << 20
)

// packCache keeps the packs used last open, with their tables of contents.
type packCache struct {
	fsys durable.FS

	mu     sync.Mutex
	packs  map[PackID]*cachedPack
	recent *list.List // of *cachedPack, the one used last in front
	bytes  int        // of the tables of contents in recent
	closed bool
}

type cachedPack struct {
	id    PackID
	ready chan struct{} // closed once file or err is set
	file  *packFile
	err   error

	// Guarded by the cache's mutex.
	users int
	place *list.Element // nil: not, or no longer, in the cache
}

func newPackCache(fsys durable.FS) *packCache {
	return &packCache{fsys: fsys, packs: map[PackID]*cachedPack{}, recent: list.New()}
}

// acquire opens a pack, or finds it open, until release. Errors are those of
// openPack and are not kept.
func (c *packCache) acquire(id PackID) (*cachedPack, error) {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return nil, ErrClosed
	}
	p, found := c.packs[id]
	if found {
		p.users++
		if p.place != nil {
			c.recent.MoveToFront(p.place)
		}
		c.mu.Unlock()
		<-p.ready
		return p, p.err
	}
	p = &cachedPack{id: id, ready: make(chan struct{}), users: 1}
	c.packs[id] = p
	c.mu.Unlock()

	p.file, p.err = openPack(c.fsys, id)

	c.mu.Lock()
	var evicted []*packFile
	if p.err != nil || c.closed {
		delete(c.packs, id)
	} else {
		p.place = c.recent.PushFront(p)
		c.bytes += len(p.file.contents)
		evicted = c.evict()
	}
	c.mu.Unlock()
	close(p.ready)
	_ = closeAll(evicted) // they were only read from: nothing is lost
	return p, p.err
}

// release gives back what acquire returned without an error.
func (c *packCache) release(p *cachedPack) {
	c.mu.Lock()
	p.users--
	last := p.users == 0 && p.place == nil
	c.mu.Unlock()
	if last {
		_ = p.file.close()
	}
}

// evict takes packs out of the cache until it is within bounds, and returns those
// that nobody uses; the others are closed by their last user. The pack used last stays.
func (c *packCache) evict() []*packFile {
	var idle []*packFile
	for c.recent.Len() > 1 && (c.recent.Len() > maxOpenPacks || c.bytes > maxContentsBytes) {
		idle = append(idle, c.remove(c.recent.Back().Value.(*cachedPack))...)
	}
	return idle
}

func (c *packCache) remove(p *cachedPack) []*packFile {
	c.recent.Remove(p.place)
	p.place = nil
	c.bytes -= len(p.file.contents)
	delete(c.packs, p.id)
	if p.users > 0 {
		return nil
	}
	return []*packFile{p.file}
}

// close closes what is idle and lets nothing be opened any more.
func (c *packCache) close() error {
	c.mu.Lock()
	c.closed = true
	var idle []*packFile
	for c.recent.Len() > 0 {
		idle = append(idle, c.remove(c.recent.Back().Value.(*cachedPack))...)
	}
	c.mu.Unlock()
	return closeAll(idle)
}

func closeAll(files []*packFile) error {
	var errs []error
	for _, f := range files {
		errs = append(errs, f.close())
	}
	return errors.Join(errs...)
}

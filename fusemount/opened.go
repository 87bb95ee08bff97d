package fusemount

import (
	"context"
	"errors"
	"sync"
	"syscall"
	"time"

	"varve/repository"
)

// A shelf has the images that are open, and the lease that they are read by.
type shelf struct {
	mu      sync.Mutex
	images  map[imageKey]*opened
	current *lender // nil: none, as long as nothing is open

	renewing sync.Mutex     // held by who renews
	burials  sync.WaitGroup // of leases that nobody reads by any more
}

// A lender is a reader with its lease.
type lender struct {
	rd    *repository.Reader
	grips int // under the shelf's lock: what is read by it
}

// opened is an image that somebody has open.
type opened struct {
	m    *Mounted
	key  imageKey
	size int64
	refs int // under the shelf's lock
	grip *grip

	streams streams
}

// A grip is an image as one lease has it. It is closed when it has been replaced, and the
// last read by it has ended.
type grip struct {
	image  *repository.Image
	lender *lender
	uses   int // under the shelf's lock
}

// open opens the image of a revision, or shares it with those who have it open.
func (m *Mounted) open(ctx context.Context, key imageKey) (*opened, syscall.Errno) {
	s := &m.shelf
	s.mu.Lock()
	if o := s.images[key]; o != nil {
		o.refs++
		s.mu.Unlock()
		return o, 0
	}
	s.mu.Unlock()
	rev, err := m.listings.find(key)
	if errors.Is(err, errGone) {
		return nil, syscall.ENOENT
	}
	if err != nil {
		return nil, m.trouble("a revision cannot be looked up", err, "revision", key.id)
	}
	l, err := m.borrow()
	if err != nil {
		return nil, m.trouble("the repository cannot be read", err)
	}
	image, err := l.rd.Image(m.ctx, rev.Volume, key.id)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil {
		m.giveBack(l)
		return nil, m.trouble("a revision cannot be opened", err, "volume", rev.Volume.Name, "revision", key.id)
	}
	o := s.images[key]
	if o != nil { // somebody was faster
		m.giveUp(&grip{image: image, lender: l})
	} else {
		o = &opened{m: m, key: key, size: image.Size(), grip: &grip{image: image, lender: l, uses: 1}}
		s.images[key] = o
		s.shareRegions()
	}
	o.refs++
	return o, 0
}

// keptRegions is how many resolved regions all open images keep together, as long as there
// are no more images than that.
const keptRegions = 48

// shareRegions has each open image keep its share of regions, under the shelf's lock.
func (s *shelf) shareRegions() {
	for _, o := range s.images {
		o.grip.image.KeepRegions(keptRegions / len(s.images))
	}
}

// borrow gives the current lender, with a grip on it, or takes a lease.
func (m *Mounted) borrow() (*lender, error) {
	s := &m.shelf
	s.renewing.Lock()
	defer s.renewing.Unlock()
	s.mu.Lock()
	if l := s.current; l != nil {
		l.grips++
		s.mu.Unlock()
		return l, nil
	}
	s.mu.Unlock()
	rd, err := m.newReader()
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.current = &lender{rd: rd, grips: 1}
	return s.current, nil
}

// newReader takes a lease, and tells, once, if there is none.
func (m *Mounted) newReader() (*repository.Reader, error) {
	rd, err := m.repo.NewReader(m.ctx)
	if err != nil {
		return nil, err
	}
	if why := rd.Unprotected(); why != nil && !errors.Is(why, repository.ErrReadOnly) {
		m.unprotected.Do(func() {
			m.opts.Log.Warn("reading without a lease: a gc that runs at the same time may take away what is being read", "error", why)
		})
	}
	return rd, nil
}

// giveBack ends a grip on a lender, under the shelf's lock. One that nobody reads by any
// more, and that is not the current one, is closed: its lease is buried, which may take a
// while.
func (m *Mounted) giveBack(l *lender) {
	l.grips--
	if l.grips > 0 || l == m.shelf.current {
		return
	}
	m.shelf.burials.Go(func() {
		if err := l.rd.Close(); err != nil {
			m.opts.Log.Warn("a lease did not end well", "error", err)
		}
	})
}

// giveUp ends a use of a grip, under the shelf's lock.
func (m *Mounted) giveUp(g *grip) {
	g.uses--
	if g.uses > 0 {
		return
	}
	if err := g.image.Close(); err != nil {
		m.opts.Log.Warn("a map did not close well", "error", err)
	}
	m.giveBack(g.lender)
}

// take lends the image for one read; done is to be called after it.
func (o *opened) take() (image *repository.Image, done func()) {
	s := &o.m.shelf
	s.mu.Lock()
	defer s.mu.Unlock()
	g := o.grip
	g.uses++
	return g.image, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		o.m.giveUp(g)
	}
}

// takeIfOpen is take for who does not know whether anybody has the image open still.
func (o *opened) takeIfOpen() (image *repository.Image, done func(), open bool) {
	s := &o.m.shelf
	s.mu.Lock()
	if o.refs == 0 {
		s.mu.Unlock()
		return nil, nil, false
	}
	o.refs++
	s.mu.Unlock()
	image, taken := o.take()
	return image, func() {
		taken()
		o.m.release(o)
	}, true
}

// release ends what open began.
func (m *Mounted) release(o *opened) {
	s := &m.shelf
	s.mu.Lock()
	defer s.mu.Unlock()
	if o.refs--; o.refs == 0 {
		delete(s.images, o.key)
		m.giveUp(o.grip)
		s.shareRegions()
	}
}

// renew gives what is open a new lease, and buries the former one: a collector waits for
// none that is older than that. Where a revision is gone, its image stays with the lease
// that it has until it is closed. With nothing open, there is no lease afterwards.
func (m *Mounted) renew() {
	s := &m.shelf
	s.renewing.Lock()
	defer s.renewing.Unlock()
	s.mu.Lock()
	former := s.current
	var images []*opened
	for _, o := range s.images { // also those that were gone: they may have come back
		images = append(images, o)
		o.refs++ // it stays meanwhile
	}
	if len(images) == 0 {
		m.replace(nil)
		s.mu.Unlock()
		return
	}
	s.mu.Unlock()
	next, err := m.next(former)
	if err != nil {
		m.opts.Log.Warn("the lease was not renewed; a gc waits for the former one", "error", err)
	} else {
		m.move(images, next)
	}
	for _, o := range images {
		m.release(o)
	}
}

// replace makes another lender the current one, or none, under the shelf's lock.
func (m *Mounted) replace(next *lender) {
	former := m.shelf.current
	m.shelf.current = next
	if former != nil {
		former.grips++
		m.giveBack(former)
	}
}

// next takes the lease that follows another. One that protects is not given up for none.
func (m *Mounted) next(former *lender) (*lender, error) {
	rd, err := m.newReader()
	if err != nil {
		return nil, err
	}
	if why := rd.Unprotected(); why != nil && former != nil && former.rd.Unprotected() == nil {
		return nil, errors.Join(why, rd.Close())
	}
	return &lender{rd: rd}, nil
}

// move resolves the images anew, by the next lender, which becomes the current one.
func (m *Mounted) move(images []*opened, next *lender) {
	s := &m.shelf
	grips := make([]*grip, len(images))
	for i, o := range images {
		image, done := o.take()
		v := image.Volume()
		done()
		if again, err := next.rd.Image(m.ctx, v, o.key.id); err == nil {
			grips[i] = &grip{image: again, lender: next, uses: 1}
		} else {
			m.opts.Log.Debug("a revision that is open was not found again", "volume", v.Name, "revision", o.key.id, "error", err)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, o := range images {
		if grips[i] != nil {
			next.grips++
			former := o.grip
			o.grip = grips[i]
			m.giveUp(former)
		}
	}
	m.replace(next)
	s.shareRegions()
}

// keepRenewing renews until the mount ends.
func (m *Mounted) keepRenewing() {
	tick := time.NewTicker(m.opts.Renew)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			m.renew()
			m.layers.forgetGone(m.isOpen)
		case <-m.ctx.Done():
			return
		}
	}
}

func (m *Mounted) isOpen(key imageKey) bool {
	m.shelf.mu.Lock()
	defer m.shelf.mu.Unlock()
	return m.shelf.images[key] != nil
}

// closeShelf ends all leases, after the last request was served.
func (m *Mounted) closeShelf() {
	s := &m.shelf
	s.mu.Lock()
	for _, o := range s.images { // the kernel may end a mount without releasing what was open
		m.giveUp(o.grip)
	}
	s.images = nil
	m.replace(nil)
	s.mu.Unlock()
	s.burials.Wait()
}

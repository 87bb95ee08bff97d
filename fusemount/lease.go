package fusemount

import (
	"errors"
	"time"

	"varve/repository"
)

// A leasedReader is a reader of the repository, with its lease.
type leasedReader struct {
	rd   *repository.Reader
	refs int // under the table's lock: images that are read by it, and who is about to open one
}

// acquireReader gives the current reader, with a reference to it, or takes a lease.
func (m *Mounted) acquireReader() (*leasedReader, error) {
	t := &m.images
	t.renewing.Lock()
	defer t.renewing.Unlock()
	t.mu.Lock()
	if l := t.current; l != nil {
		l.refs++
		t.mu.Unlock()
		return l, nil
	}
	t.mu.Unlock()
	rd, err := m.newReader()
	if err != nil {
		return nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.current = &leasedReader{rd: rd, refs: 1}
	return t.current, nil
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

// releaseReader gives up a reference to a reader, under the table's lock. One that nobody
// reads by any more, and that is not the current one, is closed: its lease is buried, which
// may take a while.
func (m *Mounted) releaseReader(l *leasedReader) {
	l.refs--
	if l.refs > 0 || l == m.images.current {
		return
	}
	m.images.burials.Go(func() {
		if err := l.rd.Close(); err != nil {
			m.opts.Log.Warn("a lease did not end well", "error", err)
		}
	})
}

// renew gives what is open a new lease, and buries the former one: a collector waits for
// none that is older than that. Where a revision is gone, its image stays with the lease
// that it has until it is closed. With nothing open, there is no lease afterwards.
func (m *Mounted) renew() {
	t := &m.images
	t.renewing.Lock()
	defer t.renewing.Unlock()
	t.mu.Lock()
	former := t.current
	var images []*openImage
	for _, o := range t.open { // also those that were gone: they may have come back
		images = append(images, o)
		o.refs++ // it stays meanwhile
	}
	if len(images) == 0 {
		m.replace(nil)
		t.mu.Unlock()
		return
	}
	t.mu.Unlock()
	next, err := m.next(former)
	if err != nil {
		m.opts.Log.Warn("the lease was not renewed; a gc waits for the former one", "error", err)
	} else {
		m.move(images, next)
	}
	for _, o := range images {
		m.closeImage(o)
	}
}

// replace makes another reader the current one, or none, under the table's lock.
func (m *Mounted) replace(next *leasedReader) {
	former := m.images.current
	m.images.current = next
	if former != nil {
		former.refs++
		m.releaseReader(former)
	}
}

// next takes the lease that follows another. One that protects is not given up for none.
func (m *Mounted) next(former *leasedReader) (*leasedReader, error) {
	rd, err := m.newReader()
	if err != nil {
		return nil, err
	}
	if why := rd.Unprotected(); why != nil && former != nil && former.rd.Unprotected() == nil {
		return nil, errors.Join(why, rd.Close())
	}
	return &leasedReader{rd: rd}, nil
}

// move resolves the images anew, by the next reader, which becomes the current one.
func (m *Mounted) move(images []*openImage, next *leasedReader) {
	t := &m.images
	moved := make([]*leasedImage, len(images))
	for i, o := range images {
		image, done := o.acquire()
		v := image.Volume()
		done()
		if again, err := next.rd.Image(m.ctx, v, o.key.id); err == nil {
			moved[i] = &leasedImage{image: again, reader: next, refs: 1}
		} else {
			m.opts.Log.Debug("a revision that is open was not found again", "volume", v.Name, "revision", o.key.id, "error", err)
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for i, o := range images {
		if moved[i] != nil {
			next.refs++
			former := o.leased
			o.leased = moved[i]
			m.releaseImage(former)
		}
	}
	m.replace(next)
	t.shareRegions()
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

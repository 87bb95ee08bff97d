package fusemount

import (
	"context"
	"errors"
	"sync"
	"syscall"

	"varve/repository"
)

// An imageTable has the images that are open, and the lease that they are read by.
type imageTable struct {
	mu      sync.Mutex
	open    map[imageKey]*openImage
	current *leasedReader // nil: none, as long as nothing is open

	renewing sync.Mutex     // held by who renews
	burials  sync.WaitGroup // closes readers that nobody reads by any more
}

// An openImage is an image that somebody has open: all who have it share this.
type openImage struct {
	m      *Mounted
	key    imageKey
	size   int64
	refs   int          // under the table's lock
	leased *leasedImage // likewise

	streams streams
}

// A leasedImage is an image as one lease has it. It is closed when another has taken its
// place, and the last read by it has ended.
type leasedImage struct {
	image  *repository.Image
	reader *leasedReader
	refs   int // under the table's lock
}

// openImage opens the image of a revision, or shares it with those who have it open.
func (m *Mounted) openImage(ctx context.Context, key imageKey) (*openImage, syscall.Errno) {
	t := &m.images
	t.mu.Lock()
	if o := t.open[key]; o != nil {
		o.refs++
		t.mu.Unlock()
		return o, 0
	}
	t.mu.Unlock()
	rev, err := m.listings.find(key)
	if errors.Is(err, errGone) {
		return nil, syscall.ENOENT
	}
	if err != nil {
		return nil, m.ioError("a revision cannot be looked up", err, "revision", key.id)
	}
	l, err := m.acquireReader()
	if err != nil {
		return nil, m.ioError("the repository cannot be read", err)
	}
	image, err := l.rd.Image(m.ctx, rev.Volume, key.id)
	if err != nil {
		t.mu.Lock()
		m.releaseReader(l)
		t.mu.Unlock()
		if m.listings.isGone(rev) { // since it was listed
			return nil, syscall.ENOENT
		}
		return nil, m.ioError("a revision cannot be opened", err, "volume", rev.Volume.Name, "revision", key.id)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	o := t.open[key]
	if o != nil { // somebody was faster
		m.releaseImage(&leasedImage{image: image, reader: l})
	} else {
		o = &openImage{m: m, key: key, size: image.Size(), leased: &leasedImage{image: image, reader: l, refs: 1}}
		t.open[key] = o
		t.shareRegions()
	}
	o.refs++
	return o, 0
}

// keptRegions is how many resolved regions all open images keep together, as long as there
// are no more images than that.
const keptRegions = 48

// shareRegions has each open image keep its share of regions, under the table's lock.
func (t *imageTable) shareRegions() {
	for _, o := range t.open {
		o.leased.image.KeepRegions(keptRegions / len(t.open))
	}
}

// releaseImage gives up a reference to a leased image, under the table's lock.
func (m *Mounted) releaseImage(l *leasedImage) {
	l.refs--
	if l.refs > 0 {
		return
	}
	if err := l.image.Close(); err != nil {
		m.opts.Log.Warn("a map did not close well", "error", err)
	}
	m.releaseReader(l.reader)
}

// acquire gives the image for one read; done is to be called after it.
func (o *openImage) acquire() (image *repository.Image, done func()) {
	t := &o.m.images
	t.mu.Lock()
	defer t.mu.Unlock()
	l := o.leased
	l.refs++
	return l.image, func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		o.m.releaseImage(l)
	}
}

// acquireIfOpen is acquire for who does not know whether anybody has the image open still.
func (o *openImage) acquireIfOpen() (image *repository.Image, done func(), open bool) {
	t := &o.m.images
	t.mu.Lock()
	if o.refs == 0 {
		t.mu.Unlock()
		return nil, nil, false
	}
	o.refs++
	t.mu.Unlock()
	image, read := o.acquire()
	return image, func() {
		read()
		o.m.closeImage(o)
	}, true
}

// closeImage ends what openImage began.
func (m *Mounted) closeImage(o *openImage) {
	t := &m.images
	t.mu.Lock()
	defer t.mu.Unlock()
	if o.refs--; o.refs == 0 {
		delete(t.open, o.key)
		m.releaseImage(o.leased)
		t.shareRegions()
	}
}

func (m *Mounted) isOpen(key imageKey) bool {
	m.images.mu.Lock()
	defer m.images.mu.Unlock()
	return m.images.open[key] != nil
}

// closeImages ends all leases, after the last request was served.
func (m *Mounted) closeImages() {
	t := &m.images
	t.mu.Lock()
	for _, o := range t.open { // the kernel may end a mount without releasing what was open
		m.releaseImage(o.leased)
	}
	t.open = nil
	m.replace(nil)
	t.mu.Unlock()
	t.burials.Wait()
}

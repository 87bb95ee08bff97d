package fusemount

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"varve/internal/durable"
)

// layers are what was written to images since they were mounted: one for each image, which
// all who open it share, in a file without a name. They end with the mount, or with its
// process, and nothing of them stays.
type layers struct {
	m    *Mounted
	dir  *durable.ScratchDir
	room int64 // blocks

	mu      sync.Mutex
	byImage map[imageKey]*layer
	taken   int64 // blocks
	told    bool  // that all of the room is taken

	missing map[imageKey]bool // whose revisions were not there at the last look; of keepRenewing alone
}

func (m *Mounted) openLayers() error {
	if !m.opts.Writable {
		return nil
	}
	dir, err := durable.OpenScratchDir(m.opts.Overlay)
	if err != nil {
		return fmt.Errorf("open the directory for what is written: %w", err)
	}
	f, err := dir.Create() // now, and not when somebody writes, is the time to say that it cannot be
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		return errors.Join(err, dir.Close())
	}
	m.layers = &layers{m: m, dir: dir, room: m.opts.OverlaySize / blockSize, byImage: map[imageKey]*layer{}}
	return nil
}

// of finds the layer of an image, or makes it.
func (l *layers) of(key imageKey, size int64) (*layer, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if have := l.byImage[key]; have != nil {
		return have, nil
	}
	f, err := l.dir.Create()
	if err != nil {
		return nil, err
	}
	made := &layer{all: l, key: key, size: size, file: f, parts: map[int64]*layerPart{}}
	l.byImage[key] = made
	return made, nil
}

// find is the layer of an image, or nil if nothing was written to it.
func (l *layers) find(key imageKey) *layer {
	if l == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.byImage[key]
}

// reserve takes room for blocks, and tells whether there was any.
func (l *layers) reserve(blocks int64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.taken+blocks > l.room {
		l.tellFull("size", l.room*blockSize)
		return false
	}
	l.taken += blocks
	return true
}

// tellFull logs, once until there is room again, that what is written finds none.
func (l *layers) tellFull(args ...any) {
	if !l.told {
		l.m.met(Mishap{Kind: Full, Cause: "no room is left for what is written"})
		l.m.opts.Log.Warn("no room is left for what is written to images", args...)
		l.told = true
	}
}

func (l *layers) unreserve(blocks int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.taken -= blocks
	if blocks > 0 {
		l.told = false
	}
}

// forgetGone gives up the layers of images that nobody has open, or can open any more. That
// has to be so twice in a row: a volume that is being renamed, or cannot be read, is not
// listed for a moment, and what was written to its images is nowhere else.
func (l *layers) forgetGone(isOpen func(imageKey) bool) {
	if l == nil {
		return
	}
	missing := map[imageKey]bool{}
	for _, key := range l.keys() {
		_, err := l.m.listings.find(key)
		switch {
		case !errors.Is(err, errGone), isOpen(key):
		case l.missing[key]:
			l.drop(key)
		default:
			missing[key] = true
		}
	}
	l.missing = missing
}

func (l *layers) keys() []imageKey {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Collect(maps.Keys(l.byImage))
}

func (l *layers) drop(key imageKey) {
	l.mu.Lock()
	gone := l.byImage[key]
	delete(l.byImage, key)
	l.mu.Unlock()
	gone.mu.Lock()
	defer gone.mu.Unlock()
	l.unreserve(gone.blocks)
	gone.parts, gone.blocks = nil, 0
	if err := gone.file.Close(); err != nil {
		l.m.opts.Log.Warn("what was written to an image was not given up well", "error", err)
	}
}

func (l *layers) close() error {
	if l == nil {
		return nil
	}
	for _, key := range l.keys() {
		l.drop(key)
	}
	return l.dir.Close()
}

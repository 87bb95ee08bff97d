package chunkstore

import (
	"errors"
	"io/fs"
)

// find looks for a copy of an object that this run may rely on. The catalog
// proposes; the pack's own table of contents, opened by this Writer, decides. A
// pack that cannot be read counts for nothing, whatever the reason: the object is
// stored again.
func (w *Writer) find(key objectKey) (PackID, bool) {
	w.mu.Lock()
	pack, ok := w.unsealed[key]
	w.mu.Unlock()
	if ok {
		return pack, true
	}
	for _, pack := range w.store.catalog.lookup(key) {
		if w.holds(pack, key) {
			w.mu.Lock()
			w.rely(pack)
			w.mu.Unlock()
			return pack, true
		}
	}
	return PackID{}, false
}

// holds tells whether a sealed pack has a copy of the object to rely on.
func (w *Writer) holds(pack PackID, key objectKey) bool {
	view := w.view()
	if view.Condemned[pack] || view.Damaged[Copy{pack, key.id}] {
		return false
	}
	p, err := w.packs.acquire(pack)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		w.store.catalog.drop([]PackID{pack})
		return false
	case errors.Is(err, ErrClosed):
		return false
	case err != nil:
		w.store.cfg.Log.Warn("pack cannot be relied on, its objects are stored again", "pack", pack.String(), "error", err)
		w.store.catalog.drop([]PackID{pack})
		return false
	}
	defer w.packs.release(p)
	if !w.usable(p.file.info) {
		return false
	}
	e, ok := p.file.contents.find(key)
	return ok && w.store.possible(e)
}

// usable tells whether a pack may be relied on. Usable is asked once, and under the
// mutex: what it said must hold for all goroutines.
func (w *Writer) usable(info PackInfo) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.own[info.ID] {
		return true
	}
	verdict, asked := w.verdicts[info.ID]
	if !asked {
		verdict = info.Run == w.cfg.Run || w.cfg.Usable != nil && w.cfg.Usable(info)
		w.verdicts[info.ID] = verdict
		if verdict && w.cfg.Orphaned != nil && w.cfg.Orphaned(info) {
			w.orphaned[info.ID] = true
		}
	}
	return verdict
}

package fusemount

import (
	"slices"
	"sync"

	"varve/repository"
	"varve/revision"
)

// A blockCounter knows how many blocks images take that leave out their holes.
type blockCounter struct {
	mu     sync.Mutex
	counts map[imageKey]uint64 // of chunks that are not zeros
	recent []presence          // the latest last

	counting sync.Mutex // held by who reads maps
}

// presence is kept of a few images, so that those that build on them cost little.
type presence struct {
	key imageKey
	p   *revision.Presence
}

const (
	maxCounts   = 50_000
	maxPresence = 8
)

// blocks tells how many blocks of 512 bytes an image takes that leaves out its holes, none if
// they were not counted and are not to be. Where the maps cannot be read, it is taken for one
// without holes; known is false if they may be read another time.
func (b *blockCounter) blocks(c *listings, key imageKey, st *revision.Statement, count bool) (blocks uint64, known bool) {
	chunks, known := b.count(key)
	if !known && count {
		chunks, known = b.compute(c, key, st)
	}
	return min(chunks*st.ChunkSize, st.Size+511) / 512, known
}

func (b *blockCounter) count(key imageKey) (uint64, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	n, known := b.counts[key]
	return n, known
}

func (b *blockCounter) compute(c *listings, key imageKey, st *revision.Statement) (chunks uint64, known bool) {
	b.counting.Lock() // each builds on what the one before it found
	defer b.counting.Unlock()
	if n, known := b.count(key); known {
		return n, true
	}
	rev, err := c.find(key)
	if err != nil {
		return st.Chunks(), false
	}
	p, err := c.repo.Presence(rev.Volume, key.id,
		func(id revision.ID) *revision.Presence { return b.recall(imageKey{key.volume, id}) },
		func(id revision.ID, p *revision.Presence) { b.remember(imageKey{key.volume, id}, p) })
	if err != nil {
		c.opts.Log.Warn("the holes of a revision are not known", "volume", rev.Volume.Name, "revision", key.id, "error", err)
		return st.Chunks(), repository.IsDamage(err)
	}
	return p.Count(), true
}

func (b *blockCounter) recall(key imageKey) *revision.Presence {
	b.mu.Lock()
	defer b.mu.Unlock()
	i := slices.IndexFunc(b.recent, func(p presence) bool { return p.key == key })
	if i < 0 {
		return nil
	}
	return b.recent[i].p
}

func (b *blockCounter) remember(key imageKey, p *revision.Presence) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.counts == nil || len(b.counts) >= maxCounts {
		b.counts = map[imageKey]uint64{}
	}
	b.counts[key] = p.Count()
	b.recent = append(b.recent, presence{key, p})
	if len(b.recent) > maxPresence {
		b.recent = slices.Delete(b.recent, 0, 1)
	}
}

package fusemount

import (
	"sync"
	"sync/atomic"
	"time"

	"varve/repository"
	"varve/revision"
)

// listings know what there is to show, as of a moment ago.
type listings struct {
	repo *repository.Repository
	opts Options

	mu      sync.Mutex // held while volumes are listed: who comes meanwhile takes the outcome
	latest  volumeTree
	volumes map[revision.UUID]*volumeListing
}

// A freshness tells whether to look again.
type freshness struct {
	began  time.Time // when it was listed
	looked time.Time // when it was last found to be unchanged
	stamp  repository.Stamp
}

// maxAge is how long a listing is believed that seems to be unchanged: not everything that
// may change about one is told by a stamp.
const maxAge = 30 * time.Second

// isFresh tells whether a listing is good for another while; look is asked for the stamp of
// now if it is no longer known to be.
func (f *freshness) isFresh(now time.Time, refresh time.Duration, look func() (repository.Stamp, error)) bool {
	switch {
	case f.began.IsZero() || now.Sub(f.began) > maxAge:
		return false
	case now.Sub(f.looked) < refresh:
		return true
	case !f.stamp.Settled(f.began):
		return false
	}
	if stamp, err := look(); err != nil || stamp != f.stamp {
		return false
	}
	f.looked = now
	return true
}

// A volumeListing is the revisions of a volume.
type volumeListing struct {
	freshness
	mu        sync.Mutex // held while it is listed
	revisions map[revision.ID]repository.Revision
	order     []revision.ID // oldest first
	latest    revision.ID
	good      revision.ID
	tags      map[string]revision.ID // the newest that has it
	lengths   *sync.Map              // of the descriptions of revisions, as far as somebody asked
	count     atomic.Int64
	used      time.Time // under the lock of all listings
	alone     alone
}

// maxRevisions bounds how many revisions are kept of all listings together; the one in use
// is, whatever its size.
const maxRevisions = 16_000

func newListings(repo *repository.Repository, opts Options) *listings {
	return &listings{repo: repo, opts: opts, volumes: map[revision.UUID]*volumeListing{}}
}

// list lists the revisions of a volume. What it returns must not be changed.
func (c *listings) list(v repository.Volume) (*volumeListing, error) {
	l := c.of(v)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.isFreshOf(c, v) {
		return l.snapshot(), nil
	}
	now := time.Now()
	stamp, err := c.repo.RevisionsStamp(v)
	if err != nil {
		return nil, err
	}
	revisions, err := c.repo.Revisions(v)
	if err != nil {
		return nil, err
	}
	l.fill(revisions)
	l.freshness = freshness{began: now, looked: now, stamp: stamp}
	return l.snapshot(), nil
}

// listed is the listing of a volume, or nil if there is none that is fresh. It waits for one
// that is being made.
func (c *listings) listed(v repository.Volume) *volumeListing {
	l := c.of(v)
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.isFreshOf(c, v) {
		return nil
	}
	return l.snapshot()
}

func (l *volumeListing) isFreshOf(c *listings, v repository.Volume) bool {
	return l.isFresh(time.Now(), c.opts.Refresh, func() (repository.Stamp, error) { return c.repo.RevisionsStamp(v) })
}

func (l *volumeListing) snapshot() *volumeListing {
	return &volumeListing{revisions: l.revisions, order: l.order, latest: l.latest, good: l.good, tags: l.tags, lengths: l.lengths}
}

// fill takes over a listing, oldest first.
func (l *volumeListing) fill(revisions []repository.Revision) {
	l.lengths = &sync.Map{}
	l.revisions, l.tags = make(map[revision.ID]repository.Revision, len(revisions)), map[string]revision.ID{}
	l.count.Store(int64(len(revisions)))
	l.order, l.latest, l.good = make([]revision.ID, 0, len(revisions)), "", ""
	for i := range revisions {
		rev := &revisions[i]
		l.revisions[rev.ID] = *rev
		l.order = append(l.order, rev.ID)
		l.latest = rev.ID
		if c := rev.Candidate(); c.Trusted {
			l.good = rev.ID
		}
		for _, tag := range rev.Info.Tags {
			l.tags[tag] = rev.ID
		}
	}
}

// of finds the place of a volume's listing, and gives up those that were not used for the
// longest time if there are too many.
func (c *listings) of(v repository.Volume) *volumeListing {
	c.mu.Lock()
	defer c.mu.Unlock()
	l := c.volumes[v.UUID]
	if l == nil {
		l = &volumeListing{}
		c.volumes[v.UUID] = l
	}
	l.used = time.Now()
	kept := func() (n int64) {
		for _, l := range c.volumes {
			n += l.count.Load()
		}
		return n
	}
	for kept() > maxRevisions && len(c.volumes) > 1 {
		oldest := v.UUID
		for uuid, other := range c.volumes {
			if other.used.Before(c.volumes[oldest].used) {
				oldest = uuid
			}
		}
		if oldest == v.UUID {
			break
		}
		delete(c.volumes, oldest)
	}
	return l
}

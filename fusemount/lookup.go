package fusemount

import (
	"errors"
	"io/fs"
	"slices"
	"sync"
	"time"

	"varve/repository"
	"varve/revision"
)

// errGone reports a volume or a revision that is there no more.
var errGone = errors.New("it is not there any more")

// An imageKey tells an image from all others, whatever its volume is called.
type imageKey struct {
	volume revision.UUID
	id     revision.ID
}

// find finds one revision of a volume, under whatever name that has now.
func (c *listings) find(key imageKey) (repository.Revision, error) {
	rev, _, err := c.findWithListing(key)
	return rev, err
}

// findWithListing is find for who wants the listing, too; it is nil if the revision was
// looked up alone, as the first few are: who wants one is not to wait until thousands were
// read.
func (c *listings) findWithListing(key imageKey) (repository.Revision, *volumeListing, error) {
	t, err := c.tree()
	if err != nil {
		return repository.Revision{}, nil, err
	}
	v, is := t.byUUID[key.volume]
	if !is {
		return repository.Revision{}, nil, errGone
	}
	l := c.listed(v)
	if l == nil && c.of(v).alone.isAllowed(time.Now(), c.opts.Refresh) {
		rev, err := c.repo.Revision(v, key.id)
		return rev, nil, goneIfAbsent(err)
	}
	if l == nil {
		if l, err = c.list(v); err != nil {
			return repository.Revision{}, nil, goneIfAbsent(err)
		}
	}
	rev, is := l.revisions[key.id]
	if !is {
		return repository.Revision{}, nil, errGone
	}
	return rev, l, nil
}

// isGone tells whether a revision that was found is there no more. Then what lists it is
// believed no longer.
func (c *listings) isGone(rev repository.Revision) bool {
	if _, err := c.repo.Revision(rev.Volume, rev.ID); goneIfAbsent(err) != errGone {
		return false
	}
	l := c.of(rev.Volume)
	l.mu.Lock()
	l.began = time.Time{}
	l.mu.Unlock()
	c.mu.Lock()
	c.latest.began = time.Time{}
	c.mu.Unlock()
	return true
}

// goneIfAbsent is errGone where the repository says that there is no such thing.
func goneIfAbsent(err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, repository.ErrNoVolume) {
		return errGone
	}
	return err
}

// alone counts the revisions of a volume that were looked up alone.
type alone struct {
	mu    sync.Mutex
	since time.Time
	n     int
}

// maxAlone is how many revisions are looked up alone within the time for which a listing is
// believed: who asks for more, asks for all.
const maxAlone = 8

func (a *alone) isAllowed(now time.Time, refresh time.Duration) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if now.Sub(a.since) > refresh {
		a.since, a.n = now, 0
	}
	a.n++
	return a.n <= maxAlone
}

// volumeNames are the revisions of a volume without a word on any of them.
type volumeNames struct {
	all          []revision.ID
	unreadable   map[revision.ID]bool // those without an image
	latest, good bool                 // there is one
}

// names lists the revisions of a volume, and reads only few unless something is wrong. One
// that cannot be read may be listed as if it could.
func (c *listings) names(v repository.Volume) (*volumeNames, error) {
	l := c.listed(v)
	if l == nil {
		ids, sure, err := c.repo.RevisionNames(v)
		if err != nil {
			return nil, err
		}
		if sure && (len(ids) == 0 || c.hasGood(v, ids)) {
			return &volumeNames{all: ids, latest: len(ids) > 0, good: len(ids) > 0}, nil
		}
		if l, err = c.list(v); err != nil {
			return nil, err
		}
	}
	n := &volumeNames{all: l.order, unreadable: map[revision.ID]bool{}, latest: l.latest != "", good: l.good != ""}
	for id, rev := range l.revisions {
		if rev.Statement == nil {
			n.unreadable[id] = true
		}
	}
	return n, nil
}

// hasGood tells whether one of the last few revisions is good. Of those before them it
// knows nothing.
func (c *listings) hasGood(v repository.Volume, ids []revision.ID) bool {
	for _, id := range slices.Backward(ids[max(0, len(ids)-maxAlone):]) {
		if rev, err := c.repo.Revision(v, id); err == nil && rev.Candidate().Trusted {
			return true
		}
	}
	return false
}

package filevolume

import (
	"context"
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"varve/volume"
)

// fileSnapshot is an open regular file, and what it was like when it was opened.
type fileSnapshot struct {
	path  string
	cache *pageCache
	begun os.FileInfo
	uses  []volume.Use
}

var (
	_ volume.Snapshot   = (*fileSnapshot)(nil)
	_ volume.HoleFinder = (*fileSnapshot)(nil)
	_ volume.Witness    = (*fileSnapshot)(nil)
)

func openFileSnapshot(ctx context.Context, path string) (_ *fileSnapshot, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	cache, err := newPageCache(f)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, cache.Close())
		}
	}()
	begun, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if err := checkKind(path, begun.Mode()); err != nil {
		return nil, err
	}
	if err := settle(ctx, begun); err != nil {
		return nil, err
	}
	uses, err := fileUses(f, begun)
	if err != nil {
		return nil, err
	}
	return &fileSnapshot{path: path, cache: cache, begun: begun, uses: uses}, nil
}

// settle waits until the clock that stamps files has left the tick of the file's last change, a few milliseconds at
// most: another change within that tick would not show.
func settle(ctx context.Context, info os.FileInfo) error {
	changed := changeTime(info)
	for range 20 {
		var now unix.Timespec
		if err := unix.ClockGettime(unix.CLOCK_REALTIME_COARSE, &now); err != nil {
			return err
		}
		// A time ahead of the clock will not be stamped again soon either.
		if ticks := time.Unix(now.Unix()).Sub(changed); ticks > 0 || ticks < -time.Second {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Millisecond):
		}
	}
	return nil
}

func changeTime(info os.FileInfo) time.Time {
	return time.Unix(statOf(info).Ctim.Unix())
}

// Size implements [volume.Snapshot].
func (s *fileSnapshot) Size() int64 { return s.begun.Size() }

// ReadAt implements [volume.Snapshot].
func (s *fileSnapshot) ReadAt(p []byte, off int64) (int, error) {
	return readFixed(s.path, s.Size(), s.cache, p, off)
}

// Close implements [volume.Snapshot].
func (s *fileSnapshot) Close() error { return s.cache.Close() }

// Consistency implements [volume.Snapshot]. A file is live if it was open for writing before or after, or if size,
// time of change or inode moved under the read.
func (s *fileSnapshot) Consistency() (volume.Consistency, string, error) {
	now, err := s.cache.f.Stat()
	if err != nil {
		return "", "", err
	}
	uses, err := fileUses(s.cache.f, now)
	if err != nil {
		return "", "", err
	}
	if c, reason := consistencyOf(s.uses, uses); c == volume.Live {
		return c, reason, nil
	}
	if what := s.changedTo(now); what != "" {
		return volume.Live, what, nil
	}
	return volume.Still, "", nil
}

// Changed implements [volume.Witness].
func (s *fileSnapshot) Changed() (string, error) {
	now, err := s.cache.f.Stat()
	if err != nil {
		return "", err
	}
	return s.changedTo(now), nil
}

// changedTo tells what happened to the file, which is like this now.
func (s *fileSnapshot) changedTo(now os.FileInfo) (what string) {
	switch {
	case now.Size() != s.Size():
		return "its size changed while it was read"
	case !now.ModTime().Equal(s.begun.ModTime()):
		return "it was written while it was read"
	case !changeTime(now).Equal(changeTime(s.begun)):
		return "its metadata changed while it was read"
	}
	if there, err := os.Stat(s.path); err != nil || !os.SameFile(now, there) {
		return "it was replaced or removed while it was read"
	}
	return ""
}

package proof

import (
	"context"
	"io"
	"sync/atomic"

	"varve/volume"
)

// Source is a volume in memory. It can be backed up many times at once.
type Source struct {
	Content []byte
	// Fail is asked at each read, with its number from 0, whether it fails. Nil: none does.
	Fail func(n int) error

	reads atomic.Int64
}

var _ volume.Source = (*Source)(nil)

// Describe implements [volume.Source].
func (s *Source) Describe() volume.Identity {
	return volume.Identity{Kind: "file", Path: "/memory", Stable: "1"}
}

// Snapshot implements [volume.Source].
func (s *Source) Snapshot(context.Context) (volume.Snapshot, error) { return snapshot{s}, nil }

type snapshot struct{ *Source }

func (s snapshot) Size() int64  { return int64(len(s.Content)) }
func (s snapshot) Close() error { return nil }

func (s snapshot) Consistency() (volume.Consistency, string, error) { return volume.Still, "", nil }

func (s snapshot) ReadAt(p []byte, off int64) (int, error) {
	n := int(s.reads.Add(1)) - 1
	if s.Fail != nil {
		if err := s.Fail(n); err != nil {
			return 0, &volume.ReadError{Volume: "/memory", Offset: off, Err: err}
		}
	}
	done := copy(p, s.Content[off:])
	if done < len(p) {
		return done, io.EOF
	}
	return done, nil
}

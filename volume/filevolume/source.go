package filevolume

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"

	"varve/volume"
)

// Source is a raw file or a block device.
type Source struct {
	path string
}

var _ volume.Source = (*Source)(nil)

// Open returns the source at path, after a look whether it can be one.
func Open(path string) (*Source, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if err := checkKind(path, info.Mode()); err != nil {
		return nil, err
	}
	return &Source{path: path}, nil
}

// Describe implements [volume.Source].
func (s *Source) Describe() volume.Identity { return identify(s.path) }

// Snapshot opens the source. Neither files nor devices can be frozen: what wrote to it meanwhile
// is for Consistency to say.
func (s *Source) Snapshot(ctx context.Context) (volume.Snapshot, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	info, err := os.Stat(s.path)
	if err != nil {
		return nil, err
	}
	if err := checkKind(s.path, info.Mode()); err != nil {
		return nil, err
	}
	if info.Mode().IsRegular() {
		return openFileSnapshot(ctx, s.path)
	}
	return openDeviceSnapshot(s.path)
}

// checkKind refuses what is neither a regular file nor a block device, before it is opened:
// opening a pipe would wait for a writer.
func checkKind(path string, mode fs.FileMode) error {
	what := "a strange file"
	switch {
	case mode.IsRegular(), isBlockDevice(mode):
		return nil
	case mode.IsDir():
		what = "a directory"
	case mode&fs.ModeNamedPipe != 0:
		what = "a named pipe"
	case mode&fs.ModeSocket != 0:
		what = "a socket"
	case mode&fs.ModeCharDevice != 0:
		what = "a character device"
	}
	return fmt.Errorf("%q is %s: %w", path, what, volume.ErrNotVolume)
}

func isBlockDevice(mode fs.FileMode) bool {
	return mode&fs.ModeDevice != 0 && mode&fs.ModeCharDevice == 0
}

// readFixed reads from a volume whose size was fixed when it was opened: the end is where it was then,
// whatever became of it, and an earlier end is an error.
func readFixed(name string, size int64, r io.ReaderAt, p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, &volume.ReadError{Volume: name, Offset: off, Err: fs.ErrInvalid}
	}
	if off >= size {
		return 0, io.EOF
	}
	var end error
	if rest := size - off; int64(len(p)) > rest {
		p, end = p[:rest], io.EOF
	}
	n, err := r.ReadAt(p, off)
	switch {
	case n == len(p):
		return n, end
	case err == nil, err == io.EOF:
		err = fmt.Errorf("%w: it ends here now, and had %d bytes", volume.ErrChanged, size)
	}
	return n, &volume.ReadError{Volume: name, Offset: off + int64(n), Err: err}
}

// consistencyOf sums up what is known of those who could write before the reading and after it.
func consistencyOf(before, after []volume.Use) (volume.Consistency, string) {
	var writing []volume.Use
	for _, u := range slices.Concat(before, after) {
		if u.Writing && !slices.Contains(writing, u) {
			writing = append(writing, u)
		}
	}
	if len(writing) == 0 {
		return volume.Still, ""
	}
	return volume.Live, volume.JoinUses(writing)
}

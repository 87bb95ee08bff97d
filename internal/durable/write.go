package durable

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
)

// TempPrefix begins the name of every temporary file, followed by its owner, a
// dash and a number.
const TempPrefix = ".tmp-"

// Temps names the temporary files of one owner, so that whoever buries the owner
// can tell what was its own.
type Temps struct {
	prefix string
	n      atomic.Uint64
}

// NewTemps returns the names of an owner, which must be unique for all time.
func NewTemps(owner string) *Temps { return &Temps{prefix: TempPrefix + owner + "-"} }

// In returns a name in dir that no call has returned before.
func (t *Temps) In(dir string) string {
	return path.Join(dir, t.prefix+strconv.FormatUint(t.n.Add(1), 10))
}

// IsTemp tells whether a file name (without its directory) is that of a temporary file.
func IsTemp(base string) bool { return strings.HasPrefix(base, TempPrefix) }

// TempOwner tells whose temporary file a file name (without its directory) is.
func TempOwner(base string) string {
	owner := strings.TrimPrefix(base, TempPrefix)
	if i := strings.LastIndexByte(owner, '-'); i >= 0 {
		owner = owner[:i]
	}
	return owner
}

// WriteNew makes a new file of exactly these bytes. When it returns nil, file and
// name survive a power cut; when it does not, the name is as it was. It fails
// with fs.ErrExist if the name is taken.
func WriteNew(fsys FS, temps *Temps, name string, data []byte) error {
	temp, err := WriteTemp(fsys, temps, path.Dir(name), data)
	if err != nil {
		return err
	}
	if err := fsys.RenameNew(temp, name); err != nil {
		return errors.Join(err, removeLeftover(fsys, temp))
	}
	if err := fsys.SyncDir(path.Dir(name)); err != nil {
		return errors.Join(err, removeLeftover(fsys, name))
	}
	return nil
}

// Replace makes name hold exactly these bytes, or leaves it as it was, even if
// power fails at any moment. The name need not exist. After an error it holds the
// old bytes or the new ones, and which of them a power cut leaves is open.
func Replace(fsys FS, temps *Temps, name string, data []byte) error {
	temp, err := WriteTemp(fsys, temps, path.Dir(name), data)
	if err != nil {
		return err
	}
	if err := fsys.Rename(temp, name); err != nil {
		return errors.Join(err, removeLeftover(fsys, temp))
	}
	return fsys.SyncDir(path.Dir(name))
}

// WriteTemp writes a temporary file into dir and makes its content durable, and
// returns its name. Renaming it, or removing it, is the caller's.
func WriteTemp(fsys FS, temps *Temps, dir string, data []byte) (string, error) {
	name := temps.In(dir)
	f, err := fsys.Create(name)
	if err != nil {
		return "", err
	}
	if err := errors.Join(fill(f, data), f.Close()); err != nil {
		return "", errors.Join(err, removeLeftover(fsys, name))
	}
	return name, nil
}

func fill(f File, data []byte) error {
	if _, err := f.WriteAt(data, 0); err != nil {
		return err
	}
	return f.Sync()
}

// removeLeftover removes a file that must not stay after a failure.
func removeLeftover(fsys FS, name string) error {
	if err := fsys.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// MkdirAll makes a directory and those above it that are missing. When it returns
// nil, each survives a power cut.
func MkdirAll(fsys FS, name string) error {
	var names []string
	for dir := name; dir != "."; dir = path.Dir(dir) {
		names = append(names, dir)
	}
	slices.Reverse(names)
	return MakeDirs(fsys, names...)
}

// MakeDirs makes those of the directories that are missing, each after the one that
// it is in. When it returns nil, each survives a power cut.
//
// A directory that is already there is synced into its parent too: whoever made
// it may have lost power, or be about to, before doing so. After an error those
// that were made are removed, as far as they can be: once a sync has failed, a later
// one may say nothing of what that one lost, unless it is made again.
func MakeDirs(fsys FS, names ...string) error {
	var made, parents []string
	err := func() error {
		for _, name := range names {
			if err := fsys.Mkdir(name); err == nil {
				made = append(made, name)
			} else if !errors.Is(err, fs.ErrExist) {
				return err
			}
			if parent := path.Dir(name); !slices.Contains(parents, parent) {
				parents = append(parents, parent)
			}
		}
		for _, parent := range parents {
			if err := fsys.SyncDir(parent); err != nil {
				return err
			}
		}
		return nil
	}()
	if err != nil {
		for _, name := range slices.Backward(made) {
			_ = fsys.Remove(name) // one that is in use by now stays
		}
	}
	return err
}

// ReadFile returns the whole of a file that has at most limit bytes.
func ReadFile(fsys FS, name string, limit int64) ([]byte, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	data, err := readWhole(f, limit)
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	return data, nil
}

func readWhole(f File, limit int64) ([]byte, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Size() > limit {
		return nil, fmt.Errorf("read %s: %w: %d bytes, at most %d expected", f.Name(), ErrTooLarge, info.Size(), limit)
	}
	data := make([]byte, info.Size())
	n, err := f.ReadAt(data, 0)
	if n < len(data) {
		return nil, fmt.Errorf("read %s: %w", f.Name(), err)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return data, nil
}

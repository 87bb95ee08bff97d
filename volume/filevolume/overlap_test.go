package filevolume_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"varve/volume"
	"varve/volume/filevolume"
)

// newRepository makes a directory with a file in it, as a repository has.
func newRepository(t *testing.T, dir string) (repository, pack string) {
	t.Helper()
	repository = filepath.Join(dir, "repository")
	pack = filepath.Join(repository, "packs", "a.pack")
	if err := os.MkdirAll(filepath.Dir(pack), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(pack, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	return repository, pack
}

func wantOwnSource(t *testing.T, path, repository string) {
	t.Helper()
	if err := filevolume.CheckSource(path, repository); !errors.Is(err, volume.ErrOwnSource) {
		t.Errorf("source %s, repository %s: got %v, want ErrOwnSource", path, repository, err)
	}
}

func wantApart(t *testing.T, path, repository string) {
	t.Helper()
	if err := filevolume.CheckSource(path, repository); err != nil {
		t.Errorf("source %s, repository %s: %v", path, repository, err)
	}
}

func TestSourceInRepository(t *testing.T) {
	repository, pack := newRepository(t, t.TempDir())
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(pack, link); err != nil {
		t.Fatal(err)
	}
	wantOwnSource(t, pack, repository)
	wantOwnSource(t, link, repository)
	wantApart(t, writeFile(t, make([]byte, 4096)), repository)
	wantApart(t, pack, "")
	beside := repository + "-beside" // its name begins like the repository's
	if err := os.WriteFile(beside, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	wantApart(t, beside, repository)
	if err := filevolume.CheckSource(filepath.Join(repository, "none"), repository); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no source: %v", err)
	}
}

func TestSourceUnderRepository(t *testing.T) {
	image := newExt4(t)
	lower := newLoop(t, image)
	upper := newLoop(t, lower)
	repository, pack := newRepository(t, mount(t, upper))
	for _, path := range []string{upper, lower, image} {
		wantOwnSource(t, path, repository)
	}
	t.Run("another loop device", func(t *testing.T) {
		wantOwnSource(t, newLoop(t, image, "--read-only"), repository)
		wantOwnSource(t, newLoop(t, lower, "--read-only"), repository)
	})
	t.Run("beside the repository", func(t *testing.T) {
		beside := filepath.Join(filepath.Dir(repository), "disk.img")
		if err := os.WriteFile(beside, make([]byte, 1<<20), 0o600); err != nil {
			t.Fatal(err)
		}
		wantApart(t, beside, repository)
		wantApart(t, newLoop(t, beside), repository)
	})
	t.Run("within", func(t *testing.T) {
		inner := newLoop(t, pack)
		wantOwnSource(t, inner, repository)
		wantRepository(t, inner, repository)
		wantOwnSource(t, newLoop(t, inner), repository)
	})
}

// A disk whose one partition the repository lies on: the disk and that partition are refused, the other is not.
func TestPartitionUnderRepository(t *testing.T) {
	need(t, "sfdisk", "partx", "mkfs.ext4")
	image := writeFile(t, make([]byte, 48<<20))
	run(t, "sh", "-c", "printf '2048,32768\n34816,32768\n' | sfdisk -q "+image)
	disk := newLoop(t, image)
	run(t, "partx", "--add", disk)
	t.Cleanup(func() { run(t, "partx", "--delete", disk) })
	run(t, "mkfs.ext4", "-q", disk+"p1")
	repository, _ := newRepository(t, mount(t, disk+"p1"))
	for _, path := range []string{image, disk, disk + "p1"} {
		wantOwnSource(t, path, repository)
		wantRepository(t, path, repository)
	}
	wantApart(t, disk+"p2", repository)
	opts := insist
	opts.Repository = repository
	if err := openTarget(t, disk+"p2", 4096, opts).Close(); err != nil {
		t.Error(err)
	}
}

// A part of the repository that is mounted elsewhere is the repository still.
func TestBindMountOfRepository(t *testing.T) {
	repository, pack := newRepository(t, t.TempDir())
	whole := mount(t, repository, "--bind")
	part := mount(t, filepath.Dir(pack), "--bind")
	deep := filepath.Join(t.TempDir(), "deep")
	if err := os.MkdirAll(filepath.Join(part, "sub"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(part, "sub"), deep); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{
		filepath.Join(whole, "new.img"), filepath.Join(whole, "packs", "a.pack"), filepath.Join(part, "new.img"),
		filepath.Join(part, "a.pack"), filepath.Join(deep, "new.img"),
	} {
		wantRepository(t, path, repository)
	}
	wantOwnSource(t, filepath.Join(part, "a.pack"), repository)
	wantRepository(t, pack, whole) // the repository is named by the other path
	wantRepository(t, filepath.Join(part, "a.pack"), whole)
	wantApart(t, writeFile(t, nil), whole)
}

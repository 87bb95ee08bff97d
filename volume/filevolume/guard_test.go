package filevolume_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"varve/volume"
	"varve/volume/filevolume"
)

func TestTargetThatExists(t *testing.T) {
	path := writeFile(t, []byte("old"))
	if _, err := filevolume.OpenTarget(path, 3, filevolume.TargetOptions{}); !errors.Is(err, volume.ErrExists) {
		t.Errorf("a file: got %v, want ErrExists", err)
	}
	device, _ := newDevice(t, make([]byte, 1<<20))
	if _, err := filevolume.OpenTarget(device, 3, filevolume.TargetOptions{}); !errors.Is(err, volume.ErrExists) {
		t.Errorf("a device: got %v, want ErrExists", err)
	}
}

// wantInUse expects a refusal with force or in place, and none for those who insist.
func wantInUse(t *testing.T, path, why string) {
	t.Helper()
	for _, opts := range []filevolume.TargetOptions{{Force: true}, {InPlace: true}} {
		_, err := filevolume.OpenTarget(path, 4096, opts)
		var inUse *volume.InUseError
		if !errors.As(err, &inUse) || !strings.Contains(err.Error(), why) {
			t.Errorf("%+v: got %v, want an *InUseError that says %q", opts, err, why)
		}
		opts.EvenInUse = true
		target, err := filevolume.OpenTarget(path, 4096, opts)
		if err != nil {
			t.Errorf("%+v: %v", opts, err)
			continue
		}
		if err := target.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestFileTargetInUse(t *testing.T) {
	t.Run("open", func(t *testing.T) {
		path := writeFile(t, make([]byte, 4096))
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		closeAtEnd(t, f)
		wantInUse(t, path, "open for writing by filevolume.test")
	})
	t.Run("attached", func(t *testing.T) {
		device, backing := newDevice(t, make([]byte, 4096), "--read-only")
		wantInUse(t, backing, "held by "+filepath.Base(device))
	})
	t.Run("mounted", func(t *testing.T) {
		image := newExt4(t)
		point := mount(t, newLoop(t, image))
		wantInUse(t, image, "mounted read-write on "+point)
	})
}

func TestDeviceTargetInUse(t *testing.T) {
	t.Run("open", func(t *testing.T) {
		device, _ := newDevice(t, make([]byte, 1<<20))
		f, err := os.OpenFile(device, os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		closeAtEnd(t, f)
		wantInUse(t, device, "open for writing by filevolume.test")
	})
	t.Run("claimed", func(t *testing.T) {
		device, _ := newDevice(t, make([]byte, 1<<20))
		f, err := os.OpenFile(device, os.O_RDONLY|os.O_EXCL, 0)
		if err != nil {
			t.Fatal(err)
		}
		closeAtEnd(t, f)
		wantInUse(t, device, "held by something that cannot be seen")
	})
	t.Run("mounted", func(t *testing.T) {
		device := newLoop(t, newExt4(t))
		point := mount(t, device, "-o", "ro")
		wantInUse(t, device, "mounted read-only on "+point)
	})
	t.Run("under another", func(t *testing.T) {
		device, _ := newDevice(t, make([]byte, 1<<20))
		wantInUse(t, device, "held by "+filepath.Base(newLoop(t, device)))
	})
}

// insist is all that a person can say to have a target overwritten or made.
var insist = filevolume.TargetOptions{Force: true, EvenInUse: true}

func wantRepository(t *testing.T, path, repository string) {
	t.Helper()
	opts := insist
	opts.Repository = repository
	target, err := filevolume.OpenTarget(path, 3, opts)
	if err == nil {
		err = target.Close() // open, it would keep what is below it from being unmounted
	}
	if !errors.Is(err, volume.ErrRepository) {
		t.Errorf("target %s, repository %s: got %v, want ErrRepository", path, repository, err)
	}
}

func TestTargetInRepository(t *testing.T) {
	repository := t.TempDir()
	packs := filepath.Join(repository, "packs")
	if err := os.Mkdir(packs, 0o700); err != nil {
		t.Fatal(err)
	}
	pack := filepath.Join(packs, "a.pack")
	if err := os.WriteFile(pack, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(packs, link); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{
		pack, filepath.Join(repository, "new.img"), filepath.Join(packs, "new.img"), filepath.Join(link, "a.pack"),
		filepath.Join(link, "new.img"),
	} {
		wantRepository(t, path, repository)
	}
	beside := filepath.Join(t.TempDir(), "new.img")
	opts := insist
	opts.Repository = repository
	if err := openTarget(t, beside, 3, opts).Close(); err != nil {
		t.Error(err)
	}
}

func TestTargetUnderRepository(t *testing.T) {
	image := newExt4(t)
	lower := newLoop(t, image)
	upper := newLoop(t, lower) // the file system is two devices above its image
	repository := filepath.Join(mount(t, upper), "repository")
	if err := os.Mkdir(repository, 0o700); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(upper, link); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{upper, lower, image, link} {
		wantRepository(t, path, repository)
	}
}

package filevolume_test

import (
	"bytes"
	"path/filepath"
	"strconv"
	"testing"

	"varve/volume"
	"varve/volume/filevolume"
	"varve/volume/volumetest"
)

func TestFileSource(t *testing.T) {
	volumetest.TestSource(t, 1, func(t *testing.T, content []byte) volume.Source {
		return openSource(t, writeFile(t, content))
	})
}

func TestDeviceSource(t *testing.T) {
	for _, sector := range []int{512, 4096} {
		t.Run(strconv.Itoa(sector), func(t *testing.T) {
			volumetest.TestSource(t, sector, func(t *testing.T, content []byte) volume.Source {
				device, _ := newDevice(t, content, "--sector-size", strconv.Itoa(sector))
				return openSource(t, device)
			})
		})
	}
}

const largest = 2<<20 + 777

func TestNewFileTarget(t *testing.T) {
	var path string
	volumetest.TestTarget(t, volumetest.TargetSuite{
		MaxSize: largest,
		Open: func(t *testing.T, size int64) volume.Target {
			path = filepath.Join(t.TempDir(), "new.img")
			return openTarget(t, path, size, filevolume.TargetOptions{})
		},
		Content: func(t *testing.T) []byte { return readFile(t, path) },
	})
}

func TestReplacedFileTarget(t *testing.T) {
	var path string
	volumetest.TestTarget(t, volumetest.TargetSuite{
		MaxSize: largest,
		Open: func(t *testing.T, size int64) volume.Target {
			path = writeFile(t, bytes.Repeat([]byte("old"), 12345))
			return openTarget(t, path, size, filevolume.TargetOptions{Force: true})
		},
		Content: func(t *testing.T) []byte { return readFile(t, path) },
	})
}

func TestInPlaceFileTarget(t *testing.T) {
	for name, before := range map[string]int{"shorter": 100, "longer": largest + 5000, "between": largest / 2} {
		t.Run(name, func(t *testing.T) {
			var path string
			volumetest.TestTarget(t, volumetest.TargetSuite{
				MaxSize: largest,
				Open: func(t *testing.T, size int64) volume.Target {
					path = writeFile(t, bytes.Repeat([]byte{7}, before))
					return openTarget(t, path, size, filevolume.TargetOptions{InPlace: true})
				},
				Content: func(t *testing.T) []byte { return readFile(t, path) },
			})
		})
	}
}

func TestDeviceTarget(t *testing.T) {
	for _, sector := range []int{512, 4096} {
		t.Run(strconv.Itoa(sector), func(t *testing.T) {
			const surplus = 1 << 20
			before := bytes.Repeat([]byte{7}, largest/4096*4096+surplus)
			device, backing := newDevice(t, before, "--sector-size", strconv.Itoa(sector))
			var size int64
			volumetest.TestTarget(t, volumetest.TargetSuite{
				MaxSize: largest - 4096,
				Open: func(t *testing.T, wanted int64) volume.Target {
					size = wanted
					return openTarget(t, device, size, filevolume.TargetOptions{InPlace: true})
				},
				Content: func(t *testing.T) []byte {
					content := readFile(t, backing)
					if !bytes.Equal(content[largest:], before[largest:]) {
						t.Error("bytes beyond the volume were touched")
					}
					return content[:size]
				},
			})
		})
	}
}

func openTarget(t *testing.T, path string, size int64, opts filevolume.TargetOptions) volume.Target {
	t.Helper()
	target, err := filevolume.OpenTarget(path, size, opts)
	if err != nil {
		t.Fatal(err)
	}
	return target
}

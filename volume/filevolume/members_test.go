package filevolume_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"varve/volume"
	"varve/volume/filevolume"
)

// luks is a disk that begins like an encrypted one.
func luks(size int, uuid string) []byte {
	disk := make([]byte, size)
	copy(disk, "LUKS\xba\xbe\x00\x02")
	copy(disk[168:], uuid)
	return disk
}

const diskBytes = 4 << 20

func wantMember(t *testing.T, device string, opts filevolume.TargetOptions, want string) {
	t.Helper()
	target, err := filevolume.OpenTarget(device, diskBytes, opts)
	if err == nil {
		err = target.Close()
	}
	var inUse *volume.InUseError
	switch {
	case want == "" && err != nil:
		t.Errorf("got %v", err)
	case want != "" && (!errors.As(err, &inUse) || !strings.HasSuffix(err.Error(), want)):
		t.Errorf("got %v, want an *InUseError that ends with %q", err, want)
	}
}

// TestTargetThatBelongsToSomething has disks that nobody uses at the moment.
func TestTargetThatBelongsToSomething(t *testing.T) {
	device, _ := newDevice(t, luks(diskBytes, "uuid-1"))
	const what = "it looks like a LUKS encrypted disk"
	tests := []struct {
		name    string
		content []byte
		force   bool
		want    string
	}{
		{"nothing is known", nil, true, what},
		{"with zeros", make([]byte, diskBytes), true, what},
		{"in place", make([]byte, diskBytes), false, what},
		{"with another encrypted disk", luks(diskBytes, "uuid-2"), true, what},
		{"with itself", luks(diskBytes, "uuid-1"), true, ""},
		{"in place, with itself", luks(diskBytes, "uuid-1"), false, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			opts := filevolume.TargetOptions{Force: test.force, InPlace: !test.force}
			if test.content != nil {
				opts.Content = bytes.NewReader(test.content)
			}
			wantMember(t, device, opts, test.want)
			opts.EvenInUse = true
			wantMember(t, device, opts, "")
		})
	}
}

// TestPartitionThatBelongsToSomething has a whole disk as the target, whose partition is not free.
func TestPartitionThatBelongsToSomething(t *testing.T) {
	need(t, "sfdisk", "partx")
	const start = 1 << 20
	image := writeFile(t, make([]byte, diskBytes))
	run(t, "sh", "-c", "echo 2048,4096 | sfdisk -q "+image)
	disk := readFile(t, image)
	copy(disk[start:], luks(8<<10, "uuid-1"))
	device, _ := newDevice(t, disk)
	run(t, "partx", "--add", device)
	t.Cleanup(func() { run(t, "partx", "--delete", device) })
	what := "it looks like a LUKS encrypted disk, by its partition " + device[len("/dev/"):] + "p1"
	other := bytes.Clone(disk)
	copy(other[start:], luks(8<<10, "uuid-2"))
	moved := append(make([]byte, 512), disk[:diskBytes-512]...)
	for _, test := range []struct {
		name    string
		content []byte
		want    string
	}{
		{"another", other, what}, {"moved", moved, what}, {"zeros", make([]byte, diskBytes), what}, {"itself", disk, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			wantMember(t, device, filevolume.TargetOptions{Force: true, Content: bytes.NewReader(test.content)}, test.want)
		})
	}
}

// A volume that ends before the partition begins has no mark there.
func TestShortVolumeOverPartition(t *testing.T) {
	need(t, "sfdisk", "partx")
	image := writeFile(t, make([]byte, diskBytes))
	run(t, "sh", "-c", "echo 4096,2048 | sfdisk -q "+image)
	disk := readFile(t, image)
	copy(disk[2<<20:], luks(8<<10, "uuid-1"))
	device, _ := newDevice(t, disk)
	run(t, "partx", "--add", device)
	t.Cleanup(func() { run(t, "partx", "--delete", device) })
	opts := filevolume.TargetOptions{Force: true, Content: bytes.NewReader(disk[:1<<20])}
	_, err := filevolume.OpenTarget(device, 1<<20, opts)
	if inUse := new(volume.InUseError); !errors.As(err, &inUse) {
		t.Errorf("got %v", err)
	}
}

// A file is a part of nothing, whatever is in it: images of disks have such marks.
func TestFileWithSignature(t *testing.T) {
	path := writeFile(t, luks(diskBytes, "uuid-1"))
	wantMember(t, path, filevolume.TargetOptions{Force: true}, "")
	wantMember(t, path, filevolume.TargetOptions{InPlace: true}, "")
}

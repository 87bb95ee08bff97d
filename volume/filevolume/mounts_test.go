package filevolume

import (
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"varve/internal/mountinfo"
)

func TestMounts(t *testing.T) {
	const text = `27 1 254:0 / / rw,relatime - ext4 /dev/vda rw,discard
36 35 98:0 /sub /mnt\040two ro,noatime master:1 propagate_from:2 - ext3 /dev/sd\134a rw
40 27 0:45 /@home /home rw shared:9 - btrfs /dev/sdb ro,space_cache=v2
not a mount
41 27 x:y / /bad rw - ext4 /dev/vda rw
x 27 0:3 / /bad rw - ext4 /dev/vda rw
`
	id := func(major, minor uint32) deviceID { return deviceID(unix.Mkdev(major, minor)) }
	want := []mount{
		{27, id(254, 0), "/", "/", "ext4", "/dev/vda", true},
		{36, id(98, 0), "/sub", "/mnt two", "ext3", `/dev/sd\a`, true}, // another mount of it may be writable
		{40, id(0, 45), "/@home", "/home", "btrfs", "/dev/sdb", false},
	}
	if got := mountsOf(mountinfo.Parse(text)); !slices.Equal(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestParseSwaps(t *testing.T) {
	const text = "Filename\tType\tSize\tUsed\tPriority\n/dev/vdb partition 1 0 -2\n/swap\\040file file 1 0 -3\n"
	if got, want := parseSwaps(text), []string{"/dev/vdb", "/swap file"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// FuzzMounts feeds what the kernel says, in which names are whatever people gave.
func FuzzMounts(f *testing.F) {
	f.Add("36 35 98:0 /root /mnt\\040x rw,noatime master:1 - ext3 /dev/sda1 rw,errors=continue\n")
	f.Add("Filename Type Size Used Priority\n/dev/sda2 partition 1 0 -2\n")
	f.Fuzz(func(t *testing.T, text string) {
		for _, m := range mountsOf(mountinfo.Parse(text)) {
			if m.fsType == "" || m.source == "" && m.point == "" {
				t.Errorf("%q gives a mount of nothing: %+v", text, m)
			}
		}
		_ = parseSwaps(text)
	})
}

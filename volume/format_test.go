package volume_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"varve/volume"
)

// detect tells the format of bytes in memory.
func detect(t *testing.T, data []byte) string {
	t.Helper()
	format, found, err := volume.DetectFormat(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	if !found {
		return ""
	}
	return format.String()
}

// made runs a command in a new directory and returns the file that it makes there.
func made(t *testing.T, file, command string, args ...string) []byte {
	t.Helper()
	if _, err := exec.LookPath(command); err != nil {
		t.Skipf("needs %s", command)
	}
	dir := t.TempDir()
	cmd := exec.Command(command, args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", command, err, out)
	}
	data, err := os.ReadFile(filepath.Join(dir, file))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestFormatsOfQEMU has real images made, of every format that can be.
func TestFormatsOfQEMU(t *testing.T) {
	tests := []struct {
		format, options, want string
	}{
		{"raw", "", ""},
		{"qcow", "", "a qcow image"},
		{"qcow2", "compat=0.10", "a qcow2 image"},
		{"qcow2", "compat=1.1", "a qcow2 image"},
		{"qed", "", "a QED image"},
		{"vmdk", "subformat=monolithicSparse", "a VMDK image"},
		{"vmdk", "subformat=streamOptimized", "a VMDK image"},
		{"vmdk", "subformat=monolithicFlat", "a VMDK descriptor"},
		{"vpc", "subformat=dynamic", "a VHD image"},
		{"vpc", "subformat=fixed", "a VHD image"},
		{"vhdx", "", "a VHDX image"},
		{"vdi", "", "a VDI image"},
		{"parallels", "", "a Parallels image"},
	}
	for _, test := range tests {
		t.Run(test.format+" "+test.options, func(t *testing.T) {
			args := []string{"create", "-q", "-f", test.format}
			if test.options != "" {
				args = append(args, "-o", test.options)
			}
			if got := detect(t, made(t, "disk", "qemu-img", append(args, "disk", "4M")...)); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

// TestFormatsOfTools has real files made by what every system has.
func TestFormatsOfTools(t *testing.T) {
	tests := []struct{ name, script, want string }{
		{"gzip", "echo text | gzip >x", "compressed by gzip"},
		{"bzip2", "echo text | bzip2 >x", "compressed by bzip2"},
		{"bzip2 of nothing", "bzip2 </dev/null >x", "compressed by bzip2"},
		{"xz", "echo text | xz >x", "compressed by xz"},
		{"zstd", "echo text | zstd >x", "compressed by zstd"},
		{"tar", "echo text >f; tar cf x f", "a tar archive"},
		{"ova", "echo text >vm.ovf; tar cf x --format=ustar vm.ovf", "an OVA archive"},
		{"ext4", "truncate -s 4M x; mkfs.ext4 -q x", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := detect(t, made(t, "x", "sh", "-c", test.script)); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

// TestFormatsByTheirMarks has those that no tool here makes, as their descriptions give them, and what only looks like one.
func TestFormatsByTheirMarks(t *testing.T) {
	at := func(off int, mark string) string {
		return string(make([]byte, off)) + mark + string(make([]byte, 2000))
	}
	tests := []struct{ name, data, want string }{
		{"nothing", "", ""},
		{"little", "K", ""},
		{"zeros", at(0, ""), ""},
		{"a part of a mark", "KDM", ""},
		{"only a mark", "KDMV", "a VMDK image"},
		{"a mark elsewhere", at(1, "KDMV"), ""},
		{"ESX", at(0, "COWD\x01\x00\x00\x00"), "a VMDK image"},
		{"old Parallels", at(0, "WithoutFreeSpace\x02"), "a Parallels image"},
		{"lz4", at(0, "\x04\x22\x4d\x18\x64\x40\xa7"), "compressed by lz4"},
		{"zip", at(0, "PK\x03\x04\x14\x00"), "a zip archive"},
		{"7z", at(0, "7z\xbc\xaf\x27\x1c\x00\x04"), "a 7z archive"},
		{"qcow of the future", at(0, "QFI\xfb\x00\x00\x00\x04"), ""},
		{"text", at(0, "BZh9 is not all of it"), ""},
		{"VHD without features", string(make([]byte, 1024)) + "conectix" + string(make([]byte, 504)), ""},
	}
	for _, test := range tests {
		if got := detect(t, []byte(test.data)); got != test.want {
			t.Errorf("%s: got %q, want %q", test.name, got, test.want)
		}
	}
}

func FuzzDetectFormat(f *testing.F) {
	f.Add([]byte("QFI\xfb\x00\x00\x00\x03"))
	f.Add(append(make([]byte, 1024), "conectix\x00\x00\x00\x02\x00\x01"...))
	f.Fuzz(func(t *testing.T, data []byte) {
		format, found, err := volume.DetectFormat(bytes.NewReader(data), int64(len(data)))
		if err != nil || found != (format.Name != "") {
			t.Errorf("%v, %v, %v", format, found, err)
		}
	})
}

// TestDetectFormatOfWhatIsShorter has an error, not a guess.
func TestDetectFormatOfWhatIsShorter(t *testing.T) {
	if _, found, err := volume.DetectFormat(bytes.NewReader(make([]byte, 100)), 4096); found || err == nil {
		t.Errorf("found %v, %v", found, err)
	}
}

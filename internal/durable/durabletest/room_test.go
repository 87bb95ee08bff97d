package durabletest_test

import (
	"errors"
	"testing"

	"golang.org/x/sys/unix"

	"varve/internal/durable"
	"varve/internal/durable/durabletest"
)

func TestAFullDisk(t *testing.T) {
	t.Parallel()
	disk := durabletest.NewDisk()
	put := func(f durable.File, data string, off int64, want int, wantErr error) {
		t.Helper()
		if n, err := f.WriteAt([]byte(data), off); n != want || !errors.Is(err, wantErr) {
			t.Errorf("%q at %d: %d, %v; want %d, %v", data, off, n, err, want, wantErr)
		}
	}
	f, err := disk.Create("file")
	if err != nil {
		t.Fatal(err)
	}
	disk.SetRoom(0)
	put(f, "abcd", 0, 0, unix.ENOSPC)
	disk.SetRoom(100)
	write(t, disk, "first", "12345", true)
	disk.SetRoom(7)
	put(f, "abcd", 0, 4, nil)
	put(f, "efgh", 4, 3, unix.ENOSPC)
	put(f, "h", 7, 0, unix.ENOSPC)
	put(f, "h", 9, 0, unix.ENOSPC)
	put(f, "EFG", 4, 3, nil) // takes no room
	put(f, "GH", 6, 1, unix.ENOSPC)
	if content := string(disk.Files()["file"]); content != "abcdEFG" {
		t.Errorf("the file holds %q", content)
	}
	if n := disk.Refused(); n != 5 {
		t.Errorf("%d writes were refused", n)
	}
	if available, total, err := disk.Free(); available != 0 || total != 12 || err != nil {
		t.Errorf("free are %d of %d, %v", available, total, err)
	}
	if err := disk.Link("file", "twin"); err != nil { // takes none either
		t.Fatal(err)
	}
	if err := disk.Remove("first"); err != nil {
		t.Fatal(err)
	}
	put(f, "hijklm", 7, 5, unix.ENOSPC)
	disk.SetRoom(1)
	put(f, "mn", 12, 1, unix.ENOSPC)
	full, err := disk.Copy().OpenWrite("file")
	if err != nil {
		t.Fatal(err)
	}
	put(full, "nop", 13, 3, nil)
}

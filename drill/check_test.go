package drill

import (
	"strings"
	"testing"
	"time"

	"varve/disk"
	"varve/internal/process"
)

// TestExitCodes has what programs end with mean what their manuals say.
func TestExitCodes(t *testing.T) {
	const phases, opened, denied = "Phase 1 - find and verify superblock...\nPhase 2 - using internal log\n", "Opening filesystem to check...\nChecking filesystem on /x\n", "permission denied\n"
	for _, test := range []struct {
		kind    disk.Kind
		exit    int
		output  string
		mounted bool
		want    Outcome
	}{
		{disk.Ext4, 0, "", true, ""},
		{disk.Ext4, 1, "", true, Failed},
		{disk.Ext4, 4, "", true, Failed},
		{disk.Ext4, 12, "", true, Failed},
		{disk.Ext4, 8, "", false, Failed},
		{disk.Ext4, 8, "", true, Undone},
		{disk.Ext4, 16, "", true, Undone},
		{disk.Ext2, 32, "", false, Undone},
		{disk.Ext3, 137, "", true, Undone}, // it was killed
		{disk.XFS, 1, phases, true, Failed},
		{disk.XFS, 1, denied, true, Undone},
		{disk.XFS, 1, denied, false, Failed},
		{disk.XFS, 2, phases, true, Undone},
		{disk.Btrfs, 1, opened, true, Failed},
		{disk.Btrfs, 1, denied, true, Undone},
		{disk.Btrfs, 1, strings.Repeat("x", process.MaxTail), true, Failed},
		{disk.VFAT, 1, "", true, Failed},
		{disk.VFAT, 2, "", true, Undone},
		{disk.NTFS, 1, "", false, Failed},
	} {
		p := &Part{Part: disk.Part{Content: disk.Content{Kind: test.kind}}, Mounted: test.mounted}
		checkers[test.kind].judge(p, ending{exit: test.exit, output: test.output, took: time.Second})
		if p.Outcome != test.want || (p.Reason == "") != (test.want == "") || p.Check.Exit != test.exit {
			t.Errorf("%s, exit code %d, %q, mounted %t: %q (%s), want %q", test.kind, test.exit, test.output, test.mounted, p.Outcome, p.Reason, test.want)
		}
	}
}

package volume_test

import (
	"errors"
	"io/fs"
	"testing"

	"varve/volume"
)

func TestErrorTexts(t *testing.T) {
	tests := []struct {
		err  error
		want string
	}{
		{&volume.ReadError{Volume: "/dev/a", Offset: 4096, Err: errors.New("input/output error")}, `read "/dev/a" at byte 4096: input/output error`},
		{&volume.WriteError{Volume: "/dev/a", Offset: 0, Err: fs.ErrInvalid}, `write "/dev/a" at byte 0: invalid argument`},
		{&volume.SizeError{Target: "/dev/a", Have: 1, Need: 2}, `target "/dev/a" holds 1 bytes, the volume needs 2`},
		{&volume.SpaceError{Target: "a", Available: 1, Need: 2}, `no room for target "a": 1 bytes available, 2 needed`},
		{&volume.InUseError{Target: "/dev/a", Uses: []volume.Use{
			{Kind: volume.Mounted, By: "/srv", Writing: true},
			{Kind: volume.Mounted, By: "/mnt"},
			{Kind: volume.Held, By: "dm-3"},
			{Kind: volume.Held},
			{Kind: volume.Swap, Writing: true},
			{Kind: volume.Opened, By: "qemu (process 7)", Writing: true},
			{Kind: volume.Member, By: "a LUKS encrypted disk"},
		}}, `target "/dev/a" is in use: mounted read-write on /srv; mounted read-only on /mnt; held by dm-3; ` +
			`held by something that cannot be seen from here; used as swap; open for writing by qemu (process 7); it looks like a LUKS encrypted disk`},
	}
	for _, tt := range tests {
		if got := tt.err.Error(); got != tt.want {
			t.Errorf("got  %s\nwant %s", got, tt.want)
		}
	}
}

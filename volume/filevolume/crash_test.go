package filevolume

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"varve/internal/durable"
	"varve/internal/durable/durabletest"
)

// Power is cut after every call of a restore to a file: it is absent, or as it was,
// or complete; once success was said, complete. And the next restore succeeds.
func TestEnumerateCrashesOfTargets(t *testing.T) {
	old, content := noise(1, 5000), noise(2, 9000)
	for name, replaces := range map[string]bool{"new file": false, "in place of another": true} {
		t.Run(name, func(t *testing.T) {
			disk := durabletest.NewDisk()
			if replaces {
				if err := disk.SetFile("disk.img", old); err != nil {
					t.Fatal(err)
				}
			}
			rec := disk.Record()
			if err := restoreTo(disk, content); err != nil {
				t.Fatal(err)
			}
			disk.Mark()
			states := 0
			for seed := range uint64(10) {
				for s := range rec.States(durabletest.Cuts{Seed: seed, Subsets: 12}) {
					states++
					got, there := s.Disk.Files()["disk.img"]
					complete := bytes.Equal(got, content)
					before := there == replaces && (!there || bytes.Equal(got, old))
					if !complete && (!before || s.Phase > 0) {
						t.Fatalf("seed %d: the target holds %d bytes that are not what they should be\n%v", seed, len(got), s)
					}
					if err := restoreTo(s.Disk, content); err != nil {
						t.Fatalf("seed %d: the next restore: %v\n%v", seed, err, s)
					}
					if files := s.Disk.Files(); !bytes.Equal(files["disk.img"], content) || len(files) != 1 {
						t.Fatalf("seed %d: after the next restore there are %d files\n%v", seed, len(files), s)
					}
				}
			}
			t.Logf("%d states", states)
		})
	}
}

// restoreTo writes a target, in place of the file that is there, if one is.
func restoreTo(fsys durable.FS, content []byte) (err error) {
	target := &fileTarget{name: "disk.img", base: "disk.img", size: int64(len(content)), tree: fsys}
	if info, err := fsys.Lstat(target.base); err == nil {
		target.replaces = info
	}
	if err := target.create(0); err != nil {
		return err
	}
	defer func() {
		if cerr := target.Close(); err == nil {
			err = cerr
		}
	}()
	for off := 0; off < len(content); off += 4096 {
		if _, err := target.WriteAt(content[off:min(off+4096, len(content))], int64(off)); err != nil {
			return err
		}
	}
	return target.commit()
}

// noise gives n bytes, none of them zero, the same for the same seed.
func noise(seed uint64, n int) []byte {
	random := rand.New(rand.NewPCG(seed, 0))
	data := make([]byte, n)
	for i := range data {
		data[i] = byte(random.IntN(255) + 1)
	}
	return data
}

package backup_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"varve/backup"
	"varve/repository"
	"varve/revision"
	"varve/volume"
)

// randomBytes cannot be compressed.
func randomBytes(n int, seed uint64) []byte {
	p := make([]byte, n)
	r := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)})
	_, _ = r.Read(p) // never fails
	return p
}

func TestAnUnchangedVolumeStoresNothing(t *testing.T) {
	t.Parallel()
	p := testPlace(t)
	src := &memSource{data: randomBytes(20*chunkSize, 1)}
	first := p.mustCreate(t, src, backup.CreateOptions{})
	second := p.mustCreate(t, src, backup.CreateOptions{})
	st := second.Statement
	if st.Kind != revision.Delta || st.Parent.ID != first.Statement.ID || st.Sequence != 2 {
		t.Errorf("second revision: %+v", st)
	}
	if s := st.Statistics; s.Stored != 0 || s.ChangedChunks != 0 || s.Read == 0 {
		t.Errorf("statistics of an unchanged night: %+v", s)
	}
	if st.Digest != first.Statement.Digest {
		t.Error("the same bytes have another digest")
	}
}

func TestOneChangedByteCostsOneBlock(t *testing.T) {
	t.Parallel()
	p := testPlace(t)
	src := &memSource{data: randomBytes(20*chunkSize, 1)}
	p.mustCreate(t, src, backup.CreateOptions{})
	src.data[7*chunkSize+5] ^= 1
	s := p.mustCreate(t, src, backup.CreateOptions{}).Statement.Statistics
	if s.Patches != 1 || s.NewChunks != 0 || s.Changed != block || s.Stored == 0 || s.Stored > block {
		t.Errorf("statistics: %+v", s)
	}
}

// Up to three quarters of a chunk are stored as what differs; more, and it is stored anew.
func TestAChunkThatChangedForTheMostPart(t *testing.T) {
	t.Parallel()
	p := testPlace(t)
	src := &memSource{data: randomBytes(2*chunkSize, 1)}
	p.mustCreate(t, src, backup.CreateOptions{})
	const most = chunkSize / block * 3 / 4
	for i := range most {
		src.data[i*block] ^= 1
	}
	for i := range most + 1 {
		src.data[chunkSize+i*block] ^= 1
	}
	if s := p.mustCreate(t, src, backup.CreateOptions{}).Statement.Statistics; s.Patches != 1 || s.NewChunks != 1 {
		t.Errorf("statistics: %+v", s)
	}
}

func TestStacksAreBounded(t *testing.T) {
	t.Parallel()
	p := testPlace(t)
	src := &memSource{data: randomBytes(2*chunkSize, 1)}
	p.mustCreate(t, src, backup.CreateOptions{})
	whole := 0
	for night := range 20 {
		src.data[night*block/2] ^= 1
		result := p.mustCreate(t, src, backup.CreateOptions{})
		whole += int(result.Statement.Statistics.NewChunks)
		p.image(t, "v", result.Statement.ID, func(im *repository.Image) {
			chunks, err := im.Chunks(0)
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range chunks {
				if len(c.Stack.Patches) > 8 {
					t.Errorf("night %d: chunk %d has %d patches", night, c.Index, len(c.Stack.Patches))
				}
			}
		})
	}
	if whole == 0 {
		t.Error("no chunk was ever stored anew")
	}
}

func TestVolumesShareChunks(t *testing.T) {
	t.Parallel()
	p := testPlace(t)
	src := &memSource{data: randomBytes(20*chunkSize, 1)}
	p.mustCreate(t, src, backup.CreateOptions{Volume: "a"})
	s := p.mustCreate(t, src, backup.CreateOptions{Volume: "b"}).Statement.Statistics
	if s.Stored != 0 || s.Found != 20*chunkSize {
		t.Errorf("statistics of a volume that another one holds: %+v", s)
	}
	forced := p.mustCreate(t, src, backup.CreateOptions{Volume: "b", Full: true})
	if s := forced.Statement.Statistics; forced.Statement.Kind != revision.Full || s.Stored < 20*chunkSize {
		t.Errorf("a forced full trusted what was stored: %+v", s)
	}
}

func TestASourceThatFailsMakesNoRevision(t *testing.T) {
	t.Parallel()
	for _, bad := range []int64{0, 7 * chunkSize, 19 * chunkSize} {
		p := testPlace(t)
		src := &memSource{data: randomBytes(20*chunkSize, 1)}
		src.fail = func(off int64) error {
			if off == bad {
				return unix.EIO
			}
			return nil
		}
		_, err := backup.Create(t.Context(), p.repo, src, backup.CreateOptions{Volume: "v"})
		read := new(volume.ReadError)
		if !errors.As(err, &read) || read.Offset != bad || !errors.Is(err, unix.EIO) {
			t.Fatalf("read error at %d: %v", bad, err)
		}
		if n := len(p.revisions(t, "v")); n != 0 {
			t.Fatalf("%d revisions after a failed backup", n)
		}
		src.fail = nil
		result := p.mustCreate(t, src, backup.CreateOptions{})
		if result.Statement.Sequence != 1 || !bytes.Equal(p.restored(t, "v", result.Statement.ID), src.data) {
			t.Error("the next backup did not heal it")
		}
	}
}

func TestAFailedBackupIsJournaledAsFailed(t *testing.T) {
	t.Parallel()
	p := testPlace(t)
	src := &memSource{data: randomBytes(chunkSize, 1), fail: func(int64) error { return unix.EIO }}
	if _, err := backup.Create(t.Context(), p.repo, src, backup.CreateOptions{Volume: "v"}); err == nil {
		t.Fatal("the backup succeeded")
	}
	src.fail = nil
	good := p.mustCreate(t, src, backup.CreateOptions{})
	events, err := p.repo.Events()
	if err != nil || len(events) != 2 {
		t.Fatalf("%d events, %v", len(events), err)
	}
	if e := events[0]; e.Result != repository.ResultFailed || e.Revision != "" || !strings.Contains(e.Error, "input/output") {
		t.Errorf("event of the failure: %+v", e)
	}
	if e := events[1]; e.Result != repository.ResultOK || e.Revision != good.Statement.ID || e.Prev == "" {
		t.Errorf("event of the success: %+v", e)
	}
}

// TestAnInterruptedBackupGoesOn stops a full after its first packs and begins again.
func TestAnInterruptedBackupGoesOn(t *testing.T) {
	t.Parallel()
	p := testPlace(t)
	const size = 160 << 20 // two packs and a half
	src := &memSource{data: randomBytes(size, 1)}
	ctx, cancel := context.WithCancel(t.Context())
	src.fail = func(off int64) error {
		if off >= 150<<20 && off < size-block { // the last bytes are looked at first
			cancel()
		}
		return nil
	}
	_, err := backup.Create(ctx, p.repo, src, backup.CreateOptions{Volume: "v", Workers: 2})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("cancelled backup: %v", err)
	}
	if n := len(p.revisions(t, "v")); n != 0 {
		t.Fatalf("%d revisions after a cancelled backup", n)
	}
	src.fail = nil
	// Another volume may not use what a run left that never finished.
	other := p.mustCreate(t, &memSource{data: src.data[:chunkSize*8]}, backup.CreateOptions{Volume: "other"})
	if other.Statement.Statistics.Found != 0 {
		t.Error("another volume used the packs of an unfinished run")
	}
	result := p.mustCreate(t, src, backup.CreateOptions{})
	if s := result.Statement.Statistics; s.Found < 100<<20 || s.Stored > 60<<20 {
		t.Errorf("the second try stored %d bytes and found %d", s.Stored, s.Found)
	}
	if !bytes.Equal(p.restored(t, "v", result.Statement.ID), src.data) {
		t.Error("restored bytes differ")
	}
	assertNoLeftovers(t, p.dir)
}

// assertNoLeftovers makes sure that no temporary file, lease or run record is left.
func assertNoLeftovers(t *testing.T, dir string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if !d.IsDir() && (strings.Contains(path, "/.tmp-") || strings.Contains(path, "/leases/")) {
			t.Errorf("left over: %s", path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestALiveSourceIsSaidOnce(t *testing.T) {
	t.Parallel()
	p := testPlace(t)
	src := &memSource{data: randomBytes(chunkSize, 1), live: "mounted on /srv"}
	result := p.mustCreate(t, src, backup.CreateOptions{})
	if result.Statement.Consistency != revision.Live || len(result.Warnings) != 1 || !strings.Contains(result.Warnings[0], "mounted on /srv") {
		t.Errorf("consistency %s, warnings %q", result.Statement.Consistency, result.Warnings)
	}
}

func TestAResizeIsSaid(t *testing.T) {
	t.Parallel()
	p := testPlace(t)
	src := &memSource{data: randomBytes(3*chunkSize+17, 1)}
	p.mustCreate(t, src, backup.CreateOptions{})
	for _, resize := range []struct {
		size int
		told []string
	}{
		{2*chunkSize - 5, []string{"shrank"}}, {5 * chunkSize, []string{"grew"}}, {0, []string{"IS EMPTY"}}, {1, []string{"BUT ZEROS", "grew"}},
	} {
		size := resize.size
		src.data = append(bytes.Clone(src.data), make([]byte, 5*chunkSize)...)[:size]
		result := p.mustCreate(t, src, backup.CreateOptions{})
		if len(result.Warnings) != len(resize.told) {
			t.Errorf("resize to %d: warnings %q", size, result.Warnings)
		}
		for i, warning := range result.Warnings {
			if !strings.Contains(warning, resize.told[min(i, len(resize.told)-1)]) {
				t.Errorf("resize to %d: warnings %q, want %q", size, result.Warnings, resize.told)
			}
		}
		if got := p.restored(t, "v", result.Statement.ID); !bytes.Equal(got, src.data) {
			t.Errorf("resize to %d: restored bytes differ", size)
		}
	}
}

// TestAHoleThatHoldsDataIsCaught lets the source call changed data a hole. Within
// CompareAll backups it is caught; those that believed it are suspect from then on.
func TestAHoleThatHoldsDataIsCaught(t *testing.T) {
	t.Parallel()
	p := testPlace(t)
	const chunks = 28
	data := make([]byte, chunks*chunkSize)
	copy(data, randomBytes(4*chunkSize, 1))
	src := &memSource{data: data}
	full := p.mustCreate(t, src, backup.CreateOptions{})
	at := int64(20 * chunkSize)
	copy(data[at:], randomBytes(block, 2))
	src.lies = []volume.Extent{{Offset: at, Length: block}}
	var believed []revision.ID
	for night := 0; ; night++ {
		if night == backup.DefaultCompareAll {
			t.Fatalf("not caught in %d backups", night)
		}
		result := p.mustCreate(t, src, backup.CreateOptions{})
		if len(result.Findings) == 0 {
			believed = append(believed, result.Statement.ID)
			continue
		}
		if f := result.Findings[0]; f.Kind != backup.FoundLie || f.Extent == nil || f.Extent.Offset != at {
			t.Errorf("finding: %+v", f)
		}
		if result.Statement.Plan.Kind != revision.PlanAll {
			t.Errorf("after the lie, the plan is %q", result.Statement.Plan.Kind)
		}
		if !bytes.Equal(p.restored(t, "v", result.Statement.ID), data) {
			t.Error("the revision that caught the lie does not hold the source")
		}
		break
	}
	states := map[revision.ID]repository.State{}
	for _, rev := range p.revisions(t, "v") {
		states[rev.ID] = rev.Info.State
	}
	for _, id := range append(believed, full.Statement.ID) {
		if states[id] != repository.Suspect {
			t.Errorf("revision %s, which believed the source, is %s", id, states[id])
		}
	}
	// A suspect parent: nothing is believed, even though the lie is gone.
	if _, err := os.Stat(p.dir); err != nil {
		t.Fatal(err)
	}
}

func TestADamagedParentCostsOneChunk(t *testing.T) {
	t.Parallel()
	p := testPlace(t)
	src := &memSource{data: randomBytes(10*chunkSize, 1)}
	first := p.mustCreate(t, src, backup.CreateOptions{})
	scratchPacks(t, p.dir, 3*chunkSize)
	p.close(t)
	p.open(t)
	for i := range 10 {
		src.data[i*chunkSize] ^= 1 // every chunk changes: all of the parent is read
	}
	result := p.mustCreate(t, src, backup.CreateOptions{})
	if len(result.Findings) != 1 || result.Findings[0].Kind != backup.FoundDamage {
		t.Fatalf("findings: %+v", result.Findings)
	}
	if s := result.Statement.Statistics; s.NewChunks != 1 || s.Patches != 9 {
		t.Errorf("statistics: %+v", s)
	}
	if !bytes.Equal(p.restored(t, "v", result.Statement.ID), src.data) {
		t.Error("the revision made on a damaged parent does not hold the source")
	}
	// Back to the old content: its only copy is known to be hurt, so it is stored anew.
	for i := range 10 {
		src.data[i*chunkSize] ^= 1
	}
	again := p.mustCreate(t, src, backup.CreateOptions{})
	if len(again.Findings) != 0 || !bytes.Equal(p.restored(t, "v", again.Statement.ID), src.data) {
		t.Errorf("the night after: findings %+v, or wrong bytes", again.Findings)
	}
	p.image(t, "v", first.Statement.ID, func(im *repository.Image) {
		result, err := backup.Verify(t.Context(), im, backup.VerifyOptions{})
		damage := new(backup.DamageError)
		if !errors.As(err, &damage) || len(result.Lost) != 1 || result.Lost[0].Length != chunkSize || len(damage.Hurt) != 1 {
			t.Errorf("verify of the damaged revision: %+v, %v", result, err)
		}
	})
}

// scratchPacks flips one byte of the only pack, so far from its beginning.
func scratchPacks(t *testing.T, dir string, off int64) {
	t.Helper()
	packs, err := filepath.Glob(filepath.Join(dir, "packs", "*", "*.pack"))
	if err != nil || len(packs) != 1 {
		t.Fatalf("%d packs, %v", len(packs), err)
	}
	f, err := os.OpenFile(packs[0], os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 1)
	_, err = f.ReadAt(b, off)
	b[0] ^= 0x10
	_, werr := f.WriteAt(b, off)
	if err := errors.Join(err, werr, f.Close()); err != nil {
		t.Fatal(err)
	}
}

func TestARateBelowOneChunkIsARate(t *testing.T) {
	t.Parallel()
	p := testPlace(t)
	src := &memSource{data: make([]byte, 2*chunkSize), noHoles: true}
	if result := p.mustCreate(t, src, backup.CreateOptions{BytesPerSecond: 4 * chunkSize}); result.Statement.Statistics.Read != 2*chunkSize {
		t.Errorf("statistics: %+v", result.Statement.Statistics)
	}
}

func TestASecondBackupOfAVolumeIsBusy(t *testing.T) {
	t.Parallel()
	p := testPlace(t)
	src := &memSource{data: randomBytes(chunkSize, 1)}
	inside, done := make(chan struct{}), make(chan struct{})
	enter := sync.OnceFunc(func() { close(inside) })
	src.fail = func(int64) error {
		enter()
		<-done
		return nil
	}
	finished := make(chan error, 1)
	go func() {
		_, err := backup.Create(context.Background(), p.repo, src, backup.CreateOptions{Volume: "v"})
		finished <- err
	}()
	<-inside
	_, err := backup.Create(t.Context(), p.repo, &memSource{}, backup.CreateOptions{Volume: "v"})
	busy := new(repository.BusyError)
	if !errors.As(err, &busy) || busy.Holder.PID != os.Getpid() || busy.Holder.Since.IsZero() {
		t.Errorf("second backup: %v", err)
	}
	if _, err := backup.Create(t.Context(), p.repo, &memSource{data: randomBytes(chunkSize, 2)}, backup.CreateOptions{Volume: "other"}); err != nil {
		t.Errorf("backup of another volume meanwhile: %v", err)
	}
	close(done)
	if err := <-finished; err != nil {
		t.Error(err)
	}
}

package proof

import (
	"bytes"
	"math/rand/v2"
	"path"
	"strings"
	"testing"
	"time"

	"varve/backup"
	"varve/chunkstore"
	"varve/internal/durable/durabletest"
	"varve/job"
	"varve/repository"
	"varve/retention"
	"varve/revision"
)

// bench24 is a disk of 24 MiB whose nights are those of the benchmark's, made smaller: a
// file system's own blocks, logs that grow and begin anew, pages of a database, files
// that are replaced, and much that rests.
type bench24 struct {
	content []byte
	random  *rand.Rand
	log     int
}

const mib = 1 << 20

func newBench24() *bench24 {
	return &bench24{content: Noise(1, 24*mib), random: rand.New(rand.NewPCG(1, 6))}
}

func (d *bench24) write(at, n int) { copy(d.content[at:], Noise(d.random.Uint64(), n)) }

// night is what happens in a day.
func (d *bench24) night() {
	const page = 4 * chunkstore.BlockSize
	for range 2 { // inodes and bitmaps
		d.write(d.random.IntN(64)*chunkstore.BlockSize, chunkstore.BlockSize)
	}
	for range 5 { // lines of logs
		d.write(mib/2+d.log%(mib/2), chunkstore.BlockSize)
		d.log += chunkstore.BlockSize
	}
	for range 4 { // of 1 MiB of a database
		d.write(mib+d.random.IntN(mib/page)*page, page)
	}
	n := (1 + d.random.IntN(48)) * chunkstore.BlockSize // a file that is replaced
	d.write(2*mib+d.random.IntN((12*mib-n)/chunkstore.BlockSize)*chunkstore.BlockSize, n)
}

// sixtyNights is a repository to which a disk is backed up every night.
type sixtyNights struct {
	t    *testing.T
	disk *durabletest.Disk
	repo *repository.Repository
}

func newSixtyNights(t *testing.T) *sixtyNights {
	t.Helper()
	s := &sixtyNights{t: t, disk: durabletest.NewDisk()}
	if _, err := repository.Init(t.Context(), s.disk, repository.InitOptions{ChunkSize: mib, Codec: "lz4"}); err != nil {
		t.Fatal(err)
	}
	var err error
	if s.repo, err = repository.Open(s.disk, repository.Options{StateDir: durabletest.TempDir(t), Command: "backup"}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.repo.Close() })
	return s
}

func (s *sixtyNights) backUp(content []byte, at time.Time) revision.ID {
	s.t.Helper()
	result, err := backup.Create(s.t.Context(), s.repo, &Source{Content: content}, backup.CreateOptions{Volume: "db", Begun: at})
	if err != nil {
		s.t.Fatal(err)
	}
	return result.Statement.ID
}

// maintain prunes and collects garbage, with nothing that can come back.
func (s *sixtyNights) maintain(threshold float64, now time.Time) *repository.GCResult {
	s.t.Helper()
	v, err := s.repo.Volume("db")
	if err != nil {
		s.t.Fatal(err)
	}
	rules := retention.Rules{Daily: 7, Weekly: 4}
	if pruned := job.Prune(s.t.Context(), s.repo, v, job.Pruning{Rules: rules}, now); pruned.Err != nil {
		s.t.Fatal(pruned.Err)
	}
	result, err := s.repo.CollectGarbage(s.t.Context(), repository.GCOptions{Threshold: threshold, EmptyTrash: true, Now: now})
	if err != nil || len(result.Findings) > 0 {
		s.t.Fatalf("%v, findings %v", err, result.Findings)
	}
	return result
}

// size is what packs and maps take, with the copies of those.
func (s *sixtyNights) size() (total float64) {
	for name, content := range s.disk.Files() {
		if ext := path.Ext(name); (ext == ".pack" || ext == ".rev") && !strings.HasPrefix(name, "trash/") {
			total += float64(len(content))
		}
	}
	return total
}

// holds makes sure that the listed revisions hold what they are to.
func (s *sixtyNights) holds(want map[revision.ID][]byte) (listed []repository.Revision) {
	s.t.Helper()
	v, err := s.repo.Volume("db")
	if err != nil {
		s.t.Fatal(err)
	}
	if listed, err = s.repo.Revisions(v); err != nil {
		s.t.Fatal(err)
	}
	rd, err := s.repo.NewReader(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = rd.Close() }()
	for _, rev := range listed {
		im, err := rd.Image(s.t.Context(), v, rev.ID)
		if err != nil {
			s.t.Fatal(err)
		}
		if _, err := backup.Verify(s.t.Context(), im, backup.VerifyOptions{}); err != nil {
			s.t.Fatalf("revision %s: %v", rev.ID, err)
		}
		got := make([]byte, len(want[rev.ID]))
		if _, err := im.ReadAt(got, 0); err != nil || !bytes.Equal(got, want[rev.ID]) {
			s.t.Fatalf("revision %s holds other bytes than were backed up: %v", rev.ID, err)
		}
		if err := im.Close(); err != nil {
			s.t.Fatal(err)
		}
	}
	return listed
}

// After two months with pruning and gc every night, a repository takes little more than
// one that only ever had the revisions that are left.
func TestEnumerateSixtyNights(t *testing.T) {
	for name, c := range map[string]struct {
		threshold, most float64
	}{
		"at the default threshold": {repository.DefaultThreshold, 1.2},
		"at 5 %":                   {0.05, 1.1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			worn, now := newSixtyNights(t), time.Date(2026, 8, 31, 2, 0, 0, 0, time.UTC)
			contents, nights := map[revision.ID][]byte{}, map[revision.ID]time.Time{}
			d, rebuilt := newBench24(), 0
			for night := range 60 {
				if night > 0 {
					d.night()
				}
				at := now.AddDate(0, 0, night)
				id := worn.backUp(d.content, at)
				contents[id], nights[id] = bytes.Clone(d.content), at
				rebuilt += worn.maintain(c.threshold, at).Rebuilt
			}
			left := worn.holds(contents)
			fresh := newSixtyNights(t)
			for _, rev := range left {
				fresh.backUp(contents[rev.ID], nights[rev.ID])
			}
			ratio := worn.size() / fresh.size()
			t.Logf("%d revisions are left; %.0f bytes, %.3f times those of a fresh repository; %d chunks were stored anew", len(left), worn.size(), ratio, rebuilt)
			if len(left) < 9 || rebuilt == 0 {
				t.Errorf("%d revisions are left, and %d chunks were stored anew", len(left), rebuilt)
			}
			if ratio > c.most {
				t.Errorf("the repository takes %.3f times as much as a fresh one, at most %.1f is right", ratio, c.most)
			}
		})
	}
}

package repository_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"varve/chunkstore"
	"varve/internal/durable"
	"varve/internal/durable/durabletest"
	"varve/repository"
	"varve/revision"
)

// writeBlock fills a block with bytes that nothing makes smaller.
func (im *image) writeBlock(chunk, block int, seed uint64) {
	random := rand.New(rand.NewPCG(seed, 8))
	noise := make([]byte, chunkstore.BlockSize)
	for i := range noise {
		noise[i] = byte(random.Uint32())
	}
	im.write(int64(chunk)*chunkSize+int64(block)*chunkstore.BlockSize, noise)
}

// newWorn makes seven nights, of which 0, 3 and 5 are to go. What builds on these has
// then: in 1, a full, a base with a patch; in 4, a whole chunk where a patch on that of 2
// would do; in 6, two patches for one block.
func newWorn(t testing.TB) *series {
	p := newPlace(t)
	h := &series{place: p, repo: p.open()}
	im := randomImage(1, 3)
	h.store(im)
	for night := 1; night < 7; night++ {
		im = im.clone()
		switch night {
		case 3, 4:
			im.writeBlock(1, night, uint64(night))
			h.storeWith(im, storeOptions{whole: true})
		default:
			im.writeBlock(0, night/3, uint64(night))
			h.store(im)
		}
	}
	return h
}

var (
	wornGoes  = []int{0, 3, 5}
	wornStays = []int{1, 2, 4, 6}
)

// wear takes away for good what is to go.
func (h *series) wear() {
	h.t.Helper()
	if _, err := h.remove(repository.RemoveOptions{Op: repository.OpPrune}, wornGoes...); err != nil {
		h.t.Fatal(err)
	}
}

func (h *series) collect(opts repository.GCOptions) *repository.GCResult {
	h.t.Helper()
	if opts.Threshold == 0 {
		opts.Threshold = 0.05
	}
	opts.EmptyTrash = !opts.DryRun && opts.Now.IsZero()
	result, err := h.repo.CollectGarbage(h.t.Context(), opts)
	if err != nil || len(result.Findings) > 0 {
		h.t.Fatalf("%v, findings %v", err, result.Findings)
	}
	return result
}

// stack tells of what a chunk of a revision is put together, as its map says it.
func (h *series) stack(number int, chunk uint64) string {
	h.t.Helper()
	data := h.read("volumes/db/" + string(h.made[number].ID) + ".rev")
	m, err := revision.Open(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		h.t.Fatal(err)
	}
	for record, err := range m.Records(chunk, chunk+1) {
		if err != nil {
			h.t.Fatal(err)
		}
		return fmt.Sprintf("base %d, %d patches", record.Entry.Base, len(record.Entry.Patches))
	}
	return "nothing"
}

// stacks gives the three that are in waste in what newWorn makes.
func (h *series) stacks() []string { return []string{h.stack(1, 0), h.stack(4, 1), h.stack(6, 0)} }

var (
	wornStacks  = []string{"base 3, 1 patches", "base 2, 0 patches", "base 1, 2 patches"}
	tightStacks = []string{"base 2, 0 patches", "base 1, 1 patches", "base 1, 1 patches"}
)

// What stands is stored as a fresh backup would have stored it.
func TestGCRebuildsStacks(t *testing.T) {
	h := newWorn(t)
	h.wear()
	if got := h.stacks(); !slices.Equal(got, wornStacks) {
		t.Fatalf("before it, the stacks are %q", got)
	}
	result := h.collect(repository.GCOptions{})
	if got := h.stacks(); !slices.Equal(got, tightStacks) || result.Rebuilt != 3 || result.RebuiltBytes == 0 {
		t.Errorf("the stacks are %q; %d were stored anew, in %d bytes", got, result.Rebuilt, result.RebuiltBytes)
	}
	if result.Dead != 0 || result.WaitingPacks != 0 {
		t.Errorf("what was rebuilt is not collected at once: %+v", result)
	}
	h.check(wornStays...)
	if again := h.collect(repository.GCOptions{}); again.Rebuilt != 0 || again.FreedPacks != 0 {
		t.Errorf("the next collection stores %d chunks anew, and frees %d packs", again.Rebuilt, again.FreedPacks)
	}
	h.check(wornStays...)
}

// While what went may come back, it needs its objects, and nothing would be won.
func TestGCRebuildsNothingWhileItMayComeBack(t *testing.T) {
	h := newWorn(t)
	if _, err := h.remove(repository.RemoveOptions{Op: repository.OpPrune, Undelete: time.Hour}, wornGoes...); err != nil {
		t.Fatal(err)
	}
	if result := h.collect(repository.GCOptions{Now: time.Now()}); result.Rebuilt != 0 || result.Kept != 3 {
		t.Errorf("%d chunks were stored anew", result.Rebuilt)
	}
	h.check(wornStays...)
	if result := h.collect(repository.GCOptions{Now: time.Now().Add(2 * time.Hour)}); result.Rebuilt != 3 {
		t.Errorf("once it may not, %d chunks were stored anew", result.Rebuilt)
	}
	h.check(wornStays...)
}

// Objects that somebody else names would stay, and nothing be won.
func TestGCRebuildsNothingThatOthersName(t *testing.T) {
	h := newWorn(t)
	full := h.images[0].clone() // its chunk 0 is the base of a full's, once that stands alone
	full.chunks[1], full.chunks[2] = h.images[4].clone().chunks[1], nil
	h.mustStore(h.repo, "twin", full)
	h.wear()
	result := h.collect(repository.GCOptions{})
	want := []string{wornStacks[0], wornStacks[1], tightStacks[2]}
	if got := h.stacks(); !slices.Equal(got, want) || result.Rebuilt != 1 {
		t.Errorf("the stacks are %q; %d were stored anew", got, result.Rebuilt)
	}
	h.check(wornStays...)
}

// Too little is won, or nothing is to be copied, or changed at all.
func TestGCRebuildsByTheThreshold(t *testing.T) {
	for name, c := range map[string]struct {
		opts repository.GCOptions
		want []string
	}{
		"a high one": {repository.GCOptions{Threshold: 0.6}, []string{wornStacks[0], tightStacks[1], wornStacks[2]}},
		"none":       {repository.GCOptions{Threshold: 2}, wornStacks},
		"a dry run":  {repository.GCOptions{DryRun: true}, wornStacks},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newWorn(t)
			h.wear()
			h.collect(c.opts)
			if got := h.stacks(); !slices.Equal(got, c.want) {
				t.Errorf("the stacks are %q, want %q", got, c.want)
			}
			h.check(wornStays...)
		})
	}
}

// A volume that is being backed up is left alone, and not waited for.
func TestGCRebuildsNothingOfABusyVolume(t *testing.T) {
	h := newWorn(t)
	h.wear()
	b, err := h.repo.BeginBackup(t.Context(), repository.BackupOptions{Volume: "db"})
	if err != nil {
		t.Fatal(err)
	}
	if result := h.collect(repository.GCOptions{}); result.Rebuilt != 0 {
		t.Errorf("%d chunks were stored anew", result.Rebuilt)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	h.check(wornStays...)
}

// A stack that cannot be read stays as it is: nothing of it is let go.
func TestGCKeepsAStackThatCannotBeRead(t *testing.T) {
	h := newWorn(t)
	packs := h.files("packs/")
	h.wear()
	for _, name := range packs { // each night has one; every object of it is hurt
		data := h.read(name)
		data[300] ^= 1
		h.write(name, data)
	}
	result, err := h.repo.CollectGarbage(t.Context(), repository.GCOptions{Threshold: 0.05, EmptyTrash: true})
	if err != nil || result.Rebuilt != 0 {
		t.Errorf("%v; %d chunks were stored anew", err, result.Rebuilt)
	}
	if got := h.stacks(); !slices.Equal(got, wornStacks) {
		t.Errorf("the stacks are %q", got)
	}
	for _, name := range packs {
		if h.exists(name) {
			data := h.read(name)
			data[300] ^= 1
			h.write(name, data)
		}
	}
	h.check(wornStays...)
}

// What was stored anew is read again before anything leans on it.
func TestGCReadsAgainWhatItStoredAnew(t *testing.T) {
	h := newWorn(t)
	h.wear()
	tree, hurt := h.tree(), 0
	before := h.files("packs/")
	h.repo = h.openOn(durable.FS(durabletest.NewWatched(tree, func(op, name string) error {
		if op != "fsync directory" || !strings.HasPrefix(name, "packs/") {
			return nil
		}
		for _, pack := range h.files(name + "/") {
			if strings.HasSuffix(pack, ".pack") && !slices.Contains(before, pack) { // the disk writes something else
				data := h.read(pack)
				data[200] ^= 1
				h.write(pack, data)
				before = append(before, pack)
				hurt++
			}
		}
		return nil
	})))
	result, err := h.repo.CollectGarbage(t.Context(), repository.GCOptions{Threshold: 0.05, EmptyTrash: true})
	if err != nil || hurt == 0 || len(result.Findings) == 0 {
		t.Errorf("%v; %d packs were written wrong, findings %v", err, hurt, result.Findings)
	}
	if result.Rebuilt != 0 || !slices.Equal(h.stacks(), wornStacks) {
		t.Errorf("%d chunks were stored anew: %q", result.Rebuilt, h.stacks())
	}
	h.repo = h.openOn(tree)
	for n := range h.made {
		if slices.Contains(wornStays, n) {
			if err := compare(t.Context(), h.repo, h.made[n], h.images[n]); err != nil {
				t.Errorf("revision %d: %v", n, err)
			}
		}
	}
}

// No more is written than a part of what is free.
func TestGCRebuildsWithinItsRoom(t *testing.T) {
	disk := durabletest.NewDisk()
	if _, err := repository.Init(t.Context(), disk, repository.InitOptions{ChunkSize: chunkSize, Codec: "lz4"}); err != nil {
		t.Fatal(err)
	}
	p := &place{t: t, state: t.TempDir()}
	r := p.openOn(disk)
	im := randomImage(1, 3)
	var made []*revision.Statement
	for night := range 4 {
		im = im.clone()
		im.writeBlock(0, 1, uint64(night))
		made = append(made, p.mustStore(r, "db", im))
	}
	v := repository.Volume{Name: "db", UUID: made[0].Volume.UUID}
	if _, err := r.Remove(t.Context(), v, []revision.ID{made[1].ID, made[2].ID}, repository.RemoveOptions{Op: repository.OpPrune}); err != nil {
		t.Fatal(err)
	}
	for room, want := range map[int64]int{20 << 10: 0, 1 << 20: 1} {
		tight := disk.Copy()
		tight.SetRoom(room)
		result, err := p.openOn(tight).CollectGarbage(t.Context(), repository.GCOptions{Threshold: 0.05, EmptyTrash: true})
		if err != nil || result.Rebuilt != want {
			t.Errorf("where %d bytes are free: %d chunks were stored anew, want %d; %v", room, result.Rebuilt, want, err)
		}
		if err := compare(t.Context(), p.openOn(tight), made[3], im); err != nil {
			t.Error(err)
		}
	}
}

// A backup may be waiting for the volume, which is not held for long. What is not done stays as it is.
func TestGCRebuildsForAWhile(t *testing.T) {
	h := newWorn(t)
	h.wear()
	now := time.Now()
	slow, err := repository.Open(h.tree(), repository.Options{StateDir: h.state, Command: "gc", Now: func() time.Time {
		now = now.Add(2 * repository.MaxRebuildTime)
		return now
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = slow.Close() }()
	result, err := slow.CollectGarbage(t.Context(), repository.GCOptions{Threshold: 0.05, EmptyTrash: true})
	if err != nil || result.Rebuilt != 0 {
		t.Errorf("%d chunks were stored anew, %v", result.Rebuilt, err)
	}
	h.check(wornStays...)
}

// A chunk whose bytes are not those that its content id names is not stored anew: under
// that name, they would pass for right.
func TestGCRebuildsNothingOfAnotherContent(t *testing.T) {
	h := newWorn(t)
	h.wear()
	h.forgeContent(6, 0)
	h.collect(repository.GCOptions{})
	want := []string{tightStacks[0], tightStacks[1], wornStacks[2]}
	if got := h.stacks(); !slices.Equal(got, want) {
		t.Errorf("the stacks are %q, want %q", got, want)
	}
}

// forgeContent writes a map and its copy anew, with another content id for a chunk, and
// hashes that agree with it.
func (h *series) forgeContent(number int, chunk uint64) {
	h.t.Helper()
	st := h.made[number]
	name := "volumes/db/" + string(st.ID) + ".rev"
	data := h.read(name)
	m, err := revision.Open(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		h.t.Fatal(err)
	}
	var chunks []revision.Chunk
	rd, err := h.repo.NewReader(h.t.Context())
	if err != nil {
		h.t.Fatal(err)
	}
	im, err := rd.Image(h.t.Context(), h.volume, st.ID)
	if err == nil {
		chunks, err = im.Chunks(0)
	}
	if err != nil {
		h.t.Fatal(err)
	}
	other := chunkstore.ID{9, 9, 9}
	chunks = slices.Clone(chunks)
	chunks[chunk].Content = other
	if err := im.Close(); err != nil {
		h.t.Fatal(err)
	}
	closeAfter(h.t, rd)
	forged := *m.Statement()
	rows := []revision.Region{{Region: 0, Hash: revision.RegionHash(chunks)}}
	forged.Digest = revision.ImageDigest(forged.ChunkSize, forged.Size, rows)
	var out bytes.Buffer
	w, err := revision.NewWriter(&out, revision.Header{ChunkSize: chunkSize, Nonce: forged.Nonce})
	if err != nil {
		h.t.Fatal(err)
	}
	for record, err := range m.Records(0, 1<<40) {
		if err != nil {
			h.t.Fatal(err)
		}
		if record.Entry.Index == chunk {
			record.Entry.Content = other
		}
		if err := w.Add(record.Entry); err != nil {
			h.t.Fatal(err)
		}
	}
	if err := w.Finish(rows, forged); err != nil {
		h.t.Fatal(err)
	}
	h.write(name, out.Bytes())
	h.write("copies/"+h.volume.UUID.String()+"/"+string(st.ID)+".rev", out.Bytes())
}

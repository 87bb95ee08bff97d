package rot

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zeebo/xxh3"

	"varve/backup"
	"varve/chunkstore"
	"varve/internal/durable"
	"varve/internal/durable/durabletest"
	"varve/repository"
	"varve/revision"
)

// reference is a repository to be hurt, and what it holds.
type reference struct {
	Base     files // as it is before any case
	Pristine files // what was there when everything was written: before base lost files and bytes
	Kept     []kept
}

// kept is one revision and the truth about it.
type kept struct {
	Volume revision.Name
	UUID   revision.UUID
	ID     revision.ID
	Size   int64
	Chunks map[uint64][]byte
}

func (k *kept) String() string { return string(k.Volume) + "@" + k.ID.Short() }

func (k *kept) picture() *picture { return &picture{size: k.Size, chunks: k.Chunks} }

// building is a repository on disk while it is made.
type building struct {
	t    testing.TB
	dir  string
	repo *repository.Repository
	ref  *reference
}

func newBuilding(t testing.TB) *building {
	t.Helper()
	base := durabletest.TempDir(t)
	b := &building{t: t, dir: filepath.Join(base, "repo"), ref: &reference{}}
	if err := os.Mkdir(b.dir, 0o750); err != nil {
		t.Fatal(err)
	}
	tree := b.tree()
	_, err := repository.Init(context.Background(), tree, repository.InitOptions{ChunkSize: chunkSize})
	if err := errors.Join(err, tree.Close()); err != nil {
		t.Fatal(err)
	}
	b.repo, err = repository.Open(b.tree(), repository.Options{StateDir: filepath.Join(base, "state"), Command: "backup"})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *building) tree() durable.FS {
	b.t.Helper()
	tree, err := durable.OpenTree(b.dir)
	if err != nil {
		b.t.Fatal(err)
	}
	return tree
}

// store makes a revision.
func (b *building) store(name revision.Name, p *picture, codec chunkstore.Codec, full bool) *kept {
	b.t.Helper()
	result, err := backup.Create(context.Background(), b.repo, p, backup.CreateOptions{Volume: name, Codec: &codec, Full: full, Workers: 1})
	if err != nil {
		b.t.Fatal(err)
	}
	if len(result.Findings) > 0 {
		b.t.Fatalf("findings %v while the reference was made", result.Findings)
	}
	st := result.Statement
	k := kept{Volume: name, UUID: st.Volume.UUID, ID: st.ID, Size: p.size, Chunks: p.clone().chunks}
	b.ref.Kept = append(b.ref.Kept, k)
	return &b.ref.Kept[len(b.ref.Kept)-1]
}

// sealed is a small file of that data.
func sealed(data string) []byte {
	sum := xxh3.Hash128([]byte(data)).Bytes()
	return fmt.Appendf(nil, "{\"sum\":\"%x\",\"data\":%s}\n", sum[:], data)
}

// buildReference makes the repository. The larger one has more of everything; both
// have every kind of file, and both have lost a little before the first case: one
// revision's file, another's copy, and one copy of an object.
func buildReference(t testing.TB, large bool) *reference {
	t.Helper()
	b := newBuilding(t)
	orphan := b.orphan()
	b.backups(large)
	b.notes()
	removed := b.trashed()
	if err := b.repo.Close(); err != nil {
		t.Fatal(err)
	}
	ref := b.ref
	ref.Pristine = loadTree(t, b.dir)
	for name, data := range b.oddments(orphan, removed) {
		ref.Pristine[name] = data
	}
	ref.Base = files{}
	for name, data := range ref.Pristine {
		ref.Base[name] = data
	}
	delete(ref.Base, ref.Kept[1].file()) // its copy stands in, as long as it is whole
	delete(ref.Base, b.last("b", 1).copy())
	hurtOneCopy(t, ref)
	return ref
}

func (k *kept) file() string {
	return path.Join("volumes", k.Volume.Encode(), string(k.ID)+".rev")
}

func (k *kept) copy() string { return path.Join("copies", k.UUID.String(), string(k.ID)+".rev") }

// last gives the revision before so many of a volume's newest.
func (b *building) last(name revision.Name, before int) *kept {
	for _, k := range slices.Backward(b.ref.Kept) {
		if k.Volume == name {
			if before == 0 {
				return &k
			}
			before--
		}
	}
	b.t.Fatalf("no revision of %q", name)
	return nil
}

// backups makes the revisions of two volumes. What is in b was seen in a before.
func (b *building) backups(large bool) {
	thin, more := 97, []uint64{}
	if large {
		thin, more = 3, []uint64{9, 10, 11}
	}
	a := newPicture(13*chunkSize+777).paint(1, thin, 0, 1, 2, 4, 5).paint(2, thin, 13).paint(3, thin, more...)
	b.store("a", a, chunkstore.Zstd, false)
	b.store("a", a.scratch(4, 0, 3, 20).scratch(5, 1, 0, 3000), chunkstore.LZ4, false)

	region := uint64(revision.RegionChunks)
	second := newPicture(int64(region+5)*chunkSize).paint(1, thin, 7, 8, 9).paint(6, thin, region+2)
	b.store("b", second, chunkstore.None, false)

	b.store("a", a.scratch(7, 0, 3, 10).scratch(8, 0, 9, 40).erase(2).paint(9, thin, 6), chunkstore.Zstd, false)
	b.store("b", second.scratch(10, 8, 1, 30).scratch(11, region+2, 15, 100), chunkstore.LZ4, false)
	b.store("a", a.resize(9*chunkSize+100).paint(12, thin, 8), chunkstore.Zstd, false)
	b.store("a", a.resize(12*chunkSize+5000).scratch(13, 4, 5, 9), chunkstore.LZ4, false)
	if large {
		b.store("a", a.scratch(14, 0, 3, 7).scratch(15, 5, 2, 500).paint(16, thin, 10), chunkstore.LZ4, false)
	}
	full := a.clone()
	b.store("a", full, chunkstore.None, true) // second copies
	b.store("a", full.scratch(17, 0, 3, 5).erase(1), chunkstore.Zstd, false)
	b.store("b", second.scratch(18, 7, 2, 60), chunkstore.Zstd, false)
}

// notes makes the small files beside revisions.
func (b *building) notes() {
	b.mark(0, func(i *repository.Info) { i.Tags, i.Note = []string{"kept"}, "before the upgrade" })
	b.mark(3, func(i *repository.Info) {
		i.State, i.Reason = repository.Damaged, "so it was once noted"
		i.Lost = []repository.Extent{{Offset: 0, Length: 4096}}
	})
}

func (b *building) mark(n int, change func(*repository.Info)) {
	b.t.Helper()
	k := &b.ref.Kept[n]
	v, err := b.repo.Volume(k.Volume)
	if err != nil {
		b.t.Fatal(err)
	}
	listed, err := b.repo.Revisions(v)
	if err != nil {
		b.t.Fatal(err)
	}
	i := slices.IndexFunc(listed, func(r repository.Revision) bool { return r.ID == k.ID })
	if err := b.repo.Mark(context.Background(), listed[i], change); err != nil {
		b.t.Fatal(err)
	}
}

// orphan leaves a pack of a run that never succeeded, and the run's record.
func (b *building) orphan() chunkstore.PackID {
	b.t.Helper()
	ctx := context.Background()
	run, err := b.repo.BeginBackup(ctx, repository.BackupOptions{Volume: "never", Codec: chunkstore.LZ4})
	if err != nil {
		b.t.Fatal(err)
	}
	chunk := newPicture(chunkSize).paint(99, 50, 0).chunks[0]
	put, err := run.Chunks().PutChunk(ctx, b.repo.Hasher().ChunkID(chunk), chunk)
	if err == nil {
		err = run.Chunks().Barrier(ctx)
	}
	if err := errors.Join(err, run.Close()); err != nil {
		b.t.Fatal(err)
	}
	return put.Ref.Pack
}

// trashed makes a volume whose only revision was removed. It returns that revision.
func (b *building) trashed() *kept {
	b.t.Helper()
	k := b.store("gone", newPicture(2*chunkSize).paint(50, 400, 1), chunkstore.Zstd, false)
	removed := *k
	b.ref.Kept = b.ref.Kept[:len(b.ref.Kept)-1]
	to := filepath.Join(b.dir, "trash", removed.UUID.String())
	if err := os.MkdirAll(to, 0o750); err != nil {
		b.t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(b.dir, removed.file()), filepath.Join(to, path.Base(removed.file()))); err != nil {
		b.t.Fatal(err)
	}
	err := b.repo.Record(context.Background(), repository.Event{
		Time: time.Now().Add(time.Second), Op: repository.OpRemove, Result: repository.ResultOK,
		Volume: removed.Volume, UUID: &removed.UUID, Revision: removed.ID,
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return &removed
}

// oddments are files that losing costs nothing.
func (b *building) oddments(orphan chunkstore.PackID, removed *kept) files {
	pack := orphan.String()
	lease := `{"gen":1,"kind":"restore","holder":{"command":"restore","host":"h","user":"u","pid":1,"since":"2026-01-01T00:00:00Z"},"boot":"","volume":"","run":""}`
	condemned := func(g int, list string) []byte {
		return sealed(fmt.Sprintf(`{"g":%d,"nonce":"%s","condemned":[%s]}`, g, strings.Repeat("5a", 16), list))
	}
	return files{
		"gc/1.json":                          condemned(1, ""),
		"gc/2.json":                          condemned(2, fmt.Sprintf(`{"pack":"%s","since":2}`, pack)),
		"gc/moved/":                          nil,
		"gc/moved/" + pack:                   sealed(fmt.Sprintf(`{"to":["%s"]}`, pack)),
		"locks/leases/00112233aabbccdd.json": sealed(lease),
		".tmp-00112233aabbccdd-1":            []byte("torn"),
		"packs/" + pack[:2] + "/.tmp-00112233aabbccdd-2":                  []byte("VRVP torn"),
		path.Dir(removed.file()) + "/.tmp-00112233aabbccdd-3":             []byte("VARVEREV torn"),
		"copies/" + removed.UUID.String() + "/.tmp-00112233aabbccdd-4":    []byte("VARVEREV torn"),
		"volumes/" + revision.Name("a").Encode() + "/.tmp-00112233aabbcc": []byte("{"),
	}
}

// hurtOneCopy flips a byte of an object that has a second copy, and records it.
func hurtOneCopy(t testing.TB, ref *reference) {
	t.Helper()
	l := parse(t, ref)
	for _, id := range sortedIDs(l.copies) {
		copies := l.copies[id]
		if len(copies) < 2 {
			continue
		}
		c := copies[0]
		hurt := slices.Clone(ref.Base[c.pack])
		hurt[c.end-9] ^= 0x10
		ref.Base[c.pack] = hurt
		pack := strings.TrimSuffix(path.Base(c.pack), ".pack")
		ref.Base[fmt.Sprintf("damage/%s-%s.json", pack, id)] = sealed(fmt.Sprintf(
			`{"pack":"%s","object":"%s","kind":"chunk","offset":%d,"cause":"wrong checksum","found":"2026-01-01T00:00:00Z",`+
				`"by":{"command":"backup","host":"h","user":"u","pid":1,"since":"2026-01-01T00:00:00Z"}}`, pack, id, c.begin))
		return
	}
	t.Fatal("the reference has no object twice")
}

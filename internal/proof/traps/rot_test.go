package traps

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"path"
	"strings"
	"syscall"
	"testing"

	"varve/backup"
	"varve/chunkstore"
	"varve/repository"
	"varve/revision"
)

// A pack that is there by its name, or even has its size, and not its content.
func TestTrapTruncatedPackTakenForPresent(t *testing.T) {
	t.Parallel()
	original := withOneNight(t)
	pack := original.files(".pack")[0]
	whole := original.read(pack)
	cases := map[string]func(b []byte) []byte{
		"empty":                func([]byte) []byte { return nil },
		"one byte short":       func(b []byte) []byte { return b[:len(b)-1] },
		"half":                 func(b []byte) []byte { return b[:len(b)/2] },
		"header only":          func(b []byte) []byte { return b[:72] },
		"of its size, zeros":   func(b []byte) []byte { return make([]byte, len(b)) },
		"of its size, no tail": func(b []byte) []byte { return append(b[:len(b)-56], make([]byte, 56)...) },
		"of its size, half":    func(b []byte) []byte { return append(b[:len(b)/2], make([]byte, len(b)-len(b)/2)...) },
		"longer":               func(b []byte) []byte { return append(b, 0) },
		"another's content":    func([]byte) []byte { return nil }, // below
	}
	for name, damage := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := original.twin(t)
			hurt := damage(bytes.Clone(whole))
			if name == "another's content" {
				p.mustBackup(p.open(), "other", noise(77, 3*chunkSize))
				for _, other := range p.files(".pack") {
					if other != pack {
						hurt = p.read(other)
					}
				}
			}
			p.write(pack, hurt)
			p.checkLost("before the next night")
			clear(p.promised)
			for n, findings := range []bool{true, false} { // most of the volume is as it was
				if result := p.mustBackup(p.open(), "db1", night(n+1)); len(result.Findings) > 0 != findings {
					t.Errorf("night %d after: findings are %v", n, result.Findings)
				}
			}
			p.checkPromised("the nights after") // before another volume brings the same content
			p.mustBackup(p.open(), "db2", night(0))
			p.checkPromised("and another volume")
		})
	}
}

// checkPromised reads what was promised, and nothing else.
func (p *place) checkPromised(when string) {
	p.t.Helper()
	r := p.open()
	for st, want := range p.promised {
		if err := compare(p.t.Context(), r, st.Volume.Name, st.ID, want); err != nil {
			p.t.Errorf("%s: %s@%s: %v", when, st.Volume.Name, st.ID, err)
		}
	}
}

// checkLost makes sure that what is lost of the first revision is not given back
// as something else, by any way of reading it.
func (p *place) checkLost(when string) {
	p.t.Helper()
	r := p.open()
	for st := range p.promised {
		if st.Volume.Name != "db1" {
			continue
		}
		if _, err := content(p.t.Context(), r, "db1", st.ID); err == nil {
			p.t.Errorf("%s: a stream of what is lost succeeded", when)
		}
		for _, keepGoing := range []bool{false, true} {
			target := &memoryTarget{bytes: noise(3, int(st.Size)), fresh: !keepGoing}
			err := p.restoreTo(r, st, target, keepGoing)
			if err == nil || target.committed && !keepGoing {
				p.t.Errorf("%s: a restore of what is lost, going on = %v: %v, committed = %v", when, keepGoing, err, target.committed)
			}
		}
	}
}

// borg's interrupted compaction left archives that gave zeros, with exit 0.
func TestTrapVanishedPackGivesZeros(t *testing.T) {
	t.Parallel()
	original := withOneNight(t)
	original.mustBackup(original.open(), "db1", night(4))
	for _, pack := range original.files(".pack") {
		p := original.twin(t)
		p.remove(pack)
		for st, want := range p.promised {
			got, err := content(t.Context(), p.open(), "db1", st.ID)
			if err == nil && !bytes.Equal(got, want) {
				t.Errorf("without %s, revision %d gives other bytes", pack, st.Sequence)
			}
			if err == nil && st.Sequence == 2 {
				t.Errorf("without %s, which it stands on, revision 2 is given back", pack)
			}
		}
	}
}

// Two copies of an object, one of them rotten, then the other: none is the other's
// excuse. Each is known by itself, and the next night stores a third.
func TestTrapTwoCopiesEachTheOthersExcuse(t *testing.T) {
	t.Parallel()
	p := withOneNight(t)
	first := p.files(".pack")[0]
	result, err := create(t.Context(), p.open(), &source{data: night(0)}, backup.CreateOptions{Volume: "db2", Full: true})
	if err != nil {
		t.Fatal(err)
	}
	p.promised[result.Statement] = night(0)
	rot := func(pack string) {
		data := p.read(pack)
		for at := 300; at < len(data)-500; at += 1000 { // every frame
			data[at] ^= 1
		}
		p.write(pack, data)
	}
	rot(first)
	p.checkPromises("one copy is rotten")
	for _, pack := range p.files(".pack") {
		if pack != first {
			p.recordDamage(first)
			p.checkPromises("and known to be")
			if got := p.mustBackup(p.open(), "db3", night(0)); got.Statement.Statistics.Stored != 0 {
				t.Error("the good copy was not found")
			}
			rot(pack)
			p.recordDamage(pack)
			break
		}
	}
	clear(p.promised)
	packs := len(p.packs())
	p.mustBackup(p.open(), "db4", night(0))
	if len(p.packs()) == packs {
		t.Error("a rotten copy was relied on")
	}
	r := p.open()
	for st, want := range p.promised {
		if err := compare(t.Context(), r, "db4", st.ID, want); err != nil {
			t.Error(err)
		}
	}
	for _, name := range []revision.Name{"db1", "db2", "db3"} { // the third copy heals them all
		v, err := r.Volume(name)
		if err != nil {
			t.Fatal(err)
		}
		revs, err := r.Revisions(v)
		if err != nil || len(revs) != 1 {
			t.Fatal(revs, err)
		}
		if err := compare(t.Context(), r, v.Name, revs[0].ID, night(0)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// recordDamage notes every object of a pack as hurt, as scrub will.
func (p *place) recordDamage(pack string) {
	p.t.Helper()
	r := p.open()
	for _, e := range p.entries(r, pack) {
		hurt := &chunkstore.CorruptError{Pack: p.packID(pack), Kind: e.Kind, ID: e.ID, Offset: e.Offset, Cause: errors.New("rot")}
		if err := r.RecordDamage(p.t.Context(), hurt); err != nil {
			p.t.Fatal(err)
		}
	}
}

func (p *place) packID(name string) chunkstore.PackID {
	p.t.Helper()
	id, err := chunkstore.ParsePackID(strings.TrimSuffix(path.Base(name), ".pack"))
	if err != nil {
		p.t.Fatal(err)
	}
	return id
}

// entries lists what a pack holds.
func (p *place) entries(r *repository.Repository, name string) (entries []chunkstore.Entry) {
	p.t.Helper()
	s, err := chunkstore.Open(chunkstore.Config{
		FS: p.tree(), Repository: [16]byte(r.ID()), ChunkSize: r.ChunkSize(), Hasher: r.Hasher(),
	})
	if err != nil {
		p.t.Fatal(err)
	}
	for pack, err := range s.Packs(p.t.Context()) {
		if err != nil {
			p.t.Fatal(err)
		}
		if pack.ID != p.packID(name) {
			continue
		}
		for e := range pack.Entries() {
			entries = append(entries, e)
		}
	}
	return entries
}

// One store holds many tenants. One of them writes to its disk what another's
// patch, frame or pack looks like.
func TestTrapChunkThatIsAnothersPatch(t *testing.T) {
	t.Parallel()
	p := withOneNight(t)
	before := p.files(".pack")
	p.mustBackup(p.open(), "db1", night(1))
	r := p.open()
	patches := 0
	for _, pack := range p.files(".pack") {
		if pack == before[0] {
			continue
		}
		data := p.read(pack)
		for _, e := range p.entries(r, pack) {
			if e.Kind != chunkstore.Patch {
				continue
			}
			patches++
			frame := data[e.Offset : e.Offset+int64(e.Stored)]
			patch := frame[len(frame)-e.Plain:] // stored as it is, for nothing is compressed
			h := r.Hasher()
			if h.PatchID(patch) != e.ID {
				t.Fatal("this is not the patch")
			}
			if h.ChunkID(patch) == e.ID {
				t.Error("a chunk of these bytes has the patch's name")
			}
			padded := append(bytes.Clone(patch), make([]byte, chunkSize-len(patch)%chunkSize)...)
			p.mustBackup(r, "patch", patch)
			p.mustBackup(r, "padded", padded)
			p.mustBackup(r, "frame", frame)
			p.mustBackup(r, "id", append(e.ID[:], padded...))
		}
		p.mustBackup(r, "pack", data)
	}
	if patches == 0 {
		t.Fatal("there is no patch")
	}
	p.checkPromises("with a tenant that mimics")
	p.mustBackup(p.open(), "db1", night(2))
	p.checkPromises("after the next night")
}

// A restore whose target cannot be written, or made durable, has failed.
func TestTrapTargetNotOnDisk(t *testing.T) {
	t.Parallel()
	p := withOneNight(t)
	for st := range p.promised {
		for name, target := range map[string]*memoryTarget{
			"a write fails":  {failWrite: syscall.ENOSPC},
			"the sync fails": {failCommit: syscall.EIO},
		} {
			for _, target.fresh = range []bool{true, false} {
				target.bytes = make([]byte, st.Size)
				err := p.restoreTo(p.open(), st, target, false)
				if !errors.Is(err, cmp.Or(target.failWrite, target.failCommit)) {
					t.Errorf("%s: Restore = %v", name, err)
				}
			}
		}
	}
}

// memoryTarget is what a restore writes to.
type memoryTarget struct {
	failWrite, failCommit error

	bytes     []byte
	fresh     bool
	committed bool
}

func (m *memoryTarget) ReadAt(p []byte, off int64) (int, error) { return copy(p, m.bytes[off:]), nil }
func (m *memoryTarget) Size() int64                             { return int64(len(m.bytes)) }
func (m *memoryTarget) Fresh() bool                             { return m.fresh }
func (m *memoryTarget) Zero(off, n int64) error                 { clear(m.bytes[off : off+n]); return nil }
func (m *memoryTarget) Close() error                            { return nil }

func (m *memoryTarget) WriteAt(p []byte, off int64) (int, error) {
	if m.failWrite != nil {
		return 0, m.failWrite
	}
	return copy(m.bytes[off:], p), nil
}

func (m *memoryTarget) Commit(context.Context) error {
	m.committed = m.failCommit == nil
	return m.failCommit
}

// restoreTo restores a revision.
func (p *place) restoreTo(r *repository.Repository, st *revision.Statement, target *memoryTarget, keepGoing bool) (err error) {
	v, err := r.Volume(st.Volume.Name)
	if err != nil {
		return err
	}
	rd, err := r.NewReader(p.t.Context())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rd.Close()) }()
	im, err := rd.Image(p.t.Context(), v, st.ID)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, im.Close()) }()
	_, err = backup.Restore(p.t.Context(), im, target, backup.RestoreOptions{KeepGoing: keepGoing, Workers: 1})
	return err
}

package repository_test

import (
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"testing"
	"time"

	"varve/chunkstore"
	"varve/repository"
	"varve/revision"
)

// What format 1 wrote is read for ever.
const (
	goldenPackProofs = `{"sum":"82c06f8350f20f554baa9dacc69c5b4e","data":{"packs":[` +
		`{"pack":"3f000000000000000000000000000001","at":"2026-11-24T01:00:03Z"},` +
		`{"pack":"3f000000000000000000000000000002","at":"2026-11-25T01:00:03Z"}]}}` + "\n"
	goldenMapProofs = `{"sum":"4af56e0582a1a385901852b0a05431d8","data":{"oldest":"2026-11-01T00:00:00Z","maps":[` +
		`{"revision":"20261124T010003Z-k3f9","nonce":"07000000000000000000000000000000","at":"2026-11-25T01:00:03Z"}]}}` + "\n"
)

func TestGoldenProofs(t *testing.T) {
	t.Parallel()
	p := chunkstore.PackID{0: 0x3f, 15: 1}
	q := chunkstore.PackID{0: 0x3f, 15: 2}
	at := time.Date(2026, 11, 24, 1, 0, 3, 0, time.UTC)
	packs, err := repository.DecodePackProofs([]byte(goldenPackProofs), 0x3f)
	if want := map[chunkstore.PackID]time.Time{p: at, q: at.AddDate(0, 0, 1)}; err != nil || !maps.Equal(packs, want) {
		t.Errorf("packs: %v, %v; want %v", packs, err, want)
	}
	if _, err := repository.DecodePackProofs([]byte(goldenPackProofs), 0x40); err == nil {
		t.Error("proofs of packs that begin otherwise were taken")
	}
	found, err := repository.DecodeMapProofs([]byte(goldenMapProofs))
	if err != nil || len(found.Maps) != 1 || found.Maps[0].Nonce != (revision.Nonce{7}) || !found.Oldest.Equal(time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("maps: %+v, %v", found, err)
	}
}

// A file of proofs that says something in another way, or of other packs, says nothing.
func FuzzProofs(f *testing.F) {
	f.Add([]byte(goldenPackProofs))
	f.Add([]byte(goldenMapProofs))
	f.Fuzz(func(t *testing.T, file []byte) {
		if proofs, err := repository.DecodePackProofs(file, 0x3f); err == nil {
			if again, err := repository.EncodePackProofs(proofs); err != nil || !bytes.Equal(again, file) {
				t.Errorf("%q becomes %q, %v", file, again, err)
			}
		}
		if proofs, err := repository.DecodeMapProofs(file); err == nil {
			if again, err := repository.Seal(proofs); err != nil || !bytes.Equal(again, file) {
				t.Errorf("%q becomes %q, %v", file, again, err)
			}
		}
	})
}

// Of two proofs the later one counts, and those of packs that are gone go. A file that is
// hurt counts as none, and the next proof writes it anew.
func TestProofsAreRemembered(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	r := p.open()
	p.mustStore(r, "db1", randomImage(1, 3))
	packs := p.packIDs(r)
	gone := packs[0]
	gone[15] ^= 1
	early, late := testTime, testTime.Add(time.Hour)
	record := func(at time.Time, ids ...chunkstore.PackID) {
		t.Helper()
		proofs := map[chunkstore.PackID]time.Time{}
		for _, id := range ids {
			proofs[id] = at
		}
		if err := r.RecordProofs(t.Context(), proofs); err != nil {
			t.Fatal(err)
		}
	}
	want := func(at time.Time) {
		t.Helper()
		proofs, err := r.Proofs(t.Context())
		if err != nil || len(proofs.Packs) != 1 || !proofs.Packs[packs[0]].Equal(at) {
			t.Errorf("%v, %v; want %v of %s alone", proofs.Packs, err, at, packs[0])
		}
	}
	record(late, packs[0], gone)
	want(late)
	record(early, packs[0])
	want(late)
	name := filepath.Join(p.dir, "proofs", packs[0].String()[:2]+".json")
	if err := os.WriteFile(name, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if proofs, err := r.Proofs(t.Context()); err == nil || len(proofs.Packs) > 0 {
		t.Errorf("of a file that is hurt: %v, %v", proofs.Packs, err)
	}
	record(early, packs[0])
	want(early)
	p.checkNoTemps()
}

func (p *place) packIDs(r *repository.Repository) (ids []chunkstore.PackID) {
	p.t.Helper()
	names, err := filepath.Glob(filepath.Join(p.dir, "packs", "*", "*.pack"))
	if err != nil || len(names) == 0 {
		p.t.Fatalf("no packs: %v", err)
	}
	for _, name := range names {
		id, err := chunkstore.ParsePackID(filepath.Base(name)[:32])
		if err != nil {
			p.t.Fatal(err)
		}
		ids = append(ids, id)
	}
	return ids
}

// A scrub that was cut off is found by who goes on with it, and its end ends no other.
func TestUnfinishedScrub(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	r := p.open()
	if u, err := r.UnfinishedScrub(); u != nil || err != nil {
		t.Errorf("before any: %+v, %v", u, err)
	}
	if err := r.EndScrub(t.Context(), testTime); err != nil {
		t.Errorf("the end of none: %v", err)
	}
	for _, begun := range []time.Time{testTime, testTime.Add(time.Hour)} {
		if err := r.BeginScrub(t.Context(), repository.Unfinished{Begun: begun, Sample: 0.25, Seed: 1 << 63}); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.EndScrub(t.Context(), testTime); err != nil {
		t.Fatal(err)
	}
	if u, err := r.UnfinishedScrub(); err != nil || u == nil || !u.Begun.Equal(testTime.Add(time.Hour)) || u.Sample != 0.25 || u.Seed != 1<<63 {
		t.Errorf("the second: %+v, %v", u, err)
	}
	if err := r.EndScrub(t.Context(), testTime.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if u, err := r.UnfinishedScrub(); u != nil || err != nil {
		t.Errorf("after its end: %+v, %v", u, err)
	}
}

// What is remembered of a volume goes with it.
func TestProofsOfVolumesThatAreGone(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	r := p.open()
	st := p.mustStore(r, "db1", randomImage(1, 3))
	for _, volume := range []revision.UUID{st.Volume.UUID, {1, 2, 3}} {
		if err := r.RecordOldest(t.Context(), volume, testTime); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.ForgetProofs(t.Context()); err != nil {
		t.Fatal(err)
	}
	v, err := r.Volume("db1")
	if err != nil {
		t.Fatal(err)
	}
	unproven, err := r.Unproven([]repository.Volume{v})
	if u := unproven[v.UUID]; !u.Scrubbed || !u.Since.Equal(testTime) || err != nil {
		t.Errorf("of one that is there: %v, %v", u, err)
	}
	files, err := filepath.Glob(filepath.Join(p.dir, "proofs", "*"))
	if err != nil || len(files) != 1 {
		t.Errorf("%v are left, %v", files, err)
	}
}

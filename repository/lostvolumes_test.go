package repository_test

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"varve/repository"
	"varve/revision"
)

// lostAmong gives what summaries say of volumes that are lost.
func lostAmong(t *testing.T, r *repository.Repository) *repository.LostVolumeError {
	t.Helper()
	_, err := r.Summaries(t.Context())
	var lost *repository.LostVolumeError
	if err != nil && !errors.As(err, &lost) {
		t.Fatal(err)
	}
	return lost
}

// A volume whose directory is gone is told of by whoever looks; nothing of it is taken away, and a
// repair brings it back, of the copies of its revisions.
func TestALostVolume(t *testing.T) {
	t.Parallel()
	for name, renamed := range map[string]bool{"as it was made": false, "renamed": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t)
			r := p.open()
			for _, at := range nightly(3) {
				p.mustStoreWith(r, "db", randomImage(1, 2), storeOptions{begun: at})
			}
			p.mustStore(r, "other", randomImage(7, 1))
			volume := revision.Name("db")
			if renamed {
				volume = "moved"
				if _, err := r.Rename(t.Context(), "db", volume, time.Second); err != nil {
					t.Fatal(err)
				}
				v, err := r.Volume(volume)
				if err != nil {
					t.Fatal(err)
				}
				if err := r.Record(t.Context(), repository.Event{Op: repository.OpRename, Result: repository.ResultOK, Volume: volume, UUID: &v.UUID}); err != nil {
					t.Fatal(err)
				}
			}
			before := p.revisions(r, volume)
			for i, op := range []string{repository.OpDistrust, repository.OpPin, repository.OpPin, repository.OpUnpin} {
				rev := before[min(i, 2)]
				if err := r.Record(t.Context(), repository.Event{
					Op: op, Result: repository.ResultOK, Volume: volume, UUID: &rev.Volume.UUID, Revision: rev.ID, Detail: "odd",
				}); err != nil {
					t.Fatal(err)
				}
			}
			if lost := lostAmong(t, r); lost != nil {
				t.Fatalf("nothing is lost yet, and it says %v", lost)
			}
			if err := os.RemoveAll(p.path("volumes/" + volume.String())); err != nil {
				t.Fatal(err)
			}
			lost := lostAmong(t, r)
			if lost == nil || lost.Volume.Name != volume || lost.Volume.UUID != before[0].Volume.UUID || len(lost.Revisions) != 3 {
				t.Fatalf("of a lost volume, summaries say %+v", lost)
			}
			var faults []repository.Fault
			rd, err := r.NewReader(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			in, err := rd.Inspect(t.Context(), repository.InspectOptions{Fault: func(f repository.Fault) { faults = append(faults, f) }})
			if err := errors.Join(err, rd.Close()); err != nil {
				t.Fatal(err)
			}
			if len(faults) != 1 || faults[0].Kind != repository.FaultVolume || faults[0].Volume.Name != volume || faults[0].Harmless || !in.Partial {
				t.Errorf("an inspection finds %+v", faults)
			}
			packs := p.files("packs/")
			if _, err := r.CollectGarbage(t.Context(), repository.GCOptions{EmptyTrash: true}); err != nil {
				t.Fatal(err)
			}
			if left := p.files("packs/"); len(left) != len(packs) || len(p.files("copies/")) != 4 {
				t.Errorf("a collection leaves %q and %q", left, p.files("copies/"))
			}
			result, err := r.Repair(t.Context(), repository.RepairOptions{})
			if err != nil || !result.Whole() || len(result.Mendings) != 4 {
				t.Fatalf("repaired: %+v, %v", result, err)
			}
			after := p.revisions(r, volume)
			if len(after) != 3 || lostAmong(t, r) != nil {
				t.Fatalf("after the repair there are %v", after)
			}
			for i, rev := range after {
				if rev.ID != before[i].ID || rev.Volume.UUID != before[i].Volume.UUID || rev.Statement.Digest != before[i].Statement.Digest {
					t.Errorf("%+v came back, it was %+v", rev, before[i])
				}
				p.checkImage(r, rev.Statement, randomImage(1, 2))
				if suspect, pinned := rev.Info.State == repository.Suspect, rev.Info.Pin != nil; suspect != (i == 0) || pinned != (i == 1) {
					t.Errorf("what was noted of number %d is %+v", i, rev.Info)
				}
			}
		})
	}
}

// What was removed is not lost, nor what was cut off before it was committed; and a volume that is
// made under the name of a lost one is another, which is told.
func TestNotALostVolume(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	r := p.open()
	p.mustStore(r, "db", randomImage(1, 2))
	v, err := r.Volume("db")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Remove(t.Context(), v, nil, repository.RemoveOptions{Op: repository.OpRemove, Undelete: time.Hour, All: true}); err != nil {
		t.Fatal(err)
	}
	month := p.files("journal/")[0]
	p.write(month, bytes.Join(slices.DeleteFunc(bytes.SplitAfter(p.read(month), []byte("\n")), func(line []byte) bool {
		return bytes.Contains(line, []byte(`"op":"rm"`))
	}), nil)) // as a power cut takes a line
	if lost := lostAmong(t, r); lost != nil {
		t.Errorf("in the trash: %v", lost)
	}
	if _, err := r.CollectGarbage(t.Context(), repository.GCOptions{EmptyTrash: true}); err != nil {
		t.Fatal(err)
	}
	if lost := lostAmong(t, r); lost != nil {
		t.Errorf("out of the trash: %v", lost)
	}
	if _, err := store(t.Context(), r, "db", randomImage(2, 2), storeOptions{}); err != nil { // the journal does not know it
		t.Fatal(err)
	}
	if err := os.RemoveAll(p.path("volumes/db")); err != nil {
		t.Fatal(err)
	}
	if lost := lostAmong(t, r); lost != nil {
		t.Errorf("a copy that the journal does not know: %v", lost)
	}
	p.mustStore(r, "db", randomImage(3, 2))
	if err := os.RemoveAll(p.path("volumes/db")); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	w, err := repository.Open(p.tree(), repository.Options{Command: "backup", Log: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = w.Close() }()
	p.mustStore(w, "db", randomImage(4, 2))
	if !strings.Contains(log.String(), "a new volume is made, for the one that had its name is lost") {
		t.Errorf("a new volume of that name: %s", log.String())
	}
	if lost := lostAmong(t, r); lost == nil {
		t.Error("a volume whose name another one has is not lost any more")
	}
	result, err := r.Repair(t.Context(), repository.RepairOptions{})
	if err != nil || result.Whole() {
		t.Errorf("it was repaired over another volume: %+v, %v", result, err)
	}
	if _, err := r.Rename(t.Context(), "db", "new", time.Second); err != nil {
		t.Fatal(err)
	}
	result, err = r.Repair(t.Context(), repository.RepairOptions{})
	if err != nil || !result.Whole() || lostAmong(t, r) != nil {
		t.Errorf("once the name is free: %+v, %v", result, err)
	}
	p.checkImage(r, p.revisions(r, "db")[0].Statement, randomImage(3, 2))
}

package job

import (
	"errors"
	"testing"
	"time"

	"varve/repository"
	"varve/revision"
	"varve/volume"
)

// What nobody needs is told from what somebody may.
func TestSnapshotUses(t *testing.T) {
	const uuid = "11111111-1111-4111-8111-111111111111"
	older := revision.NewID(time.Unix(1e9, 0), zeros{})
	newer := revision.NewID(time.Unix(2e9, 0), zeros{})
	recorded := func(id revision.ID, snapshot, image string) repository.Revision {
		return repository.Revision{ID: id, Statement: &revision.Statement{ID: id, Source: revision.Source{Kind: "rbd", Path: "vms/" + image, Identity: image, Snapshot: snapshot}}}
	}
	whole := snapshotOwner{all: []repository.Revision{recorded(older, "7 x", "a"), recorded(newer, "8 y older", "a")}}
	kept := volume.KeptSnapshot{Stable: "a", Base: "8 y", For: volume.ForRevision, Label: volume.Label{Repository: "r", Volume: uuid, Revision: string(newer)}}
	tests := map[string]struct {
		is     *snapshotOwner // nil: whole
		change func(is *snapshotOwner, k *volume.KeptSnapshot, l *Ledger)
		want   SnapshotUse
	}{
		"base": {nil, nil, UseBase},
		"undo": {nil, func(_ *snapshotOwner, k *volume.KeptSnapshot, _ *Ledger) {
			k.For, k.Label = volume.ForUndo, volume.Label{}
		}, UseUndo},
		"another repository's": {nil, func(_ *snapshotOwner, k *volume.KeptSnapshot, _ *Ledger) { k.Label.Repository = "q" }, UseForeign},
		"nobody's": {nil, func(_ *snapshotOwner, k *volume.KeptSnapshot, _ *Ledger) {
			k.For, k.Label = volume.ForReading, volume.Label{}
		}, UseForeign},
		"reading": {nil, func(_ *snapshotOwner, k *volume.KeptSnapshot, _ *Ledger) {
			k.For, k.Label.Revision = volume.ForReading, ""
		}, UseReading},
		"no volume": {nil, func(_ *snapshotOwner, k *volume.KeptSnapshot, _ *Ledger) { k.Label.Volume = "none" }, UseOrphan},
		"perhaps no volume": {nil, func(_ *snapshotOwner, k *volume.KeptSnapshot, l *Ledger) {
			k.Label.Volume, l.blind = "none", errors.New("torn")
		}, UseUnclear},
		"unread":              {nil, func(is *snapshotOwner, _ *volume.KeptSnapshot, _ *Ledger) { is.blind = errors.New("torn") }, UseUnclear},
		"retired":             {nil, func(is *snapshotOwner, _ *volume.KeptSnapshot, _ *Ledger) { is.retired = true }, UseOrphan},
		"another number":      {nil, func(_ *snapshotOwner, k *volume.KeptSnapshot, _ *Ledger) { k.Base = "9 y" }, UseOrphan},
		"a longer name":       {nil, func(_ *snapshotOwner, k *volume.KeptSnapshot, _ *Ledger) { k.Base = "8 yy" }, UseOrphan},
		"a copy of the image": {nil, func(_ *snapshotOwner, k *volume.KeptSnapshot, _ *Ledger) { k.Stable = "b" }, UseOrphan},
		"of the one before": {nil, func(_ *snapshotOwner, k *volume.KeptSnapshot, _ *Ledger) {
			k.Base, k.Label.Revision = "7 x", string(older)
		}, UseOrphan},
		"of one that went": {nil, func(_ *snapshotOwner, k *volume.KeptSnapshot, _ *Ledger) {
			k.Base, k.Label.Revision = "6 w", "20010101T000000Z-aaaa"
		}, UseOrphan},
		"of one in the making": {nil, func(is *snapshotOwner, k *volume.KeptSnapshot, _ *Ledger) {
			is.running, k.Base, k.Label.Revision = true, "9 z", "20350101T000000Z-aaaa"
		}, UseRunning},
		"base while one is made": {nil, func(is *snapshotOwner, _ *volume.KeptSnapshot, _ *Ledger) { is.running = true }, UseBase},
		"a namespace in no UTF-8": {
			&snapshotOwner{all: []repository.Revision{recorded(newer, "8 y", "\uFFFD/a")}}, func(_ *snapshotOwner, k *volume.KeptSnapshot, _ *Ledger) { k.Stable = "\xff/a" }, UseBase,
		},
		"a volume without any":    {&snapshotOwner{}, nil, UseOrphan},
		"read from a file by now": {&snapshotOwner{all: []repository.Revision{recorded(newer, "", "")}}, nil, UseOrphan},
	}
	for name, test := range tests {
		is, k := whole, kept
		if test.is != nil {
			is = *test.is
		}
		l := &Ledger{id: "r", owners: map[string]*snapshotOwner{uuid: &is}}
		if test.change != nil {
			test.change(&is, &k, l)
		}
		if use, why := l.Judge(k); use != test.want || why == "" {
			t.Errorf("%s: %s (%s), want %s", name, use, why, test.want)
		}
	}
}

// zeros gives zeros without an end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

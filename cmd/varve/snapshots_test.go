package main

import (
	"errors"
	"testing"
	"time"

	"varve/repository"
	"varve/revision"
	"varve/volume"
)

// What nobody needs is told from what somebody may.
func TestKeptUses(t *testing.T) {
	const uuid = "11111111-1111-4111-8111-111111111111"
	older := revision.NewID(time.Unix(1e9, 0), zeros{})
	newer := revision.NewID(time.Unix(2e9, 0), zeros{})
	recorded := func(id revision.ID, snapshot, image string) repository.Revision {
		return repository.Revision{ID: id, Statement: &revision.Statement{ID: id, Source: revision.Source{Kind: "rbd", Path: "vms/" + image, Identity: image, Snapshot: snapshot}}}
	}
	whole := keptFor{all: []repository.Revision{recorded(older, "7 x", "a"), recorded(newer, "8 y older", "a")}}
	kept := volume.Kept{Stable: "a", Base: "8 y", For: volume.KeptForRevision, Label: volume.Label{Repository: "r", Volume: uuid, Revision: string(newer)}}
	tests := map[string]struct {
		is     *keptFor // nil: whole
		change func(is *keptFor, k *volume.Kept, l *ledger)
		want   keptUse
	}{
		"base":                 {nil, nil, useBase},
		"undo":                 {nil, func(_ *keptFor, k *volume.Kept, _ *ledger) { k.For, k.Label = volume.KeptForUndo, volume.Label{} }, useUndo},
		"another repository's": {nil, func(_ *keptFor, k *volume.Kept, _ *ledger) { k.Label.Repository = "q" }, useForeign},
		"nobody's":             {nil, func(_ *keptFor, k *volume.Kept, _ *ledger) { k.For, k.Label = volume.KeptForReading, volume.Label{} }, useForeign},
		"reading":              {nil, func(_ *keptFor, k *volume.Kept, _ *ledger) { k.For, k.Label.Revision = volume.KeptForReading, "" }, useReading},
		"no volume":            {nil, func(_ *keptFor, k *volume.Kept, _ *ledger) { k.Label.Volume = "none" }, useOrphan},
		"perhaps no volume":    {nil, func(_ *keptFor, k *volume.Kept, l *ledger) { k.Label.Volume, l.blind = "none", errors.New("torn") }, useUnclear},
		"unread":               {nil, func(is *keptFor, _ *volume.Kept, _ *ledger) { is.blind = errors.New("torn") }, useUnclear},
		"retired":              {nil, func(is *keptFor, _ *volume.Kept, _ *ledger) { is.retired = true }, useOrphan},
		"another number":       {nil, func(_ *keptFor, k *volume.Kept, _ *ledger) { k.Base = "9 y" }, useOrphan},
		"a longer name":        {nil, func(_ *keptFor, k *volume.Kept, _ *ledger) { k.Base = "8 yy" }, useOrphan},
		"a copy of the image":  {nil, func(_ *keptFor, k *volume.Kept, _ *ledger) { k.Stable = "b" }, useOrphan},
		"of the one before":    {nil, func(_ *keptFor, k *volume.Kept, _ *ledger) { k.Base, k.Label.Revision = "7 x", string(older) }, useOrphan},
		"of one that went":     {nil, func(_ *keptFor, k *volume.Kept, _ *ledger) { k.Base, k.Label.Revision = "6 w", "20010101T000000Z-aaaa" }, useOrphan},
		"of one in the making": {nil, func(is *keptFor, k *volume.Kept, _ *ledger) {
			is.running, k.Base, k.Label.Revision = true, "9 z", "20350101T000000Z-aaaa"
		}, useRunning},
		"base while one is made": {nil, func(is *keptFor, _ *volume.Kept, _ *ledger) { is.running = true }, useBase},
		"a namespace in no UTF-8": {
			&keptFor{all: []repository.Revision{recorded(newer, "8 y", "\uFFFD/a")}}, func(_ *keptFor, k *volume.Kept, _ *ledger) { k.Stable = "\xff/a" }, useBase,
		},
		"a volume without any":    {&keptFor{}, nil, useOrphan},
		"read from a file by now": {&keptFor{all: []repository.Revision{recorded(newer, "", "")}}, nil, useOrphan},
	}
	for name, test := range tests {
		is, k := whole, kept
		if test.is != nil {
			is = *test.is
		}
		l := &ledger{id: "r", known: map[string]*keptFor{uuid: &is}}
		if test.change != nil {
			test.change(&is, &k, l)
		}
		if use, why := l.judge(k); use != test.want || why == "" {
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

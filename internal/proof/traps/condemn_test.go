package traps

import (
	"encoding/json"
	"fmt"
	"path"
	"strings"
	"testing"

	"github.com/zeebo/xxh3"

	"varve/backup"
	"varve/chunkstore"
)

// packs lists the packs there are.
func (p *place) packs() (packs []chunkstore.PackID) {
	p.t.Helper()
	for _, name := range p.files(".pack") {
		id, err := chunkstore.ParsePackID(strings.TrimSuffix(path.Base(name), ".pack"))
		if err != nil {
			p.t.Fatal(err)
		}
		packs = append(packs, id)
	}
	return packs
}

// condemn writes a generation as a collector would: docs/format.md.
func (p *place) condemn(number uint64, packs ...chunkstore.PackID) {
	p.t.Helper()
	type condemned struct {
		Pack  chunkstore.PackID `json:"pack"`
		Since uint64            `json:"since"`
	}
	record := struct {
		Number    uint64      `json:"g"`
		Nonce     string      `json:"nonce"`
		Condemned []condemned `json:"condemned"`
	}{number, strings.Repeat("ab", 16), []condemned{}}
	for _, pack := range packs {
		record.Condemned = append(record.Condemned, condemned{pack, number})
	}
	data, err := json.Marshal(record)
	if err != nil {
		p.t.Fatal(err)
	}
	sum := xxh3.Hash128(data).Bytes()
	p.write(fmt.Sprintf("gc/%d.json", number), fmt.Appendf(nil, "{\"sum\":\"%x\",\"data\":%s}\n", sum[:], data))
}

// stillCondemned tells whether the newest generation names a pack.
func (p *place) stillCondemned(number uint64, pack chunkstore.PackID) bool {
	return strings.Contains(string(p.read(fmt.Sprintf("gc/%d.json", number))), pack.String())
}

// A collector has looked for leases; then one is born, and its run finds a pack
// that the collector condemns a moment later. The commit takes it off the list.
func TestTrapLeaseBornAfterTheScan(t *testing.T) {
	t.Parallel()
	p := withOneNight(t)
	pack, other := p.packs()[0], chunkstore.PackID{0xee}
	src := &source{data: night(0)}
	src.before = func(off int64) {
		if off == 2*chunkSize { // the first chunks were found in that pack
			p.condemn(7, pack, other)
		}
	}
	result, err := create(t.Context(), p.open(), src, backup.CreateOptions{Volume: "db2"})
	if err != nil {
		t.Fatal(err)
	}
	p.promised[result.Statement] = src.data
	if p.stillCondemned(8, pack) || !p.stillCondemned(8, other) {
		t.Errorf("generation 8 is %s", p.read("gc/8.json"))
	}
	if len(p.packs()) != 1 {
		t.Error("nothing was found")
	}
	p.checkPromises("after the commit")
}

// A collector that looked at references first, and at leases then, takes a pack
// away that a run has just found: there is no revision, and the next run heals.
func TestTrapReferencesBeforeLeases(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.mustBackup(p.open(), "old", night(0))
	for _, name := range append(p.files("volumes/old"), p.files("copies/")...) { // nothing refers to the pack
		p.remove(name)
	}
	clear(p.promised)
	pack := p.files(".pack")[0]
	src := &source{data: night(0)}
	src.before = func(off int64) {
		if off == 2*chunkSize {
			p.condemn(1, p.packs()...)
			p.remove(pack)
		}
	}
	if result, err := create(t.Context(), p.open(), src, backup.CreateOptions{Volume: "db1"}); err == nil {
		t.Errorf("revision %s stands on a pack that is gone", result.Statement.ID)
	}
	if revs := p.files(".rev"); len(revs) > 0 {
		t.Errorf("there are %q", revs)
	}
	p.mustBackup(p.open(), "db1", night(0))
	p.checkPromises("the next run")
}

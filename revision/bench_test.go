package revision_test

import (
	"bytes"
	"io"
	"testing"

	"varve/revision"
)

// dense gives the entries of a full whose chunks are all stored whole.
func dense(regions uint64) []revision.Entry {
	list := make([]revision.Entry, regions*revision.RegionChunks)
	for i := range list {
		list[i] = whole(uint64(i), uint64(i)+1)
	}
	return list
}

// night gives a nightly delta on the parent: 400 patched chunks, spread evenly.
func night(b *testing.B, list []revision.Entry, parent *revision.Statement, sequence uint64) []byte {
	b.Helper()
	st := statement(sequence, uint64(len(list)), parent)
	var changed []revision.Entry
	for i := range uint64(400) {
		at := i*uint64(len(list)/400) + sequence%uint64(len(list)/400)
		list[at] = patched(at, sequence<<32+at, revision.BaseParent, ref(at, 1))
		changed = append(changed, list[at])
	}
	return write(b, &st, entries(changed...), regionsOf(contents(list...)))
}

// years gives a chain of that many deltas on a full of 64 GiB in chunks of 1 MiB.
func years(b *testing.B, deltas int) []*revision.Map {
	b.Helper()
	list := dense(16)
	st := statement(1, uint64(len(list)), nil)
	chain := []*revision.Map{openMap(b, write(b, &st, entries(list...), regionsOf(contents(list...))))}
	for n := range deltas {
		m := openMap(b, night(b, list, chain[0].Statement(), uint64(n)+2))
		chain = append([]*revision.Map{m}, chain...)
	}
	return chain
}

// Bytes are those of the map.
func BenchmarkWriter(b *testing.B) {
	list := dense(4)
	st := statement(1, uint64(len(list)), nil)
	regions := regionsOf(contents(list...))
	data := write(b, &st, entries(list...), regions)
	b.ReportMetric(float64(len(data))/float64(len(list)), "B/chunk")
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		w, err := revision.NewWriter(io.Discard, revision.Header{ChunkSize: chunkSize, Nonce: st.Nonce})
		if err != nil {
			b.Fatal(err)
		}
		for i := range list {
			if err := w.Add(list[i]); err != nil {
				b.Fatal(err)
			}
		}
		if err := w.Finish(regions, st); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkOpen(b *testing.B) {
	list := dense(1)
	full := statement(1, uint64(len(list)), nil)
	full.Digest = revision.ImageDigest(chunkSize, full.Size, regionsOf(contents(list...)))
	data := night(b, list, &full, 2)
	for b.Loop() {
		if _, err := revision.Open(bytes.NewReader(data), int64(len(data))); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCheck(b *testing.B) {
	list := dense(4)
	st := statement(1, uint64(len(list)), nil)
	data := write(b, &st, entries(list...), regionsOf(contents(list...)))
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		if err := openMap(b, data).Check(); err != nil {
			b.Fatal(err)
		}
	}
}

// One region is 4 GiB of a volume whose chunks are of 1 MiB.
func BenchmarkResolve(b *testing.B) {
	for _, c := range []struct {
		name   string
		deltas int
	}{{"full", 0}, {"30deltas", 30}, {"1000deltas", 1000}} {
		b.Run(c.name, func(b *testing.B) {
			chain := years(b, c.deltas)
			region := uint64(0)
			for b.Loop() {
				if _, err := revision.Resolve(chain, region%16); err != nil {
					b.Fatal(err)
				}
				region++
			}
		})
	}
}

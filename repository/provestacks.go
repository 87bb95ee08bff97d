package repository

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"varve/chunkstore"
	"varve/revision"
)

// StackOptions tunes [Inspection.ProveStacks]. The functions may be nil, but for Due.
type StackOptions struct {
	Workers int                                                          // chunks put together at once; zero means one
	Due     func(rev Revision) bool                                      // whether what the revision's own map makes is to be proven
	Wait    func(ctx context.Context, n int) error                       // is asked before about n bytes are read
	Done    func(bytes int)                                              // is told of bytes of chunks that were put together; called by many goroutines
	Bad     func(BadStack)                                               // is told of what does not come out right, by one goroutine at a time
	Proven  func(v Volume, proven []Revision, there []revision.ID) error // is told of each volume at its end
	Stop    func() bool                                                  // whether enough was done; asked between volumes and regions
}

// A BadStack is a patched chunk that does not come out as its map says.
type BadStack struct {
	Revision Revision
	Chunk    revision.Chunk
	// Err is a [*chunkstore.CorruptError] or chunkstore.ErrNotFound if it is damage. That
	// of an object by itself was found when its pack was proven.
	Err error
}

// ProveStacks puts together every chunk that is made of patches and holds it against the
// content id that its map says, volume by volume. The contents that a chunk had one after
// another are made each of the one before, so that each object is read about once for a
// volume, however many revisions use it. A chunk without patches is an object, and was
// proven with its pack.
func (in *Inspection) ProveStacks(ctx context.Context, opts StackOptions) error {
	for i := range in.forests {
		if opts.Stop != nil && opts.Stop() {
			return nil
		}
		var done *stackProof
		err := in.onForest(ctx, i, func(f *forest) error {
			done = newStackProof(in, f, opts)
			return done.run(ctx)
		})
		if err != nil {
			return err
		}
		if done.stopped || opts.Proven == nil || len(done.proven) == 0 {
			continue
		}
		var there []revision.ID
		for k := range done.f.nodes {
			if done.f.nodes[k].kind == nodeVisible {
				there = append(there, done.f.nodes[k].rev.ID)
			}
		}
		if err := opts.Proven(done.f.volume, done.proven, there); err != nil {
			return err
		}
	}
	return nil
}

// stackProof proves the stacks of a volume.
type stackProof struct {
	in   *Inspection
	f    *forest
	opts StackOptions
	due  []bool // by node

	regions map[uint64]bool // in which a map that is due has patches
	stopped bool
	proven  []Revision

	mu  sync.Mutex
	bad map[revision.ID]bool
}

func newStackProof(in *Inspection, f *forest, opts StackOptions) *stackProof {
	return &stackProof{in: in, f: f, opts: opts, due: make([]bool, len(f.nodes)), regions: map[uint64]bool{}, bad: map[revision.ID]bool{}}
}

func (p *stackProof) run(ctx context.Context) error {
	for i := range p.f.nodes {
		n := &p.f.nodes[i]
		if n.kind != nodeVisible || n.broken || !p.opts.Due(n.rev) {
			continue
		}
		p.due[i] = true
		if err := p.findPatched(ctx, n); err != nil {
			return err
		}
	}
	for _, n := range slices.Sorted(maps.Keys(p.regions)) {
		if p.opts.Stop != nil && p.opts.Stop() {
			p.stopped = true
			return nil
		}
		rows, err := p.rows(ctx, n)
		if err == nil {
			err = p.prove(ctx, rows)
		}
		if err != nil {
			return err
		}
	}
	for i := range p.f.nodes {
		if rev := p.f.nodes[i].rev; p.due[i] && !p.bad[rev.ID] {
			p.proven = append(p.proven, rev)
		}
	}
	return nil
}

// findPatched finds the regions in which a map has patches.
func (p *stackProof) findPatched(ctx context.Context, n *node) error {
	m, err := p.f.open(p.in.rd.repo, n)
	if err != nil {
		return err
	}
	defer func() { _ = m.Close() }() // it is only read
	for record, err := range m.Records(0, revision.MaxChunks) {
		if err != nil {
			return damagedMap(m.name, err)
		}
		if len(record.Entry.Patches) > 0 {
			p.regions[record.Entry.Index/revision.RegionChunks] = true
		}
	}
	return ctx.Err()
}

// content is what a chunk was, in one revision or in several that follow each other.
type content struct {
	chunk revision.Chunk
	node  int  // whose map says it
	due   bool // it is to be proven
}

// rows gives the contents that each chunk of a region had, those that build on others
// behind them. A chunk that never was patched, as far as that is to be proven, has none.
func (p *stackProof) rows(ctx context.Context, region uint64) ([][]content, error) {
	first := region * revision.RegionChunks
	rows := make([][]content, revision.RegionChunks)
	wanted := make([]bool, revision.RegionChunks)
	index := map[*node]int{}
	for i := range p.f.nodes {
		index[&p.f.nodes[i]] = i
	}
	type tops []*content // of each chunk; nil: zeros
	err := climb(p.f, func(n *node, below tops, sole bool) (tops, error) {
		if err := ctx.Err(); err != nil || n.broken {
			return nil, err
		}
		m, err := p.f.open(p.in.rd.repo, n)
		if err != nil {
			return nil, err
		}
		defer func() { _ = m.Close() }() // it is only read
		now := below
		if now == nil {
			now = make(tops, revision.RegionChunks)
		} else if !sole {
			now = slices.Clone(below)
		}
		if end := m.Statement().Chunks(); end < first+revision.RegionChunks {
			clear(now[max(end, first)-first:])
		}
		for record, err := range m.Records(first, first+revision.RegionChunks) {
			if err != nil {
				return nil, damagedMap(m.name, err)
			}
			from, end := record.Span()
			if record.Zeros != nil {
				clear(now[max(from, first)-first : min(end, first+revision.RegionChunks)-first])
				continue
			}
			e, c := record.Entry, from-first
			made := &content{chunk: resolved(e, now[c]), node: index[n], due: p.due[index[n]] && len(e.Patches) > 0}
			now[c] = made
			rows[c] = append(rows[c], *made)
			wanted[c] = wanted[c] || made.due
		}
		return now, nil
	})
	for c := range rows {
		if !wanted[c] {
			rows[c] = nil
		}
	}
	return rows, err
}

// resolved puts the stack of an entry on that of what its parent has.
func resolved(e revision.Entry, below *content) revision.Chunk {
	c := revision.Chunk{Index: e.Index, Fingerprint: e.Fingerprint, Content: e.Content, Stack: chunkstore.Stack{Patches: e.Patches}}
	switch {
	case e.Base == revision.BaseContent || e.Base == revision.BaseObject:
		c.Stack.Base = e.BaseRef
	case e.Base == revision.BaseParent && below != nil:
		c.Stack.Base = below.chunk.Stack.Base
		c.Stack.Patches = slices.Concat(below.chunk.Stack.Patches, e.Patches)
	}
	return c
}

// prove goes through rows, those together that begin in one pack.
func (p *stackProof) prove(ctx context.Context, rows [][]content) error {
	rows = slices.DeleteFunc(rows, func(row []content) bool { return len(row) == 0 })
	slices.SortStableFunc(rows, func(a, b []content) int {
		return a[0].chunk.Stack.Base.Pack.Compare(b[0].chunk.Stack.Base.Pack)
	})
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(max(p.opts.Workers, 1))
	buffers := sync.Pool{New: func() any { b := make([]byte, p.in.rd.repo.desc.ChunkSize); return &b }}
	for _, row := range rows {
		if gctx.Err() != nil {
			break
		}
		g.Go(func() error {
			buf := buffers.Get().(*[]byte)
			defer buffers.Put(buf)
			return p.row(gctx, row, *buf)
		})
	}
	return errors.Join(g.Wait(), ctx.Err())
}

// row puts together what one chunk was, as far as it is to be proven.
func (p *stackProof) row(ctx context.Context, row []content, buf []byte) error {
	var there *revision.Chunk // what buf holds
	for i := range row {
		if !row[i].due {
			continue
		}
		c := &row[i].chunk
		if p.opts.Wait != nil {
			if err := p.opts.Wait(ctx, len(buf)/8); err != nil {
				return err
			}
		}
		err := p.put(ctx, there, c, buf)
		if err == nil {
			if got := p.in.rd.repo.names.ChunkID(buf); got != c.Content {
				err = &chunkstore.CorruptError{
					Pack: c.Stack.Base.Pack, Kind: chunkstore.Chunk, ID: c.Stack.Base.ID,
					Cause: fmt.Errorf("chunk %d has the content id %s, its map says %s", c.Index, got, c.Content),
				}
			}
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		there = c
		if err != nil {
			there = nil
			p.tell(BadStack{Revision: p.f.nodes[row[i].node].rev, Chunk: *c, Err: err})
		}
		if p.opts.Done != nil {
			p.opts.Done(len(buf))
		}
	}
	return nil
}

// put makes a chunk of what is there, if it builds on that, or of all its objects.
func (p *stackProof) put(ctx context.Context, there, c *revision.Chunk, buf []byte) error {
	if there != nil && there.Stack.Base.ID == c.Stack.Base.ID && len(there.Stack.Patches) < len(c.Stack.Patches) {
		n := len(there.Stack.Patches)
		same := slices.EqualFunc(there.Stack.Patches, c.Stack.Patches[:n], func(a, b chunkstore.Ref) bool { return a.ID == b.ID })
		if same && p.in.rd.chunks.Extend(ctx, buf, there.Fingerprint, c.Stack.Patches[n:], c.Fingerprint) == nil {
			return nil
		}
	}
	return p.in.rd.chunks.ReadChunk(ctx, c.Stack, c.Fingerprint, buf)
}

func (p *stackProof) tell(b BadStack) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.bad[b.Revision.ID] = true
	if p.opts.Bad != nil {
		p.opts.Bad(b)
	}
}

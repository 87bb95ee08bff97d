package rot

import (
	"bytes"
	"encoding/gob"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"

	"varve/internal/durable"
	"varve/internal/proof/tally"
)

// portions is into how many parts the enumeration is cut, that an interruption
// loses one at most.
const portions = 4000

// TestTortureRot makes every attempt there is on the large reference, one portion
// after another, over as many runs as it takes. The reference is kept beside the
// figures; whoever deletes one of them deletes both.
func TestTortureRot(t *testing.T) {
	book := tally.Open(t, "rot")
	m := newModel(t, keptReference(t, book))
	e := enumerate(m)
	t.Logf("%d attempts in %d portions", e.total(), portions)
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			b := newBench(m)
			defer b.end()
			if err := b.settle(); err != nil {
				t.Errorf("before any damage: %v", err)
				return
			}
			for seed, ok := book.Next("portions", portions); ok; seed, ok = book.Next("portions", portions) {
				book.Done(seed, portion(t, b, e, int(seed-1)))
			}
		})
	}
	wg.Wait()
}

// portion makes the attempts of one portion.
func portion(t *testing.T, b *bench, e *enumeration, n int) tally.Figures {
	figures := tally.Figures{"portions": 1}
	total := e.total()
	for i := n * total / portions; i < (n+1)*total/portions && !t.Failed(); i++ {
		sort, a := e.at(i)
		deep := i%(deepEvery*3) == 0
		b.brief = i%20 > 0
		if err := b.try(a, deep); err != nil {
			t.Errorf("portion %d, attempt %d: %v", n+1, i, err)
		}
		figures[sort]++
		if deep {
			figures["in full"]++
		}
	}
	return figures
}

// keptReference is the large reference of the runs before this one, or a new one
// if this is the first.
func keptReference(t *testing.T, book *tally.Book) *reference {
	t.Helper()
	dir := tally.Dir(t)
	name := filepath.Join(dir, "rot-reference.gob")
	ref := new(reference)
	data, err := os.ReadFile(name)
	switch {
	case err == nil:
		if err := gob.NewDecoder(bytes.NewReader(data)).Decode(ref); err != nil {
			t.Fatal(err)
		}
		return ref
	case !errors.Is(err, fs.ErrNotExist):
		t.Fatal(err)
	case book.Remaining("portions", portions) != portions:
		t.Fatalf("%s is gone, and part of the enumeration was done on it: delete rot.json too, to begin anew", name)
	}
	ref = buildReference(t, true)
	var encoded bytes.Buffer
	if err := gob.NewEncoder(&encoded).Encode(ref); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(dir, 0o750); err != nil {
		t.Fatal(err)
	}
	tree, err := durable.OpenTree(dir)
	if err != nil {
		t.Fatal(err)
	}
	err = durable.Replace(tree, durable.NewTemps("rot"), filepath.Base(name), encoded.Bytes())
	if err := errors.Join(err, tree.Close()); err != nil {
		t.Fatal(err)
	}
	return ref
}

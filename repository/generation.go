package repository

import (
	"crypto/rand"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"varve/chunkstore"
	"varve/internal/durable"
)

// generationRecord is gc/<g>.json: which packs are condemned, and since when.
// It is linked under a new number and never replaced.
type generationRecord struct {
	Number    uint64      `json:"g"`
	Nonce     hexBytes    `json:"nonce"`
	Condemned []condemned `json:"condemned"`
}

type condemned struct {
	Pack  chunkstore.PackID `json:"pack"`
	Since uint64            `json:"since"`
}

// generation is the current generation as read. Its zero value is that of a
// repository in which nothing was ever condemned.
type generation struct {
	Number    uint64
	Condemned map[chunkstore.PackID]uint64 // pack → since
	// Opaque: the highest generation could not be read, so that any pack may be
	// condemned. Nothing but a run's own packs may be relied on then.
	Opaque bool
}

// maxGenerationFile bounds a generation's file: half a million condemned packs.
const maxGenerationFile = 32 << 20

// currentGeneration reads the highest generation. One that cannot be read, for
// whatever reason, is opaque.
func (r *Repository) currentGeneration() (generation, error) {
	numbers, err := r.generations()
	if notFound(err) { // a copy from which somebody left out what is empty, or more
		return generation{Opaque: true}, nil
	}
	if err != nil || len(numbers) == 0 {
		return generation{}, err
	}
	highest := slices.Max(numbers)
	var record generationRecord
	file, err := durable.ReadFile(r.fsys, generationName(highest), maxGenerationFile)
	if err == nil {
		err = unseal(file, &record)
	}
	if err == nil && record.Number != highest {
		err = fmt.Errorf("%w: it holds generation %d", errBadContent, record.Number)
	}
	if err != nil {
		r.opts.Log.Warn("which packs are condemned cannot be read", "file", generationName(highest), "error", err)
		return generation{Number: highest, Opaque: true}, nil
	}
	g := generation{Number: highest, Condemned: make(map[chunkstore.PackID]uint64, len(record.Condemned))}
	for _, c := range record.Condemned {
		g.Condemned[c.Pack] = c.Since
	}
	return g, nil
}

func (r *Repository) generations() ([]uint64, error) {
	entries, err := r.fsys.ReadDir(generationsDir)
	if err != nil {
		return nil, err
	}
	var numbers []uint64
	for _, e := range entries {
		number, isFile := strings.CutSuffix(e.Name(), infoExt)
		if n, err := strconv.ParseUint(number, 10, 64); isFile && err == nil && generationName(n) == generationsDir+"/"+e.Name() {
			numbers = append(numbers, n)
		}
	}
	return numbers, nil
}

// publish makes the next generation, inside the gate: what is condemned now.
func (r *Repository) publish(temps *durable.Temps, number uint64, packs map[chunkstore.PackID]uint64) error {
	record := generationRecord{Number: number, Nonce: make([]byte, 16), Condemned: []condemned{}}
	rand.Read(record.Nonce)
	for pack, since := range packs {
		record.Condemned = append(record.Condemned, condemned{Pack: pack, Since: since})
	}
	slices.SortFunc(record.Condemned, func(a, b condemned) int { return a.Pack.Compare(b.Pack) })
	return writeNewSmall(r.fsys, temps, generationName(number), record)
}

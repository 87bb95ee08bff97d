package backup_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"varve/backup"
	"varve/revision"
)

// Several volumes at once through one open repository, with chunks in common: each
// revision gives back what its source held.
func TestCreateTogether(t *testing.T) {
	p := testPlace(t)
	const volumes, rounds, chunks = 5, 4, 24
	common := make([][]byte, 8)
	for i := range common {
		common[i] = make([]byte, chunkSize)
		fill := rand.NewChaCha8([32]byte{byte(i)})
		_, _ = fill.Read(common[i])
	}
	type made struct {
		name revision.Name
		id   revision.ID
		data []byte
	}
	var mu sync.Mutex
	var all []made
	var workers sync.WaitGroup
	for n := range volumes {
		workers.Go(func() {
			name := revision.Name(fmt.Sprintf("v%d", n))
			random := rand.New(rand.NewPCG(uint64(n), 1))
			data := make([]byte, chunks*chunkSize)
			for range rounds {
				for c := range chunks {
					switch random.IntN(4) {
					case 0:
						copy(data[c*chunkSize:], common[random.IntN(len(common))])
					case 1:
						data[c*chunkSize+random.IntN(chunkSize)]++
					}
				}
				src := &memSource{data: bytes.Clone(data)}
				result, err := backup.Create(context.Background(), p.repo, src, backup.CreateOptions{Volume: name, Workers: 3})
				if err != nil {
					t.Errorf("%s: %v", name, err)
					return
				}
				if len(result.Findings) > 0 || len(result.Warnings) > 0 {
					t.Errorf("%s: findings %v, warnings %v", name, result.Findings, result.Warnings)
				}
				mu.Lock()
				all = append(all, made{name, result.Statement.ID, src.data})
				mu.Unlock()
			}
		})
	}
	workers.Wait()
	for _, m := range all {
		if !bytes.Equal(p.restored(t, m.name, m.id), m.data) {
			t.Errorf("%s@%s is not what its source was", m.name, m.id.Short())
		}
	}
	if events, err := p.repo.Events(); err != nil || len(events) != len(all) {
		t.Errorf("%d events, %v; want %d", len(events), err, len(all))
	}
}

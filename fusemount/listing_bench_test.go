package fusemount

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"varve/repository"
)

// What a look into the folder of a volume with VARVE_BENCH_REVISIONS revisions costs, 10,000
// unless it says otherwise, by a mount in which nobody looked before.
func BenchmarkListing(b *testing.B) {
	n := 10_000
	if given := os.Getenv("VARVE_BENCH_REVISIONS"); given != "" {
		var err error
		if n, err = strconv.Atoi(given); err != nil {
			b.Fatal(err)
		}
	}
	p := newPlace(b, 64*kib)
	id := p.backup("v", p.source("src", mib, 1, extent{0, mib}))
	p.forge("v", id, n-1)
	for _, bb := range []struct {
		name    string
		command []string
	}{
		{"names", []string{"ls", "-f", "v"}},
		{"find", []string{"find", "v"}},
		{"attributes", []string{"ls", "-l", "v"}},
		{"blocks", []string{"du", "v"}},
		{"one", []string{"head", "-c", "1", "v/" + string(id) + ".img"}},
		{"latest", []string{"head", "-c", "1", "v/latest.img"}},
	} {
		b.Run(bb.name, func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				m, dir := p.mountAgain()
				b.StartTimer()
				command := exec.Command(bb.command[0], bb.command[1:]...)
				command.Dir = dir
				if out, err := command.Output(); err != nil || len(out) == 0 {
					b.Fatal(err, len(out))
				}
				b.StopTimer()
				if err := m.Close(); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
			}
		})
	}
}

// mountAgain mounts as a person does: with descriptions as long as those of the program.
func (p *place) mountAgain() (*Mounted, string) {
	p.t.Helper()
	dir := filepath.Join(p.base, "mnt")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		p.t.Fatal(err)
	}
	describe := func(rev repository.Revision) ([]byte, error) { return json.MarshalIndent(rev, "", "  ") }
	m, err := Mount(p.t.Context(), p.repo, dir, Options{Describe: describe})
	if err != nil {
		p.t.Fatal(err)
	}
	return m, dir
}

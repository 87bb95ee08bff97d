package repository_test

import (
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"varve/repository"
)

// tallied is what the whole journal tells, read at once.
func tallied(t rapid.TB, r *repository.Repository) map[string]int64 {
	t.Helper()
	events, err := r.Events()
	if err != nil {
		t.Fatal(err)
	}
	sum := map[string]int64{}
	for _, e := range events {
		if e.Op == repository.OpBackup {
			sum[e.Result]++
		}
	}
	return sum
}

// Whatever is appended, torn or cut off, and whatever became of what was kept: the
// sum is that of the whole journal.
func TestTallyIsThatOfTheWholeJournal(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	r := p.open()
	p.record(r, event(0, time.Date(2026, 8, 1, 0, 0, 0, 0, time.UTC)))
	kept := filepath.Join(r.ID().String(), "tally.json")
	rapid.Check(t, func(rt *rapid.T) {
		for _, host := range []string{"one", "two"} {
			if err := os.RemoveAll(p.path("journal/" + host)); err != nil {
				rt.Fatal(err)
			}
		}
		state, files := t.TempDir(), map[string]*bytes.Buffer{}
		for n := range rapid.IntRange(1, 12).Draw(rt, "steps") {
			name := "journal/" + rapid.SampledFrom([]string{"one", "two"}).Draw(rt, "host") + "/" +
				rapid.SampledFrom([]string{"2026-09", "2026-10"}).Draw(rt, "month") + ".jsonl"
			if files[name] == nil {
				files[name] = new(bytes.Buffer)
			}
			file := files[name]
			e := event(n, time.Date(2026, 9, 1, 0, 0, n, 0, time.UTC))
			e.Op = rapid.SampledFrom([]string{repository.OpBackup, repository.OpVerify}).Draw(rt, "op")
			e.Result = rapid.SampledFrom([]string{repository.ResultOK, repository.ResultFindings, repository.ResultFailed}).Draw(rt, "result")
			line, err := repository.Seal(e)
			if err != nil {
				rt.Fatal(err)
			}
			switch rapid.IntRange(0, 9).Draw(rt, "how") {
			case 0: // torn, and parted from what comes next
				file.Write(append(line[:len(line)/2], '\n'))
			case 1: // as long as no line is
				file.WriteString(strings.Repeat("x", repository.MaxLine+10) + "\n")
			case 2:
				file.Truncate(file.Len() / 2)
				if b := file.Bytes(); len(b) > 0 {
					file.Truncate(bytes.LastIndexByte(b, '\n') + 1)
				}
			default:
				file.Write(line)
			}
			if err := os.MkdirAll(filepath.Dir(p.path(name)), 0o750); err != nil {
				rt.Fatal(err)
			}
			p.write(name, file.Bytes())
			if rapid.IntRange(0, 9).Draw(rt, "lost") == 0 {
				if err := os.WriteFile(filepath.Join(state, kept), []byte("rot"), 0o600); err != nil && !os.IsNotExist(err) {
					rt.Fatal(err)
				}
			}
			want := tallied(rt, r)
			for _, dir := range []string{state, state, ""} {
				if got, err := r.TallyBackups(dir); err != nil || !maps.Equal(got, want) {
					rt.Fatalf("%v, %v, want %v", got, err, want)
				}
			}
		}
	})
}

// What was counted once is not read again.
func TestTallyReadsWhatIsNew(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	r := p.open()
	backup := event(1, testTime)
	backup.Op = repository.OpBackup
	tally := func(state string, want int64) {
		t.Helper()
		if got, err := r.TallyBackups(state); err != nil || got[repository.ResultOK] != want {
			t.Errorf("%v, %v, want %d", got, err, want)
		}
	}
	for range 3 {
		p.record(r, backup)
	}
	tally(p.state, 3)
	name := p.files("journal/")[0]
	month := p.read(name)
	p.write(name, append(bytes.Repeat([]byte("x"), len(month)-1), '\n'))
	tally(p.state, 3)
	p.record(r, backup)
	tally(p.state, 4)
	tally(t.TempDir(), 1)
	p.write(name, nil)
	tally(p.state, 0)
}

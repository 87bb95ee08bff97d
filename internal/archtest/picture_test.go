package archtest

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// The picture in docs/architecture.md shows the arrows of the table: all of every
// package that it shows, and every package of the program that has one.
func TestPicture(t *testing.T) {
	text, err := os.ReadFile("../../docs/architecture.md")
	if err != nil {
		t.Fatal(err)
	}
	shown := readPicture(string(text))
	for _, p := range loadModule(t) {
		want := slices.Sorted(slices.Values(mayImport[p.path]))
		isInner := strings.HasPrefix(p.path, "internal/") || strings.HasPrefix(p.path, "scripts/")
		got, is := shown[p.path]
		delete(shown, p.path)
		switch {
		case isInner || isHelper(p.path) || !is && len(want) == 0:
		case !slices.Equal(got, want):
			t.Errorf("docs/architecture.md lets %s import %q, the table %q", p.path, got, want)
		}
	}
	for path := range shown {
		t.Errorf("docs/architecture.md shows %s, which there is not", path)
	}
}

// readPicture reads lines such as "status ──▶ repository, revision   (why)".
func readPicture(text string) map[string][]string {
	names := map[string]string{"filevolume": "volume/filevolume", "rbdvolume": "volume/rbdvolume"}
	shown := map[string][]string{}
	for line := range strings.Lines(text) {
		from, to, isArrow := strings.Cut(line, "▶")
		if !isArrow {
			continue
		}
		from = strings.TrimRight(from, " ─")
		if full, short := names[from]; short {
			from = full
		}
		to, _, _ = strings.Cut(to, "(")
		targets := strings.Split(strings.TrimSpace(to), ", ")
		switch targets[0] {
		case "everything":
			targets = []string{"*"}
		case "nothing of ours":
			targets = nil
		}
		slices.Sort(targets)
		shown[from] = targets
	}
	return shown
}

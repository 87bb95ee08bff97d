package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// goldenDir has a document of each way in which each command can end, without what
// differs from run to run.
const goldenDir = "testdata/json"

// bench is a place where commands are typed one after the other.
type bench struct {
	t    *testing.T
	dir  string
	seen map[string]bool
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{t: t, dir: t.TempDir(), seen: map[string]bool{}}
	t.Setenv("VARVE_STATE", filepath.Join(b.dir, "state"))
	t.Setenv("VARVE_REPO", b.path("repo"))
	t.Setenv("XDG_CONFIG_HOME", b.dir) // varve/varve.yaml
	b.write("varve/varve.yaml", "timezone: Asia/Kolkata\n")
	return b
}

func (b *bench) path(name string) string { return filepath.Join(b.dir, name) }

func (b *bench) write(name, text string) {
	b.t.Helper()
	text = strings.ReplaceAll(text, "DIR", b.dir)
	if err := os.MkdirAll(filepath.Dir(b.path(name)), 0o755); err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(b.path(name), []byte(text), 0o600); err != nil {
		b.t.Fatal(err)
	}
}

// move renames a file or a directory.
func (b *bench) move(from, to string) {
	b.t.Helper()
	if err := os.Rename(b.path(from), b.path(to)); err != nil {
		b.t.Fatal(err)
	}
}

// disk makes an image of random bytes.
func (b *bench) disk(name string, size int, seed byte) {
	data := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{seed}).Read(data) // it never fails
	b.write(name, string(data))
}

// change writes into a file.
func (b *bench) change(name string, at int64, text string) {
	b.t.Helper()
	f, err := os.OpenFile(b.path(name), os.O_RDWR, 0)
	if err != nil {
		b.t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte(text), at); err != nil {
		b.t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		b.t.Fatal(err)
	}
}

// hurt turns a byte around in each file of a pattern.
func (b *bench) hurt(pattern string, at int64) {
	b.t.Helper()
	files, err := filepath.Glob(b.path(pattern))
	if err != nil || len(files) == 0 {
		b.t.Fatalf("no %s: %v", pattern, err)
	}
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			b.t.Fatal(err)
		}
		data[at] ^= 0xff
		if err := os.WriteFile(name, data, 0o600); err != nil {
			b.t.Fatal(err)
		}
	}
}

// ruin overwrites each file of a pattern.
func (b *bench) ruin(pattern string) {
	b.t.Helper()
	files, err := filepath.Glob(b.path(pattern))
	if err != nil || len(files) == 0 {
		b.t.Fatalf("no %s: %v", pattern, err)
	}
	for _, name := range files {
		if err := os.WriteFile(name, []byte("ruined"), 0o600); err != nil {
			b.t.Fatal(err)
		}
	}
}

// does types words of which no document is kept; DIR in them is the directory.
func (b *bench) does(words string) {
	b.t.Helper()
	mustType(b.t, b.words(words)...)
}

func (b *bench) words(words string) []string {
	return strings.Fields(strings.ReplaceAll(words, "DIR", b.dir))
}

// says types words, with --json, and compares the document with the golden one.
func (b *bench) says(name string, code int, words string) {
	b.t.Helper()
	got, stdout, stderr := typed(append(b.words(words), "--json")...)
	if got != code {
		b.t.Errorf("%s: exit code %d, want %d\n%s%s", name, got, code, stdout, stderr)
	}
	if stderr != "" {
		b.t.Errorf("%s: with --json, standard error has %q", name, stderr)
	}
	b.compare(name, stdout)
	var d document
	d.Result = new(manual) // any
	if err := json.Unmarshal([]byte(stdout), &d); err != nil || d.Varve != 1 || d.Exit != code || d.OK != (code == 0) || d.Warnings == nil {
		b.t.Errorf("%s: the document says %+v, %v", name, d, err)
	}
}

// compare compares one document with the golden one of that name.
func (b *bench) compare(name, text string) {
	b.t.Helper()
	b.seen[name+".json"] = true
	var got any
	if err := json.Unmarshal([]byte(text), &got); err != nil {
		b.t.Errorf("%s: not one document: %v\n%s", name, err, text)
		return
	}
	got = b.steady("", got)
	path := filepath.Join(goldenDir, name+".json")
	if *update {
		data, err := json.MarshalIndent(got, "", "  ")
		if err != nil {
			b.t.Fatal(err)
		}
		if err := os.WriteFile(path, append(data, '\n'), 0o644); err != nil {
			b.t.Fatal(err)
		}
		return
	}
	data, err := os.ReadFile(path)
	if err != nil {
		b.t.Errorf("%s: %v (go test ./cmd/varve -run TestJSONDocuments -update writes it)", name, err)
		return
	}
	var want any
	if err := json.Unmarshal(data, &want); err != nil {
		b.t.Fatalf("%s: %v", path, err)
	}
	for _, difference := range differences(want, got) {
		b.t.Errorf("%s: %s", name, difference)
	}
}

// Numbers and texts that are others in each run, by the names of their fields.
var (
	unsteadyNumber = regexp.MustCompile(`^(seconds|usually_seconds|milliseconds|stored|unique|free|full_in|growth|pid|rate|left|value|objects|offset|done|times|light_seconds|deep_seconds|first_byte|restore|shortest_restore|longest_restore)$`)
	unsteadyText   = regexp.MustCompile(`^(host|user|version|commit|go|system|identity|digest|nonce)$`)
)

// lostBytes is told once or several times: the kernel reads ahead as it likes.
const lostBytes = "bytes of an image are lost (...)"

// What is another one in each run, within texts.
var unsteadyParts = []struct {
	what *regexp.Regexp
	as   string
}{
	{regexp.MustCompile(`\d{8}T\d{6}Z-[0-9a-z]{4}`), "20261124T010003Z-k3f9"},
	{regexp.MustCompile(`@[0-9a-hj-km-np-tv-z]{4}\b`), "@k3f9"},
	{regexp.MustCompile(`\brevision [0-9a-hj-km-np-tv-z]{4}\b`), "revision k3f9"},
	{regexp.MustCompile(`\b[0-9a-hj-km-np-tv-z]{4}( \(\d{4}-\d\d-\d\dT.*?\)|: volumes/)`), "k3f9$1"},
	{regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z`), "2026-11-24T01:00:03Z"},
	{regexp.MustCompile(`\b(Mon|Tue|Wed|Thu|Fri|Sat|Sun) [ 1-3]\d [A-Z][a-z]{2} \d{4} \d\d:\d\d`), "Tue 24 Nov 2026 02:00"},
	{regexp.MustCompile(`\bat byte [\d,]+\b`), "at byte 1"},
	{regexp.MustCompile(`\b[0-9a-f]{64}\b`), strings.Repeat("d", 64)},
	{regexp.MustCompile(`\b[0-9a-f]{32}\b`), strings.Repeat("a", 32)},
	{regexp.MustCompile(`\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b`), "aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa"},
	{regexp.MustCompile(`\(pid .*?\)`), "(pid 1)"},
	{regexp.MustCompile(`packs/[0-9a-f]{2}/`), "packs/aa/"},
	{regexp.MustCompile(`\bdrill of [0-9a-z]{4}, .{3} .\d .{3} \d\d:\d\d`), "drill of k3f9, Tue 24 Nov 06:30"},
	{regexp.MustCompile(`^(e2fsck \d|ext2fs_open)(?s:.*)`), "e2fsck said"},
	{regexp.MustCompile(`bytes of an image are lost \(.*\)`), lostBytes},
}

// steady replaces what differs from run to run by what does not, and makes sure
// that names are in one style and times in UTC.
func (b *bench) steady(field string, value any) any {
	switch v := value.(type) {
	case map[string]any:
		for name, inner := range v {
			if !regexp.MustCompile(`^[a-z][a-z0-9_]*$`).MatchString(name) {
				b.t.Errorf("the field %q is not in snake_case", name)
			}
			v[name] = b.steady(name, inner)
		}
		if field == "oldest" && v["volume"] != nil { // of several of one second
			v["volume"] = "..."
		}
		if v["free"] != nil { // of a file system
			v["size"] = 1.0
		}
	case []any:
		for i := range v {
			v[i] = b.steady(field, v[i])
		}
		if field == "warnings" { // of one second, in any order
			slices.SortFunc(v, func(a, b any) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
			return slices.CompactFunc(v, func(a, b any) bool { return a == lostBytes && a == b })
		}
	case float64:
		if unsteadyNumber.MatchString(field) {
			return 1.0
		}
	case string:
		return b.steadyText(field, v)
	}
	return value
}

func (b *bench) steadyText(field, text string) string {
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		if !strings.HasSuffix(text, "Z") {
			b.t.Errorf("%s is %q, which is not in UTC", field, text)
		}
		if at.Year() > 2000 {
			return "2026-11-24T01:00:03Z"
		}
	}
	if (unsteadyText.MatchString(field) || strings.Count(text, "\n") > 10) && text != "" {
		return "..."
	}
	text = strings.ReplaceAll(text, b.dir, "/work")
	for _, part := range unsteadyParts {
		text = part.what.ReplaceAllString(text, part.as)
	}
	return text
}

// differences says in which fields documents differ.
func differences(want, got any) (all []string) {
	wanted, is := leaves("", want), leaves("", got)
	for _, path := range slices.Sorted(maps.Keys(wanted)) {
		switch value, there := is[path]; {
		case !there:
			all = append(all, path+" is gone. Fields are API: others rely on it")
		case kindOf(value) != kindOf(wanted[path]):
			all = append(all, fmt.Sprintf("%s is %s now, and was %s. Fields are API: others rely on it", path, kindOf(value), kindOf(wanted[path])))
		case value != wanted[path]:
			all = append(all, fmt.Sprintf("%s is %v, want %v (-update, if that is meant)", path, value, wanted[path]))
		}
	}
	for _, path := range slices.Sorted(maps.Keys(is)) {
		above := path[:max(strings.LastIndexAny(path, ".["), 0)]
		_, there := wanted[path]
		if _, isAbove := wanted[above]; isAbove && !there {
			all = append(all, fmt.Sprintf("%s is new, %v: -update writes it down, and docs/json.md has to tell of it", path, is[path]))
		}
	}
	return all
}

// leaves takes a document apart: what has fields or entries is a leaf itself, too.
func leaves(path string, value any) map[string]any {
	all := map[string]any{}
	switch v := value.(type) {
	case map[string]any:
		all[path] = "{}"
		for name, inner := range v {
			maps.Copy(all, leaves(path+"."+name, inner))
		}
	case []any:
		all[path] = "[]"
		for i, inner := range v {
			maps.Copy(all, leaves(fmt.Sprintf("%s[%d]", path, i), inner))
		}
	default:
		all[path] = v
	}
	return all
}

func kindOf(value any) string {
	switch value {
	case nil:
		return "null"
	case "{}":
		return "an object"
	case "[]":
		return "a list"
	}
	switch value.(type) {
	case bool:
		return "a boolean"
	case float64:
		return "a number"
	}
	return "text"
}

// noneLeft makes sure that every golden document is still written by somebody.
func (b *bench) noneLeft() {
	b.t.Helper()
	files, err := os.ReadDir(goldenDir)
	if err != nil {
		b.t.Fatal(err)
	}
	for _, f := range files {
		if !b.seen[f.Name()] {
			b.t.Errorf("%s/%s is of no command any more", goldenDir, f.Name())
		}
	}
}

func TestDifferences(t *testing.T) {
	t.Parallel()
	const was = `{"a": 1, "b": [{"c": "x"}], "d": null, "e": "x"}`
	for is, want := range map[string]string{
		was: "",
		`{"b": [{"c": "x"}], "d": null, "e": "x"}`:                 "is gone",
		`{"a": "1", "b": [{"c": "x"}], "d": null, "e": "x"}`:       "is text now, and was a number",
		`{"a": 1, "b": [{"c": "y"}], "d": null, "e": "x"}`:         `.b[0].c is y, want x`,
		`{"a": 1, "b": [{"c": "x"}], "d": [], "e": "x"}`:           "is a list now, and was null",
		`{"a": 1, "b": null, "d": null, "e": "x"}`:                 "is null now, and was a list",
		`{"a": 1, "b": [{"c": "x"}], "d": null, "e": "x", "f": 1}`: ".f is new",
	} {
		var a, b any
		for text, to := range map[string]*any{was: &a, is: &b} {
			if err := json.NewDecoder(bytes.NewBufferString(text)).Decode(to); err != nil {
				t.Fatal(err)
			}
		}
		if is == was {
			b = a
		}
		if got := strings.Join(differences(a, b), "\n"); !strings.Contains(got, want) || want == "" && got != "" {
			t.Errorf("%s differs by %q, want %q", is, got, want)
		}
	}
}

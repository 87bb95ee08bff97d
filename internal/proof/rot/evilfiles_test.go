package rot

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// Whatever stands where a file or directory of the repository should stand, it is
// neither followed nor waited for, and nothing is written behind it.
func TestEnumerateHostileNodes(t *testing.T) {
	v := newVictim(t)
	nodes := map[string]func(s *scene, path string) error{
		"link outside": func(s *scene, path string) error {
			kept := filepath.Join(s.base, "outside", "kept")
			if err := os.Rename(path, kept); err != nil { // so that it holds what was expected
				return err
			}
			return os.Symlink(kept, path)
		},
		"link to nothing outside": func(s *scene, path string) error {
			return errors.Join(os.RemoveAll(path), os.Symlink(filepath.Join(s.base, "outside", "made"), path))
		},
		"link to itself": func(_ *scene, path string) error {
			return errors.Join(os.RemoveAll(path), os.Symlink(filepath.Base(path), path))
		},
		"pipe": func(_ *scene, path string) error { return errors.Join(os.RemoveAll(path), unix.Mkfifo(path, 0o600)) },
		"directory": func(_ *scene, path string) error {
			return errors.Join(os.RemoveAll(path), os.MkdirAll(filepath.Join(path, "sub"), 0o750))
		},
		"file": func(_ *scene, path string) error {
			return errors.Join(os.RemoveAll(path), os.WriteFile(path, []byte("x"), 0o600))
		},
		"socket": func(_ *scene, path string) error { return errors.Join(os.RemoveAll(path), mknod(path, unix.S_IFSOCK)) },
		"device": func(_ *scene, path string) error { return errors.Join(os.RemoveAll(path), mknod(path, unix.S_IFCHR)) },
	}
	for _, name := range v.placesToPlant() {
		for _, kind := range slices.Sorted(maps.Keys(nodes)) {
			t.Run(kind+" for "+name, func(t *testing.T) {
				s := v.stage(t, v.smallFiles())
				if err := nodes[kind](s, filepath.Join(s.dir, name)); err != nil {
					t.Fatal(err)
				}
				s.loose()
			})
		}
	}
}

// mknod makes a node that leads nowhere; where only root may, a pipe.
func mknod(path string, kind uint32) error {
	if err := unix.Mknod(path, kind|0o600, int(unix.Mkdev(1, 7))); err != unix.EPERM {
		return err
	}
	return unix.Mkfifo(path, 0o600)
}

// placesToPlant are the files and directories of the repository, one of each kind.
func (v *victim) placesToPlant() (names []string) {
	seen := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(v.Pristine)) {
		kind := filepath.Ext(name) + "/" + filepath.Dir(strings.TrimSuffix(name, "/"))
		if kind == "/packs" && name != filepath.Dir(v.pack)+"/" {
			continue // of the 256, the one that counts
		}
		if kind != "/." && kind != ".json/." && seen[kind] {
			continue
		}
		seen[kind] = true
		names = append(names, strings.TrimSuffix(name, "/"))
	}
	return append(names, slices.Sorted(maps.Keys(v.smallFiles()))...)
}

// smallFiles are small files that the victim does not have by itself.
func (v *victim) smallFiles() files {
	k := &v.Kept[0]
	pack := strings.TrimSuffix(filepath.Base(v.pack), ".pack")
	id := strings.Repeat("ab", 32)
	holder := `{"command":"backup","host":"h","user":"u","pid":1,"since":"2026-01-01T00:00:00Z"}`
	zeros := strings.Repeat("00", 15) + "01"
	return files{
		strings.TrimSuffix(k.file(), ".rev") + ".json": sealed(`{"tags":[],"note":"n","pin":null,"state":"good","reason":"","proven":"0001-01-01T00:00:00Z","lost":[]}`),
		"gc/3.json":                             sealed(`{"g":3,"nonce":"` + zeros + `","condemned":[{"pack":"` + pack + `","since":2}]}`),
		"gc/moved/" + pack:                      sealed(`{"to":["` + pack + `"]}`),
		"damage/" + pack + "-" + id + ".json":   sealed(`{"pack":"` + pack + `","object":"` + id + `","kind":"chunk","offset":72,"cause":"c","found":"2026-01-01T00:00:00Z","by":` + holder + `}`),
		"runs/" + zeros + ".json":               sealed(`{"run":"` + zeros + `","kind":"backup","volume":"` + k.UUID.String() + `","sequence":2,"lease":"00112233aabbccdd","holder":` + holder + `,"boot":""}`),
		"locks/leases/00112233aabbccdd.json":    sealed(`{"gen":1,"kind":"backup","holder":` + holder + `,"boot":"","volume":"","run":""}`),
		"locks/volumes/" + k.UUID.String():      []byte(holder),
		"journal/other/2026-01.jsonl":           sealed(`{"time":"2026-01-01T00:00:00Z","op":"backup","result":"ok","who":` + holder + `,"prev":""}`),
		"trash/" + k.UUID.String() + "/":        nil,
		"volumes/v/.tmp-00112233aabbccdd-1":     []byte("x"),
		"copies/" + k.UUID.String() + "/.tmp-x": []byte("x"),
	}
}

// Small files whose checksum is right and whose content bursts, and ones that are
// holes of many gigabytes.
func TestEnumerateHostileSmallFiles(t *testing.T) {
	v := newVictim(t)
	names := []string{"varve.json", "varve.json.copy", "volumes/v/volume.json"}
	all := v.smallFiles()
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if !strings.HasSuffix(name, "/") && !strings.Contains(name, ".tmp-") {
			names = append(names, name)
		}
	}
	bombs := map[string]string{
		"nested": strings.Repeat(`{"a":`, 100_000) + "1" + strings.Repeat("}", 100_000), "open": strings.Repeat("[", 1<<20-100),
		"huge number": `{"g":` + strings.Repeat("9", 1<<19) + `,"format":1e999999999}`, "null": "null", "string": `"` + strings.Repeat("x", 1<<20-100) + `"`,
		"escapes": `"` + strings.Repeat(`\ud800`, 1<<17) + `"`, "empty": "", "array": "[" + strings.Repeat("{},", 1<<18) + "{}]",
		"a field twice": `{"format":1,"format":2,"g":3,"g":4,"uuid":"","uuid":""}`, "keys": manyKeys(), "negative": `{"format":-1,"features":[],"serial":-9223372036854775808,"g":-1}`,
	}
	for _, name := range names {
		for _, kind := range slices.Sorted(maps.Keys(bombs)) {
			t.Run(kind+" in "+name, func(t *testing.T) {
				changed := v.smallFiles()
				changed[name] = sealed(bombs[kind])
				v.stage(t, changed).loose()
			})
		}
		for _, size := range []int64{1<<20 + 1, 32<<20 + 1, 1 << 30, 1 << 40} {
			t.Run(fmt.Sprintf("%d bytes of holes in %s", size, name), func(t *testing.T) {
				s := v.stage(t, v.smallFiles())
				s.must(os.Truncate(s.write(name, nil), size))
				s.loose()
			})
		}
	}
}

func manyKeys() string {
	var b strings.Builder
	b.WriteString(`{"k":0`)
	for n := range 60_000 {
		fmt.Fprintf(&b, `,"k%d":0`, n)
	}
	return b.String() + "}"
}

func (s *scene) write(name string, data []byte) string {
	s.t.Helper()
	path := filepath.Join(s.dir, name)
	s.must(os.MkdirAll(filepath.Dir(path), 0o750))
	s.must(os.WriteFile(path, data, 0o640))
	return path
}

// Names of directories and files that no writer gives.
func TestEnumerateHostileNames(t *testing.T) {
	v := newVictim(t)
	record := v.Pristine["volumes/v/volume.json"]
	odd := []string{
		"%2E%2E%2Fx", "%2E.%2F%2E.%2Foutside", "%2e.", "a%2fb", "%41", "%", "%zz", "x\n\x1b[31m", "\xff\xfe", "a@b", "a:%2Fb",
		"-rf", "~", "con", strings.Repeat("y", 255), strings.Repeat("%00", 80), "..%00", " ", "volume.json", "ü", "%EF%BC%8E", "CON.rev",
	}
	for _, name := range odd {
		t.Run(fmt.Sprintf("%.40q", name), func(t *testing.T) {
			s := v.stage(t, v.smallFiles())
			for _, dir := range []string{"volumes/" + name, "copies/" + name, "trash/" + name, "journal/" + name, "packs/" + name, "locks/" + name, "locks/volumes/" + name} {
				s.must(os.MkdirAll(filepath.Join(s.dir, dir), 0o750))
			}
			s.write("volumes/"+name+"/volume.json", record)
			for _, dir := range []string{"volumes/" + name, "volumes/v", "gc", "gc/moved", "damage", "runs", "locks/leases", "journal/other", filepath.Dir(v.pack)} {
				for _, ext := range []string{".rev", ".json", ".pack", ".jsonl", ""} {
					if file := name + ext; len(file) <= 255 {
						path := filepath.Join(s.dir, dir, file)
						if _, err := os.Lstat(path); err != nil {
							s.write(dir+"/"+file, []byte("x"))
						}
					}
				}
			}
			s.loose()
		})
	}
	for _, g := range []string{"18446744073709551615", "18446744073709551616", "9223372036854775807", "00000000000000000009", "-1", "1e3", "+7", "0"} {
		t.Run("generation "+g, func(t *testing.T) {
			s := v.stage(t, nil)
			s.write("gc/"+g+".json", sealed(`{"g":`+g+`,"nonce":"`+strings.Repeat("00", 16)+`","condemned":[]}`))
			s.loose()
		})
	}
}

// Packs that were moved to each other, and on to thousands that are not there.
func TestHostileMoves(t *testing.T) {
	v := newVictim(t)
	var to []string
	for n := range 25_000 {
		to = append(to, fmt.Sprintf(`"%032x"`, n+1))
	}
	changed := files{v.pack: nil, "gc/moved/": nil}
	list := sealed(`{"to":[` + strings.Join(to, ",") + `]}`)
	for n := range 20 {
		changed[fmt.Sprintf("gc/moved/%032x", n+1)] = list
	}
	changed["gc/moved/"+strings.TrimSuffix(filepath.Base(v.pack), ".pack")] = list
	if errs := v.stage(t, changed).loose(); len(errs) == 0 {
		t.Error("nothing was missed")
	}
}

// A generation of 32 MiB condemns as many packs as it can hold.
func TestEnumerateHostileGeneration(t *testing.T) {
	v := newVictim(t)
	var b strings.Builder
	for n := 0; b.Len() < 31<<20; n++ {
		fmt.Fprintf(&b, `,{"pack":"%032x","since":1}`, n+1)
	}
	s := v.stage(t, nil)
	s.write("gc/1.json", sealed(`{"g":1,"nonce":"`+strings.Repeat("00", 16)+`","condemned":[`+b.String()[1:]+`]}`))
	s.readOnly = true
	s.bound = 4 * 384 << 20 // it is read four times, at ten times its length each
	s.loose()
}

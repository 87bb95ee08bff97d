package repository_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"varve/chunkstore"
	"varve/repository"
	"varve/revision"
)

// reseal changes a descriptor and gives it a right checksum again.
func reseal(t testing.TB, file []byte, change func(map[string]any)) []byte {
	t.Helper()
	var env struct {
		Data map[string]any `json:"data"`
	}
	if err := json.Unmarshal(file, &env); err != nil {
		t.Fatal(err)
	}
	change(env.Data)
	sealed, err := repository.Seal(env.Data)
	if err != nil {
		t.Fatal(err)
	}
	return sealed
}

// changed decodes a descriptor, changes it and encodes it in the right form.
func changed(t testing.TB, file []byte, change func(*repository.Descriptor)) []byte {
	t.Helper()
	d, err := repository.DecodeDescriptor(file)
	if err != nil {
		t.Fatal(err)
	}
	change(d)
	sealed, err := repository.Seal(d)
	if err != nil {
		t.Fatal(err)
	}
	return sealed
}

func TestOpenWithOneDescriptorCopy(t *testing.T) {
	t.Parallel()
	original := newPlace(t)
	whole := original.read("varve.json")
	for _, name := range []string{"varve.json", "varve.json.copy"} {
		for damage, content := range map[string][]byte{
			"missing": nil, "empty": {}, "flipped": append([]byte{'x'}, whole[1:]...), "cut": whole[:len(whole)/2],
			"longer": append(bytes.Clone(whole), '\n'), "oversize": bytes.Repeat([]byte(" "), 1<<20+1),
		} {
			p := copyOf(t, original)
			p.remove(name)
			if content != nil {
				p.write(name, content)
			}
			r := p.open()
			im := randomImage(3, 1)
			if _, err := store(t.Context(), r, "db1", im, storeOptions{}); err != nil {
				t.Errorf("%s %s: %v", name, damage, err)
			}
			if got := p.read(name); !bytes.Equal(got, whole) {
				t.Errorf("%s %s: the next backup left %q", name, damage, got)
			}
		}
	}
}

func TestOpenWithBothDescriptorsDamaged(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	for _, name := range []string{"varve.json", "varve.json.copy"} {
		p.write(name, []byte("{}\n"))
	}
	_, err := repository.Open(p.tree(), repository.Options{})
	damaged := new(repository.DamagedFileError)
	if !errors.As(err, &damaged) || damaged.Path != "varve.json" {
		t.Errorf("Open = %v, want a DamagedFileError of varve.json", err)
	}
	p.remove("varve.json")
	_, err = repository.Open(p.tree(), repository.Options{})
	if !errors.As(err, &damaged) || damaged.Path != "varve.json.copy" {
		t.Errorf("Open = %v, want a DamagedFileError of the copy", err)
	}
}

func TestTheHigherSerialWins(t *testing.T) {
	t.Parallel()
	for _, newer := range []string{"varve.json", "varve.json.copy"} {
		p := newPlace(t)
		want := revision.UUID{1, 2, 3}
		next := changed(t, p.read(newer), func(d *repository.Descriptor) { d.Serial, d.Repository = 2, want })
		p.write(newer, next)
		r := p.open()
		if r.ID() != want {
			t.Errorf("%s newer: opened as %s, want %s", newer, r.ID(), want)
		}
		if _, err := store(t.Context(), r, "db1", randomImage(1, 1), storeOptions{}); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"varve.json", "varve.json.copy"} {
			if !bytes.Equal(p.read(name), next) {
				t.Errorf("%s newer: the next backup left %s stale", newer, name)
			}
		}
	}
}

func TestDescriptorsThatContradictEachOtherAreRefused(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.write("varve.json.copy", newPlace(t).read("varve.json"))
	_, err := repository.Open(p.tree(), repository.Options{})
	if damaged := new(repository.DamagedFileError); !errors.As(err, &damaged) {
		t.Errorf("Open = %v, want a DamagedFileError", err)
	}
}

func TestOpenRefusesTheFuture(t *testing.T) {
	t.Parallel()
	original := newPlace(t)
	newer := reseal(t, original.read("varve.json"), func(d map[string]any) { d["format"] = 2; d["shape"] = "other" })
	feature := reseal(t, original.read("varve.json"), func(d map[string]any) { d["features"] = []string{"encryption"} })
	for _, test := range []struct {
		name    string
		content []byte
		words   []string
	}{
		{"varve.json", newer, []string{"format 2", "format 1"}},
		{"varve.json.copy", newer, []string{"format 2", "format 1"}},
		{"varve.json", feature, []string{"encryption"}},
		{"varve.json.copy", feature, []string{"encryption"}},
	} {
		p := copyOf(t, original)
		p.write(test.name, test.content)
		for _, other := range []bool{true, false} { // the other copy is ours, or damaged
			if !other {
				p.write(map[string]string{"varve.json": "varve.json.copy", "varve.json.copy": "varve.json"}[test.name], []byte("x"))
			}
			_, err := repository.Open(p.tree(), repository.Options{})
			format := new(repository.FormatError)
			if !errors.As(err, &format) {
				t.Errorf("%s: Open = %v, want a FormatError", test.name, err)
				continue
			}
			for _, word := range test.words {
				if !strings.Contains(err.Error(), word) {
					t.Errorf("%s: %q does not say %q", test.name, err, word)
				}
			}
			if _, err := repository.Init(t.Context(), p.tree(), small); !errors.As(err, &format) {
				t.Errorf("%s: Init = %v, want a FormatError", test.name, err)
			}
		}
	}
}

func TestEveryCorruptionOfADescriptorIsNoticed(t *testing.T) {
	t.Parallel()
	whole := newPlace(t).read("varve.json")
	for i := range whole {
		for _, flip := range []byte{0x01, 0x20, 0x80, 0xff} {
			bad := bytes.Clone(whole)
			bad[i] ^= flip
			if _, err := repository.DecodeDescriptor(bad); err == nil {
				t.Errorf("byte %d ^ %#x: decoded", i, flip)
			}
		}
		if _, err := repository.DecodeDescriptor(whole[:i]); err == nil {
			t.Errorf("cut to %d bytes: decoded", i)
		}
		longer := append(append(bytes.Clone(whole[:i]), ' '), whole[i:]...)
		if _, err := repository.DecodeDescriptor(longer); err == nil {
			t.Errorf("a space at %d: decoded", i)
		}
	}
}

// What follows has a right checksum: somebody made it so.
func TestHostileDescriptors(t *testing.T) {
	t.Parallel()
	whole := newPlace(t).read("varve.json")
	for name, change := range map[string]func(map[string]any){
		"short key":        func(d map[string]any) { d["content_key"] = "00" },
		"key that is none": func(d map[string]any) { d["content_key"] = "zz" },
		"null key":         func(d map[string]any) { d["content_key"] = nil },
		"short seed":       func(d map[string]any) { d["fingerprint_seed"] = "" },
		"chunk size 0":     func(d map[string]any) { d["chunk_size"] = 0 },
		"chunk size 2^40":  func(d map[string]any) { d["chunk_size"] = 1 << 40 },
		"chunk size 65537": func(d map[string]any) { d["chunk_size"] = 65537 },
		"other names":      func(d map[string]any) { d["content_ids"] = "md5" },
		"other prints":     func(d map[string]any) { d["fingerprints"] = "crc32" },
		"unknown codec":    func(d map[string]any) { d["codec"] = "rle" },
		"no id":            func(d map[string]any) { d["repository"] = "00000000-0000-0000-0000-000000000000" },
		"id of no form":    func(d map[string]any) { d["lineage"] = "x" },
		"serial 0":         func(d map[string]any) { d["serial"] = 0 },
		"field unknown":    func(d map[string]any) { d["zz"] = 1 },
		"field missing":    func(d map[string]any) { delete(d, "former") },
		"former a number":  func(d map[string]any) { d["former"] = 3 },
		"features a word":  func(d map[string]any) { d["features"] = "all" },
	} {
		bad := reseal(t, whole, change)
		if _, err := repository.DecodeDescriptor(bad); err == nil {
			t.Errorf("%s: decoded", name)
		}
	}
	for name, file := range map[string]string{
		"null": "null\n", "array": "[]\n", "data missing": `{"sum":"99aa06d3014798d86001c324468d497f"}` + "\n",
		"deep": strings.Repeat("[", 100_000) + "\n",
	} {
		if _, err := repository.DecodeDescriptor([]byte(file)); err == nil {
			t.Errorf("%s: decoded", name)
		}
	}
}

func FuzzDecodeDescriptor(f *testing.F) {
	f.Add(newPlace(f).read("varve.json"))
	f.Add([]byte(`{"sum":"","data":{}}` + "\n"))
	f.Fuzz(func(t *testing.T, file []byte) {
		d, err := repository.DecodeDescriptor(file)
		if err != nil {
			return
		}
		again, err := repository.Seal(d)
		if err != nil || !bytes.Equal(again, file) {
			t.Errorf("decoded from %q, encodes to %q, %v", file, again, err)
		}
	})
}

func FuzzUnseal(f *testing.F) {
	for _, value := range []any{
		repository.Info{}, repository.Holder{Command: "x"}, repository.RunRecord{Run: []byte{1}}, repository.VolumeRecord{},
		repository.DamageRecord{}, repository.MovedRecord{To: []chunkstore.PackID{{1}}}, repository.GenerationRecord{}, repository.LeaseRecord{},
	} {
		sealed, err := repository.Seal(value)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(sealed)
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		for _, value := range []any{
			new(repository.Info), new(repository.Holder), new(repository.RunRecord), new(repository.LeaseRecord),
			new(repository.GenerationRecord), new(repository.Event),
			new(repository.VolumeRecord), new(repository.DamageRecord), new(repository.MovedRecord),
		} {
			if repository.Unseal(file, value) != nil {
				continue
			}
			again, err := repository.Seal(value)
			if err != nil || !bytes.Equal(again, file) {
				t.Errorf("unsealed from %q as %T, seals to %q, %v", file, value, again, err)
			}
		}
	})
}

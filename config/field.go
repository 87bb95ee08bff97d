package config

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// A Key is one that may stand in the file.
type Key struct {
	Path    string   // such as limits.jobs; that of a volume without the volume: hooks.before
	Under   []string // where it stands; nil: at the top. Otherwise any of defaults, groups.NAME and volumes.NAME
	Type    string   // what may stand there, in a few words
	Default string   // in YAML; empty: there is none
	Example string   // in YAML; empty: it holds other keys
	Text    string   // what it means: full sentences, plain text
}

// layer is where keys of volumes may stand.
type layer uint8

const (
	inDefaults layer = 1 << iota
	inGroups
	inVolumes
	anywhere = inDefaults | inGroups | inVolumes
)

// A field is a key of a mapping that sets something in a T.
type field[T any] struct {
	Key
	name  string
	in    layer
	inner []Key // below it
	// settled sets what is below it to its defaults; nil: nothing is.
	settled func(*T)
	// read gives what sets it, or nil after it noted a problem.
	read func(d *decoder, n *yaml.Node) func(*T)
}

// value is a field of a single value.
func value[T, V any](name string, key Key, parse func(text string) (V, error), at func(*T) *V) field[T] {
	return field[T]{Key: key, name: name, in: anywhere, read: func(d *decoder, n *yaml.Node) func(*T) {
		text, ok := d.text(n)
		if !ok {
			return nil
		}
		v, err := parse(text)
		if err != nil {
			d.wrong(n, "%s", shortError(err, text))
			return nil
		}
		return func(t *T) { *at(t) = v }
	}}
}

// list is a field of several values. What stands there twice counts once.
func list[T any, V any](name string, key Key, parse func(text string) (V, error), at func(*T) *[]V) field[T] {
	return field[T]{Key: key, name: name, in: anywhere, read: func(d *decoder, n *yaml.Node) func(*T) {
		items, ok := d.items(n)
		values := []V{}
		seen := map[string]bool{}
		for _, item := range items {
			text, isText := d.text(item)
			if !isText {
				ok = false
				continue
			}
			v, err := parse(text)
			if err != nil {
				d.wrong(item, "%s", shortError(err, text))
				ok = false
			} else if !seen[text] {
				values = append(values, v)
			}
			seen[text] = true
		}
		if !ok {
			return nil
		}
		return func(t *T) { *at(t) = slices.Clone(values) }
	}}
}

// block is a field of keys below it.
func block[T, S any](name string, text string, fields []field[S], at func(*T) *S) field[T] {
	return field[T]{
		Key: Key{Type: "keys", Text: text}, name: name, in: anywhere, inner: keysOf(fields),
		settled: func(t *T) { setDefaults(at(t), fields) },
		read: func(d *decoder, n *yaml.Node) func(*T) {
			sets := section(d, n, fields, anywhere)
			return func(t *T) {
				for _, set := range sets {
					set(at(t))
				}
			}
		},
	}
}

// section reads a mapping by its fields, of those that may stand in a layer.
func section[T any](d *decoder, n *yaml.Node, fields []field[T], in layer) (sets []func(*T)) {
	var names []string
	for _, f := range fields {
		if f.in&in != 0 {
			names = append(names, f.name)
		}
	}
	for _, p := range d.pairs(n) {
		i := slices.IndexFunc(fields, func(f field[T]) bool { return f.name == p.name })
		switch {
		case i < 0:
			d.unknown(p, names)
		case fields[i].in&in == 0:
			d.wrong(p.key, "the key %q stands under %s only", p.name, strings.Join(fields[i].in.names(), ", "))
		default:
			d.within(p.name, func() {
				if set := fields[i].read(d, p.value); set != nil {
					sets = append(sets, set)
				}
			})
		}
	}
	return sets
}

// setDefaults sets what the table says of a file that says nothing.
func setDefaults[T any](t *T, fields []field[T]) {
	for _, f := range fields {
		if f.settled != nil {
			f.settled(t)
		}
		if f.Default == "" {
			continue
		}
		d := new(decoder)
		set := f.read(d, d.load([]byte(f.Default)))
		if len(d.problems) > 0 {
			panic("config: the default of " + f.name + " is wrong: " + d.failure().Error())
		}
		set(t)
	}
}

// keysOf lists fields and what is below them.
func keysOf[T any](fields []field[T]) (keys []Key) {
	for _, f := range fields {
		key := f.Key
		key.Path, key.Under = f.name, f.in.names()
		keys = append(keys, key)
		for _, below := range f.inner {
			below.Path, below.Under = f.name+"."+below.Path, f.in.names()
			keys = append(keys, below)
		}
	}
	return keys
}

func (l layer) names() (names []string) {
	for i, name := range []string{"defaults", "groups.NAME", "volumes.NAME"} {
		if l&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return names
}

// shortError says what is wrong with a value, without repeating all of a long one.
func shortError(err error, text string) string {
	if len(text) <= 200 {
		return err.Error()
	}
	return "bad value " + short(text)
}

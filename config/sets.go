package config

import (
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"varve/internal/human"
	"varve/revision"
)

// A Set is volumes that are backed up together, and become visible at once.
type Set struct {
	Name       string
	Line       int // of the file
	Volumes    []revision.Name
	Consistent bool  // they are of one moment, for all are frozen meanwhile
	Hooks      Hooks // only Freeze and Thaw, of all at once; empty: each volume has its own
}

// Sets lists the sets, in the order of the file.
func (c *Config) Sets() []Set { return slices.Clone(c.sets) }

// Set is the set of that name.
func (c *Config) Set(name string) (Set, bool) {
	i := slices.IndexFunc(c.sets, func(s Set) bool { return s.Name == name })
	if i < 0 {
		return Set{}, false
	}
	return c.sets[i], true
}

// SetOf is the set that a volume is of; c may be nil: there is none.
func (c *Config) SetOf(name revision.Name) (Set, bool) {
	if c == nil {
		return Set{}, false
	}
	i := slices.IndexFunc(c.sets, func(s Set) bool { return slices.Contains(s.Volumes, name) })
	if i < 0 {
		return Set{}, false
	}
	return c.sets[i], true
}

type rawSet struct {
	pair
	sets []func(*Set)
}

func setFields() []field[Set] {
	return []field[Set]{
		list("volumes", Key{
			Type: "list of volumes", Example: "[vms/shop-root, vms/shop-data]",
			Text: "The volumes of the set, by their names: two or more, which this file names or has a pattern for. A volume is of one set at most.",
		}, revision.ParseName, func(s *Set) *[]revision.Name { return &s.Volumes }),
		value("consistent", Key{
			Type: "yes or no", Default: "yes", Example: "no",
			Text: "Whether all volumes are to be of one moment: then all are frozen before the first snapshot is taken, so there has to be a freeze hook, of the set or of " +
				"each volume, and what is seen to change all the same fails the backup. Otherwise each is read as it is, one after the other, and they only become visible at once.",
		}, yesOrNo, func(s *Set) *bool { return &s.Consistent }),
		block("hooks", "What freezes all volumes of the set at once, in the place of what freezes each of them: for disks of one machine.",
			setHookFields(), func(s *Set) *Hooks { return &s.Hooks }),
	}
}

// setHookFields are those of the hooks that a set can have.
func setHookFields() []field[Hooks] {
	return slices.DeleteFunc(hookFields(), func(f field[Hooks]) bool { return !strings.HasPrefix(f.name, "freeze") && f.name != "thaw" })
}

// setKeys are the keys of a set, below its name.
func setKeys() []Key {
	keys := keysOf(setFields())
	for i := range keys {
		keys[i].Path = "NAME." + keys[i].Path
	}
	return keys
}

func yesOrNo(text string) (bool, error) {
	switch text {
	case "yes", "true":
		return true, nil
	case "no", "false":
		return false, nil
	}
	return false, &human.ValueError{Text: text, Want: "want yes or no"}
}

func readSets(d *decoder, n *yaml.Node) func(*document) {
	var sets []rawSet
	for _, p := range d.pairs(n) {
		d.within(p.name, func() {
			sets = append(sets, rawSet{p, section(d, p.value, setFields(), anywhere)})
		})
	}
	return func(doc *document) { doc.sets = sets }
}

// set makes a set of what is said of it, and checks it. Owners tells whose volumes are
// of another set.
func (c *composer) set(doc *document, raw rawSet, owners map[revision.Name]string) Set {
	s := Set{Name: raw.name, Line: raw.key.Line}
	setDefaults(&s, setFields())
	for _, set := range raw.sets {
		set(&s)
	}
	if err := revision.CheckTag(raw.name); err != nil || strings.HasPrefix(raw.name, ".") {
		c.wrong(raw.key, "bad name %q of a set: want letters, digits, \".\", \"_\" and \"-\", at most 64, and no \".\" first", short(raw.name))
	}
	if (s.Hooks.Freeze == "") != (s.Hooks.Thaw == "") {
		c.wrong(raw.key, "hooks.freeze and hooks.thaw need one another")
	}
	if len(s.Volumes) < 2 {
		c.wrong(raw.key, "a set is of two volumes or more")
	}
	var loose []string
	for _, name := range s.Volumes {
		v, known := doc.config.Volume(name)
		switch other, has := owners[name]; {
		case !known:
			c.wrong(raw.key, "no volume is called %q", short(name.String()))
		case has:
			c.wrong(raw.key, "volume %q is of the set %q, too", short(name.String()), other)
		case v.Hooks.Freeze == "":
			loose = append(loose, short(name.String()))
		}
		owners[name] = raw.name
	}
	if s.Consistent && s.Hooks.Freeze == "" && len(loose) > 0 {
		c.wrong(raw.key, "%s", looseText(loose))
	}
	return s
}

func looseText(names []string) string {
	return fmt.Sprintf("nothing freezes %s: give the set or each of its volumes hooks, or say consistent: no", strings.Join(names, ", "))
}

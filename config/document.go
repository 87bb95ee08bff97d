package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"varve/revision"
	"varve/schedule"
)

// document is a file as it is read: what sets things, by layers.
type document struct {
	config     Config
	defaults   []func(*Volume)
	defaultsAt *yaml.Node
	groups     map[string]group
	volumes    []rawVolume
	sets       []rawSet
}

type group struct {
	key  *yaml.Node
	sets []func(*Volume)
}

type rawVolume struct {
	pair
	sets []func(*Volume)
}

// document reads a whole file; without one, or in an empty one, all is as by default.
func (d *decoder) document(root *yaml.Node) document {
	doc := document{config: Config{Zone: time.Local}}
	fields := documentFields()
	setDefaults(&doc, fields)
	if root != nil {
		for _, set := range section(d, root, documentFields(), anywhere) {
			set(&doc)
		}
	}
	doc.config.Limits.Rate.zone = doc.config.Zone
	d.compose(&doc)
	return doc
}

func readGroups(d *decoder, n *yaml.Node) func(*document) {
	groups := map[string]group{}
	for _, p := range d.pairs(n) {
		d.within(p.name, func() {
			if p.name == "" {
				d.wrong(p.key, "a group needs a name")
			}
			groups[p.name] = group{p.key, section(d, p.value, volumeFields(), inGroups)}
		})
	}
	return func(doc *document) { doc.groups = groups }
}

func readVolumes(d *decoder, n *yaml.Node) func(*document) {
	var volumes []rawVolume
	for _, p := range d.pairs(n) {
		d.within(p.name, func() {
			volumes = append(volumes, rawVolume{p, section(d, p.value, volumeFields(), inVolumes)})
		})
	}
	return func(doc *document) { doc.volumes = volumes }
}

// compose lays the layers over one another, and checks what comes of it.
func (d *decoder) compose(doc *document) {
	c := composer{decoder: d, zone: doc.config.Zone, told: map[string]bool{}}
	var base Volume
	setDefaults(&base, volumeFields())
	for _, set := range doc.defaults {
		set(&base)
	}
	if doc.defaultsAt != nil {
		d.within("defaults", func() { c.check(base, doc.defaultsAt) })
	}
	doc.config.base = base
	doc.config.byName = map[revision.Name]int{}
	for _, raw := range doc.volumes {
		d.within("volumes", func() {
			d.within(raw.name, func() {
				e := c.entry(doc, base, raw)
				if !e.isPattern {
					doc.config.byName[e.volume.Name] = len(doc.config.entries)
				}
				doc.config.entries = append(doc.config.entries, e)
			})
		})
	}
	owners := map[revision.Name]string{}
	for _, raw := range doc.sets {
		d.within("sets", func() {
			d.within(raw.name, func() { doc.config.sets = append(doc.config.sets, c.set(doc, raw, owners)) })
		})
	}
	used := map[string]bool{}
	for _, e := range doc.config.entries {
		used[e.volume.Group] = true
	}
	for _, name := range slices.Sorted(maps.Keys(doc.groups)) {
		if used[name] {
			continue // it was checked with its volumes
		}
		v := base
		for _, set := range doc.groups[name].sets {
			set(&v)
		}
		d.within("groups", func() { d.within(name, func() { c.check(v, doc.groups[name].key) }) })
	}
}

// composer makes volumes of layers.
type composer struct {
	*decoder
	zone *time.Location
	told map[string]bool // what is wrong with many volumes alike is told once
}

// entry is one volume, or pattern, of the file.
func (c *composer) entry(doc *document, base Volume, raw rawVolume) entry {
	var own Volume
	for _, set := range raw.sets {
		set(&own)
	}
	v := base
	g, known := doc.groups[own.Group]
	if own.Group != "" && !known {
		c.wrong(raw.key, "there is no group %q", short(own.Group))
	}
	for _, set := range append(g.sets[:len(g.sets):len(g.sets)], raw.sets...) {
		set(&v)
	}
	v.Line, v.Plan.Zone, v.Plan.Name = raw.key.Line, c.zone, raw.name
	e := entry{volume: v, column: raw.key.Column}
	if strings.Contains(raw.name, "*") {
		c.pattern(&e, raw)
	} else {
		c.single(&e, raw)
	}
	c.check(v, raw.key)
	return e
}

// single checks what holds of a volume that has an entry of its own.
func (c *composer) single(e *entry, raw rawVolume) {
	name, err := revision.ParseName(raw.name)
	if err != nil {
		c.wrong(raw.key, "%s", shortError(err, raw.name))
	}
	e.volume.Name = name
	switch {
	case e.volume.Source == "" && !given(raw, "source"):
		c.wrong(raw.key, "the source is missing")
	case strings.Contains(e.volume.Source, "*"):
		c.wrong(raw.key, "the source %q is a pattern, and the name is none", short(e.volume.Source))
	}
	if given(raw, "exclude") {
		c.wrong(raw.key, "only a pattern can exclude something")
	}
}

// pattern checks what holds of a pattern, and cuts it at its stars.
func (c *composer) pattern(e *entry, raw rawVolume) {
	e.isPattern, e.volume.Pattern = true, raw.name
	e.prefix, e.suffix, _ = strings.Cut(raw.name, "*")
	if strings.Contains(e.suffix, "*") {
		c.wrong(raw.key, "the name has more than one *")
	} else if _, err := revision.ParseName(e.prefix + "x" + e.suffix); err != nil {
		c.wrong(raw.key, "%s", shortError(err, raw.name))
	}
	switch text := e.volume.Source; {
	case text == "" && !given(raw, "source"):
		c.wrong(raw.key, "the source is missing")
	case text != "" && strings.Count(text, "*") != 1:
		c.wrong(raw.key, "the name is a pattern, so its source needs one * too: %q", short(text))
	case text != "":
		e.source[0], e.source[1], _ = strings.Cut(text, "*")
	}
}

// given tells whether the file has a key, be it right or wrong.
func given(raw rawVolume, key string) bool {
	if raw.value == nil || raw.value.Kind != yaml.MappingNode {
		return false
	}
	for i := 0; i+1 < len(raw.value.Content); i += 2 {
		if raw.value.Content[i].Value == key {
			return true
		}
	}
	return false
}

// check refuses what makes no sense together. What comes of the defaults is told
// of them, and not again of every volume.
func (c *composer) check(v Volume, at *yaml.Node) {
	plan := schedule.Plan{Schedule: v.Plan.Schedule, Window: v.Plan.Window, Zone: c.zone}
	about := fmt.Sprintf("%v in %v", plan.Schedule, plan.Window)
	if !c.told[about] {
		if err := plan.Validate(); err != nil {
			c.told[about] = true
			c.wrong(at, "%v", err)
		}
	}
	about = fmt.Sprintf("%q and %q", v.Hooks.Freeze, v.Hooks.Thaw)
	if (v.Hooks.Freeze == "") != (v.Hooks.Thaw == "") && !c.told[about] {
		c.told[about] = true
		c.wrong(at, "hooks.freeze and hooks.thaw need one another")
	}
}

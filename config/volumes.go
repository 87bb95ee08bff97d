package config

import (
	"fmt"
	"slices"
	"strconv"

	"varve/revision"
)

// Volume is what is wanted of a volume. One that has an entry of its own is that,
// whatever patterns there are; otherwise the first pattern counts. That there is
// such a source is not looked at. The configuration may be nil: then nothing is wanted.
func (c *Config) Volume(name revision.Name) (Volume, bool) {
	if c == nil {
		return Volume{}, false
	}
	if i, found := c.byName[name]; found {
		return c.entries[i].volume, true
	}
	for i := range c.entries {
		e := &c.entries[i]
		if part, fits := e.fits(name.String()); e.isPattern && fits {
			v, err := e.of(part)
			return v, err == nil
		}
	}
	return Volume{}, false
}

// Unlisted is what holds of a volume that the configuration does not name; c may be nil:
// there is none. Of the file's defaults, it takes what is about revisions once they are
// stored: how long they can come back, and how long chains may be. Whether one goes
// (keep), and what a backup runs and notes, is for volumes that somebody named.
func (c *Config) Unlisted() Volume {
	var v Volume
	setDefaults(&v, volumeFields())
	if c != nil {
		v.Undelete, v.MaxChain, v.FullEvery = c.base.Undelete, c.base.MaxChain, c.base.FullEvery
	}
	return v
}

// A Lister finds the sources of a pattern, such as /srv/vms/*.img, and gives what
// * stands for in each. It never stands for anything with a "/".
type Lister func(source string) (parts []string, err error)

// Volumes lists all volumes, in the order of the file, those of a pattern by name.
// A pattern leaves out what has an entry of its own, by name or by source.
//
// Each error is a [*Problem]: a pattern of which there is nothing, or which cannot
// be looked for; and two patterns that claim one image, or one name, which is then
// the first one's.
func (c *Config) Volumes(list Lister) ([]Volume, []error) {
	x := expansion{config: c, sources: map[string]*entry{}, names: map[revision.Name]*entry{}}
	for i := range c.entries {
		if e := &c.entries[i]; !e.isPattern {
			x.sources[e.volume.Source], x.names[e.volume.Name] = e, e
		}
	}
	for i := range c.entries {
		if e := &c.entries[i]; e.isPattern {
			x.expand(e, list)
		} else {
			x.volumes = append(x.volumes, e.volume)
		}
	}
	return x.volumes, x.errs
}

// expansion is [Config.Volumes] under way.
type expansion struct {
	config  *Config
	sources map[string]*entry // who claims them
	names   map[revision.Name]*entry
	volumes []Volume
	errs    []error
}

func (x *expansion) expand(e *entry, list Lister) {
	parts, err := list(e.volume.Source)
	if err != nil {
		x.wrong(e, Problem{Text: err.Error(), Missing: true, Err: err})
		return
	}
	parts = slices.DeleteFunc(slices.Clone(parts), e.excludes)
	if len(parts) == 0 {
		x.wrong(e, Problem{Text: fmt.Sprintf("there is nothing like %q", e.volume.Source), Missing: true})
	}
	slices.Sort(parts)
	for _, part := range slices.Compact(parts) {
		v, err := e.of(part)
		if err != nil {
			x.wrong(e, Problem{Text: fmt.Sprintf("%q: %v", e.source[0]+part+e.source[1], err)})
			continue
		}
		x.claim(e, v)
	}
}

// claim takes a volume of a pattern, unless it is somebody else's.
func (x *expansion) claim(e *entry, v Volume) {
	bySource, byName := x.sources[v.Source], x.names[v.Name]
	switch {
	case byName != nil && !byName.isPattern, bySource != nil && !bySource.isPattern:
		return // it has an entry of its own
	case bySource != nil:
		x.clash(e, strconv.Quote(v.Source), bySource)
	case byName != nil:
		x.clash(e, "the name "+strconv.Quote(v.Name.String()), byName)
	default:
		x.sources[v.Source], x.names[v.Name] = e, e
		x.volumes = append(x.volumes, v)
	}
}

// clash reports what is another pattern's already.
func (x *expansion) clash(e *entry, what string, first *entry) {
	x.wrong(e, Problem{Text: fmt.Sprintf("%s is also of %q, line %d", what, first.volume.Pattern, first.volume.Line), Clash: true})
}

func (x *expansion) wrong(e *entry, p Problem) {
	p.Path, p.Line, p.Column, p.Key = x.config.Path, e.volume.Line, e.column, "volumes."+e.volume.Pattern
	x.errs = append(x.errs, &p)
}

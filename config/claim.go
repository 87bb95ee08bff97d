package config

import (
	"strings"

	"varve/volume"
)

// A Claim is what a configuration says of one source.
type Claim struct {
	Volume   *Volume // whose it is; nil: nobody's
	Excluded string  // the name of the pattern that leaves it out; empty: it is somebody's, or none does
	Like     string  // the source of the pattern that has it, or leaves it out; empty: there is none
}

// Claim tells whose a source is, as [Config.Volumes] does of what there is. A snapshot of an RBD image stands for the
// image. The configuration may be nil: then nothing is anybody's.
func (c *Config) Claim(source string) (claim Claim) {
	if c == nil {
		return claim
	}
	for i := range c.entries {
		if e := &c.entries[i]; !e.isPattern && withoutSnapshot(e.volume.Source) == source {
			return Claim{Volume: &e.volume}
		}
	}
	for i := range c.entries {
		e := &c.entries[i]
		part, fits := e.fitsSource(source)
		if !fits {
			continue
		}
		if e.excludes(part) {
			if claim.Like == "" {
				claim.Excluded, claim.Like = e.volume.Pattern, e.volume.Source
			}
			continue
		}
		v, err := e.of(part)
		if _, own := c.byName[v.Name]; err != nil || own {
			continue
		}
		return Claim{Volume: &v, Like: e.volume.Source}
	}
	return claim
}

// Has tells whether there is an entry of that name, be it a volume or a pattern.
func (c *Config) Has(name string) bool {
	if c == nil {
		return false
	}
	for i := range c.entries {
		if e := &c.entries[i]; e.isPattern && e.volume.Pattern == name || !e.isPattern && e.volume.Name.String() == name {
			return true
		}
	}
	return false
}

// fitsSource gives what * stands for if a source is of the pattern.
func (e *entry) fitsSource(source string) (part string, fits bool) {
	if !e.isPattern {
		return "", false
	}
	part, hasPrefix := strings.CutPrefix(source, e.source[0])
	after := e.source[1]
	if strings.HasPrefix(e.source[0], rbdScheme) {
		after = withoutSnapshot(rbdScheme + after)[len(rbdScheme):]
	}
	part, hasSuffix := strings.CutSuffix(part, after)
	return part, hasPrefix && hasSuffix && part != "" && !strings.Contains(part, "/")
}

const rbdScheme = string(volume.SchemeRBD) + ":"

// withoutSnapshot is the image of a source that is a snapshot, and any other source as it is.
func withoutSnapshot(source string) string {
	if strings.HasPrefix(source, rbdScheme) {
		source, _, _ = strings.Cut(source, "@")
	}
	return source
}

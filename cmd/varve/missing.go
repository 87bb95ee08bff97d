package main

import (
	"cmp"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"varve/revision"
	"varve/volume"
)

// fewExcludes is how many patterns a line may exclude, so that somebody can read it.
const fewExcludes = 5

// missing gives lines of a configuration that cover what nobody does, and nothing else: for each directory or
// namespace one that is a pattern, or where it would have to exclude too much, one for each source.
func (c *coverage) missing(all []discoveredSource) []string {
	lines := []string{}
	for len(all) > 0 {
		dir, _ := splitSource(all[0].at)
		n := slices.IndexFunc(all, func(d discoveredSource) bool { other, _ := splitSource(d.at); return other != dir })
		if n < 0 {
			n = len(all)
		}
		lines = append(lines, c.cover(dir, all[:n])...)
		all = all[n:]
	}
	return lines
}

// splitSource gives what stands before the name of a source, and the name.
func splitSource(at volume.Location) (dir, name string) {
	name = filepath.Base(at.Path)
	if at.Scheme == volume.SchemeRBD {
		name = at.Image.Name
	}
	return strings.TrimSuffix(at.String(), name), name
}

// cover covers what is missing of one directory or namespace, of which it gets all.
func (c *coverage) cover(dir string, all []discoveredSource) (lines []string) {
	var missing []discoveredSource
	for _, d := range all {
		if _, name := splitSource(d.at); d.Covered == byNobody && !revision.IsGlob(name) { // which would be no name of a volume
			missing = append(missing, d)
		}
	}
	if excludes, can := excludes(dir, all); can && len(missing) > 1 {
		exclude := ""
		if len(excludes) > 0 {
			exclude = ", exclude: [" + strings.Join(excludes, ", ") + "]"
		}
		return []string{fmt.Sprintf("%s: {source: %s%s}", inQuotes(c.free(missing)+"*"), inQuotes(dir+"*"), exclude)}
	}
	for i := range missing {
		_, name := splitSource(missing[i].at)
		lines = append(lines, fmt.Sprintf("%s: {source: %s}", inQuotes(c.free(missing[i:i+1])+name), inQuotes(missing[i].Source)))
	}
	return lines
}

// excludes are the patterns of what a line for all of a directory or namespace has to leave out: what others cover,
// but for what has an entry of its own. It tells whether they are few, and leave out nothing that is missing.
func excludes(dir string, all []discoveredSource) (patterns []string, can bool) {
	for _, d := range all {
		if d.Covered == byNobody || d.Covered == byConfiguration && d.Pattern == "" {
			continue
		}
		_, name := splitSource(d.at)
		pattern := literally(name)
		if before, after, is := strings.Cut(strings.TrimPrefix(d.like, dir), "*"); is && !strings.Contains(before+after, "/") {
			after, _, _ = strings.Cut(after, "@")
			pattern = literally(before) + "*" + literally(after)
		}
		glob, err := revision.ParseGlob(pattern)
		if err != nil {
			return nil, false
		}
		for _, other := range all {
			if _, name := splitSource(other.at); other.Covered == byNobody && glob.Match(revision.Name(name)) {
				return nil, false
			}
		}
		if pattern = inQuotes(pattern); !slices.Contains(patterns, pattern) {
			patterns = append(patterns, pattern)
		}
	}
	return patterns, len(patterns) <= fewExcludes
}

// free is the beginning of names that no volume has yet, for these.
func (c *coverage) free(missing []discoveredSource) string {
	at := missing[0].at
	base := filepath.Base(filepath.Dir(at.Path))
	if at.Scheme == volume.SchemeRBD {
		at.Image.Name = ""
		base = at.Image.String()
	}
	base = cmp.Or(strings.Trim(base, "/"), "files")
	taken := func(beginning string) bool {
		return c.conf.Has(beginning+"*") || slices.ContainsFunc(missing, func(d discoveredSource) bool {
			_, name := splitSource(d.at)
			_, named := c.conf.Volume(revision.Name(beginning + name))
			return named || c.volume(revision.Name(beginning+name)) != nil
		})
	}
	beginning := base + "/"
	for n := 2; taken(beginning); n++ {
		beginning = fmt.Sprintf("%s-%d/", base, n)
	}
	return beginning
}

// literally is a pattern that only this text fits.
func literally(text string) string {
	return strings.NewReplacer(`*`, `\*`, `?`, `\?`, `[`, `\[`, `\`, `\\`).Replace(text)
}

// inQuotes is text as YAML has it.
func inQuotes(text string) string {
	quoted, err := marshal(text)
	if err != nil {
		panic("varve: text cannot be encoded: " + err.Error())
	}
	return string(quoted)
}

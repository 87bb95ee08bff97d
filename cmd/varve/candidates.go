package main

import (
	"context"
	"slices"
	"strings"

	"varve/repository"
	"varve/revision"
	"varve/volume"
)

// named finds what may stand where the help has a name such as VOLUME[@REV], or a
// few words such as zstd|lz4|none.
func (c *completion) named(name, typed string) []candidate {
	switch name = strings.Trim(strings.TrimSuffix(name, "..."), "[]'"); name {
	case "VOLUME", "OLD", "GLOB":
		return c.volumes(true)
	case "VOLUME[@REV", "VOLUME[@REV][:/PATH", "VOLUME[@REV]:/PATH", "VOLUME@A", "VOLUME@B":
		return c.addresses(typed, false)
	case "VOLUME@REV":
		return c.addresses(typed, true)
	case "COMMAND":
		if c.line.command != nil && c.line.command.name == "help" {
			return describe(c.all)
		}
	case "SET":
		return c.sets()
	case "SOURCE", "TARGET", "FILE", "PATH":
		return fileNames
	case "REPO", "DIRECTORY", "DIR", "PLACE":
		return dirNames
	case "T", "TAG":
		return c.tags()
	case "FEATURE":
		return words(volume.ImageFeatures())
	}
	if !strings.Contains(name, "|") {
		return nil
	}
	return words(strings.Split(name, "|"))
}

// words are candidates without a meaning.
func words(all []string) (candidates []candidate) {
	for _, one := range all {
		candidates = append(candidates, candidate{word: one})
	}
	return candidates
}

// withRepository does something with the repository, if there is one.
func (c *completion) withRepository(do func(*repository.Repository)) {
	repo, err := c.s.openRepository(toList)
	if err != nil {
		return
	}
	defer c.s.close("close the repository", repo)
	do(repo)
}

// volumes are those of the repository, and of the configuration if wanted.
func (c *completion) volumes(configured bool) (words []candidate) {
	c.withRepository(func(repo *repository.Repository) {
		all, _ := repo.Volumes() // with those that can be read
		for _, v := range all {
			words = append(words, candidate{word: v.Name.String()})
		}
	})
	if conf, err := c.s.configuration(); configured && err == nil && conf != nil {
		wanted, _ := conf.Volumes(c.s.lister(context.Background())) // without those that are wrong
		for _, w := range wanted {
			words = append(words, candidate{word: w.Name.String()})
		}
	}
	slices.SortFunc(words, func(a, b candidate) int { return strings.Compare(a.word, b.word) })
	return slices.Compact(words)
}

// sets are those of the configuration.
func (c *completion) sets() (words []candidate) {
	conf, err := c.s.configuration()
	if err != nil || conf == nil {
		return nil
	}
	for _, set := range conf.Sets() {
		words = append(words, candidate{word: set.Name})
	}
	return words
}

// addresses are volumes, and after an @ their revisions. Where a revision must be
// named, a volume that it can only be is followed by its revisions at once.
func (c *completion) addresses(typed string, needed bool) []candidate {
	if name, _, isCut := strings.Cut(typed, "@"); isCut {
		return c.revisions(revision.Name(name))
	}
	words := c.volumes(false)
	if !needed {
		return words
	}
	words = slices.DeleteFunc(words, func(one candidate) bool { return !strings.HasPrefix(one.word, typed) })
	if len(words) == 1 {
		return c.revisions(revision.Name(words[0].word))
	}
	for i := range words {
		words[i].word += "@"
	}
	return words
}

// revisions are the addresses of a volume's revisions: latest, by tag, by id.
func (c *completion) revisions(name revision.Name) (words []candidate) {
	all := c.listed(name)
	if len(all) == 0 {
		return nil
	}
	now := c.s.begun.In(c.s.zone)
	words = []candidate{{name.String() + "@latest", "the newest"}, {name.String() + "@latest-good", "the newest that is good"}}
	for _, rev := range slices.Backward(all) {
		e := newEntry(rev)
		meaning := strings.TrimSpace(formatTime(e.Begun, now)) + prefixed(", ", e.state(now))
		words = append(words, candidate{address(name, rev.ID), meaning + prefixed(", ", e.notes(now, nil))})
	}
	for _, tag := range tagsOf(all) {
		words = append(words, candidate{name.String() + "@tag:" + tag, "the newest that has the tag"})
	}
	return words
}

// listed are the revisions of a volume, the oldest first.
func (c *completion) listed(name revision.Name) (all []repository.Revision) {
	c.withRepository(func(repo *repository.Repository) {
		if v, err := repo.Volume(name); err == nil {
			all, _ = repo.Revisions(v) // with those that can be read
		}
	})
	return all
}

// tags are those of the volume that is named, or of the revision if it is.
func (c *completion) tags() (words []candidate) {
	args := c.line.words[slices.Index(c.line.words, "--")+1:]
	if len(args) == 0 || c.line.command == nil {
		return nil
	}
	name, selector, err := revision.SplitAddress(args[0])
	if err != nil {
		return nil
	}
	all := c.listed(name)
	if selector != "" && slices.Contains(c.before, "--remove") {
		if sel, err := revision.ParseSelector(selector, c.s.begun, c.s.zone); err == nil {
			if rev, err := pick(all, sel, revision.Strict); err == nil {
				all = []repository.Revision{rev}
			}
		}
	}
	for _, tag := range tagsOf(all) {
		words = append(words, candidate{word: tag})
	}
	return words
}

func tagsOf(all []repository.Revision) (tags []string) {
	for _, rev := range all {
		tags = append(tags, rev.Info.Tags...)
	}
	slices.Sort(tags)
	return slices.Compact(tags)
}

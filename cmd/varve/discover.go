package main

import (
	"context"
	"path/filepath"
	"strings"

	"github.com/urfave/cli/v2"

	"varve/config"
	"varve/repository"
	"varve/revision"
	"varve/volume"
)

func discoverCommand(s *session) *command {
	var f discoverFlags
	return &command{
		name: "discover", group: sources, args: "PLACE", asks: true,
		summary: "list what could be backed up, and what nobody backs up",
		about: `Lists what there is in PLACE: the images of rbd:POOL, with those of its
namespaces, or of rbd:POOL/NAMESPACE, or rbd:POOL/[NAMESPACE/]IMAGE alone, where
varve was built with Ceph; or the files and devices that are directly in a
directory. Of each it says which volume covers it, when that was last backed up,
and by what it is covered:

  configuration  an entry of the configuration, or one of its patterns
  by hand        the configuration does not name it, but a volume was read from it
  excluded       a pattern leaves it out
  retired        its volume was retired
  NOBODY         none of these

What is in the trash of a pool, and targets of a restore that are not complete,
are not listed. An image is known by its id: nobody backs up one that was renamed
since, or one that was made anew under the name of another.

The last lines can be put into the configuration, below "volumes:". They cover
what nobody does, and nothing else.`,
		example: `varve discover rbd:vms
varve discover /srv/images
varve discover rbd:vms --uncovered          # from cron: says nothing if all is covered`,
		codes: "1  also with --uncovered, if there is something that nobody backs up",
		flags: []cli.Flag{
			&cli.BoolFlag{Name: "uncovered", Destination: &f.uncovered, Usage: "list what nobody backs up, and exit 1 if there is any"},
		},
		run: func(ctx context.Context, args []string) (result, error) { return runDiscover(ctx, s, f, args[0]) },
	}
}

type discoverFlags struct{ uncovered bool }

func runDiscover(ctx context.Context, s *session, f discoverFlags, text string) (result, error) {
	at, err := whereToLook(text)
	if err != nil {
		return nil, err
	}
	in, err := s.placeOf(at)
	if err != nil {
		return nil, err
	}
	conf, err := s.configuration()
	if err != nil {
		return nil, err
	}
	repo, err := s.openRepository(toList)
	if err != nil {
		return nil, err
	}
	defer s.close("close the repository", repo)
	all, err := in.find(ctx, at)
	if err != nil {
		return nil, err
	}
	summaries, unread := repo.Summaries(ctx) // unread comes with all that can be read
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	out := newDiscovered(at, f.uncovered)
	c := newCoverage(conf, summaries)
	var there []discoveredSource
	for _, one := range all {
		if one.err != nil {
			s.warn("%s cannot be looked at: %v", targetName(one.at), one.err)
		}
		there = append(there, c.of(one))
		out.add(there[len(there)-1])
	}
	out.Configuration = c.missing(there)
	if conf != nil {
		out.path = conf.Path
	}
	return out, unread
}

// whereToLook reads a place in which there may be volumes.
func whereToLook(text string) (volume.Location, error) {
	at, err := volume.ParsePlace(text)
	if err != nil || at.Scheme != volume.SchemeFile {
		return at, err
	}
	at.Path, err = filepath.Abs(at.Path)
	return at, err
}

// coverage knows who backs up what.
type coverage struct {
	conf       *config.Config // nil: there is none
	summaries  []repository.Summary
	byName     map[revision.Name]int
	byIdentity map[volume.Identity]int // of what was read for the newest revision, without its path
	byPath     map[volume.Identity]int // likewise, without what stays
}

func newCoverage(conf *config.Config, summaries []repository.Summary) *coverage {
	c := &coverage{
		conf: conf, summaries: summaries,
		byName: map[revision.Name]int{}, byIdentity: map[volume.Identity]int{}, byPath: map[volume.Identity]int{},
	}
	for i := range summaries {
		c.byName[summaries[i].Volume.Name] = i
		read := sourceOf(&summaries[i])
		if read == nil {
			continue
		}
		c.prefer(c.byPath, volume.Identity{Kind: read.Kind, Path: pathOf(read)}, i)
		if read.Identity != "" {
			c.prefer(c.byIdentity, volume.Identity{Kind: read.Kind, Stable: read.Identity}, i)
		}
	}
	return c
}

// prefer keeps of two volumes that were read from one source the one that is not retired, or else
// the one that was backed up last.
func (c *coverage) prefer(known map[volume.Identity]int, key volume.Identity, i int) {
	other, there := known[key]
	if !there || c.summaries[other].Retired && !c.summaries[i].Retired ||
		c.summaries[other].Retired == c.summaries[i].Retired && c.summaries[other].Newest.ID.Begun().Before(c.summaries[i].Newest.ID.Begun()) {
		known[key] = i
	}
}

// sourceOf is what the newest revision was read from; nil: there is none, or it cannot be read.
func sourceOf(v *repository.Summary) *revision.Source {
	if v.Newest == nil || v.Newest.Statement == nil {
		return nil
	}
	return &v.Newest.Statement.Source
}

// pathOf is where something was read, and of a snapshot the image.
func pathOf(read *revision.Source) string {
	path := read.Path
	if read.Kind == string(volume.SchemeRBD) {
		path, _, _ = strings.Cut(path, "@")
	}
	return path
}

// isRenamed tells whether an image has another name than when it was read. Whoever reads it by that name will find
// nothing, or something else. A device has several names.
func isRenamed(one found, read *revision.Source) bool {
	return read.Kind == string(volume.SchemeRBD) && pathOf(read) != revision.Recorded(one.identity.Path)
}

// readFrom finds the volume that was read from this; nil: none was. The number of a file is given to another
// when it is gone, and the path of a device or an image leads to another one: so a file is known by its path,
// and what says what it is by that.
func (c *coverage) readFrom(one found) *repository.Summary {
	id := one.identity
	known, key := c.byIdentity, volume.Identity{Kind: id.Kind, Stable: revision.Recorded(id.Stable)}
	if id.Stable == "" || id.Kind == string(volume.SchemeFile) {
		known, key = c.byPath, volume.Identity{Kind: id.Kind, Path: revision.Recorded(id.Path)}
	}
	if i, found := known[key]; found {
		return &c.summaries[i]
	}
	return nil
}

// of says who covers something.
func (c *coverage) of(one found) discoveredSource {
	d := discoveredSource{Source: one.at.String(), at: one.at, Size: &one.size, Covered: byNobody}
	if one.size < 0 {
		d.Size = nil
	}
	claim := c.conf.Claim(d.Source)
	read := c.readFrom(one)
	switch {
	case claim.Volume != nil:
		d.Covered, d.Pattern, d.like = byConfiguration, claim.Volume.Pattern, claim.Like
		d.Volume.is = claim.Volume.Name
		if read == nil || read.Volume.Name != d.Volume.is {
			read = c.named(d.Volume.is, one)
		}
	case read != nil:
		d.Volume.is = read.Volume.Name
		if d.like = claim.Like; !isRenamed(one, sourceOf(read)) {
			d.Covered = byHand
		}
	case claim.Excluded != "":
		d.Covered, d.Pattern, d.like = excluded, claim.Excluded, claim.Like
	}
	if read != nil {
		d.Revision, d.Begun = &read.Newest.ID, timeOrNil(read.Newest.ID.Begun())
		if st := read.Newest.Statement; st != nil {
			d.Begun = timeOrNil(st.Begun)
		}
	}
	if v := c.volume(d.Volume.is); v != nil && v.Retired {
		d.Covered = retiredState
	}
	return d
}

// named is a volume, if what was read for its newest revision is this.
func (c *coverage) named(name revision.Name, one found) *repository.Summary {
	v := c.volume(name)
	if v == nil || sourceOf(v) == nil {
		return nil
	}
	alone := newCoverage(c.conf, []repository.Summary{*v})
	return alone.readFrom(one)
}

// volume is a volume of the repository; nil: there is none of that name.
func (c *coverage) volume(name revision.Name) *repository.Summary {
	i, found := c.byName[name]
	if !found {
		return nil
	}
	return &c.summaries[i]
}

package main

import (
	"fmt"
	"time"

	"varve/backup"
	"varve/internal/human"
	"varve/repository"
	"varve/revision"
)

// restored is the result of restore. Its fields are API.
type restored struct {
	Volume    revision.Name       `json:"volume"`
	Revision  revision.ID         `json:"revision"`
	Target    string              `json:"target"`
	Size      int64               `json:"size"` // of what was restored
	DryRun    bool                `json:"dry_run"`
	Written   int64               `json:"written"`
	Zeroed    int64               `json:"zeroed"`
	Same      int64               `json:"same"`
	Untouched int64               `json:"untouched"` // of a larger device, beyond the image
	Lost      []repository.Extent `json:"lost"`
	Seconds   float64             `json:"seconds"`
	Range     *repository.Extent  `json:"range"` // of the volume; null: all of it
	Undo      string              `json:"undo"`  // the snapshot of an RBD image as it was before; empty: none
	inPlace   bool
	image     string // that is the target, as rbd names it
	former    int64  // of a file that was longer; 0: it was not
}

func (r *restored) fill(done *backup.Restored, took time.Duration) {
	r.Written, r.Zeroed, r.Same, r.Seconds = done.Written, done.Zeroed, done.Same, took.Seconds()
	if done.Lost != nil {
		r.Lost = done.Lost
	}
}

// noteSurplus keeps what a larger device has beyond the image, if all of that is restored.
func (r *restored) noteSurplus(n int64) {
	if r.Range == nil {
		r.Untouched = n
	}
}

func (r *restored) lasting() string {
	if r.DryRun {
		return "nothing was written"
	}
	return "what could be read of " + address(r.Volume, r.Revision) + " is in " + r.Target
}

func (r *restored) print(p *page) {
	from := address(r.Volume, r.Revision)
	if r.Range != nil {
		from = fmt.Sprintf("bytes %d+%d (%s) of %s", r.Range.Offset, r.Range.Length, human.Size(r.Range.Length), from)
	}
	if r.DryRun && r.Range != nil {
		p.line("%s could be restored to %s. Nothing was written.", p.bold(from), r.Target)
		return
	}
	if r.DryRun {
		p.line("%s could be restored to %s, %s. Nothing was written.", p.bold(from), r.Target, human.Size(r.Size))
		return
	}
	took := time.Duration(r.Seconds * float64(time.Second))
	switch {
	case r.Range != nil:
		r.printPart(p, from)
	case len(r.Lost) > 0:
		p.line("%s to %s, but for %s that are lost", p.red(from+" is restored"), r.Target, human.Size(backup.Total(r.Lost)))
	default:
		p.line("%s to %s: %s in %s, digest verified", p.bold(from+" is restored"), r.Target,
			human.Size(r.Size), formatDuration(took))
	}
	if !p.terse || len(r.Lost) > 0 {
		p.line("written  %9s   at %s", human.Size(r.Written), human.Rate(r.Written+r.Zeroed+r.Same, took))
		p.line("zeros    %9s", human.Size(r.Zeroed))
		if r.Same > 0 {
			p.line("same     %9s   were there already", human.Size(r.Same))
		}
	}
	if r.former > 0 {
		p.line("%s was %s, is %s now", r.Target, human.Size(r.former), human.Size(r.Size))
	}
	if r.Undo != "" {
		p.line("as it was %s", "rbd snap rollback "+human.ShellWord(r.image+"@"+r.Undo))
		p.line("forget it %s", "rbd snap rm "+human.ShellWord(r.image+"@"+r.Undo))
	}
	if r.Untouched > 0 {
		p.line("untouched %8s   of the target, beyond the image", human.Size(r.Untouched))
	}
	for _, x := range r.Lost {
		p.line("%s     %s bytes at byte %s", p.red("LOST"), formatBytes(x.Length), formatBytes(x.Offset))
	}
}

// printPart says what is told of a range. The digest is that of the whole image, so
// nothing is said of it.
func (r *restored) printPart(p *page, from string) {
	rest := ""
	if r.inPlace {
		rest = "; the rest of it was not touched"
	}
	if len(r.Lost) > 0 {
		p.line("%s are in %s, but for %s that are lost%s", p.red(from), r.Target, human.Size(backup.Total(r.Lost)), rest)
		return
	}
	p.line("%s are in %s, each chunk checked%s", p.bold(from), r.Target, rest)
}

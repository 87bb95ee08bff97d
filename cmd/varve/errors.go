package main

import (
	"errors"
	"fmt"
	"strings"

	"varve/backup"
	"varve/drill"
	"varve/filecopy"
	"varve/fusemount"
	"varve/internal/human"
	"varve/job"
	"varve/loopmount"
	"varve/repository"
	"varve/revision"
	"varve/scheduler"
	"varve/volume"
)

// Exit codes; the help of each command lists them.
const (
	exitFailed = 1
	exitUsage  = 2
	exitDamage = 3
	exitBusy   = 4
)

// A usageError reports words that do not make a command.
type usageError struct {
	Text    string
	Near    string // what was perhaps meant
	Next    string // what helps; empty: the command's help
	Command string // empty: none yet
	Usage   string // its form
}

func (e *usageError) Error() string { return e.Text }

// errNoRepository reports that nobody said which repository.
var errNoRepository = errors.New("no repository is given")

// errTerminal reports an image on its way to a person's eyes.
var errTerminal = errors.New("standard output is a terminal, and an image is not for reading")

// A selectionError reports that an address names no revision.
type selectionError struct {
	Volume  revision.Name
	Trashed revision.ID // what it names in the trash; empty: nothing
	Err     error
}

func (e *selectionError) Error() string {
	if errors.Is(e.Err, repository.ErrNoVolume) {
		return e.Err.Error()
	}
	return fmt.Sprintf("volume %q: %v", e.Volume, e.Err)
}

func (e *selectionError) Unwrap() error { return e.Err }

// A distrustedError reports a damaged revision that nobody allowed to be used.
type distrustedError struct {
	Revision repository.Revision
	Good     revision.ID // the newest that is good; empty: none
}

func (e *distrustedError) Error() string {
	text := fmt.Sprintf("revision %s is damaged", address(e.Revision.Volume.Name, e.Revision.ID))
	if lost := e.Revision.Info.Lost; len(lost) > 0 {
		text += fmt.Sprintf(": %s are lost", human.Size(backup.Total(lost)))
	} else if e.Revision.Info.Reason != "" {
		text += ": " + e.Revision.Info.Reason
	}
	return text
}

// A partError reports a part of an image that was to take the place of what exists:
// of a file that is larger, or of the first bytes of a device.
type partError struct {
	Target string
	Forced bool // --force was given, which is for whole images
}

func (e *partError) Error() string {
	text := fmt.Sprintf("target %q: %v, and a part of an image does not take its place", e.Target, volume.ErrExists)
	if e.Forced {
		text += ": --force is for all of it"
	}
	return text
}

// A findingsError reports that something is wrong with stored data or a source,
// although the command did what it was asked to.
type findingsError struct {
	Texts  []string
	Frozen bool // one is a source that may still be frozen
}

func (e *findingsError) Error() string { return strings.Join(e.Texts, "; ") }

// exitCode is what the program's caller learns of an error.
func exitCode(err error) int {
	if several := new(severalError); errors.As(err, &several) {
		return several.Code
	}
	return exitOf(gravityOf(err))
}

// exitOf is the exit code that says how badly something ended.
func exitOf(g job.Gravity) int {
	switch g {
	case job.Well:
		return 0
	case job.Busy:
		return exitBusy
	case job.Misuse:
		return exitUsage
	case job.Damaged:
		return exitDamage
	}
	return exitFailed
}

// gravityOfCode is what an exit code of this program says.
func gravityOfCode(code int) job.Gravity {
	for _, g := range []job.Gravity{job.Busy, job.Misuse, job.Damaged} {
		if exitOf(g) == code {
			return g
		}
	}
	return job.Failed
}

// gravityOf judges an error, also one of those that only commands know.
func gravityOf(err error) job.Gravity {
	var (
		usage         *usageError
		selection     *selectionError
		unmounted     *unmountedError
		configuration *configurationError
		distrusted    *distrustedError
		part          *partError
		findings      *findingsError
		scrubbing     *scrubError
		trashed       *repository.NotInTrashError
		several       *repository.SeveralInTrashError
		childless     *repository.ChildlessError
		point         *fusemount.PointError
		noPart        *noPartError
		noPath        *noPathError
		severalParts  *severalPartsError
		server        *fusemount.Failure
		inside        *loopmount.PathError
		same          *filecopy.SameNameError
		drilled       *drillError
		taken         *scheduler.TakenError
	)
	switch {
	case errors.As(err, &drilled) && drilled.Result.Outcome == drill.Failed:
		return job.Damaged
	case errors.As(err, &server):
		return gravityOfCode(server.Exit)
	case errors.As(err, &point) && point.Mounted, errors.As(err, &taken):
		return job.Busy
	case errors.As(err, &noPart), errors.As(err, &noPath) && noPath.opened > 0, errors.As(err, &severalParts), errors.As(err, &same):
		return job.Misuse
	case errors.As(err, &inside):
		return job.Damaged
	case errors.As(err, &point), errors.As(err, &usage), errors.As(err, &trashed), errors.As(err, &several), errors.As(err, &childless),
		errors.As(err, &selection), errors.As(err, &unmounted), errors.As(err, &configuration),
		errors.Is(err, errNoRepository), errors.As(err, &part) && part.Forced:
		return job.Misuse
	case errors.As(err, &distrusted), errors.As(err, &findings), errors.As(err, &scrubbing) && scrubbing.Damaged:
		return job.Damaged
	}
	return job.GravityOf(err)
}

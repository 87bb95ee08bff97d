package main

import (
	"errors"
	"fmt"
	"strings"

	"varve/backup"
	"varve/chunkstore"
	"varve/hostlimit"
	"varve/internal/human"
	"varve/repository"
	"varve/revision"
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
	Command string // empty: none yet
	Usage   string // its form
}

func (e *usageError) Error() string { return e.Text }

// errNoRepository reports that nobody said which repository.
var errNoRepository = errors.New("no repository is given")

// errTerminal reports an image on its way to a person's eyes.
var errTerminal = errors.New("standard output is a terminal, and an image is not for reading")

// An unsupportedError reports a kind of volume that this build does not know.
type unsupportedError struct{ What, Known string }

func (e *unsupportedError) Error() string {
	return fmt.Sprintf("this build of varve does not read or write %s; it knows %s", e.What, e.Known)
}

// A selectionError reports that an address names no revision.
type selectionError struct {
	Volume revision.Name
	Err    error
}

func (e *selectionError) Error() string { return fmt.Sprintf("volume %q: %v", e.Volume, e.Err) }

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

// A findingsError reports that something is wrong with stored data or a source,
// although the command did what it was asked to.
type findingsError struct {
	Texts  []string
	Frozen bool // one is a source that may still be frozen
}

func (e *findingsError) Error() string { return strings.Join(e.Texts, "; ") }

// exitCode is what the program's caller learns of an error.
func exitCode(err error) int {
	var several *severalError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &several):
		return several.Code
	case isBusy(err):
		return exitBusy
	case isMisuse(err):
		return exitUsage
	case isDamage(err):
		return exitDamage
	}
	return exitFailed
}

func isBusy(err error) bool {
	var busy *repository.BusyError
	var full *hostlimit.BusyError
	return errors.As(err, &busy) || errors.As(err, &full) || errors.Is(err, volume.ErrBusy)
}

// isMisuse tells whether the words were wrong, or named what there is not.
func isMisuse(err error) bool {
	var usage *usageError
	var unsupported *unsupportedError
	var selection *selectionError
	var location *volume.LocationError
	var order *repository.OrderError
	var unmounted *unmountedError
	var wrong *backup.WrongSourceError
	var configuration *configurationError
	return errors.As(err, &configuration) || errors.As(err, &usage) || errors.As(err, &unsupported) || errors.As(err, &selection) ||
		errors.As(err, &location) || errors.As(err, &order) || errors.Is(err, errNoRepository) ||
		errors.Is(err, repository.ErrNoRepository) || errors.Is(err, repository.ErrNoVolume) ||
		errors.As(err, &unmounted) || errors.As(err, &wrong) || errors.Is(err, volume.ErrOwnSource)
}

// isDamage tells whether stored bytes are not what was once written, or a source
// is not what it was called.
func isDamage(err error) bool {
	var (
		damage     *backup.DamageError
		difference *backup.DifferenceError
		digest     *backup.DigestError
		distrusted *distrustedError
		findings   *findingsError
		rev        *repository.DamagedRevisionError
		file       *repository.DamagedFileError
		object     *chunkstore.CorruptError
		corrupt    *revision.CorruptError
	)
	return errors.As(err, &damage) || errors.As(err, &difference) || errors.As(err, &digest) ||
		errors.As(err, &distrusted) || errors.As(err, &findings) || errors.As(err, &rev) ||
		errors.As(err, &file) || errors.As(err, &object) || errors.As(err, &corrupt)
}

package main

import (
	"errors"
	"io/fs"
	"slices"
	"syscall"

	"varve/backup"
	"varve/config"
	"varve/fusemount"
	"varve/hook"
	"varve/internal/durable"
	"varve/internal/human"
	"varve/job"
	"varve/repository"
	"varve/revision"
	"varve/volume"
)

// hint says what a person can type, or do, about an error; or nothing. Packages
// describe, the command advises: all advice stands here.
func hint(err error, a about) string {
	for _, advise := range []func(error, about) string{
		hintOnSignal, hintOnWords, hintOnMount, hintOnDrill, hintOnRevision, hintOnRepository, hintOnSet, hintOnSource, hintOnCluster, hintOnInside, hintOnVolume,
		hintOnScheduler, hintOnSystem,
	} {
		if text := advise(err, a); text != "" {
			return text
		}
	}
	return ""
}

// hintOnSignal says how what was interrupted goes on.
func hintOnSignal(err error, a about) string {
	if sig := new(signalError); errors.As(err, &sig) && a.goOn != "" {
		return a.goOn + " goes on where it was cut off"
	}
	return ""
}

func hintOnWords(err error, a about) string {
	var misuse *usageError
	var unsupported *volume.UnsupportedError
	var configuration *configurationError
	var order *repository.OrderError
	var short *backup.StreamSizeError
	var exposed *config.ExposedError
	var problem *config.Problem
	switch {
	case errors.As(err, &problem) && problem.Clash:
		return "let one of the two exclude it"
	case errors.As(err, &problem) && problem.Missing && !isOutOfReach(problem):
		return "look whether the disk that it is on is mounted; is nothing of it left, take the entry out of the configuration"
	case errors.As(err, &exposed) && exposed.Owner >= 0:
		return "look what is in it, then: chown root:root " + human.ShellWord(exposed.Path)
	case errors.As(err, &exposed):
		return "look what is in it, then: chmod go-w " + human.ShellWord(exposed.Path)
	case errors.As(err, &configuration) && configuration.Listed:
		return "put right what is listed above; varve.yaml(5) has every key"
	case errors.As(err, &configuration) && errors.Is(err, fs.ErrNotExist):
		return "look at --config and VARVE_CONFIG: they name a file that there is not"
	case errors.As(err, &configuration):
		return "varve check-config lists what is wrong"
	case errors.As(err, &misuse) && misuse.Near != "":
		return "did you mean " + misuse.Near + "?"
	case errors.As(err, &misuse) && misuse.Next != "":
		return misuse.Next
	case errors.As(err, &misuse):
		return "varve help" + prefixed(" ", misuse.Command)
	case errors.As(err, &unsupported) && unsupported.Ceph:
		return "build it with make build, where librbd-dev is; or: rbd export POOL/IMAGE@SNAPSHOT - | varve backup VOLUME -"
	case errors.As(err, &unsupported):
		return "name a raw file, a block device or rbd:POOL/IMAGE; a file of that name is written ./NAME"
	case errors.As(err, &order) && order.Same:
		return "it is there already: varve show " + typedAddress(order.Volume, order.Newer) + "; the next one needs a later --time"
	case errors.As(err, &order):
		return "bring older history along as a volume of its own: varve backup " + a.name("-history") + " - --time TIME"
	case errors.As(err, &short), errors.Is(err, backup.ErrEmptyStream):
		return "look at what writes into the pipe; in a script, set -o pipefail"
	case errors.Is(err, errTerminal):
		return "send it on: varve restore " + a.address() + " - | COMMAND"
	case errors.Is(err, errNoRepository):
		return "name it: varve -r DIRECTORY COMMAND, or export VARVE_REPO=DIRECTORY"
	}
	return ""
}

func hintOnMount(err error, _ about) string {
	var point *fusemount.PointError
	var missing *fusemount.MissingError
	var busy *fusemount.BusyError
	switch {
	case errors.As(err, &point) && errors.Is(err, fs.ErrNotExist):
		return "make it: mkdir -p " + human.ShellWord(point.Dir)
	case errors.As(err, &point) && point.Mounted:
		return unmounting(point.Dir) + " unmounts it"
	case errors.As(err, &missing):
		return "varve restore VOLUME@REV FILE needs nothing of the kernel"
	case errors.As(err, &busy):
		return "when nobody uses it any more: " + unmounting(busy.Dir)
	}
	return ""
}

func hintOnRevision(err error, a about) string {
	var (
		distrusted *distrustedError
		selection  *selectionError
		difference *backup.DifferenceError
		damage     *backup.DamageError
		damaged    *repository.DamagedRevisionError
		findings   *findingsError
		pinned     *repository.PinnedError
		trashed    *repository.NotInTrashError
		several    *repository.SeveralInTrashError
		childless  *repository.ChildlessError
		scrubbing  *scrubError
	)
	switch {
	case errors.As(err, &pinned):
		return "varve unpin " + address(pinned.Volume, pinned.ID) + ", if it may go"
	case errors.As(err, &trashed):
		return "varve log " + human.ShellWord(trashed.Volume.String()) + " --deleted lists what can come back"
	case errors.As(err, &several):
		return "varve log --deleted --json has whole ids"
	case errors.As(err, &childless):
		return "varve rm " + address(childless.Volume, childless.ID) + " takes it away"
	case errors.As(err, &distrusted) && distrusted.Good != "":
		return "use " + typedAddress(distrusted.Revision.Volume.Name, distrusted.Good) + " (latest-good), or add --keep-going"
	case errors.As(err, &distrusted):
		return "add --keep-going to get all but what is lost; no revision of this volume is good. " + a.repairing() + " may bring back what is lost"
	case errors.As(err, &selection) && selection.Trashed != "":
		return "it was taken away: varve undelete " + typedAddress(selection.Volume, selection.Trashed) + " brings it back"
	case errors.As(err, &selection):
		return "varve log " + human.ShellWord(selection.Volume.String()) + " lists its revisions"
	case errors.Is(err, repository.ErrNoVolume):
		return "varve log lists the volumes"
	case errors.As(err, &difference):
		return "a source that went on since differs rightly; otherwise: varve backup " + a.name("") + " --full"
	case errors.As(err, &damage):
		return hintOnDamage(a)
	case errors.As(err, &damaged):
		return "varve log " + human.ShellWord(damaged.Volume.String()) + " shows what is good; the next backup does without it; varve scrub " +
			human.ShellWord(damaged.Volume.String()) + " --repair-from-repo REPO takes it from a copy of the repository"
	case errors.As(err, &scrubbing):
		return hintOnScrub(scrubbing)
	case errors.As(err, &findings) && findings.Frozen:
		return "thaw the source by hand, as its hook should have: what writes to it may hang until then"
	case errors.As(err, &findings):
		if a.volume == "" {
			return "varve scrub shows all that is hurt, and what that takes away"
		}
		return a.repairing() + " shows what else is hurt, and repairs it of what the source still holds; varve backup " + a.name("") + " --full stands on nothing stored"
	}
	return ""
}

// hintOnScrub says what to do about what a scrub found.
func hintOnScrub(e *scrubError) string {
	switch {
	case !e.Damaged:
		return "look at the disk (dmesg, smartctl -a), then varve scrub --resume"
	case e.Repaired:
		return "all of it was repaired; look at the disk that it lay on (dmesg, smartctl -a)"
	case e.Lost:
		return suffixed(e.Next, " may bring back what is lost; ") +
			"the next backup of each volume stores the lost chunks anew; varve restore VOLUME@REV TARGET --keep-going gives all but what is lost"
	case e.Next != "":
		return e.Next + " may make it good; look at the disk that it lies on (dmesg, smartctl -a)"
	}
	return "look at the disk (dmesg, smartctl -a): what is hurt has no second copy any more"
}

// hintOnDamage names another revision that is good, and what gives the rest of this one.
func hintOnDamage(a about) string {
	text := "no other revision of this volume is good"
	if a.good != "" {
		text = "the newest other one that nothing bad is known of is " + typedAddress(a.volume, a.good)
	}
	if !a.keepGoing {
		text += "; varve restore " + a.address() + " TARGET --keep-going gives all but what is lost"
	}
	return text + "; " + a.repairing() + " may bring back what is lost"
}

func hintOnRepository(err error, a about) string {
	var busy *repository.BusyError
	var format *repository.FormatError
	var unmounted *unmountedError
	var unsupported *revision.UnsupportedError
	var within *withinError
	var hides *hidingError
	var absent *absentError
	switch {
	case errors.As(err, &hides):
		return "name a directory that has nothing in it"
	case errors.As(err, &within):
		return "name a directory outside of " + within.Repository
	case errors.As(err, &busy):
		return "--wait 10m waits for it"
	case errors.As(err, &unmounted):
		return "mount " + human.ShellWord(unmounted.Point) + ", and run it again"
	case errors.Is(err, repository.ErrNoRepository):
		text := "if there was one, is its disk mounted? findmnt --target " + a.directory() + " tells"
		if !errors.As(err, &absent) || absent.Free {
			text += "; varve init " + a.directory() + " makes a new one"
		}
		return text
	case errors.Is(err, repository.ErrVolumeExists):
		return "choose a name that varve volumes does not list"
	case errors.Is(err, repository.ErrNameUndecided):
		return "look at the disk (dmesg); varve volumes tells which of the two it is"
	case errors.Is(err, repository.ErrExists):
		return "use it as it is: varve -r " + a.directory() + " log"
	case errors.Is(err, repository.ErrNotEmpty):
		return "name an empty directory, or one that does not exist yet"
	case errors.Is(err, repository.ErrReadOnly):
		return "mount it writable, or run as the user that it belongs to; restore and verify need neither"
	case errors.Is(err, repository.ErrLostGround):
		return "run it again: the next run heals it"
	case errors.Is(err, durable.ErrNoFlock):
		return "put the repository on a file system with locks that hold"
	case errors.As(err, &format), errors.As(err, &unsupported):
		return "use a newer varve; varve version tells which this is"
	}
	return ""
}

func hintOnSet(err error, _ about) string {
	var (
		none  *job.NoSetError
		loose *backup.LooseSetError
		moved *backup.MovedError
	)
	switch {
	case errors.As(err, &none):
		return "varve check-config lists the sets"
	case errors.As(err, &loose):
		return "give the set or each of these volumes freeze and thaw hooks, or say consistent: no"
	case errors.As(err, &moved):
		return "see that freeze stops all that writes to it, or say consistent: no"
	}
	return ""
}

func hintOnSource(err error, _ about) string {
	var wrong *backup.WrongSourceError
	var gone *job.GoneError
	switch {
	case errors.As(err, &gone):
		return "look for it; was it deleted on purpose: varve retire " + human.ShellWord(gone.Volume.String())
	case errors.As(err, &wrong):
		return "look which disk it is (lsblk, blkid); if it is the right one: varve backup " + human.ShellWord(wrong.Volume.String()) + " " +
			human.ShellWord(wrong.Now.Path) + " --source-changed"
	case errors.Is(err, volume.ErrOwnSource):
		return "back up what the repository does not lie on, or move the repository to a disk of its own"
	case errors.Is(err, volume.ErrNotVolume):
		return "name a raw file, a block device or rbd:POOL/IMAGE"
	}
	return ""
}

func hintOnVolume(err error, _ about) string {
	var inUse *volume.InUseError
	var tooSmall *volume.SizeError
	var noSpace *volume.SpaceError
	var noDevice *volume.NoDeviceError
	var noDirectory *volume.NoDirectoryError
	var part *partError
	switch {
	case errors.As(err, &part):
		return "--in-place writes these bytes where they belong in it; or name a TARGET that does not exist, to get them in a file of their own"
	case errors.As(err, &noDirectory):
		return "mkdir -p " + human.ShellWord(noDirectory.Directory) + " makes it"
	case errors.As(err, &noDevice):
		return "look at the name: ls /dev; a file belongs elsewhere"
	case errors.Is(err, volume.ErrNoTarget):
		return "look at the name, or leave out --in-place to make a new file"
	case errors.As(err, &tooSmall) && tooSmall.Part:
		return "name the TARGET that the range belongs to, or leave out --in-place to get these bytes in a file of their own"
	case errors.Is(err, volume.ErrExists):
		return "--force replaces it, --in-place writes into it what differs; or name another TARGET"
	case errors.As(err, &inUse) && isMember(inUse.Uses):
		return "look what needs it (wipefs TARGET lists the marks); --even-in-use overwrites it all the same"
	case errors.As(err, &inUse):
		return "unmount or stop what uses it; --even-in-use writes all the same"
	case errors.Is(err, volume.ErrRepository):
		return "name another TARGET: this one would destroy the repository"
	case errors.As(err, &tooSmall):
		return "name a larger TARGET, or a part of the volume with --range OFF+LEN"
	case errors.As(err, &noSpace):
		return "make room, or name a TARGET elsewhere"
	case errors.Is(err, volume.ErrBusy):
		return "wait until the other run has ended"
	case errors.Is(err, volume.ErrChanged):
		return "run it again when nothing resizes or replaces it, or back up a snapshot of it"
	}
	return ""
}

// hintOnCluster advises on what a Ceph cluster does not give.
func hintOnCluster(err error, _ about) string {
	var (
		none    *volume.NoClusterError
		denied  *volume.DeniedError
		missing *volume.NoImageError
		layout  *volume.LayoutError
	)
	switch {
	case errors.As(err, &layout):
		return hintOnLayout(layout.Part)
	case errors.As(err, &none):
		return "look whether it answers: ceph --conf " + human.ShellWord(none.Conf) + " status"
	case errors.As(err, &denied) && denied.NoKey:
		return "on a host that may: ceph auth get-or-create client." + denied.User + " mon 'profile rbd' osd 'profile rbd' >" + human.ShellWord(denied.Keyring)
	case errors.As(err, &denied) && denied.Pool == "":
		return "is its key in another file, name that: CEPH_KEYRING, or ceph: keyring in the configuration; or get it anew, on a host that may: ceph auth get client." + denied.User
	case errors.As(err, &denied):
		return "add to its capabilities (ceph auth get client." + denied.User + " shows what it has): mon 'profile rbd' osd " + human.ShellWord("profile rbd pool="+denied.Pool)
	case errors.As(err, &missing):
		return hintOnImage(missing)
	}
	return ""
}

// hintOnLayout names the flag that has an image made otherwise.
func hintOnLayout(part volume.LayoutPart) string {
	switch part {
	case volume.LayoutObjectSize:
		return "--object-size SIZE chooses another one"
	case volume.LayoutFeatures:
		return "--image-feature FEATURE, once for each, chooses others"
	case volume.LayoutDataPool:
		return "--data-pool POOL chooses another one, or the image's own pool; ceph osd pool ls lists them"
	case volume.LayoutStripes:
		return "--stripe-unit SIZE and --stripe-count N choose others"
	}
	return "--object-size, --image-feature, --data-pool, --stripe-unit and --stripe-count choose otherwise"
}

// hintOnImage says how to see what there is.
func hintOnImage(e *volume.NoImageError) string {
	at := e.Image
	in := at.Pool + prefixed("/", at.Namespace)
	switch e.Missing {
	case volume.MissingPool:
		return "ceph osd pool ls lists the pools"
	case volume.MissingNamespace:
		return "rbd namespace ls " + human.ShellWord(at.Pool) + " lists its namespaces"
	case volume.MissingSnapshot:
		at.Snapshot = ""
		return "rbd snap ls " + human.ShellWord(at.String()) + " lists its snapshots"
	case volume.MissingTrashed:
		return "rbd trash ls " + human.ShellWord(in) + " shows it with its id, and rbd trash restore brings it back"
	}
	return "rbd ls " + human.ShellWord(in) + " lists the images"
}

// isMember tells whether nothing uses a target at the moment, and something seems to need it.
func isMember(uses []volume.Use) bool {
	return len(uses) > 0 && !slices.ContainsFunc(uses, func(u volume.Use) bool { return u.Kind != volume.Member })
}

func hintOnSystem(err error, _ about) string {
	var (
		room  *backup.RoomError
		stall *backup.StallError
		hooks *hook.Error
	)
	switch {
	case errors.As(err, &room):
		return "make room in the repository's file system, or lower min_free in the configuration"
	case errors.As(err, &stall):
		return "look at the disk or the network behind it; stall_timeout in the configuration says how long is too long"
	case errors.As(err, &hooks):
		return "run the command by hand, as the same user, and see"
	case errors.Is(err, fs.ErrExist):
		return "name a file that does not exist yet"
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return "make room, and run it again"
	case errors.Is(err, fs.ErrPermission):
		return "run it as a user who may, or as root"
	case errors.Is(err, fs.ErrNotExist):
		return "look at the path: nothing is there"
	case errors.Is(err, syscall.EIO):
		return "look at the disk: dmesg, smartctl -a"
	}
	return ""
}

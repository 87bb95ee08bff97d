package repository

import (
	"path"
	"strconv"

	"varve/chunkstore"
	"varve/revision"
)

// Where things lie in a repository; docs/format.md says what each holds.
const (
	readmeName         = "README.txt"
	descriptorName     = "varve.json"
	descriptorCopyName = "varve.json.copy"

	packsDir       = "packs"
	volumesDir     = "volumes"
	copiesDir      = "copies"
	trashDir       = "trash"
	damageDir      = "damage"
	evidenceDir    = "damage/evidence"
	runsDir        = "runs"
	generationsDir = "gc"
	movedDir       = "gc/moved"
	locksDir       = "locks"
	volumeLocksDir = "locks/volumes"
	leasesDir      = "locks/leases"
	gateName       = "locks/gate"
	gcLockName     = "locks/gc"
	journalDir     = "journal"
	setsDir        = "sets"
	proofsDir      = "proofs"

	volumeFile  = "volume.json"
	retiredFile = "retired.json"
	revisionExt = ".rev"
	infoExt     = ".json"
	trashExt    = ".trash"
	setCopyExt  = ".copy"
	evidenceExt = ".bad"
)

// topLevel lists what init makes, and so what a half-made repository may hold.
var topLevel = []string{packsDir, volumesDir, copiesDir, trashDir, damageDir, runsDir, generationsDir, locksDir, journalDir, setsDir, proofsDir}

func volumeDir(name revision.Name) string {
	return path.Join(volumesDir, name.Encode())
}

func revisionName(volume revision.Name, id revision.ID) string {
	return path.Join(volumeDir(volume), string(id)+revisionExt)
}

func infoName(volume revision.Name, id revision.ID) string {
	return path.Join(volumeDir(volume), string(id)+infoExt)
}

func volumeRecordName(name revision.Name) string { return path.Join(volumeDir(name), volumeFile) }

func retiredName(name revision.Name) string { return path.Join(volumeDir(name), retiredFile) }

func trashDirOf(volume revision.UUID) string { return path.Join(trashDir, volume.String()) }

func trashName(volume revision.UUID, id revision.ID) string {
	return path.Join(trashDirOf(volume), string(id)+revisionExt)
}

func trashInfoName(volume revision.UUID, id revision.ID) string {
	return path.Join(trashDirOf(volume), string(id)+infoExt)
}

func trashRecordName(volume revision.UUID, id revision.ID) string {
	return path.Join(trashDirOf(volume), string(id)+trashExt)
}

func copyDir(volume revision.UUID) string { return path.Join(copiesDir, volume.String()) }

func copyName(volume revision.UUID, id revision.ID) string {
	return path.Join(copyDir(volume), string(id)+revisionExt)
}

func volumeLockName(volume revision.UUID) string { return path.Join(volumeLocksDir, volume.String()) }

func setName(id string) string { return path.Join(setsDir, id+infoExt) }

func setCopyName(id string) string { return path.Join(setsDir, id+setCopyExt) }

func leaseName(id string) string { return path.Join(leasesDir, id+infoExt) }

func runName(run runID) string { return path.Join(runsDir, run.String()+infoExt) }

func generationName(g uint64) string {
	return path.Join(generationsDir, strconv.FormatUint(g, 10)+infoExt)
}

func movedName(pack chunkstore.PackID) string { return path.Join(movedDir, pack.String()) }

func evidenceName(id string) string { return path.Join(evidenceDir, id+evidenceExt) }

func evidenceRecordName(id string) string { return path.Join(evidenceDir, id+infoExt) }

func damageName(c chunkstore.Copy) string {
	return path.Join(damageDir, c.Pack.String()+"-"+c.ID.String()+infoExt)
}

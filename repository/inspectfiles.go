package repository

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"varve/chunkstore"
	"varve/internal/durable"
	"varve/revision"
)

// files looks at all small files, and tells whose maps to look at: of volumes, and of
// what is in the trash of those that are gone.
func (in *Inspection) files(ctx context.Context) ([]Volume, error) {
	if in.opts.Volumes != nil {
		for _, v := range in.opts.Volumes {
			in.volumeFiles(v.Name.Encode())
		}
		return in.opts.Volumes, ctx.Err()
	}
	r := in.rd.repo
	in.head()
	entries, err := r.fsys.ReadDir(volumesDir)
	if err != nil {
		return nil, err
	}
	var volumes []Volume
	known := map[revision.UUID]bool{}
	for _, e := range entries {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if durable.IsTemp(e.Name()) {
			continue
		}
		in.volumeFiles(e.Name())
		v, err := r.volumeAt(e.Name())
		if err != nil {
			in.Partial = true
			in.tell(Fault{Kind: FaultVolume, Path: path.Join(volumesDir, e.Name()), Err: err})
			continue
		}
		if !v.UUID.IsZero() {
			known[v.UUID] = true
			volumes = append(volumes, v)
		}
	}
	volumes = in.withoutDoubles(volumes)
	in.lostVolumes(known)
	trashed, err := r.fsys.ReadDir(trashDir)
	if err != nil && !notFound(err) {
		in.Partial = true
		in.tell(Fault{Kind: FaultTrash, Path: trashDir, Err: err})
	}
	for _, e := range trashed {
		if uuid, err := revision.ParseUUID(e.Name()); err == nil {
			in.trashFiles(uuid)
			if !known[uuid] {
				volumes = append(volumes, Volume{UUID: uuid})
			}
		}
	}
	in.sets()
	in.records()
	in.temps()
	return volumes, in.journal(ctx)
}

// lostVolumes tells of volumes of which the directory is gone. What their revisions need is not looked at.
func (in *Inspection) lostVolumes(known map[revision.UUID]bool) {
	lost, err := in.rd.repo.lostVolumes(known)
	in.Partial = in.Partial || err != nil || len(lost) > 0
	in.tell(Fault{Kind: FaultVolume, Path: copiesDir, Err: err})
	for _, l := range lost {
		in.tell(Fault{Kind: FaultVolume, Path: volumeRecordName(l.Volume.Name), Volume: l.Volume, Err: l.asFile()})
	}
}

// withoutDoubles leaves out volumes that say the uuid of another. The one that has
// revisions is that volume: else it would be looked at by a name that it does not have.
func (in *Inspection) withoutDoubles(volumes []Volume) []Volume {
	owner := map[revision.UUID]int{}
	for i, v := range volumes {
		ids, err := in.rd.repo.revisionIDs(v.Name)
		if _, taken := owner[v.UUID]; !taken || err == nil && len(ids) > 0 {
			owner[v.UUID] = i
		}
	}
	var own []Volume
	for i, v := range volumes {
		if owner[v.UUID] == i {
			own = append(own, v)
			continue
		}
		if now, err := in.rd.repo.Volume(v.Name); err == nil && now.UUID == v.UUID { // it was not renamed meanwhile
			name := volumeRecordName(v.Name)
			in.tell(Fault{Kind: FaultVolume, Path: name, Volume: v, Err: &DamagedFileError{
				Path: name, Cause: fmt.Errorf("%w: it holds uuid %s, which volume %q has", errBadContent, v.UUID, volumes[owner[v.UUID]].Name),
			}})
		}
	}
	return own
}

// tell tells of a fault, unless it is that something went meanwhile.
func (in *Inspection) tell(f Fault) {
	if f.Err != nil && !notFound(f.Err) {
		in.opts.Fault(f)
	}
}

// head looks at the descriptor and its copy.
func (in *Inspection) head() {
	fsys := in.rd.repo.fsys
	var serials []int
	for _, name := range []string{descriptorName, descriptorCopyName} {
		d, err := readDescriptor(fsys, name)
		if notFound(err) {
			err = &DamagedFileError{Path: name, Cause: errFileGone}
		}
		if err != nil {
			in.tell(Fault{Kind: FaultDescriptor, Path: name, Err: err})
			continue
		}
		serials = append(serials, d.Serial)
	}
	if len(serials) == 2 && serials[0] != serials[1] {
		name := descriptorName
		if serials[0] > serials[1] {
			name = descriptorCopyName
		}
		in.tell(Fault{Kind: FaultDescriptor, Path: name, Harmless: true, Err: fmt.Errorf("%s is of an earlier writing than the other copy; the next backup writes it anew", name)})
	}
}

// volumeFiles looks at the small files of a volume's directory.
func (in *Inspection) volumeFiles(base string) {
	fsys := in.rd.repo.fsys
	dir := path.Join(volumesDir, base)
	entries, err := fsys.ReadDir(dir)
	if err != nil {
		in.Partial = in.Partial || !notFound(err)
		in.tell(Fault{Kind: FaultVolume, Path: dir, Err: err})
		return
	}
	name, err := revision.DecodeName(base)
	if err != nil {
		return // the volume's listing tells
	}
	v := Volume{Name: name}
	there := map[revision.ID]bool{}
	for _, id := range idsAmong(entries, revisionExt) {
		there[id] = true
	}
	hasRecord := false
	for _, e := range entries {
		file := path.Join(dir, e.Name())
		base, isInfo := strings.CutSuffix(e.Name(), infoExt)
		id, idErr := revision.ParseID(base)
		switch {
		case e.Name() == volumeFile:
			hasRecord = true
			_, err := in.rd.repo.readVolume(name)
			if errors.Is(err, ErrNoVolume) {
				err = nil
			}
			in.tell(Fault{Kind: FaultVolume, Path: file, Volume: v, Err: err})
		case e.Name() == retiredFile:
			in.tell(Fault{Kind: FaultVolume, Path: file, Volume: v, Err: readSmall(fsys, file, new(Retirement))})
		case isInfo && idErr == nil:
			if !there[id] {
				in.tell(Fault{Kind: FaultUnneeded, Path: file, Volume: v, Revision: id, Harmless: true, Err: fmt.Errorf("%s is about a revision that is not there", file)})
			}
			in.tell(Fault{Kind: FaultInfo, Path: file, Volume: v, Revision: id, Err: readSmall(fsys, file, new(Info)), Alone: true})
		}
	}
	if !hasRecord && len(there) > 0 {
		file := volumeRecordName(name)
		if _, err := fsys.Lstat(file); notFound(err) {
			if _, err := fsys.ReadDir(dir); err == nil {
				in.opts.Fault(Fault{Kind: FaultVolume, Path: file, Volume: v, Err: &DamagedFileError{Path: file, Cause: errFileGone}})
			}
		}
	}
}

// trashFiles looks at the small files of a volume's trash.
func (in *Inspection) trashFiles(uuid revision.UUID) {
	fsys := in.rd.repo.fsys
	dir := trashDirOf(uuid)
	entries, err := fsys.ReadDir(dir)
	in.Partial = in.Partial || err != nil && !notFound(err)
	in.tell(Fault{Kind: FaultTrash, Path: dir, Err: err})
	for _, e := range entries {
		file := path.Join(dir, e.Name())
		fault := Fault{Kind: FaultTrash, Path: file, Volume: Volume{UUID: uuid}, Alone: true}
		switch {
		case durable.IsTemp(e.Name()):
		case strings.HasSuffix(e.Name(), trashExt):
			fault.Err = readSmall(fsys, file, new(trashRecord))
		case strings.HasSuffix(e.Name(), infoExt):
			fault.Err = readSmall(fsys, file, new(Info))
		}
		in.tell(fault)
	}
}

// sets looks at the files of sets. The copy is written after the file: where it alone is
// missing, somebody was cut off.
func (in *Inspection) sets() {
	r := in.rd.repo
	ids, err := r.setIDs()
	in.tell(Fault{Kind: FaultSet, Path: setsDir, Err: err})
	for _, id := range ids {
		file, err := r.readSet(setName(id), id)
		second, cerr := r.readSet(setCopyName(id), id)
		if notFound(err) && notFound(cerr) {
			continue // it went meanwhile
		}
		if notFound(err) {
			err = &DamagedFileError{Path: setName(id), Cause: errFileGone}
		}
		in.tell(Fault{Kind: FaultSet, Path: setName(id), Err: err, Alone: cerr != nil})
		switch {
		case notFound(cerr):
			in.opts.Fault(Fault{Kind: FaultSet, Path: setCopyName(id), Harmless: true, Err: fmt.Errorf("set %s has no copy: who wrote it was cut off", id)})
		case cerr != nil:
			in.tell(Fault{Kind: FaultSet, Path: setCopyName(id), Err: cerr, Alone: err != nil})
		case err == nil && !sameSet(file, second):
			in.opts.Fault(Fault{Kind: FaultSet, Path: setCopyName(id), Err: &DamagedFileError{Path: setCopyName(id), Cause: fmt.Errorf("%w: it is not as the set's file", errBadContent)}})
		}
	}
}

func sameSet(a, b Set) bool {
	return a.ID == b.ID && a.Name == b.Name && a.Begun.Equal(b.Begun) && slices.Equal(a.Members, b.Members)
}

// records looks at the files of the machinery.
func (in *Inspection) records() {
	r := in.rd.repo
	in.eachFile(runsDir, func(base, file string) error {
		text, is := strings.CutSuffix(base, infoExt)
		raw, err := hex.DecodeString(text)
		if !is || err != nil || len(raw) != len(runID{}) {
			return nil
		}
		_, err = r.readRun(runID(raw))
		return err
	}, false)
	if g, err := r.currentGeneration(); err != nil || g.Opaque {
		if err == nil {
			err = opaqueGeneration(g)
		}
		in.tell(Fault{Kind: FaultRecord, Path: generationName(g.Number), Err: err})
	}
	in.eachFile(movedDir, func(base, file string) error {
		var record movedRecord
		if _, err := chunkstore.ParsePackID(base); err != nil {
			return nil
		}
		return readSmall(r.fsys, file, &record)
	}, true) // a hint
	in.eachFile(damageDir, func(base, file string) error {
		var record damageRecord
		if err := readSmall(r.fsys, file, &record); err != nil {
			return err
		}
		if damageName(chunkstore.Copy{Pack: record.Pack, ID: record.Object}) != file {
			return &DamagedFileError{Path: file, Cause: fmt.Errorf("%w: it is about another object", errBadContent)}
		}
		return nil
	}, true) // its name says it
	in.eachFile(proofsDir, func(base, _ string) error {
		return r.addProofs(&Proofs{Packs: map[chunkstore.PackID]time.Time{}, Maps: map[revision.Nonce]time.Time{}}, base)
	}, true) // derived
}

// eachFile looks at each file of a directory.
func (in *Inspection) eachFile(dir string, look func(base, file string) error, harmless bool) {
	entries, err := in.rd.repo.fsys.ReadDir(dir)
	in.tell(Fault{Kind: FaultRecord, Path: dir, Err: err})
	for _, e := range entries {
		if !durable.IsTemp(e.Name()) && !e.IsDir() {
			file := path.Join(dir, e.Name())
			in.tell(Fault{Kind: FaultRecord, Path: file, Err: look(e.Name(), file), Harmless: harmless})
		}
	}
}

// temps tells of temporary files whose owners hold no lease.
func (in *Inspection) temps() {
	r := in.rd.repo
	names, err := r.findTemps()
	if err != nil {
		return // what cannot be listed is told where it matters
	}
	entries, err := r.fsys.ReadDir(leasesDir)
	if err != nil {
		return
	}
	living := map[string]bool{}
	for _, e := range entries {
		if _, alive := r.readLease(path.Join(leasesDir, e.Name())); alive {
			living[strings.TrimSuffix(e.Name(), infoExt)] = true
		}
	}
	left := 0
	for _, name := range names {
		if _, err := r.fsys.Lstat(name); err == nil && !living[durable.TempOwner(path.Base(name))] {
			left++
		}
	}
	if left > 0 {
		in.opts.Fault(Fault{Kind: FaultUnneeded, Harmless: true, Err: fmt.Errorf("temporary files of who was cut off: %d", left)})
	}
}

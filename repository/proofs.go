package repository

import (
	"cmp"
	"context"
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

// packProofs is proofs/<xx>.json: when the packs whose ids begin with <xx> were last
// read, every frame, and found right but for copies that are in damage/.
type packProofs struct {
	Packs []packProof `json:"packs"` // ascending
}

type packProof struct {
	Pack chunkstore.PackID `json:"pack"`
	At   time.Time         `json:"at"`
}

// mapProofs is proofs/<volume uuid>.json: when what the maps of a volume's revisions make
// of their objects was last put together, and had the content ids that they say. That of
// good objects is true for ever, until a map is written anew.
type mapProofs struct {
	// Oldest is since when, as the last scrub left it, a byte of the volume waits to be
	// proven again. What came since is younger.
	Oldest time.Time  `json:"oldest"`
	Maps   []mapProof `json:"maps"` // ascending by revision
}

type mapProof struct {
	Revision revision.ID    `json:"revision"`
	Nonce    revision.Nonce `json:"nonce"` // of the file
	At       time.Time      `json:"at"`
}

// maxProofFile bounds a file of proofs: of 100,000 packs that begin alike, or of as many
// revisions of a volume.
const maxProofFile = 16 << 20

func packProofName(first byte) string {
	return path.Join(proofsDir, fmt.Sprintf("%02x", first)+infoExt)
}

func mapProofName(volume revision.UUID) string { return path.Join(proofsDir, volume.String()+infoExt) }

// decodePackProofs reads a file of proofs of packs that begin with that byte.
func decodePackProofs(file []byte, first byte) (map[chunkstore.PackID]time.Time, error) {
	var stored packProofs
	if err := unseal(file, &stored); err != nil {
		return nil, err
	}
	proofs := make(map[chunkstore.PackID]time.Time, len(stored.Packs))
	for i, p := range stored.Packs {
		if p.Pack[0] != first || p.At.IsZero() || i > 0 && stored.Packs[i-1].Pack.Compare(p.Pack) >= 0 {
			return nil, fmt.Errorf("%w: the proof of pack %s is out of place", errBadContent, p.Pack)
		}
		proofs[p.Pack] = p.At
	}
	return proofs, nil
}

func encodePackProofs(proofs map[chunkstore.PackID]time.Time) ([]byte, error) {
	stored := packProofs{Packs: []packProof{}}
	for pack, at := range proofs {
		stored.Packs = append(stored.Packs, packProof{pack, at})
	}
	slices.SortFunc(stored.Packs, func(a, b packProof) int { return a.Pack.Compare(b.Pack) })
	return seal(stored)
}

// decodeMapProofs reads a file of proofs of maps.
func decodeMapProofs(file []byte) (mapProofs, error) {
	var stored mapProofs
	if err := unseal(file, &stored); err != nil {
		return mapProofs{}, err
	}
	for i, p := range stored.Maps {
		if p.Nonce == (revision.Nonce{}) || p.At.IsZero() || i > 0 && stored.Maps[i-1].Revision >= p.Revision {
			return mapProofs{}, fmt.Errorf("%w: the proof of revision %q is out of place", errBadContent, string(p.Revision))
		}
	}
	return stored, nil
}

// prove adds the proof of a revision's map, in the place of one of an earlier writing.
func (m *mapProofs) prove(p mapProof) {
	i, has := slices.BinarySearchFunc(m.Maps, p.Revision, func(have mapProof, id revision.ID) int { return cmp.Compare(have.Revision, id) })
	switch {
	case !has:
		m.Maps = slices.Insert(m.Maps, i, p)
	case m.Maps[i].Nonce != p.Nonce || p.At.After(m.Maps[i].At) || FromAhead(m.Maps[i].At, p.At):
		m.Maps[i] = p
	}
}

// FromAhead tells whether the time of a proof is one to come, by more than the clocks of hosts may
// differ: it is of a clock that was set back since, and would count as new until then.
func FromAhead(at, now time.Time) bool { return at.Sub(now) > time.Hour }

// Proofs is what the repository remembers of when it was last proven. It is derived:
// what is lost of it is proven again.
type Proofs struct {
	Packs map[chunkstore.PackID]time.Time
	Maps  map[revision.Nonce]time.Time // by the nonce of a revision's file
}

// Proofs reads when packs and maps were last proven. A file that cannot be read counts
// as none; it is in the error, which comes with all that can.
func (r *Repository) Proofs(ctx context.Context) (Proofs, error) {
	out := Proofs{Packs: map[chunkstore.PackID]time.Time{}, Maps: map[revision.Nonce]time.Time{}}
	entries, err := r.fsys.ReadDir(proofsDir)
	if notFound(err) {
		return out, nil
	}
	if err != nil {
		return out, err
	}
	var errs []error
	for _, e := range entries {
		if err := ctx.Err(); err != nil {
			return out, err
		}
		if err := r.addProofs(&out, e.Name()); err != nil && !notFound(err) {
			errs = append(errs, err)
		}
	}
	return out, errors.Join(errs...)
}

// addProofs reads one file of proofs, whichever it is.
func (r *Repository) addProofs(out *Proofs, base string) error {
	if first, is := proofByte(base); is {
		proofs, err := r.readPackProofs(first)
		for pack, at := range proofs {
			out.Packs[pack] = at
		}
		return err
	}
	text, is := strings.CutSuffix(base, infoExt)
	if volume, err := revision.ParseUUID(text); is && err == nil {
		proofs, err := r.readMapProofs(volume)
		for _, p := range proofs.Maps {
			out.Maps[p.Nonce] = p.At
		}
		return err
	}
	return nil // the record of a scrub, or nothing of ours
}

// proofByte tells which packs a file of proofs is about, if it is about any.
func proofByte(base string) (first byte, is bool) {
	_, err := fmt.Sscanf(base, "%02x"+infoExt, &first)
	return first, err == nil && path.Base(packProofName(first)) == base
}

func (r *Repository) readPackProofs(first byte) (map[chunkstore.PackID]time.Time, error) {
	return readProofs(r, packProofName(first), func(file []byte) (map[chunkstore.PackID]time.Time, error) {
		return decodePackProofs(file, first)
	})
}

func (r *Repository) readMapProofs(volume revision.UUID) (mapProofs, error) {
	return readProofs(r, mapProofName(volume), decodeMapProofs)
}

func readProofs[P any](r *Repository, name string, decode func([]byte) (P, error)) (proofs P, err error) {
	file, err := durable.ReadFile(r.fsys, name, maxProofFile)
	if err != nil {
		return proofs, damagedFile(name, err)
	}
	if proofs, err = decode(file); err != nil {
		err = &DamagedFileError{Path: name, Cause: err}
	}
	return proofs, err
}

// RecordProofs remembers, durably, when packs were proven. It may be called while others
// do: of two proofs of a pack the later one stays, unless it is from ahead of the other. What was remembered of packs that are
// gone goes.
func (r *Repository) RecordProofs(ctx context.Context, packs map[chunkstore.PackID]time.Time) error {
	byFirst := map[byte]map[chunkstore.PackID]time.Time{}
	for pack, at := range packs {
		if byFirst[pack[0]] == nil {
			byFirst[pack[0]] = map[chunkstore.PackID]time.Time{}
		}
		byFirst[pack[0]][pack] = at.UTC().Truncate(time.Second)
	}
	for first, proven := range byFirst {
		there, err := r.store.PackIDsOf(first)
		if err != nil {
			return fmt.Errorf("remember what was proven: %w", err)
		}
		err = r.replaceProofs(ctx, packProofName(first), func() ([]byte, error) {
			known, err := r.readPackProofs(first)
			if err != nil && !notFound(err) && !isDamaged(err) {
				return nil, err
			}
			now := map[chunkstore.PackID]time.Time{}
			for _, pack := range there {
				at := known[pack]
				if now := proven[pack]; now.After(at) || !now.IsZero() && FromAhead(at, now) {
					at = now
				}
				if !at.IsZero() {
					now[pack] = at
				}
			}
			return encodePackProofs(now)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// RecordMapProofs remembers, durably, when the maps of a volume's revisions were proven.
// There says which revisions the volume has: what was remembered of others goes.
func (r *Repository) RecordMapProofs(ctx context.Context, v Volume, proven []Revision, at time.Time, there []revision.ID) error {
	return r.changeMapProofs(ctx, v.UUID, func(m *mapProofs) {
		m.Maps = slices.DeleteFunc(m.Maps, func(p mapProof) bool { return !slices.Contains(there, p.Revision) })
		for _, rev := range proven {
			m.prove(mapProof{Revision: rev.ID, Nonce: rev.Statement.Nonce, At: at.UTC().Truncate(time.Second)})
		}
	})
}

// RecordOldest remembers, durably, since when a byte of a volume waits to be proven again.
func (r *Repository) RecordOldest(ctx context.Context, volume revision.UUID, oldest time.Time) error {
	return r.changeMapProofs(ctx, volume, func(m *mapProofs) { m.Oldest = oldest.UTC().Truncate(time.Second) })
}

func (r *Repository) changeMapProofs(ctx context.Context, volume revision.UUID, change func(*mapProofs)) error {
	return r.replaceProofs(ctx, mapProofName(volume), func() ([]byte, error) {
		known, err := r.readMapProofs(volume)
		if err != nil && !notFound(err) && !isDamaged(err) {
			return nil, err
		}
		if known.Maps == nil {
			known.Maps = []mapProof{}
		}
		change(&known)
		return seal(known)
	})
}

// ForgetProofs forgets when maps of volumes were proven that are gone.
func (r *Repository) ForgetProofs(ctx context.Context) error {
	entries, err := r.fsys.ReadDir(proofsDir)
	if err != nil {
		return notFoundIsFine(err)
	}
	volumes, err := r.Volumes()
	if err != nil {
		return nil // of one that cannot be read now, they may be wanted
	}
	there := map[string]bool{}
	for _, v := range volumes {
		there[path.Base(mapProofName(v.UUID))] = true
	}
	for _, e := range entries {
		text, is := strings.CutSuffix(e.Name(), infoExt)
		if _, err := revision.ParseUUID(text); !is || err != nil || there[e.Name()] {
			continue
		}
		err := r.atGate(ctx, func() error { return notFoundIsFine(r.fsys.Remove(path.Join(proofsDir, e.Name()))) })
		if err != nil {
			return fmt.Errorf("forget what was proven of a volume that is gone: %w", wrapReadOnly(err))
		}
	}
	return nil
}

func notFoundIsFine(err error) error {
	if notFound(err) {
		return nil
	}
	return err
}

// Unproven is since when a byte of a volume waits to be proven again: as the last scrub left it,
// or, if none was there, since its oldest revision was begun.
type Unproven struct {
	Since    time.Time // zero: the volume has no revision
	Scrubbed bool
}

// Unproven tells, by uuid, since when a byte of each of these volumes waits to be proven again. What
// cannot be told is in the error, as a [*VolumeError] of each, or of all where the directory of
// proofs cannot be looked at.
func (r *Repository) Unproven(volumes []Volume) (map[revision.UUID]Unproven, error) {
	all, errs := map[revision.UUID]Unproven{}, []error(nil)
	proofs, err := r.dirStamp(proofsDir)
	if err != nil {
		return all, err
	}
	for _, v := range volumes {
		dirs := func(u Unproven) (stamps, error) {
			if u.Scrubbed { // whatever revisions there are
				return stamps{proofs}, nil
			}
			own, err := r.dirStamp(volumeDir(v.Name))
			return stamps{proofs, own}, err
		}
		look := r.opts.Memory.ofProofs().look(v.UUID, r.opts.Now(), dirs)
		if look.holds {
			all[v.UUID] = look.value
			continue
		}
		u, err := r.unproven(v)
		if err != nil {
			errs = append(errs, &VolumeError{Volume: v.Name, Err: err})
			continue
		}
		look.note(u, r.opts.Now(), dirs)
		all[v.UUID] = u
	}
	return all, errors.Join(errs...)
}

// unproven reads it of one.
func (r *Repository) unproven(v Volume) (Unproven, error) {
	known, err := r.readMapProofs(v.UUID)
	if err != nil && !notFound(err) && !isDamaged(err) {
		return Unproven{}, err
	}
	if !known.Oldest.IsZero() {
		return Unproven{known.Oldest, true}, nil
	}
	ids, err := r.revisionIDs(v.Name)
	if notFound(err) || err == nil && len(ids) == 0 {
		return Unproven{}, nil
	}
	if err != nil {
		return Unproven{}, err
	}
	return Unproven{Since: slices.MinFunc(ids, func(a, b revision.ID) int { return a.Begun().Compare(b.Begun()) }).Begun()}, nil
}

// replaceProofs writes a file of proofs anew, inside the gate, so that no two do at once.
func (r *Repository) replaceProofs(ctx context.Context, name string, content func() ([]byte, error)) error {
	temps := durable.NewTemps("proofs-" + randomHex())
	err := r.atGate(ctx, func() error {
		file, err := content()
		if err != nil {
			return err
		}
		if len(file) > maxProofFile {
			return fmt.Errorf("%s: %w", name, durable.ErrTooLarge)
		}
		if err := durable.MkdirAll(r.fsys, proofsDir); err != nil {
			return err
		}
		return durable.Replace(r.fsys, temps, name, file)
	})
	if err != nil {
		return fmt.Errorf("remember what was proven: %w", wrapReadOnly(err))
	}
	return nil
}

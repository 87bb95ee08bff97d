package backup_test

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"varve/backup"
	"varve/repository"
)

// onePlace holds one revision of the given bytes.
func onePlace(t *testing.T, data []byte) (*place, repository.Revision) {
	t.Helper()
	p := testPlace(t)
	p.mustCreate(t, &memSource{data: data}, backup.CreateOptions{})
	return p, p.revisions(t, "v")[0]
}

func TestRestoreInPlaceWritesWhatDiffers(t *testing.T) {
	t.Parallel()
	data := randomBytes(10*chunkSize+100, 1)
	clear(data[4*chunkSize : 6*chunkSize])
	p, rev := onePlace(t, data)
	target := &memTarget{bytes: bytes.Clone(data)}
	target.bytes[chunkSize+5] ^= 1      // data differs
	target.bytes[4*chunkSize+block] = 1 // a hole has data
	clear(target.bytes[10*chunkSize:])  // the end is gone
	p.image(t, "v", rev.ID, func(im *repository.Image) {
		done, err := backup.Restore(t.Context(), im, target, backup.RestoreOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(target.bytes, data) || !target.committed {
			t.Error("the target does not hold the revision")
		}
		if want := int64(block + 100 + chunkSize); target.written != want {
			t.Errorf("%d bytes written, want %d: %+v", target.written, want, done)
		}
	})
}

func TestRestoreOfARange(t *testing.T) {
	t.Parallel()
	data := randomBytes(10*chunkSize, 1)
	p, rev := onePlace(t, data)
	span := &repository.Extent{Offset: 3*chunkSize + 7, Length: 2*chunkSize + 1}
	want := data[span.Offset : span.Offset+span.Length]
	p.image(t, "v", rev.ID, func(im *repository.Image) {
		extracted := newTarget(span.Length)
		if _, err := backup.Restore(t.Context(), im, extracted, backup.RestoreOptions{Range: span, Shift: -span.Offset}); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(extracted.bytes, want) {
			t.Error("extracted bytes differ")
		}
		var stream bytes.Buffer
		if err := backup.Stream(t.Context(), im, &stream, backup.StreamOptions{Range: span}); err != nil || !bytes.Equal(stream.Bytes(), want) {
			t.Errorf("streamed range: %v, or wrong bytes", err)
		}
		target := &memTarget{bytes: randomBytes(10*chunkSize, 2)}
		before := bytes.Clone(target.bytes)
		if _, err := backup.Restore(t.Context(), im, target, backup.RestoreOptions{Range: span}); err != nil {
			t.Fatal(err)
		}
		copy(before[span.Offset:], want)
		if !bytes.Equal(target.bytes, before) {
			t.Error("restoring a range changed more, or less, than the range")
		}
	})
}

func TestRestoreAroundDamage(t *testing.T) {
	t.Parallel()
	data := randomBytes(10*chunkSize, 1)
	p, rev := onePlace(t, data)
	scratchPacks(t, p.dir, 3*chunkSize)
	p.image(t, "v", rev.ID, func(im *repository.Image) {
		target := newTarget(im.Size())
		damage := new(backup.DamageError)
		if _, err := backup.Restore(t.Context(), im, target, backup.RestoreOptions{}); !errors.As(err, &damage) || target.committed {
			t.Errorf("restore of a damaged revision: %v, committed %v", err, target.committed)
		}
		target = newTarget(im.Size())
		done, err := backup.Restore(t.Context(), im, target, backup.RestoreOptions{KeepGoing: true})
		if !errors.As(err, &damage) || !target.committed || len(done.Lost) != 1 || !slices.Equal(done.Lost, damage.Lost) {
			t.Fatalf("restore around damage: %+v, %v", done, err)
		}
		lost := done.Lost[0]
		want := bytes.Clone(data)
		clear(want[lost.Offset : lost.Offset+lost.Length])
		if !bytes.Equal(target.bytes, want) {
			t.Error("outside the lost range, bytes differ")
		}
		if err := backup.Stream(t.Context(), im, new(bytes.Buffer), backup.StreamOptions{}); err == nil {
			t.Error("a stream went over damage without a word")
		}
	})
}

func TestVerifyNamesEachHurtObject(t *testing.T) {
	t.Parallel()
	p, rev := onePlace(t, randomBytes(10*chunkSize, 1))
	scratchPacks(t, p.dir, 3*chunkSize)
	scratchPacks(t, p.dir, 7*chunkSize)
	p.image(t, "v", rev.ID, func(im *repository.Image) {
		_, err := backup.Verify(t.Context(), im, backup.VerifyOptions{})
		damage := new(backup.DamageError)
		if !errors.As(err, &damage) || len(damage.Hurt) != 2 || damage.Hurt[0].ID == damage.Hurt[1].ID {
			t.Errorf("verify with two hurt objects: %v", err)
		}
	})
}

func TestATargetThatFailsIsNotCommitted(t *testing.T) {
	t.Parallel()
	p, rev := onePlace(t, randomBytes(10*chunkSize, 1))
	p.image(t, "v", rev.ID, func(im *repository.Image) {
		target := newTarget(im.Size())
		target.failWrite = unix.ENOSPC
		_, err := backup.Restore(t.Context(), im, target, backup.RestoreOptions{KeepGoing: true})
		if !errors.Is(err, unix.ENOSPC) || target.committed {
			t.Errorf("restore to a full target: %v, committed %v", err, target.committed)
		}
	})
}

func TestVerifyAgainstNamesWhatDiffers(t *testing.T) {
	t.Parallel()
	data := randomBytes(10*chunkSize, 1)
	clear(data[5*chunkSize : 6*chunkSize])
	p, rev := onePlace(t, data)
	other := append(bytes.Clone(data), 1, 2, 3)
	other[block] ^= 1
	other[2*block] ^= 1
	other[5*chunkSize+block] = 1
	p.image(t, "v", rev.ID, func(im *repository.Image) {
		result, err := backup.Verify(t.Context(), im, backup.VerifyOptions{Against: &memSource{data: other}})
		want := []repository.Extent{
			{Offset: block, Length: 2 * block},
			{Offset: 5*chunkSize + block, Length: block},
			{Offset: 10 * chunkSize, Length: 3},
		}
		if differ := new(backup.DifferenceError); !errors.As(err, &differ) || !slices.Equal(result.Differing, want) {
			t.Errorf("differing %+v, %v, want %+v", result.Differing, err, want)
		}
		result, err = backup.Verify(t.Context(), im, backup.VerifyOptions{Against: &memSource{data: data[:9*chunkSize]}, SHA256: true})
		if len(result.Differing) != 1 || result.Differing[0] != (repository.Extent{Offset: 9 * chunkSize, Length: chunkSize}) || err == nil {
			t.Errorf("against a shorter source: %+v, %v", result.Differing, err)
		}
	})
}

func TestVerifySHA256IsThatOfTheBytes(t *testing.T) {
	t.Parallel()
	p, rev := onePlace(t, []byte("abc"))
	p.image(t, "v", rev.ID, func(im *repository.Image) {
		result, err := backup.Verify(t.Context(), im, backup.VerifyOptions{SHA256: true})
		const want = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" // FIPS 180-2, B.1
		if err != nil || result.SHA256 != want {
			t.Errorf("SHA-256 of abc: %q, %v", result.SHA256, err)
		}
	})
}

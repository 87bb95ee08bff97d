package repository_test

import (
	"testing"

	"varve/repository"
	"varve/revision"
)

// thousand is a volume with a full and a thousand deltas.
func thousand(b *testing.B) (*place, *revision.Statement) {
	b.Helper()
	p := newPlace(b)
	r := p.open()
	im := randomImage(1, 4)
	var st *revision.Statement
	for i := range 1001 {
		im.write(int64(i%4)*chunkSize+int64(i), []byte{byte(i), byte(i >> 8), 1})
		var err error
		if st, err = store(b.Context(), r, "db1", im, storeOptions{}); err != nil {
			b.Fatal(err)
		}
	}
	return p, st
}

// BenchmarkThousandDeltas lists the revisions of a volume, opens the newest, and
// resolves what it holds.
func BenchmarkThousandDeltas(b *testing.B) {
	p, st := thousand(b)
	r := p.open()
	rd, err := r.NewReader(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	closeAfter(b, rd)
	v := repository.Volume{Name: st.Volume.Name, UUID: st.Volume.UUID}
	b.Run("list", func(b *testing.B) {
		for b.Loop() {
			if revs, err := r.Revisions(v); err != nil || len(revs) != 1001 {
				b.Fatal(len(revs), err)
			}
		}
	})
	b.Run("open", func(b *testing.B) {
		for b.Loop() {
			im, err := rd.Image(b.Context(), v, st.ID)
			if err == nil {
				err = im.Close()
			}
			if err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("read", func(b *testing.B) {
		im := p.openImage(r, st)
		buf := make([]byte, 4096)
		for b.Loop() {
			if _, err := im.ReadAt(buf, 8192); err != nil {
				b.Fatal(err)
			}
		}
	})
}

package repository_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"varve/chunkstore"
	"varve/repository"
	"varve/revision"
)

// The repositories in testdata were written once by the program of their format,
// and are read by today's for ever. Until the first release, format 1 may still
// change; then this writes its repository anew:
//
//	go test ./repository -run TestGoldenFormat1 -write-golden
var writeGolden = flag.Bool("write-golden", false, "write testdata/format-1.tar.gz anew")

const golden = "testdata/format-1"

func TestGoldenFormat1(t *testing.T) {
	t.Parallel()
	if *writeGolden {
		goldenRepository(t)
	}
	p := &place{t: t, dir: t.TempDir(), state: t.TempDir()}
	unpack(t, golden+".tar.gz", p.dir)
	r := p.openOn(readOnly(p.tree(), fs.ErrPermission))
	if d := r.Descriptor(); d.Format != 1 || d.ChunkSize != chunkSize {
		t.Errorf("the descriptor is %+v", d)
	}
	sums, err := os.ReadFile(golden + ".sha256")
	if err != nil {
		t.Fatal(err)
	}
	if got := sumAll(p, r); got != string(sums) {
		t.Errorf("restored\n%swant\n%s", got, sums)
	}
	events, err := r.Events()
	if want := strings.Count(string(sums), "\n"); err != nil || len(events) != want {
		t.Errorf("the journal has %d events, %v, want %d", len(events), err, want)
	}
	newest := p.revisions(r, "vms/vm-17")[5]
	if st := newest.Statement; st.Volume.Name != "vm-17" || st.Sequence != 6 {
		t.Errorf("the renamed volume's newest revision is number %d of %s", st.Sequence, st.Volume.Name)
	}
	if retired, err := r.Retirement(newest.Volume); err != nil || !retired.InForce(&newest) || retired.Number != 6 || newest.Volume.Retired.IsZero() {
		t.Errorf("the retired volume: %+v, %v", retired, err)
	}
	// and goes on in it
	r = p.open()
	im := newImage(5 * chunkSize)
	im.write(3, []byte("today"))
	st := p.mustStore(r, "db1", im)
	if st.Kind != revision.Delta {
		t.Errorf("the next revision is a %s", st.Kind)
	}
	p.checkImage(r, st, im)
	p.checkNoTemps()
}

// sumAll restores every revision: a line for each, in the order of volumes and numbers.
func sumAll(p *place, r *repository.Repository) string {
	p.t.Helper()
	volumes, err := r.Volumes()
	if err != nil {
		p.t.Fatal(err)
	}
	var lines strings.Builder
	for _, v := range volumes {
		for _, rev := range p.revisions(r, v.Name) {
			im := p.openImage(r, rev.Statement)
			sum := sha256.New()
			if _, err := io.Copy(sum, io.NewSectionReader(im, 0, im.Size())); err != nil {
				p.t.Errorf("%s@%s: %v", v.Name, rev.ID, err)
			}
			fmt.Fprintf(&lines, "%s  %s@%s %s %d bytes, tags %s\n", hex.EncodeToString(sum.Sum(nil)), v.Name, rev.ID,
				rev.Statement.Kind, im.Size(), strings.Join(rev.Info.Tags, ","))
		}
	}
	return lines.String()
}

// goldenRepository writes one with all that the format has: fulls, deltas with
// patches in stacks, zeros, resizing, each codec, a mark, names that are encoded.
func goldenRepository(t *testing.T) {
	p := emptyPlace(t)
	if _, err := repository.Init(t.Context(), p.tree(), repository.InitOptions{ChunkSize: chunkSize, Codec: "zstd"}); err != nil {
		t.Fatal(err)
	}
	r := p.open()
	im := newImage(9*chunkSize + 1234)
	for i := range int64(7) {
		im.write(i*chunkSize, bytes.Repeat([]byte(fmt.Sprintf("chunk %d of the golden repository. ", i)), 900))
	}
	nights := []func(){
		func() {},
		func() { im.write(2*chunkSize+5000, []byte("a patch")); im.write(100, []byte("another")) },
		func() { im.write(2*chunkSize+9000, []byte("on top of it")); im.write(2*chunkSize, make([]byte, 4096)) },
		func() { delete(im.chunks, 4); im.resize(5*chunkSize + 1) },
		func() { im.resize(12 * chunkSize); im.write(11*chunkSize, []byte("grown")) },
		func() { im.write(2*chunkSize+77, []byte("a third")) },
	}
	codecs := []chunkstore.Codec{chunkstore.Zstd, chunkstore.LZ4, chunkstore.None}
	for _, name := range []revision.Name{"db1", "vm-17"} {
		for i, night := range nights {
			night()
			opts := storeOptions{codec: codecs[i%3], full: name != "db1" && i == 3, tags: []string{fmt.Sprintf("night-%d", i)}}
			p.mustStoreWith(r, name, im, opts)
		}
	}
	rev := p.revisions(r, "db1")[1]
	if err := r.Mark(t.Context(), rev, func(info *repository.Info) { info.Tags = []string{"marked"} }); err != nil {
		t.Fatal(err)
	}
	v, err := r.Rename(t.Context(), "vm-17", "vms/vm-17", 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Retire(t.Context(), v); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(golden+".sha256", []byte(sumAll(p, r)), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(golden+".tar.gz", pack(t, p.dir), 0o644); err != nil {
		t.Fatal(err)
	}
}

func pack(t *testing.T, dir string) []byte {
	t.Helper()
	var out bytes.Buffer
	compressed, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	archive := tar.NewWriter(compressed)
	err = archive.AddFS(os.DirFS(dir))
	if err := errors.Join(err, archive.Close(), compressed.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func unpack(t *testing.T, name, dir string) {
	t.Helper()
	file, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	closeAfter(t, file)
	compressed, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	archive := tar.NewReader(compressed)
	for {
		h, err := archive.Next()
		if err == io.EOF {
			return
		}
		if err == nil {
			err = unpackOne(archive, h, filepath.Join(dir, filepath.FromSlash(h.Name)))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func unpackOne(archive *tar.Reader, h *tar.Header, to string) error {
	if h.FileInfo().IsDir() {
		return os.MkdirAll(to, 0o755)
	}
	data, err := io.ReadAll(archive)
	if err != nil {
		return err
	}
	return os.WriteFile(to, data, 0o644)
}

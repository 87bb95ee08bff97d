package rot

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"os"
	"path"
	"strings"
	"testing"

	"varve/backup"
	"varve/revision"
)

// FuzzRepository puts any bytes in the place of a file of a repository, as they are
// or with the checksums that an enemy would put right, and then lists and verifies
// everything.
func FuzzRepository(f *testing.F) {
	content := golden(f)
	base := newBase(content)
	names := (&model{base: base}).names()
	for i, name := range names {
		f.Add(uint16(i), content[name], true)
	}
	f.Fuzz(func(t *testing.T, n uint16, data []byte, repair bool) {
		name := names[int(n)%len(names)]
		if repair {
			data = repaired(data)
		}
		changed := files{name: data}
		for _, twin := range names { // both copies, or the other one is taken
			if twin != name && bytes.Equal(content[twin], content[name]) {
				changed[twin] = data
			}
		}
		o, err := tryOpen(base.after(changed))
		if err != nil {
			mustBeKnown(t, err)
			return
		}
		defer o.close()
		volumes, err := o.repo.Volumes()
		mustBeKnown(t, err)
		_, err = o.repo.Events()
		mustBeKnown(t, err)
		for _, volume := range volumes {
			revisions, err := o.repo.Revisions(volume)
			mustBeKnown(t, err)
			for _, rev := range revisions {
				verifyHostile(t, o, rev.ID, volume.Name)
			}
		}
	})
}

// golden is a repository that never changes, so that what was found once is found
// again.
func golden(t testing.TB) files {
	t.Helper()
	f, err := os.Open("../../../repository/testdata/format-1.tar.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }() // it is only read
	unzipped, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	content := files{}
	for archive := tar.NewReader(unzipped); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return content
		}
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimPrefix(path.Clean(header.Name), "./")
		if header.Typeflag == tar.TypeDir {
			if name != "." {
				content[name+"/"] = nil
			}
			continue
		}
		if content[name], err = io.ReadAll(archive); err != nil {
			t.Fatal(err)
		}
	}
}

func verifyHostile(t *testing.T, o *opened, id revision.ID, name revision.Name) {
	t.Helper()
	v, err := o.repo.Volume(name)
	if err != nil {
		mustBeKnown(t, err)
		return
	}
	im, err := o.reader.Image(context.Background(), v, id)
	if err != nil {
		mustBeKnown(t, err)
		return
	}
	_, err = backup.Verify(context.Background(), im, backup.VerifyOptions{Workers: 1})
	mustBeKnown(t, err)
	if err := im.Close(); err != nil {
		t.Error(err)
	}
}

func mustBeKnown(t *testing.T, err error) {
	t.Helper()
	if !known(err) {
		t.Errorf("an error of no known type: %v", err)
	}
}

// repaired puts the checksums right of what looks like a small file, or of what ends
// in a footer.
func repaired(data []byte) []byte {
	const head = `{"sum":"00112233445566778899aabbccddeeff","data":`
	if bytes.HasPrefix(data, []byte(`{"sum":"`)) && len(data) > len(head)+2 {
		return sealed(string(data[len(head) : len(data)-2]))
	}
	if len(data) > 200 {
		return resummed(data)
	}
	return data
}

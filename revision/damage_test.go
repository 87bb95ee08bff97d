package revision_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"testing"

	"github.com/zeebo/xxh3"

	"varve/chunkstore"
	"varve/revision"
)

func openAndCheck(data []byte) error {
	m, err := revision.Open(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return err
	}
	return m.Check()
}

// No byte of a revision file lies outside a checksum.
func TestEnumerateChangedBytes(t *testing.T) {
	t.Parallel()
	for _, file := range []string{goldenFull, goldenDelta} {
		data := readGolden(t, file)
		for i := range data {
			for _, flip := range []byte{1, 0x80, 0xff} {
				data[i] ^= flip
				err := openAndCheck(data)
				var corrupt *revision.CorruptError
				if !errors.As(err, &corrupt) {
					t.Errorf("%s: byte %d xor %#x: %v", file, i, flip, err)
				}
				data[i] ^= flip
			}
		}
	}
}

func TestEveryCutAndEveryAdditionIsFound(t *testing.T) {
	t.Parallel()
	data := readGolden(t, goldenDelta)
	for n := range len(data) {
		var corrupt *revision.CorruptError
		if err := openAndCheck(data[:n]); !errors.As(err, &corrupt) {
			t.Errorf("cut to %d bytes: %v", n, err)
		}
		if err := openAndCheck(data[n:]); n > 0 && !errors.As(err, &corrupt) {
			t.Errorf("without the first %d bytes: %v", n, err)
		}
	}
	for _, more := range [][]byte{{0}, make([]byte, 192), data} {
		if err := openAndCheck(append(data[:len(data):len(data)], more...)); err == nil {
			t.Errorf("%d bytes after the end are not found", len(more))
		}
	}
}

func TestFormatOfTheFutureIsNotDamage(t *testing.T) {
	t.Parallel()
	const preamble, footer = 64, 192
	future := func(sealed []byte) {
		binary.LittleEndian.PutUint16(sealed[8:], 2)
		binary.LittleEndian.PutUint64(sealed[len(sealed)-8:], xxh3.Hash(sealed[:len(sealed)-8]))
	}
	for name, change := range map[string]func(data []byte) []byte{
		"footer":         func(data []byte) []byte { future(data[len(data)-footer:]); return data },
		"another footer": func(data []byte) []byte { future(data[:preamble]); return append(data, "more"...) },
	} {
		data := change(readGolden(t, goldenFull))
		var unsupported *revision.UnsupportedError
		err := openAndCheck(data)
		if !errors.As(err, &unsupported) || unsupported.Found != "2" || unsupported.Known != "1" {
			t.Errorf("%s: %v, want an UnsupportedError of format 2", name, err)
		}
	}
}

// A reader whose disk fails.
type failingReader struct {
	io.ReaderAt
	err error
}

func (r *failingReader) ReadAt(p []byte, off int64) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	return r.ReaderAt.ReadAt(p, off)
}

func TestTroubleIsNotDamageAndIsNotRemembered(t *testing.T) {
	t.Parallel()
	var list []revision.Entry
	for i := range uint64(1000) {
		list = append(list, whole(i, i+1))
	}
	st := statement(1, 1000, nil)
	data := write(t, &st, entries(list...), regionsOf(contents(list...)))
	r := &failingReader{ReaderAt: bytes.NewReader(data)}
	m, err := revision.Open(r, int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	r.err = errors.New("input/output error")
	var corrupt *revision.CorruptError
	if _, err := revision.Resolve([]*revision.Map{m}, 0); !errors.Is(err, r.err) || errors.As(err, &corrupt) {
		t.Errorf("Resolve = %v, want the reader's error", err)
	}
	if err := m.Check(); !errors.Is(err, r.err) || errors.As(err, &corrupt) {
		t.Errorf("Check = %v, want the reader's error", err)
	}
	r.err = io.EOF // the file was cut
	if err := m.Check(); !errors.As(err, &corrupt) {
		t.Errorf("Check = %v, want a CorruptError", err)
	}
	r.err = nil
	if chunks, err := revision.Resolve([]*revision.Map{m}, 0); err != nil || len(chunks) != 1000 {
		t.Errorf("Resolve afterwards = %d chunks, %v", len(chunks), err)
	}
}

func TestWriterRefuses(t *testing.T) {
	t.Parallel()
	parent := statement(1, 10, nil)
	parent.Digest = hash32('d', 9)
	noPack, noFingerprint, noContent := whole(0, 1), whole(0, 1), whole(0, 1)
	noPack.BaseRef.Pack = chunkstore.PackID{}
	noFingerprint.Fingerprint, noContent.Content = chunkstore.Fingerprint{}, chunkstore.ID{}
	otherBase := whole(0, 1)
	sameBase := patched(0, 1, revision.BaseObject, ref(1, 1))
	needless := patched(0, 1, revision.BaseParent, ref(1, 1))
	otherBase.BaseRef = ref(1, 1)
	sameBase.BaseRef.ID = sameBase.Content
	needless.BaseRef = ref(1, 1)
	for name, c := range map[string]struct {
		records []revision.Record
		full    bool
	}{
		"descending":            {records: entries(whole(1, 1), whole(0, 2))},
		"twice":                 {records: entries(whole(1, 1), whole(1, 2))},
		"run over entry":        {records: []revision.Record{{Entry: whole(1, 1)}, zeros(1, 1)}},
		"entry in run":          {records: []revision.Record{zeros(0, 3), {Entry: whole(2, 1)}}},
		"run beyond everything": {records: []revision.Record{zeros(1, 1<<63)}},
		"run that wraps":        {records: []revision.Record{zeros(5, 1<<64-3)}},
		"beyond the image":      {records: entries(whole(10, 1))},
		"beyond everything":     {records: entries(whole(1<<60, 1))},
		"no pack":               {records: entries(noPack)},
		"no fingerprint":        {records: entries(noFingerprint)},
		"no content":            {records: entries(noContent)},
		"no patch":              {records: entries(patched(0, 1, revision.BaseParent))},
		"no patch on zeros":     {records: entries(patched(0, 1, revision.BaseZeros))},
		"no patch on object":    {records: entries(patched(0, 1, revision.BaseObject))},
		"256 patches":           {records: entries(patched(0, 1, revision.BaseContent, make([]chunkstore.Ref, 256)...))},
		"patch without id":      {records: entries(patched(0, 1, revision.BaseZeros, chunkstore.Ref{Pack: ref(1, 1).Pack}))},
		"content is another":    {records: entries(otherBase)},
		"another is content":    {records: entries(sameBase)},
		"needless base":         {records: entries(needless)},
		"unknown base":          {records: entries(patched(0, 1, 4, ref(1, 1)))},
		"run in a full":         {records: []revision.Record{zeros(0, 1)}, full: true},
		"parent of a full":      {records: entries(patched(0, 1, revision.BaseParent, ref(1, 1))), full: true},
		"regions of a full":     {records: entries(whole(0, 1)), full: true},
	} {
		st := statement(2, 10, &parent)
		if c.full {
			st = statement(2, 10, nil)
		}
		if _, err := tryWrite(&st, c.records, nil); err == nil {
			t.Errorf("%s: was written", name)
		}
	}
}

func TestFinishHoldsTheStatementAgainstTheFile(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(*revision.Statement){
		"nonce":      func(st *revision.Statement) { st.Nonce[0]++ },
		"chunk size": func(st *revision.Statement) { st.ChunkSize *= 2 },
		"digest":     func(st *revision.Statement) { st.Digest[0]++ },
		"size":       func(st *revision.Statement) { st.Size++ },
	} {
		st := statement(1, 0, nil)
		st.Digest = revision.ImageDigest(chunkSize, 0, nil)
		w, err := revision.NewWriter(io.Discard, revision.Header{ChunkSize: chunkSize, Nonce: st.Nonce})
		if err != nil {
			t.Fatal(err)
		}
		spoil(&st)
		if err := w.Finish(nil, st); err == nil {
			t.Errorf("another %s: was written", name)
		}
	}
}

// A writer whose disk is full says so until the end.
func TestWriterErrorsStay(t *testing.T) {
	t.Parallel()
	full := errors.New("no space left on device")
	header := revision.Header{ChunkSize: chunkSize, Nonce: hash16('n', 1)}
	w, err := revision.NewWriter(&limitedWriter{left: 70000, err: full}, header)
	if err != nil {
		t.Fatal(err)
	}
	for i := range uint64(10000) {
		if err = w.Add(whole(i, i+1)); err != nil {
			break
		}
	}
	if !errors.Is(err, full) {
		t.Errorf("Add = %v, want %v", err, full)
	}
	if err := w.AddZeros(20000, 1); !errors.Is(err, full) {
		t.Errorf("AddZeros = %v, want %v", err, full)
	}
	if err := w.Finish(nil, statement(1, 10000, nil)); !errors.Is(err, full) {
		t.Errorf("Finish = %v, want %v", err, full)
	}
}

type limitedWriter struct {
	left int
	err  error
}

func (w *limitedWriter) Write(p []byte) (int, error) {
	if w.left -= len(p); w.left < 0 {
		return 0, w.err
	}
	return len(p), nil
}

// The first bytes of a file tell which writing it is, whatever became of the rest.
func TestReadNonce(t *testing.T) {
	t.Parallel()
	st := statement(1, 1, nil)
	e := whole(0, 1)
	data := write(t, &st, entries(e), regionsOf(contents(e)))
	if n, err := revision.ReadNonce(bytes.NewReader(data[:64])); err != nil || n != st.Nonce {
		t.Errorf("ReadNonce = %s, %v, want %s", n, err, st.Nonce)
	}
	damaged := bytes.Clone(data)
	damaged[20] ^= 1
	for _, data := range [][]byte{damaged, data[:63], {}} {
		var corrupt *revision.CorruptError
		if n, err := revision.ReadNonce(bytes.NewReader(data)); !errors.As(err, &corrupt) {
			t.Errorf("of %d bytes: ReadNonce = %s, %v, want a CorruptError", len(data), n, err)
		}
	}
}

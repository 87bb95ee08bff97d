package chunkstore

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io/fs"
	"testing"
	"time"

	"varve/internal/durable"
)

func TestConstantsOnDisk(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name      string
		got, want any
	}{
		{"pack magic", packMagic, "VRVP"}, {"pack version", packVersion, 1}, {"pack header", packHeaderLen, 72},
		{"frame magic", frameMagic, "VRVF"}, {"frame version", frameVersion, 1}, {"frame header", frameHeaderLen, 56},
		{"segment row", segmentRowLen, 12},
		{"table magic", tableMagic, "VRVT"}, {"table version", tableVersion, 1}, {"table row", tableRowLen, 49},
		{"footer magic", footerMagic, "VRVE"}, {"footer version", footerVersion, 1}, {"footer", footerLen, 56},
		{"objects in a pack", maxPackObjects, 65536},
		{"chunk", Chunk, Kind(1)}, {"patch", Patch, Kind(2)},
		{"none", None, Codec(0)}, {"lz4", LZ4, Codec(1)}, {"zstd", Zstd, Codec(2)}, {"s2", S2, Codec(3)},
		{"block", BlockSize, 4096}, {"XOR below", xorLimit, 2048},
	} {
		if c.got != c.want {
			t.Errorf("%s is %v, and must for ever be %v", c.name, c.got, c.want)
		}
	}
}

func TestNamesNeverChange(t *testing.T) {
	t.Parallel()
	h := NewHasher([32]byte{1, 2, 3}, 42)
	for _, c := range []struct{ name, got, want string }{
		{"fingerprint", h.Fingerprint([]byte("varve")).String(), goldenFingerprint},
		{"chunk id", h.ChunkID([]byte("varve")).String(), goldenChunkID},
		{"patch id", h.PatchID([]byte("varve")).String(), goldenPatchID},
		{"pack", hex.EncodeToString(goldenPack(t)), goldenPackBytes},
	} {
		if c.got != c.want {
			t.Errorf("%s is now %s, was %s", c.name, c.got, c.want)
		}
	}
}

// goldenPack is a whole pack of one small plain object.
func goldenPack(t *testing.T) []byte {
	t.Helper()
	info := PackInfo{ID: PackID{0xab, 2}, Run: [16]byte{3}, Repository: [16]byte{4}, Encoder: 1}
	return packOf(t, info, None, Patch, []byte("some plain bytes"))
}

// packOf builds a pack by hand: the bytes of finish.
func packOf(t testing.TB, info PackInfo, codec Codec, kind Kind, objects ...[]byte) []byte {
	t.Helper()
	b := appendPackHeader(nil, info)
	headerSum := checksum(b[:packHeaderLen-checksumLen])
	var entries []Entry
	for i, plain := range objects {
		id := ID{byte(255 - i), 1}
		frame, err := new(coder).encodeFrame(codec, kind, id, plain)
		if err != nil {
			t.Fatal(err)
		}
		entries = append(entries, Entry{ID: id, Kind: kind, Offset: int64(len(b)), Stored: len(frame), Plain: len(plain)})
		b = append(b, frame...)
	}
	table := appendContents(nil, entries)
	footer := packFooter{
		tableOffset: int64(len(b)), tableLen: int64(len(table)), tableSum: checksum(table[:len(table)-checksumLen]),
		headerSum: headerSum, fileLen: int64(len(b) + len(table) + footerLen),
	}
	return footer.append(append(b, table...))
}

// memoryFS has one file.
type memoryFS struct {
	durable.FS
	data []byte
}

func (m memoryFS) Open(string) (durable.File, error) { return memoryFile{data: m.data}, nil }

type memoryFile struct {
	durable.File
	data []byte
}

func (f memoryFile) ReadAt(p []byte, off int64) (int, error) {
	return bytes.NewReader(f.data).ReadAt(p, off)
}
func (f memoryFile) Close() error               { return nil }
func (f memoryFile) Stat() (fs.FileInfo, error) { return memoryInfo(len(f.data)), nil }

type memoryInfo int64

func (i memoryInfo) Name() string     { return "" }
func (i memoryInfo) Size() int64      { return int64(i) }
func (memoryInfo) Mode() fs.FileMode  { return 0o600 }
func (memoryInfo) ModTime() time.Time { return time.Time{} }
func (memoryInfo) IsDir() bool        { return false }
func (memoryInfo) Sys() any           { return nil }

func FuzzPack(f *testing.F) {
	info := PackInfo{ID: PackID{1}, Run: [16]byte{2}, Repository: [16]byte{3}, Encoder: encoderVersion}
	f.Add(packOf(f, info, LZ4, Patch, mixed(3000, 1), mixed(100, 2), mixed(1, 3)), true)
	f.Fuzz(func(t *testing.T, data []byte, repair bool) {
		if repair {
			data = repairPack(bytes.Clone(data))
		}
		before := allocated()
		p, err := openPack(memoryFS{data: data}, info.ID)
		if used := allocated() - before; used > uint64(len(data))+1<<20 {
			t.Errorf("%d bytes were allocated for a pack of %d", used, len(data))
		}
		if err != nil {
			if corrupt := new(CorruptError); !errors.As(err, &corrupt) && !fromFuture(err) {
				t.Errorf("%v is neither damage nor from the future", err)
			}
			return
		}
		var entries []Entry
		for i := range p.contents.len() {
			e := p.contents.at(i)
			if got, ok := p.contents.find(objectKey{e.ID, e.Kind}); !ok || got != e {
				t.Fatalf("row %d is not found", i)
			}
			entries = append(entries, e)
			_ = p.readObject(new(coder), e, make([]byte, e.Plain))
		}
		if again := appendContents(nil, entries); !bytes.Equal(again, p.contents) {
			t.Fatal("the table of contents is not the one that its entries give")
		}
		if again := appendPackHeader(nil, p.info); !bytes.Equal(again, data[:packHeaderLen]) {
			t.Fatal("the header is not the one that its fields give")
		}
	})
}

// repairPack puts right checksums and lengths, as far as the pack lets it, so that
// the fuzzer gets past them.
func repairPack(b []byte) []byte {
	if len(b) < packHeaderLen+footerLen {
		return b
	}
	copy(b[packHeaderLen-checksumLen:], appendChecksum(nil, b[:packHeaderLen-checksumLen]))
	foot := b[len(b)-footerLen:]
	footer, _ := parsePackFooter(append(foot[:footerLen-checksumLen:footerLen-checksumLen],
		appendChecksum(nil, foot[:footerLen-checksumLen])...), int64(len(b)))
	if footer.tableLen > tableHeadLen+checksumLen {
		table := b[footer.tableOffset:][:footer.tableLen]
		copy(table[len(table)-checksumLen:], appendChecksum(nil, table[:len(table)-checksumLen]))
		footer.tableSum = checksum(table[:len(table)-checksumLen])
		footer.headerSum = checksum(b[:packHeaderLen-checksumLen])
		copy(foot, footer.append(nil))
	}
	return b
}

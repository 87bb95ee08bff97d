package chunkstore

import (
	"bytes"
	"encoding/hex"
	"errors"
	"math/rand/v2"
	"runtime"
	"testing"

	"pgregory.net/rapid"
)

// mixed returns n bytes of which the first part compresses and the rest does not.
func mixed(n int, seed uint64) []byte {
	r := rand.New(rand.NewPCG(seed, 0))
	b := bytes.Repeat([]byte("the same words again and again, "), n/32+1)[:n]
	for i := n / 2; i < n; i++ {
		b[i] = byte(r.Uint32())
	}
	return b
}

func TestEnumerateFrames(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		codec := rapid.SampledFrom([]Codec{None, LZ4, Zstd, S2}).Draw(t, "codec")
		n := rapid.OneOf(rapid.IntRange(1, 5000), rapid.SampledFrom([]int{65535, 65536, 65537, 300_000, maxPlain})).Draw(t, "length")
		plain := mixed(n, rapid.Uint64().Draw(t, "seed"))
		c := new(coder)
		frame, err := c.encodeFrame(codec, Patch, ID{1}, plain)
		if err != nil {
			t.Fatal(err)
		}
		frame = bytes.Clone(frame)
		if err := c.verifyFrame(frame, Patch, ID{1}, plain); err != nil {
			t.Fatal(err)
		}
		if len(frame) > maxStored(n) {
			t.Fatalf("%d bytes became a frame of %d, at most %d are allowed", n, len(frame), maxStored(n))
		}
		if n >= 65536 && codec != None && len(frame) > n*6/10 {
			t.Errorf("%d bytes, half of them easy, became %d with %s", n, len(frame), codec)
		}
		got := make([]byte, n)
		head, err := c.decodeFrame(frame, got)
		if err != nil || !bytes.Equal(got, plain) || head.id != (ID{1}) || head.kind != Patch {
			t.Fatalf("decoded %+v, %v", head, err)
		}
		other := bytes.Clone(plain)
		other[n/3] ^= 1
		if err := c.verifyFrame(frame, Patch, ID{1}, other); !errors.Is(err, errNotWhatPut) {
			t.Fatalf("compared with other bytes: %v, want %v", err, errNotWhatPut)
		}
	})
}

func TestFramesFromTheFutureSaySo(t *testing.T) {
	t.Parallel()
	c := new(coder)
	whole, err := c.encodeFrame(LZ4, Chunk, ID{1}, mixed(70000, 1))
	if err != nil {
		t.Fatal(err)
	}
	for name, at := range map[string]int{"version": 4, "codec": 7, "flags": 10, "key": 12} {
		frame := bytes.Clone(whole)
		frame[at] = 77
		h, _ := parseFrameHeader(whole)
		end := frameHeaderLen + h.tableLen()
		copy(frame[end:], appendChecksum(nil, frame[:end]))
		if _, err := parseFrameHead(frame); !fromFuture(err) {
			t.Errorf("unknown %s: %v", name, err)
		}
	}
}

// Encoders may change what they make; what they once made is read for ever.
func TestFramesOfFormat1AreRead(t *testing.T) {
	t.Parallel()
	for name, frame := range map[string]string{"lz4": goldenLZ4Frame, "zstd": goldenZstdFrame} {
		b, err := hex.DecodeString(frame)
		if err != nil {
			t.Fatal(err)
		}
		want := bytes.Repeat([]byte(goldenText), 20)
		got := make([]byte, len(want))
		head, err := new(coder).decodeFrame(b, got)
		if err != nil || !bytes.Equal(got, want) || head.id != (ID{9}) || head.codec.String() != name {
			t.Errorf("%s: %+v, %v, %q", name, head, err, got)
		}
	}
}

func FuzzFrame(f *testing.F) {
	c := new(coder)
	for _, codec := range []Codec{None, LZ4, Zstd, S2} {
		frame, err := c.encodeFrame(codec, Chunk, ID{2}, mixed(70000, 3))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(bytes.Clone(frame), true)
	}
	f.Fuzz(func(t *testing.T, frame []byte, repair bool) {
		if h, err := parseFrameHeader(frame); repair && err == nil && len(frame) >= h.headLen() {
			end := frameHeaderLen + h.tableLen()
			frame = bytes.Clone(frame)
			copy(frame[end:], appendChecksum(nil, frame[:end])) // past the checksum, into the decoder
		}
		before := allocated()
		head, err := parseFrameHead(frame)
		if err != nil {
			return
		}
		if again := head.append(nil); !bytes.Equal(again, frame[:frameHeaderLen]) {
			t.Fatalf("header %x became %x", frame[:frameHeaderLen], again)
		}
		dst := make([]byte, head.plain)
		_, _ = new(coder).decodeFrame(frame, dst)
		// A decoder's fixed buffers and tables, the plain bytes, and room for neighbours.
		if used := allocated() - before; used > uint64(head.plain)+64<<20 {
			t.Errorf("%d bytes were allocated for a frame of %d plain bytes", used, head.plain)
		}
	})
}

func allocated() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}

// No segment, however hostile, decodes beyond its length or allocates much.
func TestDecodersAreBounded(t *testing.T) {
	t.Parallel()
	c := new(coder)
	if err := c.needZstdEncoder(); err != nil {
		t.Fatal(err)
	}
	bomb := c.zstdEncoder.EncodeAll(make([]byte, 200<<20), nil)
	dst := make([]byte, 1<<16, 1<<17)
	before := allocated()
	if err := c.decompress(Zstd, dst, bomb); err == nil {
		t.Error("200 MiB were decoded into 64 KiB")
	}
	if used := allocated() - before; used > 16<<20 {
		t.Errorf("%d bytes were allocated for a segment of 64 KiB", used)
	}
	short := c.zstdEncoder.EncodeAll(make([]byte, 1000), nil)
	if err := c.decompress(Zstd, dst, short); !errors.Is(err, errDecodedLength) {
		t.Errorf("1,000 bytes for 65,536: %v, want %v", err, errDecodedLength)
	}
}

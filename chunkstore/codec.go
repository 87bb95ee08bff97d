package chunkstore

import (
	"errors"
	"fmt"
	"runtime"

	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// Codec is how the segments of a frame are compressed.
type Codec uint8

// These values are on disk. Never change them. Nobody asks for S2: it is what
// Zstd chooses for a frame that S2 makes nearly as small, see [coder.choose].
const (
	None Codec = 0
	LZ4  Codec = 1
	Zstd Codec = 2
	S2   Codec = 3
)

func (c Codec) String() string {
	switch c {
	case None:
		return "none"
	case LZ4:
		return "lz4"
	case Zstd:
		return "zstd"
	case S2:
		return "s2"
	}
	return fmt.Sprintf("codec %d", uint8(c))
}

// ParseCodec reads what [Codec.String] writes for the codecs that can be asked for.
func ParseCodec(text string) (Codec, error) {
	for _, c := range []Codec{None, LZ4, Zstd} {
		if text == c.String() {
			return c, nil
		}
	}
	return 0, fmt.Errorf(`%q is no codec: "zstd", "lz4" or "none" expected`, text)
}

var (
	errDecodedLength = errors.New("a segment decodes to another length than it should")
	errNotCodec      = errors.New("a segment is compressed in a frame of codec none")
)

// A coder holds what one goroutine needs to encode or decode one object after
// another without garbage: codecs, made when first used, and buffers.
type coder struct {
	zstdEncoder *zstd.Encoder
	zstdDecoder *zstd.Decoder
	lz4Encoder  lz4.Compressor

	frame   []byte // a frame being built, or stored bytes just read
	plain   []byte // a patch's plain bytes
	chunk   []byte // a chunk's bytes
	segment []byte // one segment's plain bytes
	head    []byte // the head of a frame of which segments are read
}

// maxDecoderMemory bounds what a hostile segment makes the decoder allocate. A
// segment of this size is the largest that can be valid.
const maxDecoderMemory = 1 << maxSegmentLog

// compress appends the compressed form of src to dst if it is shorter than src
// by enough to be worth decoding later, and src itself otherwise.
func (c *coder) compress(codec Codec, dst, src []byte) ([]byte, error) {
	limit := len(src) - len(src)/32
	start := len(dst)
	switch {
	case codec == None || limit == len(src) || incompressible(src):
	case codec == LZ4:
		// The room is the limit: lz4 gives up when it runs out, and reports 0.
		n, err := c.lz4Encoder.CompressBlock(src, dst[start:start+limit])
		if err == nil && n > 0 {
			return dst[:start+n], nil
		}
	case codec == Zstd:
		if err := c.needZstdEncoder(); err != nil {
			return nil, err
		}
		out := c.zstdEncoder.EncodeAll(src, dst)
		if len(out)-start < limit {
			return out, nil
		}
	case codec == S2:
		out := s2.Encode(dst[start:cap(dst)], src)
		if len(out) < limit && cap(dst)-start >= s2.MaxEncodedLen(len(src)) { // or it is no part of dst
			return dst[:start+len(out)], nil
		}
	default:
		return nil, &FeatureError{What: "codec", Value: uint64(codec)}
	}
	return append(dst[:start], src...), nil
}

// choose gives the codec for a frame. Where S2 costs no more than a quarter of the
// space on top, it is taken for Zstd: it encodes and decodes twice as fast. One
// compressible segment near the middle decides for all.
func (c *coder) choose(codec Codec, plain []byte) (Codec, error) {
	const segment = 1 << segmentLog
	if codec != Zstd || len(plain) < minSampled*segment {
		return codec, nil
	}
	for at := len(plain) / 2 / segment * segment; at+segment <= len(plain); at += segment {
		sample := plain[at : at+segment]
		if incompressible(sample) {
			continue
		}
		c.segment = sized(c.segment, segment+encoderSlack)
		small, err := c.compress(Zstd, c.segment[:0], sample)
		if err != nil {
			return codec, err
		}
		dense := len(small)
		fast, err := c.compress(S2, c.segment[:0], sample)
		if err == nil && len(fast) <= dense+dense/4 {
			return S2, nil
		}
		return codec, err
	}
	return codec, nil
}

// minSampled is the number of segments from which on trying one of them pays.
const minSampled = 8

// decompress fills dst with the plain bytes of a segment that was compressed.
func (c *coder) decompress(codec Codec, dst, stored []byte) error {
	switch codec {
	case None:
		return errNotCodec
	case LZ4:
		n, err := lz4.UncompressBlock(stored, dst)
		if err != nil {
			return fmt.Errorf("lz4: %w", err)
		}
		if n != len(dst) {
			return errDecodedLength
		}
		return nil
	case S2:
		if n, err := s2.DecodedLen(stored); err != nil || n != len(dst) {
			return errDecodedLength
		}
		if _, err := s2.Decode(dst, stored); err != nil {
			return fmt.Errorf("s2: %w", err)
		}
		return nil
	case Zstd:
		if err := c.needZstdDecoder(); err != nil {
			return err
		}
		// The capacity is the limit: nothing is written or allocated beyond it.
		out, err := c.zstdDecoder.DecodeAll(stored, dst[:0:len(dst)])
		if err != nil {
			return fmt.Errorf("zstd: %w", err)
		}
		if len(out) != len(dst) {
			return errDecodedLength
		}
		return nil
	}
	return &FeatureError{What: "frame codec", Value: uint64(codec)}
}

func (c *coder) needZstdEncoder() (err error) {
	if c.zstdEncoder == nil {
		c.zstdEncoder, err = zstd.NewWriter(nil,
			zstd.WithEncoderLevel(zstd.SpeedFastest),
			zstd.WithEncoderConcurrency(1),
			zstd.WithEncoderCRC(false),   // segments have checksums of their own
			zstd.WithSingleSegment(true), // the window is the segment
		)
	}
	return err
}

func (c *coder) needZstdDecoder() (err error) {
	if c.zstdDecoder == nil {
		c.zstdDecoder, err = zstd.NewReader(nil,
			zstd.WithDecoderConcurrency(1),
			zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxMemory(maxDecoderMemory),
			zstd.WithDecodeAllCapLimit(true),
		)
	}
	return err
}

// A coderPool keeps coders between uses. Unlike sync.Pool it does not lose them
// to every garbage collection: an encoder is a megabyte that has to be made anew.
type coderPool chan *coder

// newCoderPool keeps twice as many idle coders as can be busy. More may be in use.
func newCoderPool() coderPool { return make(coderPool, 2*runtime.GOMAXPROCS(0)) }

func (p coderPool) take() *coder {
	select {
	case c := <-p:
		return c
	default:
		return new(coder)
	}
}

func (p coderPool) give(c *coder) {
	select {
	case p <- c:
	default:
	}
}

// sized returns a slice of n bytes of unknown content, in buf if it has the room.
func sized(buf []byte, n int) []byte {
	if cap(buf) < n {
		return make([]byte, n)
	}
	return buf[:n]
}

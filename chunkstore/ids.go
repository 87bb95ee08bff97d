package chunkstore

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"strings"
)

// BlockSize is the unit of change: what a patch replaces, in bytes.
const BlockSize = 4096

// Chunk sizes are powers of two between these, in bytes.
const (
	MinChunkSize = 64 << 10
	MaxChunkSize = 16 << 20
)

// CheckChunkSize tells whether chunks may have so many bytes.
func CheckChunkSize[T int | uint64](size T) error {
	if size < MinChunkSize || size > MaxChunkSize || size&(size-1) != 0 {
		return fmt.Errorf("chunk size %d is not a power of two from 64 KiB to 16 MiB", size)
	}
	return nil
}

// ID names an object by its kind and content. The zero ID is reserved for the
// chunk of zeros, which is never stored.
type ID [32]byte

func (id ID) String() string { return hex.EncodeToString(id[:]) }

// IsZero tells whether id is the reserved name of the zero chunk.
func (id ID) IsZero() bool { return id == ID{} }

// Fingerprint tells whether the content of a chunk has changed; it names nothing.
// That of the zero chunk is zero.
type Fingerprint [16]byte

func (f Fingerprint) String() string { return hex.EncodeToString(f[:]) }

// IsZero tells whether f stands for the zero chunk.
func (f Fingerprint) IsZero() bool { return f == Fingerprint{} }

// PackID names a pack: 16 random bytes.
type PackID [16]byte

func (p PackID) String() string { return hex.EncodeToString(p[:]) }

// IsZero tells whether p names no pack.
func (p PackID) IsZero() bool { return p == PackID{} }

// Compare orders pack ids by their bytes, as the names of their files are ordered.
func (p PackID) Compare(q PackID) int { return bytes.Compare(p[:], q[:]) }

// ParsePackID reads what [PackID.String] writes, and nothing else.
func ParsePackID(text string) (p PackID, err error) {
	if !parseHex(p[:], text) {
		return PackID{}, fmt.Errorf("%q is no pack id: 32 lower-case hexadecimal digits expected", text)
	}
	return p, nil
}

// ParseID reads what [ID.String] writes, and nothing else.
func ParseID(text string) (id ID, err error) {
	if !parseHex(id[:], text) {
		return ID{}, fmt.Errorf("%q is no object id: 64 lower-case hexadecimal digits expected", text)
	}
	return id, nil
}

// MarshalText is the text of String.
func (p PackID) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText accepts what [ParsePackID] accepts.
func (p *PackID) UnmarshalText(text []byte) (err error) {
	*p, err = ParsePackID(string(text))
	return err
}

// MarshalText is the text of String.
func (id ID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText accepts what [ParseID] accepts.
func (id *ID) UnmarshalText(text []byte) (err error) {
	*id, err = ParseID(string(text))
	return err
}

// parseHex fills dst from exactly as many lower-case digits as it holds.
func parseHex(dst []byte, text string) bool {
	if len(text) != hex.EncodedLen(len(dst)) || strings.ContainsAny(text, "ABCDEF") {
		return false
	}
	_, err := hex.Decode(dst, []byte(text))
	return err == nil
}

// Kind is what an object is. It is part of the object's name.
type Kind uint8

// These values are on disk and in every name. Never change them.
const (
	Chunk Kind = 1 // all bytes of a chunk
	Patch Kind = 2 // the changed blocks of a chunk, see [AppendPatch]
)

func (k Kind) String() string {
	switch k {
	case Chunk:
		return "chunk"
	case Patch:
		return "patch"
	}
	return fmt.Sprintf("kind %d", uint8(k))
}

// Ref is an object and the pack it is believed to lie in. The pack is a hint.
type Ref struct {
	ID   ID
	Pack PackID
}

// Stack is how a chunk is put together: a base (the zero ID stands for the zero
// chunk) and the patches above it, oldest first.
type Stack struct {
	Base    Ref
	Patches []Ref
}

// A Copy is one object in one pack. That a chunk and a patch have the same id is
// as impossible as two chunks having it.
type Copy struct {
	Pack PackID
	ID   ID
}

// objectKey is the whole name of an object.
type objectKey struct {
	id   ID
	kind Kind
}

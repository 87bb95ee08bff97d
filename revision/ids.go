package revision

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"strings"
	"time"
)

// crockford is the alphabet of short ids: no i, l, o and u, which are easily
// misread or spell words.
const (
	crockfordLetters = "abcdefghjkmnpqrstvwxyz"
	crockford        = "0123456789" + crockfordLetters
)

// The two halves of an id: 20261124T010003Z-k3f9.
const (
	idTimeLayout = "20060102T150405Z"
	shortLength  = 4
	idLength     = len(idTimeLayout) + 1 + shortLength
)

// An ID names a revision within its volume: when it was begun, in UTC, and four
// characters that tell it from others of that second. It sorts by the clock; which
// revision is the newest is told by the sequence number alone.
type ID string

// NewID makes an id for a revision begun at that time. The year must lie between
// 0 and 9999. It panics if random fails, which crypto/rand.Reader never does.
func NewID(begun time.Time, random io.Reader) ID {
	var entropy [8]byte
	if _, err := io.ReadFull(random, entropy[:]); err != nil {
		panic("revision: NewID without randomness: " + err.Error())
	}
	bits := binary.LittleEndian.Uint64(entropy[:])
	short := []byte{crockfordLetters[uint32(bits>>32)%uint32(len(crockfordLetters))], 0, 0, 0}
	for i := 1; i < shortLength; i++ {
		short[i] = crockford[bits&31]
		bits >>= 5
	}
	return ID(begun.UTC().Format(idTimeLayout) + "-" + string(short))
}

// ParseID reads the text of an id, which is the id itself.
func ParseID(text string) (ID, error) {
	if len(text) != idLength || text[len(idTimeLayout)] != '-' || !isShort(text[len(idTimeLayout)+1:]) {
		return "", fmt.Errorf("bad revision id %q: want the form 20261124T010003Z-k3f9", text)
	}
	if _, exists := parseIDTime(text[:len(idTimeLayout)]); !exists {
		return "", fmt.Errorf("bad revision id %q: its time does not exist", text)
	}
	return ID(text), nil
}

// Short is the last part of the id, which people type.
func (id ID) Short() string {
	if len(id) < shortLength {
		return string(id)
	}
	return string(id[len(id)-shortLength:])
}

// Begun is when the revision was begun, to the second; zero for an id that was
// not parsed or made.
func (id ID) Begun() time.Time {
	if len(id) != idLength {
		return time.Time{}
	}
	t, exists := parseIDTime(string(id[:len(idTimeLayout)]))
	if !exists {
		return time.Time{}
	}
	return t
}

// parseIDTime reads what idTimeLayout writes, and that to the letter. It is called for
// every revision of a repository, and so does without [time.Parse].
func parseIDTime(text string) (t time.Time, exists bool) {
	var numbers [6]int
	for i, at := range [][2]int{{0, 4}, {4, 6}, {6, 8}, {9, 11}, {11, 13}, {13, 15}} {
		for _, c := range []byte(text[at[0]:at[1]]) {
			if c < '0' || c > '9' {
				return t, false
			}
			numbers[i] = numbers[i]*10 + int(c-'0')
		}
	}
	t = time.Date(numbers[0], time.Month(numbers[1]), numbers[2], numbers[3], numbers[4], numbers[5], 0, time.UTC)
	year, month, day := t.Date()
	hour, minute, second := t.Clock()
	is := [6]int{year, int(month), day, hour, minute, second}
	return t, is == numbers && text[8] == 'T' && text[15] == 'Z'
}

func (id ID) String() string { return string(id) }

// UnmarshalText accepts what [ParseID] accepts.
func (id *ID) UnmarshalText(text []byte) error {
	parsed, err := ParseID(string(text))
	if err != nil {
		return err
	}
	*id = parsed
	return nil
}

// isShort tells whether text has the form of a short id: a letter, then three
// more characters.
func isShort(text string) bool {
	if len(text) != shortLength || strings.IndexByte(crockfordLetters, text[0]) < 0 {
		return false
	}
	for i := 1; i < shortLength; i++ {
		if strings.IndexByte(crockford, text[i]) < 0 {
			return false
		}
	}
	return true
}

// A Digest identifies an image by its bytes and its size; see [ImageDigest].
type Digest [32]byte

// A Nonce is new each time a revision file is written, so that a rewritten file
// is told from the one it replaced.
type Nonce [16]byte

// A UUID names a volume, a lineage or a repository.
type UUID [16]byte

// ParseDigest reads 64 lower-case hexadecimal characters.
func ParseDigest(text string) (d Digest, err error) {
	err = d.UnmarshalText([]byte(text))
	return d, err
}

// ParseNonce reads 32 lower-case hexadecimal characters.
func ParseNonce(text string) (n Nonce, err error) {
	err = n.UnmarshalText([]byte(text))
	return n, err
}

// ParseUUID reads the form 8-4-4-4-12, in lower case.
func ParseUUID(text string) (u UUID, err error) {
	err = u.UnmarshalText([]byte(text))
	return u, err
}

// IsZero tells whether no digest was given.
func (d Digest) IsZero() bool { return d == Digest{} }

// IsZero tells whether no nonce was given.
func (n Nonce) IsZero() bool { return n == Nonce{} }

// IsZero tells whether no id was given.
func (u UUID) IsZero() bool { return u == UUID{} }

func (d Digest) String() string { return hex.EncodeToString(d[:]) }
func (n Nonce) String() string  { return hex.EncodeToString(n[:]) }

func (u UUID) String() string {
	h := hex.EncodeToString(u[:])
	return h[0:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:32]
}

// MarshalText is the text of String.
func (d Digest) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// MarshalText is the text of String.
func (n Nonce) MarshalText() ([]byte, error) { return []byte(n.String()), nil }

// MarshalText is the text of String.
func (u UUID) MarshalText() ([]byte, error) { return []byte(u.String()), nil }

// UnmarshalText accepts what [ParseDigest] accepts.
func (d *Digest) UnmarshalText(text []byte) error { return parseHex(d[:], text, "digest") }

// UnmarshalText accepts what [ParseNonce] accepts.
func (n *Nonce) UnmarshalText(text []byte) error { return parseHex(n[:], text, "nonce") }

// UnmarshalText accepts what [ParseUUID] accepts.
func (u *UUID) UnmarshalText(text []byte) error {
	const form = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx"
	if len(text) != len(form) {
		return fmt.Errorf("bad uuid %q: want the form %s", text, form)
	}
	var digits []byte
	for i, c := range text {
		if (form[i] == '-') != (c == '-') {
			return fmt.Errorf("bad uuid %q: want the form %s", text, form)
		}
		if c != '-' {
			digits = append(digits, c)
		}
	}
	return parseHex(u[:], digits, "uuid")
}

// parseHex fills dst from exactly as many lower-case digits as it holds.
func parseHex(dst, text []byte, what string) error {
	if len(text) != hex.EncodedLen(len(dst)) {
		return fmt.Errorf("bad %s %q: want %d hexadecimal digits", what, text, hex.EncodedLen(len(dst)))
	}
	if strings.ContainsAny(string(text), "ABCDEF") {
		return fmt.Errorf("bad %s %q: want lower-case digits", what, text)
	}
	value := make([]byte, len(dst))
	if _, err := hex.Decode(value, text); err != nil {
		return fmt.Errorf("bad %s %q: %w", what, text, err)
	}
	copy(dst, value)
	return nil
}

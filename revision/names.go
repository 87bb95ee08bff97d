package revision

import (
	"encoding/hex"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bounds of what people may name.
const (
	maxEncodedName = 240 // leaves room in a file name of 255 bytes
	maxTag         = 64

	// MaxTags bounds the tags of one revision.
	MaxTags = 256
)

// A Name is a volume's name, such as db1 or vms/vm-17: UTF-8 without control
// characters, without "@" and without ":/", which end a name in an address.
type Name string

// ParseName checks a volume's name.
func ParseName(text string) (Name, error) {
	switch {
	case text == "":
		return "", fmt.Errorf("bad volume name %q: it is empty", text)
	case !utf8.ValidString(text):
		return "", fmt.Errorf("bad volume name %q: it is not UTF-8", text)
	case strings.ContainsFunc(text, unicode.IsControl):
		return "", fmt.Errorf("bad volume name %q: it holds a control character", text)
	case strings.Contains(text, "@"):
		return "", fmt.Errorf("bad volume name %q: %q begins a revision", text, "@")
	case strings.Contains(text, ":/"):
		return "", fmt.Errorf("bad volume name %q: %q begins a path inside the volume", text, ":/")
	}
	if n := len(escape(text)); n > maxEncodedName {
		return "", fmt.Errorf("bad volume name %q: it takes %d bytes on disk, at most %d are possible",
			text, n, maxEncodedName)
	}
	return Name(text), nil
}

// Encode gives the name of the volume's directory: one path element that never
// begins with a dot.
func (n Name) Encode() string { return escape(string(n)) }

func (n Name) String() string { return string(n) }

// UnmarshalText accepts what [ParseName] accepts.
func (n *Name) UnmarshalText(text []byte) error {
	name, err := ParseName(string(text))
	if err != nil {
		return err
	}
	*n = name
	return nil
}

// DecodeName is the inverse of [Name.Encode]. It refuses every text that Encode
// does not give, so that two directories never mean one volume.
func DecodeName(encoded string) (Name, error) {
	var plain strings.Builder
	for i := 0; i < len(encoded); i++ {
		c := encoded[i]
		if c == '%' {
			var b [1]byte
			if len(encoded)-i < 3 {
				return "", fmt.Errorf("bad encoded volume name %q: it ends within an escape", encoded)
			}
			if _, err := hex.Decode(b[:], []byte(encoded[i+1:i+3])); err != nil {
				return "", fmt.Errorf("bad encoded volume name %q: %w", encoded, err)
			}
			c, i = b[0], i+2
		}
		plain.WriteByte(c)
	}
	name, err := ParseName(plain.String())
	if err != nil {
		return "", err
	}
	if name.Encode() != encoded {
		return "", fmt.Errorf("bad encoded volume name %q: it should be %q", encoded, name.Encode())
	}
	return name, nil
}

// escape writes "/", "%", control bytes and a leading "." as "%" and two
// upper-case hexadecimal digits, and every other byte as it is.
func escape(text string) string {
	const digits = "0123456789ABCDEF"
	var out strings.Builder
	out.Grow(len(text))
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '/', c == '%', c < 0x20, c == 0x7f, c == '.' && i == 0:
			out.Write([]byte{'%', digits[c>>4], digits[c&15]})
		default:
			out.WriteByte(c)
		}
	}
	return out.String()
}

// CheckTag refuses what is not 1 to 64 of the characters A-Z a-z 0-9 . _ -.
func CheckTag(tag string) error {
	if len(tag) == 0 || len(tag) > maxTag {
		return fmt.Errorf("bad tag %q: want 1 to %d characters", tag, maxTag)
	}
	for _, c := range []byte(tag) {
		if !isTagByte(c) {
			return fmt.Errorf("bad tag %q: want letters, digits and . _ - only", tag)
		}
	}
	return nil
}

func isTagByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '.' || c == '_' || c == '-'
}

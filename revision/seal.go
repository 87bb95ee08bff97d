package revision

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"

	"github.com/zeebo/xxh3"
)

// Preamble, page, table and footer are sealed in the same way: they begin with a
// magic and a version of two bytes, and end in a checksum of all bytes before.
const checksumSize = 8

func appendChecksum(buf []byte) []byte {
	return binary.LittleEndian.AppendUint64(buf, xxh3.Hash(buf))
}

// unseal gives the bytes of a structure before its checksum. Only of bytes that are
// whole the version is believed: else a flipped bit would pass for the future.
func unseal(buf []byte, magic string, version uint16) ([]byte, error) {
	if len(buf) < len(magic)+2+checksumSize {
		return nil, errors.New("cut off")
	}
	if string(buf[:len(magic)]) != magic {
		return nil, fmt.Errorf("begins with %q instead of %q", buf[:len(magic)], magic)
	}
	body, sum := buf[:len(buf)-checksumSize], binary.LittleEndian.Uint64(buf[len(buf)-checksumSize:])
	if got := xxh3.Hash(body); got != sum {
		return nil, fmt.Errorf("checksum is %016x, the bytes give %016x", sum, got)
	}
	if v := binary.LittleEndian.Uint16(buf[len(magic):]); v != version {
		return nil, &UnsupportedError{
			What: "format", Found: strconv.Itoa(int(v)), Known: strconv.Itoa(int(version)),
		}
	}
	return body, nil
}

package repository

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/zeebo/xxh3"

	"varve/internal/durable"
)

// maxSmallFile bounds every small file but generations and journals, in bytes.
const maxSmallFile = 1 << 20

// A small file is one line:
//
//	{"sum":"<xxh3-128 of the bytes of data, hex>","data":{…}}
//
// data is the compact JSON that encoding/json makes of the value, so that
// encoding what was decoded gives the same bytes again.
const (
	beforeSum  = `{"sum":"`
	beforeData = `","data":`
	afterData  = `}`
	sumLength  = 32
)

func checksum(data []byte) string {
	sum := xxh3.Hash128(data).Bytes()
	return hex.EncodeToString(sum[:])
}

// seal encodes a value as a small file.
func seal(value any) ([]byte, error) {
	data, err := json.Marshal(value)
	if err != nil {
		return nil, err
	}
	return slices.Concat([]byte(beforeSum+checksum(data)+beforeData), data, []byte(afterData+"\n")), nil
}

// unseal decodes a small file into value, a pointer, and makes sure that nothing
// in it was damaged or is unknown to this program.
func unseal(file []byte, value any) error {
	data, err := unsealData(file)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, value); err != nil {
		return fmt.Errorf("%w: %v", errBadContent, err)
	}
	again, err := json.Marshal(value)
	if err != nil {
		return err
	}
	if !bytes.Equal(again, data) {
		return fmt.Errorf("%w: it holds fields or forms that this program does not know", errBadContent)
	}
	return nil
}

// unsealData checks what is around the data, to the letter, and returns the data. That
// it is JSON is left open.
func unsealData(file []byte) ([]byte, error) {
	line, ok := bytes.CutSuffix(file, []byte("\n"))
	if !ok {
		return nil, fmt.Errorf("%w: it is cut short", errBadContent)
	}
	const before = len(beforeSum) + sumLength + len(beforeData)
	if len(line) < before || string(line[:len(beforeSum)]) != beforeSum || string(line[before-len(beforeData):before]) != beforeData ||
		!bytes.HasSuffix(line[before:], []byte(afterData)) {
		return nil, fmt.Errorf("%w: it is not a checksum and data", errBadContent)
	}
	data := line[before : len(line)-len(afterData)]
	if sum, said := checksum(data), line[len(beforeSum):len(beforeSum)+sumLength]; sum != string(said) {
		return nil, fmt.Errorf("%w: checksum is %s, the file says %q", errBadContent, sum, said)
	}
	return data, nil
}

// readSmall reads and decodes a small file. Damage is a [*DamagedFileError].
func readSmall(fsys durable.FS, name string, value any) error {
	file, err := durable.ReadFile(fsys, name, maxSmallFile)
	if err != nil {
		return damagedFile(name, err)
	}
	if err := unseal(file, value); err != nil {
		return &DamagedFileError{Path: name, Cause: err}
	}
	return nil
}

// writeNewSmall makes a new small file, durable when it returns nil.
func writeNewSmall(fsys durable.FS, temps *durable.Temps, name string, value any) error {
	file, err := seal(value)
	if err != nil {
		return err
	}
	return durable.WriteNew(fsys, temps, name, file)
}

// writeTempSmall writes a small file under a temporary name in that directory, durable when
// it returns nil. It is for the caller to rename or remove.
func writeTempSmall(fsys durable.FS, temps *durable.Temps, dir string, value any) (string, error) {
	file, err := seal(value)
	if err != nil {
		return "", err
	}
	return durable.WriteTemp(fsys, temps, dir, file)
}

// replaceSmall replaces or makes a small file, durable when it returns nil.
func replaceSmall(fsys durable.FS, temps *durable.Temps, name string, value any) error {
	file, err := seal(value)
	if err != nil {
		return err
	}
	return durable.Replace(fsys, temps, name, file)
}

package repository

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/zeebo/xxh3"

	"varve/internal/durable"
)

// maxSmallFile bounds every small file but generations and journals, in bytes.
const maxSmallFile = 1 << 20

// envelope is how each small file is stored, on one line:
//
//	{"sum":"<xxh3-128 of the bytes of data, hex>","data":{…}}
//
// data is the compact JSON that encoding/json makes of the value, so that
// encoding what was decoded gives the same bytes again.
type envelope struct {
	Sum  string          `json:"sum"`
	Data json.RawMessage `json:"data"`
}

func checksum(data []byte) string {
	sum := xxh3.Hash128(data).Bytes()
	return fmt.Sprintf("%x", sum[:])
}

// seal encodes a value as a small file.
func seal(value any) ([]byte, error) {
	data, err := json.Marshal(value)
	if err != nil {
		return nil, err
	}
	line, err := json.Marshal(envelope{Sum: checksum(data), Data: data})
	if err != nil {
		return nil, err
	}
	return append(line, '\n'), nil
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

// unsealData checks the envelope and returns what is inside.
func unsealData(file []byte) ([]byte, error) {
	line, ok := bytes.CutSuffix(file, []byte("\n"))
	if !ok {
		return nil, fmt.Errorf("%w: it is cut short", errBadContent)
	}
	var env envelope
	if err := json.Unmarshal(line, &env); err != nil {
		return nil, fmt.Errorf("%w: %v", errBadContent, err)
	}
	if sum := checksum(env.Data); sum != env.Sum {
		return nil, fmt.Errorf("%w: checksum is %s, the file says %q", errBadContent, sum, env.Sum)
	}
	again, err := json.Marshal(env)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(again, line) {
		return nil, fmt.Errorf("%w: it holds more than a checksum and data", errBadContent)
	}
	return env.Data, nil
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

// replaceSmall replaces or makes a small file, durable when it returns nil.
func replaceSmall(fsys durable.FS, temps *durable.Temps, name string, value any) error {
	file, err := seal(value)
	if err != nil {
		return err
	}
	return durable.Replace(fsys, temps, name, file)
}

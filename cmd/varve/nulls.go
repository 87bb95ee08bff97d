package main

import (
	"bytes"
	"encoding/json"
)

// Of what --json prints: nothing is left out, lists are never null, and what is not
// known, or does not exist, is null. Text alone may be empty.

// known is a value whose zero means that there is none: that is null in JSON.
type known[T comparable] struct{ is T }

// MarshalJSON implements [json.Marshaler].
func (k known[T]) MarshalJSON() ([]byte, error) {
	var none T
	if k.is == none {
		return []byte("null"), nil
	}
	return marshal(k.is)
}

// UnmarshalJSON implements [json.Unmarshaler].
func (k *known[T]) UnmarshalJSON(data []byte) error {
	var none T
	k.is = none
	return json.Unmarshal(data, &k.is) // null leaves it as it is
}

// marshal encodes as the document is: what is text stays as it can be read.
func marshal(value any) ([]byte, error) {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	err := enc.Encode(value)
	return bytes.TrimSpace(out.Bytes()), err
}

// marshalJoined encodes several objects as one that has the fields of all.
func marshalJoined(objects ...any) ([]byte, error) {
	joined := []byte{'{'}
	for _, object := range objects {
		data, err := marshal(object)
		if err != nil {
			return nil, err
		}
		if fields := data[1 : len(data)-1]; len(fields) > 0 {
			if len(joined) > 1 {
				joined = append(joined, ',')
			}
			joined = append(joined, fields...)
		}
	}
	return append(joined, '}'), nil
}

// marshalIndented encodes what people may look at, too.
func marshalIndented(value any) ([]byte, error) {
	data, err := marshal(value)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	if err := json.Indent(&out, data, "", "  "); err != nil {
		return nil, err
	}
	out.WriteByte('\n')
	return out.Bytes(), nil
}

package chunkstore_test

import (
	"encoding/json"
	"testing"

	"varve/chunkstore"
)

func TestIDsAreTextInJSON(t *testing.T) {
	t.Parallel()
	type both struct {
		Pack   chunkstore.PackID
		Object chunkstore.ID
	}
	want := both{Pack: chunkstore.PackID{0x3f, 15: 1}, Object: chunkstore.ID{0xab, 31: 2}}
	const text = `{"Pack":"3f000000000000000000000000000001",` +
		`"Object":"ab00000000000000000000000000000000000000000000000000000000000002"}`
	data, err := json.Marshal(want)
	if err != nil || string(data) != text {
		t.Errorf("Marshal = %s, %v, want %s", data, err, text)
	}
	var got both
	if err := json.Unmarshal([]byte(text), &got); err != nil || got != want {
		t.Errorf("Unmarshal = %+v, %v, want %+v", got, err, want)
	}
	for _, bad := range []string{"", "3f", "3F000000000000000000000000000001", "zz000000000000000000000000000001"} {
		if _, err := chunkstore.ParsePackID(bad); err == nil {
			t.Errorf("ParsePackID(%q) succeeded", bad)
		}
		if _, err := chunkstore.ParseID(bad + bad); err == nil {
			t.Errorf("ParseID(%q) succeeded", bad+bad)
		}
	}
}

func FuzzIDs(f *testing.F) {
	f.Add(chunkstore.ID{1}.String())
	f.Add(chunkstore.PackID{1}.String())
	f.Fuzz(func(t *testing.T, text string) {
		if id, err := chunkstore.ParseID(text); err == nil && id.String() != text {
			t.Errorf("object id %q became %s", text, id)
		}
		if id, err := chunkstore.ParsePackID(text); err == nil && id.String() != text {
			t.Errorf("pack id %q became %s", text, id)
		}
		if c, err := chunkstore.ParseCodec(text); err == nil && c.String() != text {
			t.Errorf("codec %q became %s", text, c)
		}
	})
}

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

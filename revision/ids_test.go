package revision_test

import (
	"crypto/rand"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"varve/revision"
)

func TestIDs(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 24, 2, 0, 3, 999, time.FixedZone("CET", 3600))
	seen := map[revision.ID]bool{}
	for range 1000 {
		id := revision.NewID(at, rand.Reader)
		if parsed, err := revision.ParseID(id.String()); err != nil || parsed != id {
			t.Fatalf("ParseID(%q) = %q, %v", id, parsed, err)
		}
		if !strings.HasPrefix(string(id), "20261124T010003Z-") || !strings.HasSuffix(string(id), "-"+id.Short()) {
			t.Fatalf("NewID = %q, short %q", id, id.Short())
		}
		if want := time.Date(2026, 11, 24, 1, 0, 3, 0, time.UTC); !id.Begun().Equal(want) {
			t.Fatalf("Begun of %q = %s, want %s", id, id.Begun(), want)
		}
		seen[id] = true
	}
	if len(seen) < 990 {
		t.Errorf("1000 ids, %d different", len(seen))
	}
}

// The time in an id is what the layout makes of it, and nothing else is one.
func TestTimesOfIDs(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		at := time.Unix(rapid.Int64Range(-62167219200, 253402300799).Draw(rt, "seconds"), 0).UTC() // the years 0 to 9999
		text := []byte(at.Format("20060102T150405Z") + "-k3f9")
		for range rapid.IntRange(0, 2).Draw(rt, "changes") {
			text[rapid.IntRange(0, 15).Draw(rt, "at")] = rapid.SampledFrom([]byte("0123456789TZ.-+ ")).Draw(rt, "to")
		}
		want, err := time.Parse("20060102T150405Z", string(text[:16]))
		id, got := revision.ParseID(string(text))
		if exists := err == nil && want.Format("20060102T150405Z") == string(text[:16]); exists != (got == nil) {
			rt.Errorf("%q: %v, want it to be a time: %v", text, got, exists)
		} else if exists && !id.Begun().Equal(want) {
			rt.Errorf("%q was begun %s, want %s", text, id.Begun(), want)
		}
	})
}

func TestBadIDs(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", "k3f9", "20261124T010003Z", "20261124T010003Z-", "20261124T010003Z-k3f", "20261124T010003Z-k3f99",
		"20261124T010003Z-33f9", "20261124T010003Z-K3F9", "20261124T010003Z-k3fl", "20261124T010003Z_k3f9",
		"20261324T010003Z-k3f9", "20260230T010003Z-k3f9", "20261124T250003Z-k3f9", "20261124t010003Z-k3f9",
		"../../../../../../k3f9", "20261124T010003Z-k3f/", "20261124T01000.3Z-k3f", "２0261124T0100Z-k3f9",
	} {
		if id, err := revision.ParseID(text); err == nil {
			t.Errorf("ParseID(%q) = %q", text, id)
		}
	}
}

func TestTextOfHashesAndUUIDs(t *testing.T) {
	t.Parallel()
	type all struct {
		D revision.Digest
		N revision.Nonce
		U revision.UUID
	}
	want := all{D: hash32('d', 1), N: hash16('n', 2), U: revision.UUID{0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc, 0xde, 0xf0}}
	text, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var got all
	if err := json.Unmarshal(text, &got); err != nil || got != want {
		t.Errorf("%s read again = %v, %v, want %v", text, got, err, want)
	}
	if d, err := revision.ParseDigest(want.D.String()); err != nil || d != want.D {
		t.Errorf("ParseDigest(%q) = %s, %v", want.D, d, err)
	}
	if n, err := revision.ParseNonce(want.N.String()); err != nil || n != want.N {
		t.Errorf("ParseNonce(%q) = %s, %v", want.N, n, err)
	}
	if u, err := revision.ParseUUID(want.U.String()); err != nil || u != want.U {
		t.Errorf("ParseUUID(%q) = %s, %v", want.U, u, err)
	}
	if got, want := want.U.String(), "12345678-9abc-def0-0000-000000000000"; got != want {
		t.Errorf("UUID = %s, want %s", got, want)
	}
	for _, bad := range []string{
		"", "12345678-9abc-def0-0000-00000000000", "12345678-9abc-def0-0000-0000000000000",
		"123456789-abc-def0-0000-000000000000", "12345678-9ABC-def0-0000-000000000000",
		"12345678-9abg-def0-0000-000000000000", "123456789abcdef00000000000000000-----",
	} {
		if u, err := revision.ParseUUID(bad); err == nil {
			t.Errorf("ParseUUID(%q) = %s", bad, u)
		}
	}
	for _, bad := range []string{"", "00", strings.Repeat("0A", 32), strings.Repeat("zz", 32), strings.Repeat("00", 33)} {
		if d, err := revision.ParseDigest(bad); err == nil {
			t.Errorf("ParseDigest(%q) = %s", bad, d)
		}
	}
}

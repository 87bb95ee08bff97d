package revision_test

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"varve/revision"
)

// everything is a statement in which no field is empty.
func everything() revision.Statement {
	parent := statement(1, 10, nil)
	parent.Digest = hash32('d', 1)
	st := statement(2, 10, &parent)
	st.Size -= 17
	st.Digest = hash32('d', 2)
	st.Reason = "frozen by <qemu-ga> & thawed"
	st.Consistency = revision.Frozen
	st.Plan = revision.Plan{Kind: revision.PlanTracker, Since: "varve-p7d1", Slice: &revision.Slice{First: 3, Count: 7}}
	st.Source.Snapshot = "varve-k3f9"
	st.Set, st.Tags, st.Note = "shop-1", []string{"nightly", "release"}, "before the upgrade \u2028 größer"
	st.Pin = &revision.Pin{Until: begun.Add(1000 * time.Hour), Reason: "audit"}
	st.Statistics = revision.Statistics{
		Read: 1, Holes: 2, Changed: 3, ChangedChunks: 4, NewChunks: 5, Patches: 6, ZeroChunks: 7, Stored: 8, Found: 9,
		Milliseconds: 10,
	}
	return st
}

func TestStatementIsCanonical(t *testing.T) {
	t.Parallel()
	full := statement(1, 0, nil)
	full.Digest = hash32('d', 1)
	for _, st := range []revision.Statement{full, everything()} {
		data, err := st.Encode()
		if err != nil {
			t.Fatal(err)
		}
		got, err := revision.DecodeStatement(data)
		if err != nil || !reflect.DeepEqual(got, &st) {
			t.Fatalf("read again = %+v, %v, want %+v", got, err, st)
		}
		if again, err := got.Encode(); err != nil || !bytes.Equal(again, data) {
			t.Errorf("encoded again = %s, %v, want %s", again, err, data)
		}
	}
	if d := full.Statistics.Duration(); d != 31*time.Second {
		t.Errorf("Duration = %s", d)
	}
}

func TestStatementNormalises(t *testing.T) {
	t.Parallel()
	st := everything()
	zone := time.FixedZone("CET", 3600)
	st.Begun, st.Ended, st.Pin.Until = time.Now(), st.Ended.In(zone), st.Pin.Until.In(zone)
	st.Source.Path = "/images/\xff.img"
	data, err := st.Encode()
	if err != nil {
		t.Fatal(err)
	}
	got, err := revision.DecodeStatement(data)
	if err != nil {
		t.Fatal(err)
	}
	if !got.Ended.Equal(st.Ended) || !got.Begun.Equal(st.Begun) || got.Source.Path != "/images/\uFFFD.img" {
		t.Errorf("read again = %+v", got)
	}
	if st.Pin.Until.Location() != zone || st.Source.Path != "/images/\xff.img" {
		t.Error("Encode changed what it was given")
	}
}

func TestStatementRefusesOtherForms(t *testing.T) {
	t.Parallel()
	st := everything()
	data, err := st.Encode()
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string][2]string{
		"unknown field":  {`"sequence":2`, `"sequence":2,"more":1`},
		"field twice":    {`"sequence":2`, `"sequence":2,"sequence":2`},
		"other case":     {`"sequence":2`, `"Sequence":2`},
		"space":          {`"sequence":2`, `"sequence": 2`},
		"zone":           {`Z","ended"`, `+00:00","ended"`},
		"escape":         {`"audit"`, `"\u0061udit"`},
		"negative":       {`"sequence":2`, `"sequence":-2`},
		"fraction":       {`"sequence":2`, `"sequence":2.0`},
		"empty list":     {`"tags":["nightly","release"]`, `"tags":[]`},
		"null":           {`"tags":["nightly","release"]`, `"tags":null`},
		"path in set":    {`"set":"shop-1"`, `"set":"../shop-1"`},
		"hidden set":     {`"set":"shop-1"`, `"set":".."`},
		"bad uuid":       {`"lineage":"01000000`, `"lineage":"0100000x`},
		"another object": {"}\n", "}{}\n"},
		"no newline":     {"}\n", "}"},
		"two newlines":   {"}\n", "}\n\n"},
	} {
		bad := strings.Replace(string(data), change[0], change[1], 1)
		if bad == string(data) {
			t.Fatalf("%s: %q is not in %s", name, change[0], data)
		}
		if got, err := revision.DecodeStatement([]byte(bad)); err == nil {
			t.Errorf("%s: read as %+v", name, got)
		}
	}
}

func TestStatementOfTheFuture(t *testing.T) {
	t.Parallel()
	st := everything()
	data, err := st.Encode()
	if err != nil {
		t.Fatal(err)
	}
	for _, more := range []string{`"features":["holograms"],`, `"features":["holograms"],"sequence":"second",`} {
		text := strings.Replace(string(data), `"digest":"02`, more+`"digest":"02`, 1)
		var unsupported *revision.UnsupportedError
		if _, err := revision.DecodeStatement([]byte(text)); !errors.As(err, &unsupported) || unsupported.Found != "holograms" {
			t.Errorf("%v, want an UnsupportedError of holograms", err)
		}
	}
	st.Features = []string{"holograms"}
	var out bytes.Buffer
	w, err := revision.NewWriter(&out, revision.Header{ChunkSize: chunkSize, Nonce: st.Nonce})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Finish(nil, st); err == nil {
		t.Error("a feature that this version does not know was written")
	}
}

func TestValidateReportsAllFindings(t *testing.T) {
	t.Parallel()
	for want, spoil := range map[string]func(*revision.Statement){
		"bad revision id":                     func(st *revision.Statement) { st.ID = "k3f9" },
		"bad volume name":                     func(st *revision.Statement) { st.Volume.Name = "a@b" },
		"no volume uuid":                      func(st *revision.Statement) { st.Volume.UUID = revision.UUID{} },
		"no lineage":                          func(st *revision.Statement) { st.Lineage = revision.UUID{} },
		"no repository":                       func(st *revision.Statement) { st.Repository = revision.UUID{} },
		"no sequence number":                  func(st *revision.Statement) { st.Sequence = 0 },
		"no image digest":                     func(st *revision.Statement) { st.Digest = revision.Digest{} },
		"no nonce":                            func(st *revision.Statement) { st.Nonce = revision.Nonce{} },
		"a full with a parent":                func(st *revision.Statement) { st.Kind = revision.Full },
		`unknown kind "diff"`:                 func(st *revision.Statement) { st.Kind = "diff" },
		"a delta without a parent":            func(st *revision.Statement) { st.Parent = nil },
		"its own parent":                      func(st *revision.Statement) { st.Parent = &revision.Parent{ID: st.ID} },
		"a parent without a digest":           func(st *revision.Statement) { st.Parent = &revision.Parent{ID: "x"} },
		"begun and ended":                     func(st *revision.Statement) { st.Ended = time.Time{} },
		"year 10000":                          func(st *revision.Statement) { st.Begun = st.Begun.AddDate(7974, 0, 0) },
		"chunk size 65537":                    func(st *revision.Statement) { st.ChunkSize++ },
		"size of 9223372036854775808 bytes":   func(st *revision.Statement) { st.Size = 1 << 63 },
		`unknown plan "guess"`:                func(st *revision.Statement) { st.Plan.Kind = "guess" },
		`unknown consistency ""`:              func(st *revision.Statement) { st.Consistency = "" },
		"slice of 18446744073709551615":       func(st *revision.Statement) { st.Plan.Slice = &revision.Slice{First: 5, Count: 1<<64 - 1} },
		"bad tag":                             func(st *revision.Statement) { st.Tags = []string{"a b"} },
		"given twice":                         func(st *revision.Statement) { st.Tags = []string{"a", "a"} },
		"300 tags":                            func(st *revision.Statement) { st.Tags = make([]string, 300) },
		"is not UTF-8":                        func(st *revision.Statement) { st.Note = "\xff" },
		"bad volume name \"\": it is empty\n": func(st *revision.Statement) { st.Volume.Name, st.Plan.Kind = "", "" },
	} {
		st := everything()
		spoil(&st)
		if err := st.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Validate = %v, want %q", err, want)
		}
	}
}

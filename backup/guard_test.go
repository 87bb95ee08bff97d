package backup_test

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"varve/backup"
	"varve/revision"
	"varve/volume"
)

// named makes a source of this content and identity.
func named(data []byte, path, stable string) *memSource {
	return &memSource{data: data, is: volume.Identity{Kind: "device", Path: path, Stable: stable}}
}

// mix is a copy of a disk in which one block of every so many is kept, and the others are another disk's.
func mix(disk []byte, keepOneIn int, seed uint64) []byte {
	other := randomBytes(len(disk), seed)
	for b := 0; b < len(disk)/block; b += keepOneIn {
		copy(other[b*block:(b+1)*block], disk[b*block:])
	}
	return other
}

func TestWrongSource(t *testing.T) {
	t.Parallel()
	const size = 40 * chunkSize
	disk := randomBytes(size, 1)
	nearlyEmpty := make([]byte, size)
	copy(nearlyEmpty, disk[:15*block])
	same := make([]byte, size)
	for i := range same {
		same[i] = 0xff
	}
	tests := []struct {
		name    string
		first   *memSource
		second  *memSource
		opts    backup.CreateOptions
		refused bool
		isNow   bool // there is a warning that the path is another
	}{
		{name: "another disk under another name", first: named(disk, "/dev/sda", "A"), second: named(mix(disk, size, 2), "/dev/sdb", "B"), refused: true},
		{name: "another disk under the name", first: named(disk, "/dev/sda", "A"), second: named(mix(disk, size, 2), "/dev/sda", "B"), refused: true},
		{name: "another disk of no identity", first: named(disk, "/dev/sda", ""), second: named(mix(disk, size, 2), "/dev/sda", ""), refused: true},
		{name: "an identity that is gone", first: named(disk, "/dev/sda", "A"), second: named(mix(disk, size, 2), "/dev/sda", ""), refused: true},
		{name: "an empty disk", first: named(disk, "/dev/sda", "A"), second: named(make([]byte, size), "/dev/sdb", "B"), refused: true},
		{name: "a disk of no size", first: named(disk, "/dev/sda", "A"), second: named(nil, "/dev/sdb", "B"), refused: true},
		{name: "a full of it", first: named(disk, "/dev/sda", "A"), second: named(mix(disk, size, 2), "/dev/sdb", "B"),
			opts: backup.CreateOptions{Full: true}, refused: true},
		{name: "it is meant", first: named(disk, "/dev/sda", "A"), second: named(mix(disk, size, 2), "/dev/sdb", "B"),
			opts: backup.CreateOptions{SourceChanged: true}, isNow: true},
		{name: "the same disk, all of it new", first: named(disk, "/dev/sda", "A"), second: named(mix(disk, size, 2), "/dev/sda", "A")},
		{name: "a copy", first: named(disk, "/a", "1"), second: named(bytes.Clone(disk), "/a", "2")},
		{name: "a copy elsewhere", first: named(disk, "/a", "1"), second: named(bytes.Clone(disk), "/b", "2"), isNow: true},
		{name: "a snapshot a good while later", first: named(disk, "/a", "1"), second: named(mix(disk, 5, 2), "/a", "2")},
		{name: "one that kept hardly anything", first: named(disk, "/a", "1"), second: named(mix(disk, 20, 2), "/a", "2"), refused: true},
		{name: "it shrank", first: named(disk, "/a", "1"), second: named(disk[:size/2], "/a", "2")},
		{name: "it grew", first: named(disk, "/a", "1"), second: named(append(bytes.Clone(disk), disk...), "/a", "2")},
		{name: "too little to tell", first: named(nearlyEmpty, "/a", "1"), second: named(mix(disk, size, 2), "/b", "2"), isNow: true},
		{name: "nothing that tells", first: named(same, "/a", "1"), second: named(mix(disk, size, 2), "/a", "2")},
		{name: "a name in no language", first: named(disk, "/a\xff", "1\xfe"), second: named(mix(disk, size, 2), "/a\xff", "1\xfe")},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			p := testPlace(t)
			first := p.mustCreate(t, test.first, backup.CreateOptions{})
			test.opts.Volume = "v"
			result, err := backup.Create(t.Context(), p.repo, test.second, test.opts)
			wrong := new(backup.WrongSourceError)
			if test.refused {
				if !errors.As(err, &wrong) || wrong.Revision != first.Statement.ID || wrong.Sampled < 16 || wrong.Agree*10 >= wrong.Sampled {
					t.Errorf("got %v (%+v), want a *WrongSourceError", err, wrong)
				}
				if n := len(p.revisions(t, "v")); n != 1 {
					t.Errorf("%d revisions, want the first alone", n)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Contains(strings.Join(result.Warnings, "\n"), "the source is now "); got != test.isNow {
				t.Errorf("warnings %q", result.Warnings)
			}
			if !bytes.Equal(p.restored(t, "v", result.Statement.ID), test.second.data) {
				t.Error("the revision does not hold what the source does")
			}
		})
	}
}

// TestEmptiedSource has the right disk lose what it held: that is stored, and said.
func TestEmptiedSource(t *testing.T) {
	t.Parallel()
	const size = 40 * chunkSize
	disk, zeros := randomBytes(size, 1), make([]byte, size)
	left := func(chunks int) []byte {
		data := make([]byte, size)
		copy(data, disk[:chunks*chunkSize])
		return data
	}
	full, meant := backup.CreateOptions{Full: true}, backup.CreateOptions{SourceChanged: true}
	tests := map[string]struct {
		nights [][]byte
		opts   backup.CreateOptions // of the last night
		want   string               // of the last night's alarm, if any
	}{
		"emptied":                  {nights: [][]byte{disk, nil}, want: "IS EMPTY"},
		"emptied, read whole":      {nights: [][]byte{disk, nil}, opts: full, want: "IS EMPTY"},
		"still empty":              {nights: [][]byte{disk, nil, nil}, want: "IS EMPTY"},
		"always empty":             {nights: [][]byte{nil, nil}},
		"wiped":                    {nights: [][]byte{disk, zeros}, want: "NOTHING BUT ZEROS"},
		"wiped, read whole":        {nights: [][]byte{disk, zeros}, opts: full, want: "NOTHING BUT ZEROS"},
		"still wiped":              {nights: [][]byte{disk, zeros, zeros}, want: "NOTHING BUT ZEROS"},
		"wiped, and that is meant": {nights: [][]byte{disk, zeros}, opts: meant},
		"new disk":                 {nights: [][]byte{zeros, zeros, disk}},
		"came back":                {nights: [][]byte{disk, zeros, disk}},
		"a new file system":        {nights: [][]byte{disk, left(3)}, want: "ALL OF ITS DATA: of 40 chunks, 3 are not zeros"},
		"and used since":           {nights: [][]byte{disk, left(3), left(3)}},
		"a tenth is left":          {nights: [][]byte{disk, left(4)}},
		"there never was much":     {nights: [][]byte{left(15), left(1)}},
		"cut":                      {nights: [][]byte{disk, disk[:3*chunkSize]}, want: "ALL OF ITS SIZE"},
		"cut, read whole":          {nights: [][]byte{disk, disk[:3*chunkSize]}, opts: full, want: "ALL OF ITS SIZE"},
		"shrunk":                   {nights: [][]byte{disk, disk[:4*chunkSize]}},
		"all of it new":            {nights: [][]byte{disk, randomBytes(size, 2)}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := testPlace(t)
			var last *backup.Result
			for i, data := range tt.nights {
				opts := backup.CreateOptions{}
				if i == len(tt.nights)-1 {
					opts = tt.opts
				}
				last = p.mustCreate(t, named(data, "/dev/sda", "A"), opts)
			}
			events, err := p.repo.Events()
			if err != nil {
				t.Fatal(err)
			}
			told := [][]string{last.Alarms, events[len(events)-1].Alarms}
			for _, alarms := range told {
				if tt.want == "" && len(alarms) > 0 || tt.want != "" && (len(alarms) != 1 || !strings.Contains(alarms[0], tt.want)) {
					t.Errorf("alarms %q, want %q", alarms, tt.want)
				}
			}
			for _, text := range last.Alarms {
				if !slices.Contains(last.Warnings, text) {
					t.Errorf("warnings %q lack it", last.Warnings)
				}
			}
		})
	}
}

// TestWrongSourceIsComparedOnce has the source that was said to be right be the right one from then on.
func TestWrongSourceIsComparedOnce(t *testing.T) {
	t.Parallel()
	p := testPlace(t)
	old, next := named(randomBytes(40*chunkSize, 1), "/a", "1"), named(randomBytes(40*chunkSize, 2), "/b", "2")
	p.mustCreate(t, old, backup.CreateOptions{})
	p.mustCreate(t, next, backup.CreateOptions{SourceChanged: true})
	if result := p.mustCreate(t, next, backup.CreateOptions{}); len(result.Warnings) > 0 {
		t.Errorf("warnings %q", result.Warnings)
	}
	if _, err := backup.Create(t.Context(), p.repo, old, backup.CreateOptions{Volume: "v"}); !errors.As(err, new(*backup.WrongSourceError)) {
		t.Errorf("the old one: %v", err)
	}
}

// TestSamplesAreFew counts what a comparison reads of the source.
func TestSamplesAreFew(t *testing.T) {
	t.Parallel()
	p := testPlace(t)
	disk := randomBytes(100*chunkSize, 1)
	p.mustCreate(t, named(disk, "/a", "1"), backup.CreateOptions{})
	other := named(randomBytes(len(disk), 2), "/b", "2")
	reads, places := 0, map[int64]bool{}
	other.fail = func(off int64) error {
		reads++
		places[off/(10*chunkSize)] = true
		return nil
	}
	_, err := backup.Create(t.Context(), p.repo, other, backup.CreateOptions{Volume: "v"})
	if wrong := new(backup.WrongSourceError); !errors.As(err, &wrong) || wrong.Sampled != 256 {
		t.Fatalf("got %v, want 256 samples", err)
	}
	if reads > 256+2 || len(places) != 10 { // two for the format
		t.Errorf("%d reads in %d of 10 parts", reads, len(places))
	}
}

// TestSourceThatFailsUnderSamples is trouble, and no wrong source.
func TestSourceThatFailsUnderSamples(t *testing.T) {
	t.Parallel()
	p := testPlace(t)
	disk := randomBytes(40*chunkSize, 1)
	p.mustCreate(t, named(disk, "/a", "1"), backup.CreateOptions{})
	broken := named(disk, "/b", "2")
	trouble := errors.New("input/output error")
	broken.fail = func(off int64) error {
		if off > 0 && off < int64(len(disk)-block) {
			return trouble
		}
		return nil
	}
	if _, err := backup.Create(t.Context(), p.repo, broken, backup.CreateOptions{Volume: "v"}); !errors.Is(err, trouble) {
		t.Errorf("got %v", err)
	}
}

// TestSourcesAreTold has disks with data anywhere: what agrees in all that it held is never refused, and what
// agrees in nothing never taken, if there is enough to tell.
func TestSourcesAreTold(t *testing.T) {
	t.Parallel()
	p := testPlace(t)
	disks := rapid.Custom(drawDisk)
	told := 0
	for seed := range 15 {
		d := disks.Example(seed)
		name := revision.Name(fmt.Sprintf("v%d", seed))
		p.mustCreate(t, named(d.data, "/a", "1"), backup.CreateOptions{Volume: name})
		grown := append(bytes.Clone(d.data), randomBytes(seed*block/3, 5)...)
		opts := backup.CreateOptions{Volume: name, Full: d.full}
		if _, err := backup.Create(t.Context(), p.repo, named(grown, "/b", "2"), opts); err != nil {
			t.Errorf("disk %d, the same: %v", seed, err)
		}
		_, err := backup.Create(t.Context(), p.repo, named(randomBytes(len(d.data), 7), "/c", "3"), opts)
		refused := errors.As(err, new(*backup.WrongSourceError))
		if err != nil && !refused {
			t.Errorf("disk %d, another: %v", seed, err)
		}
		if d.blocks < 64 {
			continue
		}
		told++
		if !refused {
			t.Errorf("disk %d, another is taken for one with %d blocks", seed, d.blocks)
		}
	}
	if told == 0 {
		t.Error("no disk had enough in it")
	}
}

type drawnDisk struct {
	data   []byte
	blocks int // that are not zeros
	full   bool
}

func drawDisk(t *rapid.T) drawnDisk {
	blocks := rapid.IntRange(1, 300).Draw(t, "blocks")
	d := drawnDisk{data: make([]byte, blocks*block-rapid.IntRange(0, block-1).Draw(t, "short")), full: rapid.Bool().Draw(t, "full")}
	sparse := rapid.IntRange(1, 4).Draw(t, "sparse")
	for b := range blocks {
		if rapid.IntRange(1, sparse).Draw(t, "data") == 1 {
			d.blocks++
			copy(d.data[b*block:], randomBytes(block, uint64(b)))
		}
	}
	return d
}

func TestWarningOfFormats(t *testing.T) {
	t.Parallel()
	tests := map[string][]string{
		"QFI\xfb\x00\x00\x00\x03": {"the source is a qcow2 image: it is backed up as bytes, not as a disk", "qemu-nbd", "qemu-img convert"},
		"# Disk DescriptorFile\n": {"a VMDK descriptor", "the files that it names"},
		"\x1f\x8b\x08":            {"compressed by gzip", "uncompressed"},
		"PK\x03\x04":              {"a zip archive", "the disks in it"},
		"\xeb\x63\x90":            nil,
	}
	for head, want := range tests {
		p := testPlace(t)
		disk := make([]byte, chunkSize)
		copy(disk, head)
		for range 2 { // each time
			result := p.mustCreate(t, &memSource{data: disk}, backup.CreateOptions{})
			text := strings.Join(result.Warnings, "\n")
			if len(result.Warnings) > 1 || (text == "") != (want == nil) {
				t.Errorf("%q: warnings %q", head, result.Warnings)
			}
			for _, part := range want {
				if !strings.Contains(text, part) {
					t.Errorf("%q: warnings %q lack %q", head, result.Warnings, part)
				}
			}
		}
	}
}

func TestWrongSourceErrorText(t *testing.T) {
	e := backup.WrongSourceError{
		Volume: "db1", Revision: "20261124T010003Z-k3f9", Was: revision.Source{Path: "/dev/sda", Identity: "A"},
		Now: revision.Source{Path: "/dev/sdb", Identity: "B"}, Sampled: 256, Agree: 3,
	}
	if got, want := e.Error(), `/dev/sdb does not hold what volume "db1" was backed up from: the source was /dev/sda; of 256 blocks of revision k3f9, 3 agree`; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	e.Now = revision.Source{Path: "/dev/sda"}
	if got := e.Error(); !strings.Contains(got, "/dev/sda is another than it was") || !strings.Contains(got, "(was A, is not known)") {
		t.Errorf("got %s", got)
	}
}

package volume_test

import (
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"varve/volume"
)

func TestParseLocation(t *testing.T) {
	file := func(path string) volume.Location { return volume.Location{Scheme: volume.SchemeFile, Path: path} }
	rbd := func(image volume.Image) volume.Location {
		return volume.Location{Scheme: volume.SchemeRBD, Image: image}
	}
	tests := []struct {
		text string
		want volume.Location
		back string // what String gives; empty: text
	}{
		{"-", volume.Location{Scheme: volume.SchemeStream}, ""},
		{"disk.img", file("disk.img"), ""},
		{"/dev/vg/db1", file("/dev/vg/db1"), ""},
		{"./x:y", file("./x:y"), ""},
		{"/dev/disk/by-path/pci-0000:00", file("/dev/disk/by-path/pci-0000:00"), ""},
		{"1:2", file("1:2"), ""}, // a scheme begins with a letter
		{":x", file(":x"), ""},
		{"a b:c", file("a b:c"), ""},
		{"file:disk.img", file("disk.img"), "disk.img"},
		{"file:x:y", file("x:y"), ""},
		{"file:-", file("-"), ""},
		{"file:rbd:vms/db1", file("rbd:vms/db1"), ""},
		{"rbd:vms/db1", rbd(volume.Image{Pool: "vms", Name: "db1"}), ""},
		{"rbd:vms/tenant/db1@noon", rbd(volume.Image{Pool: "vms", Namespace: "tenant", Name: "db1", Snapshot: "noon"}), ""},
		{"rbd:vms/*", rbd(volume.Image{Pool: "vms", Name: "*"}), ""},
	}
	for _, tt := range tests {
		got, err := volume.ParseLocation(tt.text)
		if got != tt.want || err != nil {
			t.Errorf("ParseLocation(%q) = %+v, %v, want %+v", tt.text, got, err, tt.want)
		}
		back := tt.back
		if back == "" {
			back = tt.text
		}
		if got.String() != back {
			t.Errorf("%+v is written %q, want %q", got, got.String(), back)
		}
	}
}

func TestParseLocationRefuses(t *testing.T) {
	for _, text := range []string{
		"", "file:", "nbd:x", "C:disk", "http://host/disk", "a\x00b", "file:a\x00",
		"rbd:", "rbd:vms", "rbd:/db1", "rbd:vms/", "rbd:a/b/c/d", "rbd:vms/db1@", "rbd:vms/db1@a@b", "rbd:vms/db1@a/b", "rbd:vms//db1",
	} {
		var locationErr *volume.LocationError
		if got, err := volume.ParseLocation(text); !errors.As(err, &locationErr) {
			t.Errorf("ParseLocation(%q) = %+v, %v, want a *LocationError", text, got, err)
		}
	}
}

func TestLocationReadsItsOwnWriting(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`(file:|rbd:|-|[a-z]+:)?[a-z0-9:/@.-]{0,12}`).Draw(t, "text")
		location, err := volume.ParseLocation(text)
		if err != nil {
			return
		}
		again, err := volume.ParseLocation(location.String())
		if again != location || err != nil {
			t.Fatalf("%q is %+v, written %q, which is %+v, %v", text, location, location.String(), again, err)
		}
	})
}

func FuzzLocation(f *testing.F) {
	for _, text := range []string{"-", "disk.img", "file:a:b", "rbd:pool/ns/image@snap", "x:y"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		l, err := volume.ParseLocation(text)
		wrong := new(volume.LocationError)
		if err != nil {
			if !errors.As(err, &wrong) {
				t.Errorf("%q: %v is no LocationError", text, err)
			}
			return
		}
		if again, err := volume.ParseLocation(l.String()); err != nil || again != l {
			t.Errorf("%q is %+v, which is written %q and read as %+v, %v", text, l, l, again, err)
		}
	})
}

func TestParsePlace(t *testing.T) {
	rbd := func(image volume.Image) volume.Location {
		return volume.Location{Scheme: volume.SchemeRBD, Image: image}
	}
	tests := []struct {
		text string
		want volume.Location
		ok   bool
	}{
		{"rbd:vms", rbd(volume.Image{Pool: "vms"}), true},
		{"rbd:vms/", rbd(volume.Image{Pool: "vms"}), true},
		{"rbd:vms/db1", rbd(volume.Image{Pool: "vms", Name: "db1"}), true}, // or the namespace of that name
		{"rbd:vms/tenant/", rbd(volume.Image{Pool: "vms", Namespace: "tenant"}), true},
		{"rbd:vms/tenant/db1", rbd(volume.Image{Pool: "vms", Namespace: "tenant", Name: "db1"}), true},
		{"/srv", volume.Location{Scheme: volume.SchemeFile, Path: "/srv"}, true},
		{"file:/srv", volume.Location{Scheme: volume.SchemeFile, Path: "/srv"}, true},
		{"./rbd:vms", volume.Location{Scheme: volume.SchemeFile, Path: "./rbd:vms"}, true},
		{text: "rbd:"}, {text: "rbd:/a"}, {text: "rbd:/"}, {text: "rbd://a"}, {text: "rbd:a//"}, {text: "rbd:a/b/c/"}, {text: "rbd:a/b/c/d"},
		{text: "rbd:a@b"}, {text: "rbd:a/b@c"}, {text: "rbd:a/b\x00"}, {text: ""}, {text: "nfs:x"},
	}
	for _, tt := range tests {
		got, err := volume.ParsePlace(tt.text)
		if got != tt.want || (err == nil) != tt.ok {
			t.Errorf("%q is %+v, %v", tt.text, got, err)
		}
		if tt.ok && got.Scheme == volume.SchemeRBD && got.String() != strings.TrimSuffix(tt.text, "/") {
			t.Errorf("%q calls itself %q", tt.text, got)
		}
	}
}

package config_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"varve/config"
	"varve/revision"
)

// lister lists what there is, by pattern; of other patterns there is nothing.
func lister(there map[string][]string) config.Lister {
	return func(source string) ([]string, error) {
		if source == "/broken/*" {
			return nil, errors.New("input/output error")
		}
		return there[source], nil
	}
}

func TestVolumes(t *testing.T) {
	const text = `volumes:
  "vms/*": {source: "/srv/vms/*.img", exclude: ["scratch-*", "?"], priority: 7}
  db1: {source: /dev/vg/db1}
  vms/own: {source: /dev/vg/own}
  second: {source: /srv/vms/second.img}
`
	there := map[string][]string{"/srv/vms/*.img": {"b1", "own", "a1", "scratch-1", "x", "second", "b1"}}
	tests := []struct{ name, text, want, errs string }{
		{"what is there, but for what is excluded and what has an entry of its own", text,
			"vms/a1=/srv/vms/a1.img vms/b1=/srv/vms/b1.img db1=/dev/vg/db1 vms/own=/dev/vg/own second=/srv/vms/second.img", ""},
		{"nothing there", "volumes:\n  a: {source: /a}\n  \"b*\": {source: \"/none/*\"}", "a=/a",
			`varve.yaml:3: volumes.b*: there is nothing like "/none/*"`},
		{"nothing left", "volumes:\n  \"b*\": {source: \"/srv/vms/*.img\", exclude: [\"*\"]}", "",
			`varve.yaml:2: volumes.b*: there is nothing like "/srv/vms/*.img"`},
		{"it cannot be looked for", "volumes: {\"b*\": {source: \"/broken/*\"}}", "", `varve.yaml:1: volumes.b*: input/output error`},
		{"two patterns for one image", "volumes:\n  \"x/*\": {source: \"/srv/vms/*.img\", exclude: [\"*-*\", own, second, \"?1\"]}\n" +
			"  \"y/*\": {source: \"/srv/vms/*.img\", exclude: [\"*-*\", own, second, b1]}", "x/x=/srv/vms/x.img y/a1=/srv/vms/a1.img",
			`varve.yaml:3: volumes.y/*: "/srv/vms/x.img" is also of "x/*", line 2`},
		{"two patterns for one name", "volumes:\n  \"x*\": {source: \"/1/*\"}\n  \"x-*\": {source: \"/2/*\"}", "x-a=/1/-a",
			`varve.yaml:3: volumes.x-*: the name "x-a" is also of "x*", line 2`},
		{"names that cannot be", "volumes: {\"b*\": {source: \"/bad/*\"}}", "bok=/bad/ok",
			`varve.yaml:1: volumes.b*: "/bad/a@b": bad volume name "ba@b": "@" begins a revision`},
	}
	maps.Copy(there, map[string][]string{"/1/*": {"-a"}, "/2/*": {"a"}, "/bad/*": {"a@b", "ok"}})
	for _, test := range tests {
		c := good(t, test.text)
		all, errs := c.Volumes(lister(there))
		var got []string
		for _, v := range all {
			got = append(got, v.Name.String()+"="+v.Source)
			if again, found := c.Volume(v.Name); !found || describe(again) != describe(v) {
				t.Errorf("%s: Volume(%q) is\n%s, %v, and Volumes has\n%s", test.name, v.Name, describe(again), found, describe(v))
			}
		}
		if strings.Join(got, " ") != test.want {
			t.Errorf("%s: got %q, want %q", test.name, got, test.want)
		}
		var texts []string
		for _, err := range errs {
			if problem := new(config.Problem); !errors.As(err, &problem) {
				t.Errorf("%s: %v is no Problem", test.name, err)
			}
			texts = append(texts, err.Error())
		}
		if strings.Join(texts, "\n") != test.errs {
			t.Errorf("%s: got errors %q, want %q", test.name, texts, test.errs)
		}
	}
}

func TestVolume(t *testing.T) {
	c := good(t, `volumes:
  "vms/*-disk": {source: "/srv/*/disk.img", exclude: ["scratch-*"], priority: 7}
  "vms/*": {source: "/dev/vms/*"}
  vms/a-disk: {source: /a}
`)
	for name, want := range map[string]string{ // empty: not configured
		"vms/a-disk": "/a", "vms/b-disk": "/srv/b/disk.img", "vms/scratch-1-disk": "/dev/vms/scratch-1-disk", "vms/x": "/dev/vms/x",
		"vms/-disk": "/dev/vms/-disk", "vms/": "", "vms/a/b-disk": "", "db1": "", "": "", "vms": "",
	} {
		v, found := c.Volume(revision.Name(name))
		if found != (want != "") || v.Source != want {
			t.Errorf("Volume(%q) = %q, %v, want %q", name, v.Source, found, want)
		}
		if found && (v.Name != revision.Name(name) || v.Plan.Name != name) {
			t.Errorf("Volume(%q) is called %q, and its plan %q", name, v.Name, v.Plan.Name)
		}
	}
	for name, priority := range map[revision.Name]int{"vms/a-disk": 0, "vms/b-disk": 7, "vms/b": 0} {
		if v, _ := c.Volume(name); v.Priority != priority {
			t.Errorf("%s has priority %d, want %d", name, v.Priority, priority)
		}
	}
}

// Whatever there is, no name and no image of a pattern comes twice, and each volume is
// found again by its name.
func TestVolumesHold(t *testing.T) {
	part := rapid.StringMatching(`[a-c]{1,3}`)
	rapid.Check(t, func(t *rapid.T) {
		text := "volumes: {"
		there := map[string][]string{}
		for i := range rapid.IntRange(1, 3).Draw(t, "patterns") {
			prefix := rapid.StringMatching(`[a-c]{0,2}`).Draw(t, "prefix")
			source := fmt.Sprintf("/%s*", rapid.StringMatching(`[a-c]{0,2}`).Draw(t, "directory"))
			text += fmt.Sprintf("\"%s*%s\": {source: %q, exclude: [%q]}, ", prefix, strings.Repeat("-", i), source, part.Draw(t, "excluded"))
			there[source] = rapid.SliceOf(part).Draw(t, "there")
		}
		for _, name := range rapid.SliceOfDistinct(part, rapid.ID).Draw(t, "own") {
			text += fmt.Sprintf("%s: {source: /%s}, ", name, part.Draw(t, "source"))
		}
		c, err := config.Parse("x", []byte(text+"}"))
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		all, _ := c.Volumes(lister(there))
		names, images := map[revision.Name]bool{}, map[string]bool{}
		for _, v := range all {
			if again, found := c.Volume(v.Name); !found || again.Name != v.Name {
				t.Errorf("%s: Volume(%q) is %v", text, v.Name, again)
			}
			if names[v.Name] || v.Pattern != "" && images[v.Source] {
				t.Errorf("%s: %q of %q comes twice", text, v.Source, v.Name)
			}
			names[v.Name], images[v.Source] = true, true
		}
		if again, _ := c.Volumes(lister(there)); !slices.EqualFunc(all, again, func(a, b config.Volume) bool { return describe(a) == describe(b) }) {
			t.Errorf("%s: another time it is another list", text)
		}
	})
}

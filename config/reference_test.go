package config_test

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"varve/config"
)

var update = flag.Bool("update", false, "write docs/config.md and docs/varve.example.yaml anew")

const (
	document = "../docs/config.md"
	example  = "../docs/varve.example.yaml"
	begin    = "<!-- made of the table in config/keys.go by: go test ./config -update -->\n"
	end      = "<!-- end of what is made -->\n"
)

// The documents say what the table says.
func TestDocuments(t *testing.T) {
	text := readFile(t, document)
	head, rest, found := strings.Cut(text, begin)
	_, tail, ended := strings.Cut(rest, end)
	if !found || !ended {
		t.Fatalf("%s does not mark what is made", document)
	}
	for path, want := range map[string]string{document: head + begin + keyLists() + end + tail, example: exampleFile()} {
		if *update {
			if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if readFile(t, path) != want {
			t.Errorf("%s is not what the table of keys says: go test ./config -update", path)
		}
	}
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// keyLists writes all keys in Markdown.
func keyLists() string {
	var out strings.Builder
	list := func(title string, under func(config.Key) bool) {
		fmt.Fprintf(&out, "\n## %s\n\n", title)
		for _, key := range config.Reference() {
			if !under(key) {
				continue
			}
			fmt.Fprintf(&out, "- `%s`: %s", key.Path, key.Type)
			if key.Example != "" {
				fmt.Fprintf(&out, ", such as `%s`", key.Example)
			}
			if key.Default != "" {
				fmt.Fprintf(&out, "; without it, `%s`", key.Default)
			}
			fmt.Fprintf(&out, ".\n  %s\n", strings.ReplaceAll(key.Text, "*", `\*`))
		}
	}
	list("Keys of the host", func(k config.Key) bool { return k.Under == nil })
	list("Keys of volumes, under `volumes.NAME` only", func(k config.Key) bool { return len(k.Under) == 1 })
	list("Keys of volumes, under `volumes.NAME`, `groups.NAME` or `defaults`", func(k config.Key) bool { return len(k.Under) > 1 })
	return out.String() + "\n"
}

// exampleFile has every key, with what it means.
func exampleFile() string {
	var out strings.Builder
	out.WriteString("# An example of varve.yaml(5) with every key there is. Made of the table in config/keys.go.\n" +
		"# varve check-config says whether yours is right.\n")
	keys := config.Reference()
	write := func(indent, prefix string, under func(config.Key) bool) {
		for _, key := range keys {
			name, below := strings.CutPrefix(key.Path, prefix)
			if !below || strings.Contains(name, ".") || !under(key) {
				continue
			}
			out.WriteString("\n" + comment(indent, key.Text))
			if key.Example != "" {
				fmt.Fprintf(&out, "%s%s: %s\n", indent, name, key.Example)
				continue
			}
			fmt.Fprintf(&out, "%s%s:\n", indent, name)
			writeBelow(&out, indent+"  ", keys, key)
		}
	}
	write("", "", func(k config.Key) bool { return k.Under == nil && (k.Example != "" || isBlock(keys, k)) })
	section := func(name string) {
		i := slices.IndexFunc(keys, func(k config.Key) bool { return k.Path == name })
		out.WriteString("\n" + comment("", keys[i].Text) + name + ":\n")
	}
	section("defaults")
	write("  ", "", func(k config.Key) bool { return len(k.Under) > 1 })
	section("groups")
	out.WriteString("  gold:\n    priority: 1\n")
	section("volumes")
	out.WriteString("  db1:\n")
	write("    ", "", func(k config.Key) bool { return len(k.Under) == 1 && k.Path != "exclude" })
	out.WriteString("\n  archive: {source: /srv/images/archive.img, schedule: \"0 3 * * sun\", window: any}\n\n  \"vms/*\":\n" +
		"    source: /srv/vms/*.img\n    schedule: every 6h\n    window: any\n")
	write("    ", "", func(k config.Key) bool { return k.Path == "exclude" })
	section("sets")
	out.WriteString("  shop:\n")
	write("    ", "sets.NAME.", func(config.Key) bool { return true })
	return strings.Replace(out.String(), "volumes: [vms/shop-root, vms/shop-data]\n", "volumes: [db1, archive]\n", 1)
}

// writeBelow writes the keys below one, and those below them.
func writeBelow(out *strings.Builder, indent string, keys []config.Key, key config.Key) {
	for _, inner := range keys {
		last, inside := strings.CutPrefix(inner.Path, key.Path+".")
		if !inside || strings.Contains(last, ".") || !slices.Equal(inner.Under, key.Under) {
			continue
		}
		out.WriteString(comment(indent, inner.Text))
		if inner.Example == "" {
			fmt.Fprintf(out, "%s%s:\n", indent, last)
			writeBelow(out, indent+"  ", keys, inner)
			continue
		}
		fmt.Fprintf(out, "%s%s: %s\n", indent, last, inner.Example)
	}
}

// isBlock tells whether there are keys below one.
func isBlock(keys []config.Key, key config.Key) bool {
	return slices.ContainsFunc(keys, func(k config.Key) bool {
		return k.Under == nil && strings.HasPrefix(k.Path, key.Path+".") && !strings.Contains(k.Path, ".NAME.")
	})
}

// comment breaks text into lines of a comment.
func comment(indent, text string) string {
	var out strings.Builder
	line := indent + "#"
	for word := range strings.FieldsSeq(text) {
		if len(line)+1+len(word) > 100 {
			out.WriteString(line + "\n")
			line = indent + "#"
		}
		line += " " + word
	}
	return out.String() + line + "\n"
}

// The example loads, says what the table calls examples, and has every key.
func TestExample(t *testing.T) {
	text := readFile(t, example)
	c := good(t, text)
	for _, key := range config.Reference() {
		name := key.Path[strings.LastIndex(key.Path, ".")+1:]
		if !strings.Contains("\n"+strings.ReplaceAll(text, "  ", ""), "\n"+name+":") {
			t.Errorf("the example has no %s", key.Path)
		}
	}
	v, found := c.Volume("db1")
	if !found || v.Source != "/dev/vg/db1" || v.Priority != 1 || v.Plan.Schedule.String() != "daily" {
		t.Errorf("db1 is %s", describe(v))
	}
}

// Each key of the table is read where it says, by its example and by its default, and nowhere else.
func TestReference(t *testing.T) {
	seen := map[string]bool{}
	for _, key := range config.Reference() {
		if key.Path == "" || key.Type == "" || !strings.HasSuffix(key.Text, ".") || seen[key.Path] {
			t.Errorf("%+v is not whole, or there twice", key)
		}
		seen[key.Path] = true
		for _, value := range []string{key.Example, key.Default} {
			if value == "" {
				continue
			}
			for _, under := range []string{"", "defaults", "groups.NAME", "volumes.NAME"} {
				wants := under == "" && key.Under == nil || slices.Contains(key.Under, under)
				if reads := isRead(t, under, key.Path, value); reads != wants {
					t.Errorf("%s: %s under %q is read: %v, want %v", key.Path, value, under, reads, wants)
				}
			}
		}
	}
	if len(seen) < 25 {
		t.Errorf("there are %d keys only", len(seen))
	}
}

// isRead tells whether a key may stand somewhere with a value. What goes wrong with the
// whole later on, for lack of a partner, does not count.
func isRead(t *testing.T, under, path, value string) bool {
	t.Helper()
	keys := strings.Split(path, ".")
	if under != "" {
		keys = append(strings.Split(under, "."), keys...)
	}
	text := strings.Join(keys, ": {") + ": " + value + strings.Repeat("}", len(keys)-1)
	for _, problem := range problems(t, text) {
		if strings.Contains(problem, "unknown key") || strings.Contains(problem, "stands under") || strings.Contains(problem, "value") {
			return false
		}
	}
	return true
}

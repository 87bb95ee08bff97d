package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// reference is docs/json.md.
type reference struct {
	sections map[string]*section // by the anchor of the heading
	order    []*section
}

// section is one of its tables.
type section struct {
	heading string
	files   string // the golden documents that it is about, as patterns
	fields  []*field
}

// field is a row of a table.
type field struct {
	path     string // as documents have it, with [] for the entries of a list; empty: all fields of the part
	kind     string
	nullable bool
	list     bool
	part     string // the anchor of the section that its fields are in
	seen     bool
}

var (
	linked   = regexp.MustCompile(`\]\(#([a-z-]+)\)`)
	quoted   = regexp.MustCompile("`([^`]+)`")
	isAbout  = regexp.MustCompile(`^<!-- documents: (.*) -->$`)
	notInUse = regexp.MustCompile(`[^a-z0-9 -]`)
)

func readReference(t *testing.T) *reference {
	t.Helper()
	text, err := os.ReadFile("../../docs/json.md")
	if err != nil {
		t.Fatal(err)
	}
	r := &reference{sections: map[string]*section{}}
	now := &section{}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if heading, is := strings.CutPrefix(strings.TrimLeft(line, "#"), " "); is && strings.HasPrefix(line, "#") {
			now = &section{heading: heading}
			r.sections[strings.ReplaceAll(notInUse.ReplaceAllString(strings.ToLower(heading), ""), " ", "-")] = now
			r.order = append(r.order, now)
		}
		if about := isAbout.FindStringSubmatch(line); about != nil {
			now.files = about[1]
		}
		cells := strings.Split(line, "|")
		if len(cells) != 5 || strings.HasPrefix(line, "|---") || strings.TrimSpace(cells[1]) == "field" {
			continue
		}
		if part := linked.FindStringSubmatch(cells[1]); part != nil {
			now.fields = append(now.fields, &field{part: part[1], kind: "object"})
			continue
		}
		for _, name := range quoted.FindAllStringSubmatch(cells[1], -1) {
			now.fields = append(now.fields, newField(name[1], strings.TrimSpace(cells[2])))
		}
	}
	return r
}

func newField(path, kind string) *field {
	f := &field{path: path}
	kind, f.nullable = strings.CutSuffix(kind, "?")
	kind, f.list = strings.CutPrefix(kind, "list")
	if part := linked.FindStringSubmatch(kind); part != nil {
		kind, f.part = "object", part[1]
	}
	f.kind = strings.TrimPrefix(strings.TrimSpace(kind), "of ")
	return f
}

// isAbout tells whether a golden document is what the section is about.
func (s *section) isAbout(t *testing.T, file string) bool {
	yes, no, _ := strings.Cut(s.files, " but ")
	matches := func(patterns string) bool {
		for _, pattern := range strings.Fields(patterns) {
			is, err := filepath.Match(pattern+".json", strings.ReplaceAll(file, "/", ""))
			if err != nil {
				t.Fatal(err)
			}
			if is || pattern == strings.TrimSuffix(file, ".json") {
				return true
			}
		}
		return false
	}
	return matches(yes) && !matches(no)
}

// kinds are the types of the tables, by what they are in JSON.
var kinds = map[string]string{
	"text": "text", "id": "text", "time": "text", "number": "a number", "bytes": "a number", "seconds": "a number",
	"boolean": "a boolean", "object": "an object",
}

// check holds an object against a section. Its fields begin with prefix there.
func (r *reference) check(t *testing.T, where string, s *section, prefix string, object map[string]any) {
	t.Helper()
	for name, value := range object {
		path := prefix + name
		f := r.find(s, path)
		if f == nil {
			t.Errorf("%s: docs/json.md does not tell of %s under %q", where, path, s.heading)
			continue
		}
		f.seen = true
		r.checkValue(t, where, s, f, path, value)
	}
}

func (r *reference) checkValue(t *testing.T, where string, s *section, f *field, path string, value any) {
	t.Helper()
	entries, isList := value.([]any)
	switch {
	case value == nil && !f.nullable && f.kind != "any":
		t.Errorf("%s: %s is null, and docs/json.md does not say that it can be", where, path)
	case value == nil || f.kind == "any" || f.kind == "as stored":
	case isList != f.list:
		t.Errorf("%s: %s is a list: %v. docs/json.md says: %v", where, path, isList, f.list)
	case isList:
		one := *f
		one.list = false
		if one.kind == "" {
			one.kind = "object"
		}
		for _, entry := range entries {
			r.checkValue(t, where, s, &one, path+"[]", entry)
		}
	default:
		object, isObject := value.(map[string]any)
		is := kindOf(value)
		if isObject {
			is = "an object"
		}
		if want := kinds[f.kind]; is != want {
			t.Errorf("%s: %s is %s, and docs/json.md says %q", where, path, is, f.kind)
		}
		if at, isText := value.(string); isText && f.kind == "time" && !strings.HasSuffix(at, "Z") {
			t.Errorf("%s: %s is no time: %q", where, path, at)
		}
		if isObject {
			r.checkObject(t, where, s, f, path, object)
		}
	}
}

// checkObject looks for the fields of an object where they are described: in a part,
// or in the rows below; a list of parts may have a few more fields there.
func (r *reference) checkObject(t *testing.T, where string, s *section, f *field, path string, object map[string]any) {
	t.Helper()
	rest := map[string]any{}
	part := r.sections[f.part]
	if f.part != "" && part == nil {
		t.Fatalf("docs/json.md has no %q", f.part)
	}
	own := map[string]any{}
	for name, value := range object {
		if part == nil || r.find(s, path+"."+name) != nil {
			own[name] = value
		} else {
			rest[name] = value
		}
	}
	r.check(t, where, s, path+".", own)
	if part != nil {
		r.check(t, where, part, "", rest)
	}
}

// find finds a field in a section, or in the parts whose fields it has.
func (r *reference) find(s *section, path string) *field {
	for _, f := range s.fields {
		if f.path == path {
			return f
		}
		if f.path == "" {
			if inner := r.find(r.sections[f.part], path); inner != nil {
				f.seen = true
				return inner
			}
		}
	}
	return nil
}

// TestJSONReference makes sure that docs/json.md has every field that a golden
// document has, with its type, and none besides.
func TestJSONReference(t *testing.T) {
	t.Parallel()
	r := readReference(t)
	files, err := os.ReadDir(goldenDir)
	if err != nil {
		t.Fatal(err)
	}
	every := r.sections["every-document"]
	for _, file := range files {
		text, err := os.ReadFile(filepath.Join(goldenDir, file.Name()))
		if err != nil {
			t.Fatal(err)
		}
		var d map[string]any
		if err := json.Unmarshal(text, &d); err != nil {
			t.Fatalf("%s: %v", file.Name(), err)
		}
		object, isResult := d["result"].(map[string]any)
		if strings.HasPrefix(file.Name(), "progress-") {
			object, isResult = d, true
		} else {
			r.check(t, file.Name(), every, "", d)
		}
		about := 0
		for _, s := range r.order {
			if s != every && s.files != "" && s.isAbout(t, file.Name()) {
				about++
				if isResult {
					r.check(t, file.Name(), s, "", object)
				}
			}
		}
		if about != 1 {
			t.Errorf("%s is what %d sections of docs/json.md are about, want one", file.Name(), about)
		}
	}
	for _, s := range r.order {
		for _, f := range s.fields {
			if !f.seen {
				t.Errorf("docs/json.md, %q: %s%s is in no golden document", s.heading, f.path, f.part)
			}
		}
	}
}

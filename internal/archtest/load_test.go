package archtest

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"strconv"
	"strings"
)

const module = "varve"

// A pkg is a directory of Go files, every one of them: build tags are not
// looked at, so that a file for another build is held to the same rules.
type pkg struct {
	path  string // inside the module
	files []file
}

type file struct {
	name  string // with the directory
	test  bool
	lines int
	ast   *ast.File
	pos   *token.FileSet
}

// helps reports whether the package exists for tests alone: such as durabletest, and all of the proof.
func (p pkg) helps() bool { return isHelper(p.path) }

func isHelper(path string) bool {
	return strings.HasSuffix(path, "test") || path == "internal/proof" || strings.HasPrefix(path, "internal/proof/")
}

// shipped yields the files that go into the program.
func (p pkg) shipped() []file {
	var files []file
	for _, f := range p.files {
		if !f.test {
			files = append(files, f)
		}
	}
	return files
}

// imports maps the paths of the packages that f imports to the names it knows them by.
func (f file) imports() map[string]string {
	names := map[string]string{}
	for _, spec := range f.ast.Imports {
		p, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			panic("archtest: the parser let through the import path " + spec.Path.Value)
		}
		names[p] = path.Base(p)
		if spec.Name != nil {
			names[p] = spec.Name.Name
		}
	}
	return names
}

// at says where n stands, for messages.
func (f file) at(n ast.Node) string {
	return f.name + ":" + strconv.Itoa(f.pos.Position(n.Pos()).Line)
}

// load parses every Go file below the root of tree, but for testdata and
// directories that the go command ignores.
func load(tree fs.FS) ([]pkg, error) {
	byPath := map[string]*pkg{}
	var order []*pkg
	err := fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		base := path.Base(name)
		if d.IsDir() {
			if name != "." && (base == "testdata" || base == "build" || strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_")) {
				return fs.SkipDir
			}
			return nil
		}
		if path.Ext(name) != ".go" || strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") {
			return nil
		}
		f, err := parse(tree, name)
		if err != nil {
			return err
		}
		dir := path.Dir(name)
		if byPath[dir] == nil {
			byPath[dir] = &pkg{path: dir}
			order = append(order, byPath[dir])
		}
		byPath[dir].files = append(byPath[dir].files, f)
		return nil
	})
	var pkgs []pkg
	for _, p := range order {
		pkgs = append(pkgs, *p)
	}
	return pkgs, err
}

func parse(tree fs.FS, name string) (file, error) {
	text, err := fs.ReadFile(tree, name)
	if err != nil {
		return file{}, err
	}
	set := token.NewFileSet()
	parsed, err := parser.ParseFile(set, name, text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return file{}, err
	}
	return file{
		name:  name,
		test:  strings.HasSuffix(name, "_test.go"),
		lines: bytes.Count(text, []byte("\n")),
		ast:   parsed,
		pos:   set,
	}, nil
}

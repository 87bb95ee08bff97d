package archtest

import (
	"fmt"
	"go/ast"
	"maps"
	"path"
	"slices"
	"strings"
)

// A rule looks at one package and returns what is wrong with it, each finding
// a sentence that says what to do.
type rule func(pkg) []string

func rules() map[string]rule {
	return map[string]rule{
		"imports point down":          importsPointDown,
		"libraries stay at home":      librariesStayAtHome,
		"pure packages stay pure":     purePackagesStayPure,
		"test helpers stay in tests":  testHelpersStayInTests,
		"functions stay at home":      functionsStayAtHome,
		"one package comment":         onePackageComment,
		"no init":                     noInit,
		"files are short":             filesAreShort,
		"a skip says what is missing": skipsSayWhy,
	}
}

func importsPointDown(p pkg) []string {
	allowed, ok := mayImport[p.path]
	if !ok {
		return []string{fmt.Sprintf("%s is not in the table mayImport: say there what it may import", p.path)}
	}
	var found []string
	for _, f := range p.shipped() {
		for _, imported := range slices.Sorted(maps.Keys(f.imports())) {
			if target, ok := strings.CutPrefix(imported, module+"/"); ok && !allows(allowed, target) {
				found = append(found, fmt.Sprintf("%s: %s may not import %s", f.name, p.path, target))
			}
		}
	}
	return found
}

func librariesStayAtHome(p pkg) []string {
	var found []string
	for _, f := range p.shipped() {
		for _, imported := range slices.Sorted(maps.Keys(f.imports())) {
			if !isLibrary(imported) {
				continue
			}
			home, known := homeOf(imported)
			switch {
			case !known:
				found = append(found, fmt.Sprintf("%s: %s has no home in the table homes", f.name, imported))
			case !allows(home, p.path):
				found = append(found, fmt.Sprintf("%s: %s may not import %s, its home is %q", f.name, p.path, imported, home))
			}
		}
	}
	return found
}

func purePackagesStayPure(p pkg) []string {
	var found []string
	for _, f := range p.shipped() {
		for imported := range f.imports() {
			for _, bad := range mayNotImport[p.path] {
				if imported == bad || strings.HasPrefix(imported, bad+"/") {
					found = append(found, fmt.Sprintf("%s: %s is pure and may not import %s", f.name, p.path, imported))
				}
			}
		}
	}
	return found
}

func testHelpersStayInTests(p pkg) []string {
	if p.helps() {
		return nil
	}
	var found []string
	for _, f := range p.shipped() {
		for imported := range f.imports() {
			ours, isOurs := strings.CutPrefix(imported, module+"/")
			if isOurs && isHelper(ours) || imported == "testing" || strings.HasPrefix(imported, "testing/") {
				found = append(found, fmt.Sprintf("%s: %s is for tests only", f.name, imported))
			}
		}
	}
	return found
}

func functionsStayAtHome(p pkg) []string {
	if p.helps() {
		return nil
	}
	var found []string
	for _, r := range reservations {
		if slices.Contains(r.homes, p.path) {
			continue
		}
		for _, f := range p.shipped() {
			for use, at := range f.uses(r.calls) {
				if _, excepted := r.exceptions[p.path+" "+use]; !excepted {
					found = append(found, fmt.Sprintf("%s: %s: it %s", at, use, r.what))
				}
			}
		}
	}
	return found
}

// uses yields each mention of one of the functions, as "os.Create", and where it stands.
func (f file) uses(calls map[string][]string) func(yield func(use, at string) bool) {
	names := f.imports()
	return func(yield func(use, at string) bool) {
		for n := range ast.Preorder(f.ast) {
			sel, ok := n.(*ast.SelectorExpr)
			if !ok {
				continue
			}
			x, ok := sel.X.(*ast.Ident)
			if !ok {
				continue
			}
			for imported, functions := range calls {
				if name, ok := names[imported]; ok && name == x.Name && slices.Contains(functions, sel.Sel.Name) {
					if !yield(path.Base(imported)+"."+sel.Sel.Name, f.at(sel)) {
						return
					}
				}
			}
		}
	}
}

func onePackageComment(p pkg) []string {
	files := p.shipped()
	if len(files) == 0 {
		files = p.files // a package of tests alone
	}
	var commented []string
	for _, f := range files {
		if f.ast.Doc != nil && strings.TrimSpace(f.ast.Doc.Text()) != "" {
			commented = append(commented, f.name)
		}
	}
	if len(commented) != 1 {
		return []string{fmt.Sprintf("%s has %d package comments %q; it should have one", p.path, len(commented), commented)}
	}
	return nil
}

func noInit(p pkg) []string {
	var found []string
	for _, f := range p.files {
		for _, d := range f.ast.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
				found = append(found, f.at(fn)+": no init functions: state is made by a constructor")
			}
		}
	}
	return found
}

func filesAreShort(p pkg) []string {
	var found []string
	for _, f := range p.shipped() {
		if f.lines > tooLongFile {
			found = append(found, fmt.Sprintf("%s has %d lines, more than %d: split it by operation", f.name, f.lines, tooLongFile))
		}
	}
	return found
}

func skipsSayWhy(p pkg) []string {
	var found []string
	for _, f := range p.files {
		for n := range ast.Preorder(f.ast) {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				continue
			}
			sel, ok := call.Fun.(*ast.SelectorExpr)
			if !ok {
				continue
			}
			x, ok := sel.X.(*ast.Ident)
			if !ok || !slices.Contains([]string{"t", "b", "f", "tb"}, x.Name) {
				continue
			}
			if sel.Sel.Name == "SkipNow" || sel.Sel.Name == "Skip" && len(call.Args) == 0 {
				found = append(found, f.at(call)+": a skipped test says what is missing")
			}
		}
	}
	return found
}

// allows reports whether the list has the name, or is open to all.
func allows(list []string, name string) bool {
	return slices.Contains(list, name) || slices.Contains(list, "*")
}

// isLibrary reports whether a package comes from outside the standard library and the module.
func isLibrary(imported string) bool {
	first, _, _ := strings.Cut(imported, "/")
	return strings.Contains(first, ".")
}

func homeOf(imported string) ([]string, bool) {
	for library, home := range homes {
		if imported == library || strings.HasPrefix(imported, library+"/") {
			return home, true
		}
	}
	return nil, false
}

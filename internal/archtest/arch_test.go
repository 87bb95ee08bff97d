package archtest

import (
	"os"
	"slices"
	"strings"
	"testing"
)

func TestArchitecture(t *testing.T) {
	pkgs := loadModule(t)
	for name, rule := range rules() {
		t.Run(name, func(t *testing.T) {
			for _, p := range pkgs {
				for _, finding := range rule(p) {
					t.Error(finding)
				}
			}
		})
	}
	for _, p := range pkgs {
		for _, f := range p.shipped() {
			if f.lines > longFile {
				t.Logf("note: %s has %d lines: look for the seam", f.name, f.lines)
			}
		}
	}
}

// The tables themselves: an arrow to a package that the table does not know is
// a typing mistake, arrows in a circle are no architecture, and an exception
// that nobody uses any more is to go.
func TestTables(t *testing.T) {
	for name, allowed := range mayImport {
		for _, target := range allowed {
			if _, ok := mayImport[target]; !ok && target != "*" {
				t.Errorf("mayImport lets %s import %q, which is not in the table", name, target)
			}
		}
	}
	if circle := findCircle(); circle != nil {
		t.Errorf("mayImport goes in a circle: %s", strings.Join(circle, " → "))
	}
	for library, home := range homes {
		for _, name := range home {
			if _, ok := mayImport[name]; !ok && name != "*" {
				t.Errorf("homes puts %s into %q, which is not in the table mayImport", library, name)
			}
		}
	}
	pkgs := loadModule(t)
	for _, r := range reservations {
		for exception, why := range r.exceptions {
			if why == "" {
				t.Errorf("the exception %q has no reason", exception)
			}
			if !exceptionNeeded(pkgs, r, exception) {
				t.Errorf("nobody needs the exception %q any more", exception)
			}
		}
	}
}

// exceptionNeeded reports whether the package uses the function, or is still to be written.
func exceptionNeeded(pkgs []pkg, r reservation, exception string) bool {
	name, function, _ := strings.Cut(exception, " ")
	i := slices.IndexFunc(pkgs, func(p pkg) bool { return p.path == name })
	if i < 0 {
		return true
	}
	for _, f := range pkgs[i].shipped() {
		for use := range f.uses(r.calls) {
			if use == function {
				return true
			}
		}
	}
	return false
}

// findCircle follows the arrows of mayImport and returns a path that comes back to where it was.
func findCircle() []string {
	done := map[string]bool{}
	var walk func(path []string, name string) []string
	walk = func(path []string, name string) []string {
		if slices.Contains(path, name) {
			return append(path, name)
		}
		if done[name] {
			return nil
		}
		for _, next := range mayImport[name] {
			if circle := walk(append(path, name), next); circle != nil {
				return circle
			}
		}
		done[name] = true
		return nil
	}
	for name := range mayImport {
		if circle := walk(nil, name); circle != nil {
			return circle
		}
	}
	return nil
}

func loadModule(t *testing.T) []pkg {
	t.Helper()
	pkgs, err := load(os.DirFS("../.."))
	if err != nil {
		t.Fatal(err)
	}
	if len(pkgs) == 0 {
		t.Fatal("found no packages: a guard that sees nothing guards nothing")
	}
	return pkgs
}

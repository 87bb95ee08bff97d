package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"varve/config"
)

// What root uses, others must not be able to change: not the file, and no name that
// leads to it.
func TestExposed(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("root is needed to give files away")
	}
	const nobody, group = 65534, 1000
	tests := map[string]struct {
		spoil func(dir string) error // of dir/etc/varve/varve.yaml
		want  string                 // what is exposed, below dir
		owner int
	}{
		"root's alone":              {},
		"a group of root":           {spoil: func(dir string) error { return os.Chmod(dir+"/etc/varve/varve.yaml", 0o664) }},
		"read by all":               {spoil: func(dir string) error { return os.Chmod(dir+"/etc/varve/varve.yaml", 0o644) }},
		"everybody writes it":       {spoil: func(dir string) error { return os.Chmod(dir+"/etc/varve/varve.yaml", 0o602) }, want: "etc/varve/varve.yaml", owner: -1},
		"somebody's":                {spoil: func(dir string) error { return os.Chown(dir+"/etc/varve/varve.yaml", nobody, 0) }, want: "etc/varve/varve.yaml", owner: nobody},
		"in somebody's directory":   {spoil: func(dir string) error { return os.Chown(dir+"/etc/varve", nobody, 0) }, want: "etc/varve", owner: nobody},
		"in everybody's directory":  {spoil: func(dir string) error { return os.Chmod(dir+"/etc/varve", 0o777) }, want: "etc/varve", owner: -1},
		"below somebody's":          {spoil: func(dir string) error { return os.Chown(dir+"/etc", nobody, 0) }, want: "etc", owner: nobody},
		"everybody's, but sticky":   {spoil: func(dir string) error { return os.Chmod(dir+"/etc/varve", os.ModeSticky|0o777) }},
		"a group that is not roots": {spoil: groupWrites(group), want: "etc/varve/varve.yaml", owner: -1},
		"root's group":              {spoil: groupWrites(0)},
		"a link of somebody": {spoil: func(dir string) error {
			return errors.Join(linkInstead(dir, dir+"/real.yaml"), os.Lchown(dir+"/etc/varve/varve.yaml", nobody, 0))
		}, want: "etc/varve/varve.yaml", owner: nobody},
		"a link to what is root's":  {spoil: func(dir string) error { return linkInstead(dir, "../../real.yaml") }},
		"a link into somebody's":    {spoil: func(dir string) error { return linkInstead(dir, "../../open/real.yaml") }, want: "open", owner: nobody},
		"a link to somebody's link": {spoil: func(dir string) error { return linkInstead(dir, dir+"/open/link") }, want: "open", owner: nobody},
		"a link to itself":          {spoil: func(dir string) error { return linkInstead(dir, "varve.yaml") }, want: "loop"},
		"nothing is there":          {spoil: func(dir string) error { return os.Remove(dir + "/etc/varve/varve.yaml") }},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "etc/varve/varve.yaml")
			err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, nil, 0o600), os.WriteFile(dir+"/real.yaml", nil, 0o600),
				os.Mkdir(dir+"/open", 0o755), os.WriteFile(dir+"/open/real.yaml", nil, 0o600), os.Symlink("../real.yaml", dir+"/open/link"),
				os.Chown(dir+"/open", nobody, 0))
			if err != nil {
				t.Fatal(err)
			}
			if tt.spoil != nil {
				if err := tt.spoil(dir); err != nil {
					t.Fatal(err)
				}
			}
			err = config.CheckExposed(path, 0)
			exposed := new(config.ExposedError)
			switch {
			case tt.want == "loop":
				if err == nil || errors.As(err, &exposed) {
					t.Errorf("got %v, want an error of too many links", err)
				}
			case tt.want == "" && err != nil:
				t.Errorf("got %v", err)
			case tt.want != "" && (!errors.As(err, &exposed) || exposed.Path != filepath.Join(dir, tt.want) || exposed.Owner != tt.owner):
				t.Errorf("got %v, want %s to be exposed by %d", err, tt.want, tt.owner)
			}
		})
	}
}

func groupWrites(gid int) func(dir string) error {
	return func(dir string) error {
		path := dir + "/etc/varve/varve.yaml"
		return errors.Join(os.Chown(path, 0, gid), os.Chmod(path, 0o660))
	}
}

// linkInstead puts a link in the place of the file.
func linkInstead(dir, to string) error {
	path := dir + "/etc/varve/varve.yaml"
	return errors.Join(os.Remove(path), os.Symlink(to, path))
}

// Who is not root is kept from what everybody can write, and from nothing else.
func TestExposedToOthers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "varve.yaml")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for mode, exposed := range map[os.FileMode]bool{0o600: false, 0o664: false, 0o666: true} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if err := config.CheckExposed(path, 1000); errors.As(err, new(*config.ExposedError)) != exposed {
			t.Errorf("mode %o: %v", mode, err)
		}
	}
	if err := config.CheckExposed(path+"/below", 1000); err != nil {
		t.Errorf("what there is not: %v", err)
	}
}

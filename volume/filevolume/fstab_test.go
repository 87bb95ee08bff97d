package filevolume

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestMissingMount(t *testing.T) {
	const table = `# <file system> <mount point> <type> <options>
UUID=1 / ext4 defaults 0 1
UUID=2 /srv ext4 defaults 0 2
UUID=3	/srv/varve/	xfs	noauto 0 2
UUID=4 none swap sw 0 0
tmpfs /tmp tmpfs rw 0 0
server:/export /backup\040disk nfs4 defaults 0 0
#UUID=5 /old ext4 defaults 0 2
broken /x
`
	mounts := []mount{{point: "/"}, {point: "/srv"}}
	tests := map[string]string{
		"/srv/varve": "/srv/varve", "/srv/varve/repository": "/srv/varve", "/srv/varve2": "", "/srv": "", "/srv/else": "",
		"/": "", "/home": "", "/tmp/x": "", "/backup disk/varve": "/backup disk", "/old": "", "/x": "", "/none": "",
	}
	for path, want := range tests {
		if got := missingMount(table, mounts, path); got != want {
			t.Errorf("%s: got %q, want %q", path, got, want)
		}
	}
	if got := missingMount(table, append(mounts, mount{point: "/srv/varve"}), "/srv/varve/repository"); got != "" {
		t.Errorf("it is mounted: got %q", got)
	}
	if got := missingMount(table, mounts[:1], "/srv/else"); got != "/srv" {
		t.Errorf("the one above is not: got %q", got)
	}
}

func TestRealPath(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink(filepath.Join(dir, "."), link); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		dir: dir, link: dir, link + "/none/deep": dir + "/none/deep", dir + "/none": dir + "/none", "/": "/",
	} {
		if got := realPath(path); got != want {
			t.Errorf("%s: got %s, want %s", path, got, want)
		}
	}
}

// FuzzFstab reads what people wrote.
func FuzzFstab(f *testing.F) {
	f.Add("UUID=1 /srv\\040x ext4 defaults 0 2\n")
	f.Fuzz(func(t *testing.T, text string) {
		for _, point := range parseFstab(text) {
			if !strings.HasPrefix(point, "/") || point == "/" {
				t.Errorf("%q gives the mount point %q", text, point)
			}
		}
	})
}

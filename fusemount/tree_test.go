package fusemount

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"varve/repository"
	"varve/revision"
)

// Each name of a volume has a path of its own, of elements that can be folders.
func TestFolders(t *testing.T) {
	tests := map[revision.Name]string{
		"db1":                           "db1",
		"vms/vm-17":                     "vms/vm-17",
		"..":                            "%2E.",
		".":                             "%2E",
		"../x":                          "%2E./x",
		"a/./b":                         "a/%2E/b",
		".hidden":                       ".hidden",
		"...":                           "...",
		"/abs":                          "%2Fabs",
		"dir/":                          "dir%2F",
		"a//b":                          "a%2F%2Fb",
		"/":                             "%2F",
		"100%":                          "100%25",
		"%2F":                           "%252F",
		"latest.img":                    "latest.img",
		"a/latest.img":                  "a/%6Catest.img",
		"a/latest-good.img":             "a/%6Catest-good.img",
		"a/by-tag/x.img":                "a/%62y-tag/x.img",
		"a/20261124T010003Z-k3f9.img":   "a/%320261124T010003Z-k3f9.img",
		"a/20261124T010003Z-k3f9.json":  "a/%320261124T010003Z-k3f9.json",
		"a/20261124T010003Z-k3f9.image": "a/20261124T010003Z-k3f9.image",
		`back\slash "quoted" *`:         `back\slash "quoted" *`,
	}
	seen := map[string]revision.Name{}
	for name, want := range tests {
		if _, err := revision.ParseName(string(name)); err != nil {
			t.Fatal(err)
		}
		got := strings.Join(folders(name), "/")
		if got != want {
			t.Errorf("volume %q lies in %q, want %q", name, got, want)
		}
		if other, taken := seen[got]; taken {
			t.Errorf("volumes %q and %q both lie in %q", name, other, got)
		}
		seen[got] = name
	}
}

func TestTree(t *testing.T) {
	p := newPlace(t, 64*kib)
	src := p.source("src", mib, 1, extent{0, mib})
	volumes := []revision.Name{"a", "a/b", "a/latest.img", "a/by-tag", "..", "x//y", "100%"}
	for _, name := range volumes {
		p.backup(name, src)
	}
	_, dir := p.mount(Options{})
	for _, name := range volumes {
		at := filepath.Join(append([]string{dir}, folders(name)...)...)
		same(t, filepath.Join(at, "latest.img"), src)
	}
	if got, want := names(t, dir), []string{"%2E.", "100%25", "a", "x%2F%2Fy"}; !slices.Equal(got, want) {
		t.Errorf("at the top there is %q, want %q", got, want)
	}
	tagged := p.backup("a", src, "weekly", "release")
	newest := p.backup("a", src, "weekly")
	p.mark("a", newest, func(info *repository.Info) { info.State, info.Reason = repository.Suspect, "for a test" })
	at := filepath.Join(dir, "a")
	for link, want := range map[string]string{
		"latest.img":         string(newest) + ".img",
		"latest-good.img":    string(tagged) + ".img",
		"by-tag/release.img": "../" + string(tagged) + ".img",
		"by-tag/weekly.img":  "../" + string(newest) + ".img",
	} {
		if got, err := os.Readlink(filepath.Join(at, link)); got != want || err != nil {
			t.Errorf("%s leads to %q (%v), want %q", link, got, err, want)
		}
		same(t, filepath.Join(at, link), src)
	}
	list := names(t, at)
	for _, want := range []string{string(newest) + ".img", string(newest) + ".json", "b", "%6Catest.img", "%62y-tag", "by-tag", "latest.img", "latest-good.img"} {
		if !slices.Contains(list, want) {
			t.Errorf("the folder of a volume has no %q: %q", want, list)
		}
	}
	p.remove("a", newest)
	if got, err := os.Readlink(filepath.Join(at, "latest.img")); got != string(tagged)+".img" || err != nil {
		t.Errorf("after the newest went, latest leads to %q (%v)", got, err)
	}
	if _, err := p.repo.Rename(t.Context(), "a/b", "elsewhere", 0); err != nil {
		t.Fatal(err)
	}
	same(t, filepath.Join(dir, "elsewhere", "latest.img"), src)
	if _, err := os.Stat(filepath.Join(at, "b")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a volume is where it was before it was renamed: %v", err)
	}
}

// mark changes what may change about a revision.
func (p *place) mark(name revision.Name, id revision.ID, change func(*repository.Info)) {
	p.t.Helper()
	rev := p.revision(name, id)
	if err := p.repo.Mark(p.t.Context(), rev, change); err != nil {
		p.t.Fatal(err)
	}
}

func (p *place) revision(name revision.Name, id revision.ID) repository.Revision {
	p.t.Helper()
	v, err := p.repo.Volume(name)
	if err != nil {
		p.t.Fatal(err)
	}
	all, err := p.repo.Revisions(v)
	if err != nil {
		p.t.Fatal(err)
	}
	i := slices.IndexFunc(all, func(r repository.Revision) bool { return r.ID == id })
	if i < 0 {
		p.t.Fatalf("no revision %s of %s", id, name)
	}
	return all[i]
}

func TestOnlyWhatIsWanted(t *testing.T) {
	p := newPlace(t, 64*kib)
	src := p.source("src", mib, 1)
	p.backup("a/b", src)
	p.backup("c", src)
	_, dir := p.mount(Options{Show: func(name revision.Name) bool { return name == "a/b" || name == "d" }})
	if got := names(t, dir); !slices.Equal(got, []string{"a"}) {
		t.Errorf("there is %q, want only the folder of a/b", got)
	}
	p.backup("d", src)
	if got := names(t, dir); !slices.Equal(got, []string{"a", "d"}) {
		t.Errorf("there is %q, want the folders of a/b and d", got)
	}
}

// What a file says of itself: size, time, holes, notes, attributes.
func TestAttributes(t *testing.T) {
	p := newPlace(t, mib)
	const size = 6<<30 + 1000 // of two regions
	src := p.source("src", size, 1, extent{mib, 2 * mib}, extent{3 << 30, mib}, extent{5 << 30, 3 * mib})
	first := p.backup("v", src)
	f, err := os.OpenFile(src, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte("more"), 4<<30); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(syscall.Fallocate(int(f.Fd()), 3, 5<<30, mib), f.Truncate(size-500), f.Close()); err != nil {
		t.Fatal(err)
	}
	second := p.backup("v", src, "one", "two")
	_, dir := p.mount(Options{})
	for _, tt := range []struct {
		id   revision.ID
		size int64
		data []extent
	}{
		{second, size - 500, []extent{{mib, 2 * mib}, {3 << 30, mib}, {4 << 30, mib}, {5<<30 + mib, 2 * mib}}},
		{first, size, []extent{{mib, 2 * mib}, {3 << 30, mib}, {5 << 30, 3 * mib}}},
	} {
		path := filepath.Join(dir, "v", string(tt.id)+".img")
		data, allocated := sparse(t, path)
		if !slices.Equal(data, tt.data) {
			t.Errorf("%s has data at %v, want %v", tt.id, data, tt.data)
		}
		var sum int64
		for _, e := range tt.data {
			sum += e.length
		}
		if allocated != sum {
			t.Errorf("du of %s says %d, want %d", tt.id, allocated, sum)
		}
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		rev := p.revision("v", tt.id)
		if info.Size() != tt.size || !info.ModTime().Equal(rev.Statement.Begun) {
			t.Errorf("%s has %d bytes of %s, want %d of %s", tt.id, info.Size(), info.ModTime(), tt.size, rev.Statement.Begun)
		}
		want := map[string]string{
			"user.varve.revision": string(tt.id), "user.varve.digest": rev.Statement.Digest.String(),
			"user.varve.kind": string(rev.Statement.Kind), "user.varve.tags": strings.Join(rev.Info.Tags, ","),
			"user.varve.state": "good", "user.varve.parent": "",
		}
		if rev.Statement.Parent != nil {
			want["user.varve.parent"] = string(rev.Statement.Parent.ID)
		}
		for name, value := range want {
			buf := make([]byte, 200)
			n, err := syscall.Getxattr(path, name, buf)
			if err != nil || string(buf[:n]) != value {
				t.Errorf("%s of %s is %q (%v), want %q", name, tt.id, buf[:max(n, 0)], err, value)
			}
		}
		buf := make([]byte, 400)
		n, err := syscall.Listxattr(path, buf)
		if err != nil || strings.Count(string(buf[:n]), "\x00") != len(want) {
			t.Errorf("%s lists the attributes %q (%v)", tt.id, buf[:max(n, 0)], err)
		}
		note := read(t, filepath.Join(dir, "v", string(tt.id)+".json"))
		if text, err := json.Marshal(tt.id); string(note) != string(text) || err != nil {
			t.Errorf("the note of %s is %q", tt.id, note)
		}
		if _, err := os.OpenFile(path, os.O_RDWR, 0); !errors.Is(err, syscall.EROFS) {
			t.Errorf("opening an image for writing gave %v, want EROFS", err)
		}
	}
	var st, repo syscall.Statfs_t
	if err := errors.Join(syscall.Statfs(filepath.Join(dir, "v"), &st), syscall.Statfs(p.dir, &repo)); err != nil {
		t.Fatal(err)
	}
	if int64(st.Blocks)*st.Bsize/mib != int64(repo.Blocks)*repo.Bsize/mib {
		t.Errorf("the mount has %d blocks of %d, the repository's file system %d of %d", st.Blocks, st.Bsize, repo.Blocks, repo.Bsize)
	}
}

package filecopy_test

import (
	"encoding/binary"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"varve/filecopy"
)

// forest makes random trees.
type forest struct {
	t     *testing.T
	r     *rand.Rand
	files []string // of the tree, regular or other, for hard links
}

func (f *forest) check(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

func (f *forest) name(i int) string {
	return []string{"plain", "with blank", "größe", "-dash", "new\nline", ".hidden", "\xff\xfe", "x.varve-partial", "a"}[f.r.IntN(9)] + fmt.Sprint(i)
}

// plant makes what is in a directory, and gives each its attributes after what is in it.
func (f *forest) plant(dir string, depth int) {
	for i := range 1 + f.r.IntN(5) {
		path := filepath.Join(dir, f.name(i))
		switch kind := f.r.IntN(10); {
		case kind < 2 && depth > 0:
			f.check(os.Mkdir(path, 0o755))
			f.plant(path, depth-1)
		case kind == 2:
			f.check(os.Symlink([]string{"/etc/passwd", "../..", "none", "plain0"}[f.r.IntN(4)], path))
		case kind == 3:
			mode := []uint32{unix.S_IFIFO, unix.S_IFSOCK, unix.S_IFCHR, unix.S_IFBLK}[f.r.IntN(4)]
			f.check(unix.Mknod(path, mode|0o600, int(unix.Mkdev(uint32(f.r.IntN(300)), uint32(f.r.IntN(300))))))
			f.files = append(f.files, path)
		case kind == 4 && len(f.files) > 0:
			f.check(os.Link(f.files[f.r.IntN(len(f.files))], path))
			continue // it has the other's attributes
		default:
			f.fill(path)
			f.files = append(f.files, path)
		}
		f.dress(path)
	}
}

// fill makes a file with holes and data.
func (f *forest) fill(path string) {
	file, err := os.Create(path)
	f.check(err)
	end := int64(0)
	for range f.r.IntN(4) {
		end += int64(f.r.IntN(3)) * 4096 * int64(f.r.IntN(64))
		data := make([]byte, f.r.IntN(20000))
		if f.r.IntN(3) > 0 { // or zeros that take room
			for i := range data {
				data[i] = byte(f.r.Uint32())
			}
		}
		_, err := file.WriteAt(data, end)
		f.check(err)
		end += int64(len(data))
	}
	f.check(file.Truncate(end + int64(f.r.IntN(2)*f.r.IntN(100000))))
	f.check(file.Close())
}

func (f *forest) dress(path string) {
	info, err := os.Lstat(path)
	f.check(err)
	f.check(os.Lchown(path, f.r.IntN(70000), f.r.IntN(3)))
	isLink := info.Mode().Type() == fs.ModeSymlink
	if !isLink {
		f.check(os.Chmod(path, fs.FileMode(f.r.IntN(512))|[]fs.FileMode{0, fs.ModeSetuid, fs.ModeSetgid, fs.ModeSticky}[f.r.IntN(4)]))
	}
	f.attributes(path, info.Mode())
	times := make([]unix.Timespec, 2)
	for i := range times {
		at := time.Date(1960+f.r.IntN(100), 1, f.r.IntN(300), 0, 0, f.r.IntN(86400), f.r.IntN(1e9), time.UTC)
		times[i] = unix.Timespec{Sec: at.Unix(), Nsec: int64(at.Nanosecond())}
	}
	f.check(unix.UtimesNanoAt(unix.AT_FDCWD, path, times, unix.AT_SYMLINK_NOFOLLOW))
}

func (f *forest) attributes(path string, mode fs.FileMode) {
	set := func(name string, value []byte) { f.check(unix.Lsetxattr(path, name, value, 0)) }
	if f.r.IntN(3) == 0 {
		set("trusted.of", []byte(fmt.Sprint(f.r.IntN(100))))
	}
	if !mode.IsRegular() && !mode.IsDir() {
		return
	}
	if f.r.IntN(3) == 0 {
		set("user.color", []byte{byte(f.r.Uint32()), 0, 1})
		set("user.empty", nil)
	}
	if f.r.IntN(3) == 0 {
		set("system.posix_acl_access", acl(uint32(f.r.IntN(1000))))
	}
	if mode.IsDir() && f.r.IntN(2) == 0 {
		set("system.posix_acl_default", acl(uint32(f.r.IntN(1000))))
	}
	if mode.IsRegular() && f.r.IntN(4) == 0 { // cap_net_raw, effective and permitted: version 2
		set("security.capability", []byte{1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})
	}
}

// acl is one that lets a user in: tag, permissions, id.
func acl(user uint32) []byte {
	b := binary.LittleEndian.AppendUint32(nil, 2)
	for _, e := range [][3]uint32{{1, 6, 1<<32 - 1}, {2, 5, user}, {4, 4, 1<<32 - 1}, {16, 7, 1<<32 - 1}, {32, 0, 1<<32 - 1}} {
		b = binary.LittleEndian.AppendUint16(b, uint16(e[0]))
		b = binary.LittleEndian.AppendUint16(b, uint16(e[1]))
		b = binary.LittleEndian.AppendUint32(b, e[2])
	}
	return b
}

// TestCopyRandomTrees: a copy is what was copied, in every respect, also below a directory that says what new files inherit.
func TestCopyRandomTrees(t *testing.T) {
	const trees = 24
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	want := make([]map[string]string, trees)
	path := image(t, func(dir string) {
		for i := range trees {
			f := &forest{t: t, r: rand.New(rand.NewPCG(seed, uint64(i)))}
			root := filepath.Join(dir, fmt.Sprint(i))
			f.check(os.Mkdir(root, 0o755))
			f.plant(root, 3)
			f.dress(root)
			want[i] = snapshot(t, root)
		}
	})
	fsys := open(t, path)
	to := t.TempDir()
	if err := unix.Setxattr(to, "system.posix_acl_default", acl(77), 0); err != nil {
		t.Skipf("needs a temporary directory with ACLs: %v", err)
	}
	for i := range trees {
		meter := new(filecopy.Meter)
		report, err := copied(t.Context(), t, fsys, to, filecopy.Options{Meter: meter}, fmt.Sprintf("/%d", i))
		if err != nil || len(report.Problems) > 0 {
			t.Fatalf("tree %d: %v, %+v", i, err, report.Problems)
		}
		for _, difference := range differ(want[i], snapshot(t, filepath.Join(to, fmt.Sprint(i)))) {
			t.Errorf("tree %d: %s", i, difference)
		}
		if made := report.Files + report.Directories + report.Links + report.Others; made != int64(len(want[i])) {
			t.Errorf("tree %d: %d files are told, %d there", i, made, len(want[i]))
		}
		if meter.Bytes.Load() != report.Bytes {
			t.Errorf("tree %d: %d bytes are told, and %d", i, meter.Bytes.Load(), report.Bytes)
		}
	}
	if got := names(t, to); len(got) != trees {
		t.Errorf("there is %q", got)
	}
}

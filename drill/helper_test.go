package drill_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"varve/backup"
	"varve/chunkstore"
	"varve/drill"
	"varve/fusemount"
	"varve/internal/durable"
	"varve/repository"
	"varve/revision"
	"varve/volume/filevolume"
)

// TestMain is also the processes that a drill starts: this program with other words.
func TestMain(m *testing.M) {
	var err error
	switch {
	case len(os.Args) == 2 && os.Args[1] == "room":
		err = drill.Room(os.Stdin, os.Stdout, os.NewFile(3, "image"))
	case len(os.Args) == 6 && os.Args[1] == "serve":
		err = serve(os.Args[2], os.Args[3], os.Args[4], os.Args[5])
	case len(os.Args) == 5 && os.Args[1] == "drill":
		err = drillAlone(os.Args[2], os.Args[3], os.Args[4])
	default:
		os.Exit(m.Run())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

func open(dir string) (*repository.Repository, error) {
	tree, err := durable.OpenTree(dir)
	if err != nil {
		return nil, err
	}
	return repository.Open(tree, repository.Options{Command: "test"})
}

func serve(dir, id, overlay, size string) error {
	repo, err := open(dir)
	if err != nil {
		return err
	}
	opts := fusemount.Options{Writable: true, Overlay: overlay, Log: slog.New(slog.NewTextHandler(io.Discard, nil))}
	if _, err := fmt.Sscan(size, &opts.OverlaySize); err != nil {
		return err
	}
	explain := func(err error) fusemount.Failure { return fusemount.Failure{Text: err.Error(), Exit: 1} }
	return fusemount.ServeImage(context.Background(), repo, "v", revision.ID(id), opts, os.Stdin, os.Stdout, explain)
}

// need skips where something is missing.
func need(t testing.TB, commands ...string) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root, for loop devices and mounts")
	}
	for _, device := range []string{"/dev/fuse", "/dev/loop-control"} {
		if _, err := os.Stat(device); err != nil {
			t.Skipf("needs %s", device)
		}
	}
	for _, command := range commands {
		if _, err := exec.LookPath(command); err != nil {
			t.Skipf("needs %s", command)
		}
	}
}

var tools = []string{"/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/local/bin", "/usr/bin", "/bin"}

// A place is a repository with a volume v, and what is drilled of it.
type place struct {
	t    testing.TB
	dir  string // has all of it
	repo *repository.Repository
	rev  repository.Revision
	opts drill.Options
	room string // bytes of the layer
}

// newPlace has a script make the file "disk" and backs it up.
func newPlace(t testing.TB, script string, needs ...string) *place {
	t.Helper()
	need(t, append(needs, "losetup", "mount")...)
	p := &place{t: t, dir: t.TempDir(), room: "0"}
	for _, dir := range []string{"repo", "overlay"} {
		if err := os.Mkdir(p.at(dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	p.script("truncate -s 64M disk; mkdir m\n" + script)
	tree, err := durable.OpenTree(p.at("repo"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := repository.Init(t.Context(), tree, repository.InitOptions{ChunkSize: 64 << 10}); err != nil {
		t.Fatal(err)
	}
	if err := tree.Close(); err != nil {
		t.Fatal(err)
	}
	if p.repo, err = open(p.at("repo")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.repo.Close(); err != nil {
			t.Error(err)
		}
	})
	src, err := filevolume.Open(p.at("disk"))
	if err != nil {
		t.Fatal(err)
	}
	plain := chunkstore.None // so that text is found in packs
	made, err := backup.Create(t.Context(), p.repo, src, backup.CreateOptions{Volume: "v", Codec: &plain})
	if err != nil {
		t.Fatal(err)
	}
	v, err := p.repo.Volume("v")
	if err != nil {
		t.Fatal(err)
	}
	all, err := p.repo.Revisions(v)
	if err != nil || len(all) != 1 || all[0].ID != made.Statement.ID {
		t.Fatal(all, err)
	}
	p.rev = all[0]
	p.opts = drill.Options{Room: []string{"room"}, Tools: tools, Serve: p.serve}
	t.Cleanup(p.nothingLeft)
	return p
}

func (p *place) serve() (*fusemount.Server, error) {
	return fusemount.StartServer([]string{"serve", p.at("repo"), string(p.rev.ID), p.at("overlay"), p.room}, func(line string) { p.t.Log(line) })
}

func (p *place) at(name string) string { return filepath.Join(p.dir, name) }

// script runs a script in the place. filled mounts the disk at m and has the commands after it run there.
func (p *place) script(text string) string {
	p.t.Helper()
	const prelude = `set -e
filled() { mount -o loop disk m; (cd m; "$@") || { umount m; exit 1; }; umount m; }
`
	cmd := exec.Command("bash", "-c", prelude+text)
	cmd.Dir = p.dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		p.t.Fatalf("%v\n%s", err, out)
	}
	return string(out)
}

// drill drills the revision.
func (p *place) drill() *drill.Result {
	p.t.Helper()
	r, err := drill.Run(p.t.Context(), p.repo, p.rev, p.opts)
	if err != nil {
		p.t.Fatal(err)
	}
	return r
}

// drillCommand drills it with a command.
func (p *place) drillCommand(command string) *drill.Result {
	p.t.Helper()
	p.opts.Command = command
	return p.drill()
}

// comesTo fails unless a drill came to an outcome, for such a reason.
func comesTo(t testing.TB, r *drill.Result, want drill.Outcome, reason string) {
	t.Helper()
	if text := strings.Join(r.Reasons, "; "); r.Outcome != want || !strings.Contains(text, reason) {
		output := ""
		if r.Command != nil {
			output = r.Command.Output
		}
		for _, part := range r.Parts {
			if part.Check != nil {
				output += part.Check.Output
			}
		}
		t.Errorf("%s: %s; want %s: %s\n%s", r.Outcome, text, want, reason, output)
	}
}

// lasting looks for what a drill leaves, until there is nothing, or for long: the kernel takes down by itself.
func (p *place) lasting() (left string) {
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if left = p.left(); left == "" || time.Now().After(end) {
			return left
		}
	}
}

// left names the loop devices, mounts, processes and files that were made by a drill and are there still.
func (p *place) left() string {
	var left strings.Builder
	devices, err := filepath.Glob("/sys/block/loop*/loop/backing_file")
	if err != nil {
		p.t.Fatal(err)
	}
	for _, name := range devices {
		if text, err := os.ReadFile(name); err == nil && bytes.Contains(text, []byte(string(p.rev.ID))) {
			fmt.Fprintf(&left, "%s: %s", name, text)
		}
	}
	processes, err := filepath.Glob("/proc/[0-9]*/mountinfo")
	if err != nil {
		p.t.Fatal(err)
	}
	for _, name := range processes {
		text, err := os.ReadFile(name)
		if err == nil && (bytes.Contains(text, []byte(p.repo.ID().String())) || bytes.Contains(text, []byte(" /run/varve/mount "))) {
			fmt.Fprintf(&left, "%s has a mount of it\n", name)
		}
	}
	for _, dir := range []string{p.at("overlay"), "/run/varve"} {
		if entries, err := os.ReadDir(dir); err == nil {
			for _, e := range entries {
				fmt.Fprintf(&left, "%s in %s\n", e.Name(), dir)
			}
		}
	}
	leases, err := os.ReadDir(p.at("repo/locks/leases"))
	if err != nil {
		p.t.Fatal(err)
	}
	for _, e := range leases {
		fmt.Fprintf(&left, "lease %s\n", e.Name())
	}
	return left.String()
}

func (p *place) nothingLeft() {
	if left := p.lasting(); left != "" {
		p.t.Errorf("left behind:\n%s", left)
	}
}

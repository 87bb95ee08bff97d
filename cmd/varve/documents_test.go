package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"varve/job"
	"varve/volume"
)

// TestJSONDocuments types every command with --json: done, failed, with findings,
// and wrongly. What is printed is API: see golden_test.go and docs/json.md.
func TestJSONDocuments(t *testing.T) {
	b := newBench(t)
	if *update {
		if err := os.MkdirAll(goldenDir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	b.aboutUsage()
	b.aboutRevisions()
	b.aboutMany()
	b.aboutMarks()
	b.aboutAges()
	b.aboutMounts()
	b.aboutGarbage()
	b.aboutDamage()
	b.aboutStatus()
	b.aboutSets()
	b.aboutScheduler()
	b.aboutInside()
	b.aboutDrills()
	b.aboutPlumbing()
	b.aboutProgress()
	b.noneLeft()
	for _, c := range commands(newSession(nil, nil, nil)) {
		documented := slices.ContainsFunc(slices.Collect(keysOf(b.seen)), func(file string) bool { return strings.HasPrefix(file, c.name+"-") })
		if c.group != "" && !documented {
			t.Errorf("no document of %s", c.name)
		}
	}
}

func keysOf(m map[string]bool) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// aboutUsage is about words that make no command, and what explains them.
func (b *bench) aboutUsage() {
	b.says("usage-nothing", 2, "")
	b.says("usage-unknown-command", 2, "bakcup")
	b.says("usage-unknown-flag", 2, "--bad")
	b.says("backup-usage", 2, "backup v --bad")
	b.says("backup-usage-value", 2, "backup v --limit-rate much")
	b.says("log-usage-surplus", 2, "log a b")
	b.says("show-usage-missing", 2, "show")
	b.says("version-done", 0, "version")
	b.says("help-done", 0, "help log")
	b.says("help-overview", 0, "--help")
	b.says("help-failed", 2, "help bakcup")
	b.says("completion-done", 0, "completion bash")
	b.says("completion-failed", 2, "completion csh")
}

// aboutMany is about what finds and restores several, in a repository of its own.
func (b *bench) aboutMany() {
	b.disk("images/a.img", 1000, 1)
	b.disk("images/b.img", 2000, 2)
	b.disk("images/scratch", 3000, 3)
	b.write("some.yaml", "volumes: {\"vms/*\": {source: \"DIR/images/s*\", exclude: [cratch]}}\n")
	b.does("init DIR/many")
	b.does("-r DIR/many backup by-hand DIR/images/b.img")
	b.says("discover-done", 0, "-r DIR/many discover DIR/images --config DIR/some.yaml")
	b.says("discover-uncovered", 1, "-r DIR/many discover DIR/images --uncovered --config DIR/some.yaml")
	b.says("discover-failed", 1, "-r DIR/many discover DIR/none")
	b.says("discover-usage", 2, "discover rbd:a/b/c/d")
	b.says("restore-several-dry-run", 0, "-r DIR/many restore b* DIR/back-*.img --dry-run")
	b.says("restore-several", 0, "-r DIR/many restore b* DIR/back-*.img")
	b.says("restore-several-refused", 1, "-r DIR/many restore b* DIR/back-*.img")
	b.says("restore-several-none", 2, "-r DIR/many restore x* DIR/back-*.img")
}

// aboutRevisions is about what backs up, restores and lists.
func (b *bench) aboutRevisions() {
	b.says("log-no-repository", 2, "log")
	b.says("init-usage", 2, "init --chunk-size 5")
	b.says("init-done", 0, "init DIR/repo --chunk-size 64K")
	b.says("init-failed", 1, "init DIR/repo")
	b.says("volumes-none", 0, "volumes")
	b.says("status-new", 0, "status")

	b.disk("disk", 262_144, 1)
	b.says("backup-done", 0, "backup v DIR/disk --tag t --note first")
	for i := range 4 {
		b.change("disk", int64(i)*5000, "another")
		b.does("backup v")
	}
	b.says("backup-delta", 0, "backup v")
	b.says("backup-failed", 1, "backup w DIR/absent")
	b.says("backup-no-source", 2, "backup w")
	b.disk("other", 262_144, 2)
	b.says("backup-wrong-source", 2, "backup v DIR/other")

	b.says("volumes-done", 0, "volumes")
	b.says("volumes-unique", 0, "volumes --sort unique")
	b.says("volumes-failed", 2, "volumes x*")
	b.says("log-volumes", 0, "log")
	b.says("log-done", 0, "log v -n 2")
	b.says("log-unique", 0, "log v -n 1 --unique")
	b.says("log-failed", 2, "log x")
	b.says("show-done", 0, "show v@latest~5")
	b.says("show-delta", 0, "show v")
	b.says("show-failed", 2, "show v@zzzz")

	b.says("diff-done", 0, "diff v@latest~5 v")
	b.says("diff-same", 0, "diff v v@latest")
	b.says("diff-failed", 2, "diff v x")
	b.says("restore-dry-run", 0, "restore v DIR/out --dry-run")
	b.says("restore-done", 0, "restore v DIR/out")
	b.says("restore-failed", 1, "restore v DIR/out")
	b.says("restore-range", 0, "restore v DIR/part --range 10+20")
	b.says("restore-usage", 2, "restore v -")
	b.says("verify-done", 0, "verify v")
	b.says("verify-against", 0, "verify v --sha256 --against DIR/disk")
	b.says("verify-differs", 3, "verify v@latest~5 --against DIR/disk")
	b.says("verify-failed", 2, "verify v@tag:none")
}

// aboutAges is about what takes revisions away and brings them back.
func (b *bench) aboutAges() {
	for range 3 {
		b.does("backup old DIR/disk")
	}
	b.says("prune-no-rules", 2, "prune old")
	b.says("prune-dry-run", 0, "prune old --keep-last 2 --dry-run")
	b.says("prune-done", 0, "prune old --keep-last 2 --keep-tag none")
	b.does("pin old@latest")
	b.says("rm-pinned", 1, "rm old@latest")
	b.does("unpin old@latest")
	b.says("rm-dry-run", 0, "rm old@latest -n")
	b.says("merge-failed", 2, "merge old@latest")
	b.says("merge-done", 0, "merge old@latest~1")
	b.says("rm-done", 0, "rm old@latest")
	b.says("rm-usage", 2, "rm old")
	b.says("log-deleted", 0, "log old --deleted")
	b.says("undelete-failed", 2, "undelete old@zzzz")
	b.says("undelete-done", 0, "undelete old@"+b.trashed())
	b.says("rm-volume", 0, "rm --all old --confirm old")
}

// trashed is the id of what was made last of all that is in the trash.
func (b *bench) trashed() (id string) {
	b.t.Helper()
	files, err := filepath.Glob(b.path("repo/trash/*/*.rev"))
	if err != nil || len(files) == 0 {
		b.t.Fatalf("nothing is in the trash: %v", err)
	}
	var last time.Time
	for _, name := range files {
		info, err := os.Stat(name)
		if err != nil {
			b.t.Fatal(err)
		}
		if info.ModTime().After(last) { // of its content
			last, id = info.ModTime(), strings.TrimSuffix(filepath.Base(name), ".rev")
		}
	}
	return id
}

// aboutMarks is about what is noted of revisions and volumes.
func (b *bench) aboutMarks() {
	b.says("tag-done", 0, "tag v@latest --add a --add b --note n")
	b.says("tag-same", 0, "tag v@latest --add a")
	b.says("tag-failed", 2, "tag v --add a")
	b.says("pin-done", 0, "pin v@latest --until 30d --reason audit")
	b.says("unpin-done", 0, "unpin v@latest")
	b.says("unpin-failed", 2, "unpin v@zzzz")
	b.says("pin-for-ever", 0, "pin v@latest")
	b.says("pin-failed", 2, "pin v@zzzz")
	b.says("log-pinned", 0, "log v -n 1")
	b.does("backup second DIR/disk")
	b.says("distrust-done", 0, "distrust second@latest --reason faulty")
	b.says("distrust-failed", 2, "distrust second@latest")
	b.says("show-suspect", 0, "show second")
	b.says("rename-done", 0, "rename second third")
	b.says("rename-failed", 1, "rename third v")
	b.says("retire-done", 0, "retire third")
	b.says("volumes-retired", 0, "volumes third")
	b.says("log-retired", 0, "log third")
	b.says("retire-undone", 0, "retire third --undo")
	b.says("retire-failed", 2, "retire x")
	b.aboutSnapshots()
}

// aboutSnapshots is about what is kept on images, which here is made up: there is no cluster.
func (b *bench) aboutSnapshots() {
	b.says("snapshots-none", 0, "snapshots")
	b.says("snapshots-usage", 2, "snapshots --temporary 2d")
	b.says("snapshots-place", 2, "snapshots vms")
	b.says("snapshots-failed", 2, "snapshots --remove none -n")
	var out bytes.Buffer
	s := newSession(strings.NewReader(""), &out, io.Discard)
	s.command, s.json = "snapshots", true
	s.globals.repo = b.path("repo")
	repo, err := s.openRepository(toList)
	if err != nil {
		b.t.Fatal(err)
	}
	defer s.close("close the repository", repo)
	k := &keeping{s: s, repo: repo, flags: &snapshotsFlags{}}
	if k.ledger, err = job.ReadLedger(repo, backupName); err != nil {
		b.t.Fatal(err)
	}
	v, err := repo.Volume("v")
	if err != nil {
		b.t.Fatal(err)
	}
	at := volume.Image{Pool: "vms", Name: "v"}
	orphan := volume.KeptSnapshot{
		Image: at, Name: "varve.R.V.20261124T010003Z-k3f9", For: volume.ForRevision, Size: 1 << 20, Created: time.Date(2026, 11, 24, 1, 0, 3, 0, time.UTC),
		Label: volume.Label{Repository: repo.ID().String(), Volume: v.UUID.String(), Revision: "20261124T010003Z-k3f9"},
	}
	r := &snapshots{Snapshots: []keptEntry{k.entry(orphan), k.entry(volume.KeptSnapshot{Image: at, Name: "varve-undo.X", For: volume.ForUndo})}, flags: k.flags}
	r.trouble("vms/w", &volume.NoClusterError{Conf: "ceph.conf", Err: errors.New("no answer")})
	if code := s.report(b.t.Context(), r, r.judge()); code != 1 {
		b.t.Errorf("exit code %d", code)
	}
	b.compare("snapshots-done", out.String())
}

// aboutGarbage is about what nothing needs any more, in a repository of its own.
func (b *bench) aboutGarbage() {
	b.does("init DIR/lean --chunk-size 64K --compression none")
	b.does("-r DIR/lean backup v DIR/disk")
	b.says("gc-none", 0, "-r DIR/lean gc")
	b.says("scrub-done", 0, "-r DIR/lean scrub")
	b.says("scrub-light", 0, "-r DIR/lean scrub v --light")
	b.says("scrub-usage", 2, "-r DIR/lean scrub --light --sample 10%")
	b.says("scrub-nothing-to-resume", 2, "-r DIR/lean scrub --resume")
	b.says("scrub-failed", 2, "-r DIR/lean scrub none")
	b.does("-r DIR/lean backup v --full")
	b.says("gc-dry-run", 0, "-r DIR/lean gc -n")
	b.says("gc-done", 0, "-r DIR/lean gc --threshold 50%")
	b.toTrash("lean", "v")
	b.says("gc-emptied", 0, "-r DIR/lean gc --empty-trash")
	b.says("gc-usage", 2, "gc --threshold much")
	b.says("gc-failed", 2, "-r DIR/absent gc")
	lock, err := os.Open(b.path("lean/locks/gc"))
	if err != nil {
		b.t.Fatal(err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		b.t.Fatal(err)
	}
	b.says("gc-busy", 4, "-r DIR/lean gc")
	if err := lock.Close(); err != nil {
		b.t.Fatal(err)
	}
	b.ruin("lean/volumes/v/*.rev")
	b.says("gc-findings", 3, "-r DIR/lean gc")
}

// toTrash takes the newest revision of a volume away by hand, so that nothing says
// when it was.
func (b *bench) toTrash(repo, volume string) {
	b.t.Helper()
	copies, err := filepath.Glob(b.path(repo + "/copies/*"))
	if err != nil || len(copies) != 1 {
		b.t.Fatalf("copies of %v, %v", copies, err)
	}
	revisions, err := filepath.Glob(b.path(repo + "/volumes/" + volume + "/*.rev"))
	if err != nil || len(revisions) == 0 {
		b.t.Fatalf("revisions %v, %v", revisions, err)
	}
	trash := b.path(repo + "/trash/" + filepath.Base(copies[0]))
	if err := os.Mkdir(trash, 0o755); err != nil {
		b.t.Fatal(err)
	}
	newest := revisions[len(revisions)-1]
	if err := os.Rename(newest, filepath.Join(trash, filepath.Base(newest))); err != nil {
		b.t.Fatal(err)
	}
}

// aboutDamage is about stored bytes that are not what they were.
func (b *bench) aboutDamage() {
	b.disk("one", 65536, 3) // a chunk, so that it is known which one is hurt
	b.disk("two", 65536, 4)
	for _, dir := range []string{"hurt", "met", "torn"} {
		b.does("init DIR/" + dir + " --chunk-size 64K --compression none")
		b.does("-r DIR/" + dir + " backup v DIR/one")
		b.does("-r DIR/" + dir + " backup other DIR/two")
		b.hurt(dir+"/packs/*/*.pack", 30_000)
	}
	b.says("diff-findings", 3, "-r DIR/hurt diff v other")
	b.says("restore-findings", 3, "-r DIR/hurt restore v DIR/whole")
	b.says("restore-lost", 3, "-r DIR/hurt restore v DIR/whole --keep-going")
	b.says("verify-findings", 3, "-r DIR/hurt verify v")
	b.says("log-damaged", 0, "-r DIR/hurt log v")
	b.says("scrub-findings", 3, "-r DIR/hurt scrub")
	b.ruin("hurt/copies/*/*.rev")
	b.says("scrub-repair", 3, "-r DIR/hurt scrub --repair")
	b.change("one", 1000, "a change")
	b.says("backup-findings", 3, "-r DIR/met backup v")

	b.ruin("torn/volumes/v/*.rev")
	b.says("log-copy", 0, "-r DIR/torn log v")
	b.ruin("torn/copies/*/*.rev")
	b.says("log-torn", 0, "-r DIR/torn log v")
	b.says("volumes-torn", 0, "-r DIR/torn volumes")
	b.says("show-findings", 3, "-r DIR/torn show v")
	b.says("pin-findings", 3, "-r DIR/torn pin v@latest")
	b.says("tag-findings", 3, "-r DIR/torn tag v@latest --add a")
	b.says("unpin-findings", 3, "-r DIR/torn unpin v@latest")
	b.says("distrust-findings", 3, "-r DIR/torn distrust v@latest --reason faulty")
	b.ruin("torn/packs/*/*.pack")
	b.says("rebuild-findings", 3, "-r DIR/torn rebuild")
	b.says("adopt-findings", 3, "-r DIR/torn adopt --moved")
	b.says("history-failed", 2, "-r DIR/absent history")
}

// aboutStatus is about judgements, and the configuration.
func (b *bench) aboutStatus() {
	b.says("status-warning", 0, "status")
	b.says("status-volume", 0, "status v")
	b.says("status-damaged", 0, "-r DIR/torn status v")
	b.says("status-failed", 2, "status x")
	b.says("check-warning", 1, "check")
	b.does("backup calm DIR/other")
	b.says("check-ok", 0, "check --volume calm -w 1d -c 2d")
	b.says("check-critical", 2, "-r DIR/torn check")
	b.says("check-unknown", 3, "-r DIR/absent check")
	b.says("check-usage", 3, "check --bad")
	b.says("history-done", 0, "history -n 3")
	b.says("history-all", 0, "-r DIR/torn history")
	b.says("history-failures", 0, "history --result failed")
	b.says("history-usage", 2, "history --result bad")

	b.says("check-config-empty", 0, "check-config")
	b.does("backup past DIR/disk --time 5d")
	b.write("varve/varve.yaml", nightYAML)
	b.says("log-missed", 0, "log past")
	b.says("check-config-failed", 2, "check-config")
	b.says("backup-all", 1, "backup --all")
	b.says("status-configured", 0, "status --all")
	b.says("status-promised", 0, "status night")
	b.write("varve/varve.yaml", strings.ReplaceAll(nightYAML, `  "lost*"`, `  #`))
	b.says("check-config-done", 0, "check-config")
	b.says("backup-all-failed", 1, "backup --all")
	b.write("varve/varve.yaml", "volumes: {v: {}}\n")
	b.says("check-config-wrong", 2, "check-config")
	b.says("backup-configuration", 2, "backup --all")
	b.write("varve/varve.yaml", "timezone: Asia/Kolkata\nvolumes: {v: {source: DIR/disk}}\n")
	b.says("backup-due", 0, "backup --due")
	if code := run([]string{"varve", "backup", "busy", "-"}, bytes.NewReader(make([]byte, 1<<20)), io.Discard, io.Discard); code != 0 {
		b.t.Errorf("the backup of a stream ended with %d", code)
	}
	b.whileBusy(func() {
		b.says("status-running", 0, "status")
		b.says("backup-busy", 4, "backup busy DIR/disk")
		b.says("rename-busy", 4, "rename busy idle")
		b.does("backup calm DIR/other --full")
		b.says("gc-waiting", 0, "gc")
	})
	b.says("notify-usage", 2, "notify")
	b.write("notify.yaml", "notify: {command: cat}\n")
	b.says("notify-done", 0, "notify --config DIR/notify.yaml")
	b.says("notify-test", 0, "notify --test --config DIR/notify.yaml")
	b.write("notify.yaml", "notify: {command: exit 3}\n")
	b.says("notify-failed", 1, "notify --test --config DIR/notify.yaml")
	b.says("metrics-done", 0, "metrics")
	b.says("metrics-textfile", 0, "metrics --textfile DIR/varve.prom")
	b.says("metrics-failed", 1, "metrics --textfile DIR/absent/varve.prom")
}

const nightYAML = `timezone: Asia/Kolkata
defaults: {schedule: "daily at 02:00"}
groups: {gold: {window: "00:00-06:00"}}
volumes:
  night: {source: DIR/disk, group: gold}
  past: {source: DIR/disk}
  gone: {source: DIR/absent}
  "lost*": {source: "DIR/none/*.img"}
  "every/*": {source: "DIR/othe*", schedule: never, exclude: [x]}
`

// whileBusy does something while a stream that does not end is backed up.
func (b *bench) whileBusy(do func()) {
	b.t.Helper()
	reads, writes := io.Pipe()
	lines, ended := make(firstWrite, 100), make(chan int)
	go func() {
		ended <- run([]string{"varve", "backup", "busy", "-", "--progress", "json", "-v"}, reads, io.Discard, lines)
	}()
	if _, err := writes.Write(make([]byte, 1<<20)); err != nil { // so it is under way
		b.t.Fatal(err)
	}
	var first string
	for first = range lines {
		if strings.HasPrefix(first, "{") {
			break
		}
	}
	go func() {
		for range lines {
		}
	}()
	b.compare("progress-stream", first)
	do()
	if err := writes.Close(); err != nil {
		b.t.Fatal(err)
	}
	if code := <-ended; code != 0 {
		b.t.Errorf("the backup of a stream ended with %d", code)
	}
	close(lines)
}

// aboutPlumbing is about the rest.
func (b *bench) aboutPlumbing() {
	b.says("rebuild-done", 0, "rebuild")
	b.says("rebuild-failed", 2, "-r DIR/absent rebuild")
	b.says("adopt-usage", 2, "adopt")
	b.says("adopt-copied", 0, "adopt --copied")
	b.says("adopt-moved", 0, "adopt --moved")
}

// aboutMounts is about mount, and the file beside each image, which is part of what show says.
func (b *bench) aboutMounts() {
	b.says("mount-failed", 2, "mount DIR/absent")
	b.says("mount-usage", 2, "mount DIR --overlay DIR")
	if cannotMount() != "" {
		b.seen["mount-done.json"] = true
		return
	}
	b.write("mnt/none", "")
	unmountAfter(b.t, b.path("mnt"))
	b.says("mount-done", 0, "mount DIR/mnt")
	_, shown, _ := typed(b.words("show v --json")...)
	var document struct{ Result any }
	var note any
	text, err := os.ReadFile(noteOf(b.t, filepath.Join(b.path("mnt"), "v")))
	if err := errors.Join(err, json.Unmarshal(text, &note), json.Unmarshal([]byte(shown), &document)); err != nil {
		b.t.Fatal(err)
	}
	for _, difference := range differences(document.Result, note) {
		b.t.Errorf("beside an image, %s", difference)
	}
	if code, _, stderr := typed(b.words("mount DIR/mnt")...); code != exitBusy {
		b.t.Errorf("mounting twice ends with %d: %s", code, stderr)
	}
}

// aboutProgress is about the lines of --progress json.
func (b *bench) aboutProgress() {
	for name, words := range map[string]string{
		"progress-bytes": "backup v --progress json", "progress-packs": "rebuild --progress json",
	} {
		var stdout, stderr bytes.Buffer
		if code := run(append([]string{"varve"}, b.words(words)...), nil, &stdout, &stderr); code != 0 {
			b.t.Errorf("%s: exit code %d\n%s", words, code, stderr.String())
		}
		lines := strings.Split(strings.TrimSpace(stderr.String()), "\n")
		b.compare(name, lines[len(lines)-1])
	}
}

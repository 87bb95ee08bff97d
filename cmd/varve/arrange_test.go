package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"varve/revision"
)

// typed runs varve in this process, as if somebody had typed the words.
func typed(words ...string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	code = run(append([]string{"varve"}, words...), strings.NewReader(""), &out, &errs)
	return code, out.String(), errs.String()
}

// TestFlagsStandAnywhere runs every command with its flags before, between and
// after its arguments, and the global ones before its name too.
func TestFlagsStandAnywhere(t *testing.T) {
	t.Setenv("VARVE_STATE", filepath.Join(t.TempDir(), "state"))
	dir := t.TempDir()
	repo, disk, out := filepath.Join(dir, "repo"), filepath.Join(dir, "disk"), filepath.Join(dir, "out")
	if err := os.WriteFile(disk, bytes.Repeat([]byte("some bytes"), 30000), 0o600); err != nil {
		t.Fatal(err)
	}
	configuration := filepath.Join(dir, "varve.yaml")
	if err := os.WriteFile(configuration, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	telling := filepath.Join(dir, "telling.yaml")
	if err := os.WriteFile(telling, []byte("notify: {command: cat}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "none"), 0o700); err != nil {
		t.Fatal(err)
	}
	mustType(t, "init", repo, "--chunk-size", "64K")
	mustType(t, "-r", repo, "backup", "v", disk)
	mustType(t, "-r", repo, "backup", "m", disk, "--tag", "older")
	mustType(t, "-r", repo, "backup", "m", disk)

	tests := map[string]struct {
		args, flags []string
		want        map[string]any // fields of the result that show that the flags were heard
	}{
		"init": {[]string{"REPO"}, []string{"--chunk-size", "128K", "--compression=lz4"},
			map[string]any{"chunk_size": 131072.0, "compression": "lz4"}},
		"backup": {[]string{"OLD", disk},
			[]string{"--full", "--tag", "a", "--tag=b", "--note", "n m", "--read-all", "--limit-rate", "1G", "--compression", "none",
				"--before", "true", "--after=true", "--time", "2h", "--source-changed"},
			map[string]any{"kind": "full", "note": "n m", "tags": []any{"a", "b"}}},
		"log":  {[]string{"v"}, []string{"-n", "1", "--since", "1h"}, map[string]any{"volume": "v"}},
		"show": {[]string{"v@latest"}, nil, map[string]any{"state": "good"}},
		"restore": {[]string{"v", out}, []string{"--force", "--keep-going", "--range", "10+20", "--dry-run"},
			map[string]any{"size": 20.0, "dry_run": true}},
		"mount": {[]string{"POINT", "v"}, []string{"--writable", "--overlay", dir, "--overlay-size=1G", "--cache", "32M", "--allow-other", "--foreground=false"},
			map[string]any{"volumes": 1.0, "writable": true}},
		"ls":           {[]string{"v"}, []string{"--partition", "0"}, map[string]any{"path": "", "partition": nil}},
		"cp":           {[]string{"ext4:/lost+found", "COPY"}, []string{"--force", "--partition=0"}, map[string]any{"directories": 1.0}},
		"status":       {nil, []string{"--all"}, map[string]any{"verdict": "safe", "volumes": nil}},
		"check":        {nil, []string{"-w", "1d", "--critical=2d", "--volume", "v"}, map[string]any{"state": "OK"}},
		"history":      {nil, []string{"-n", "1", "--since", "1d", "--volume=v", "--result", "ok"}, map[string]any{"total": nil}},
		"check-config": {nil, []string{"--config", configuration}, map[string]any{"path": configuration}},
		"snapshots":    {nil, []string{"--orphans", "--temporary", "2d", "-n"}, map[string]any{"dry_run": true, "snapshots": nil}},
		"discover":     {[]string{filepath.Join(dir, "none")}, []string{"--uncovered"}, map[string]any{"uncovered_count": 0.0}},
		"notify":       {nil, []string{"--test", "--config", telling}, map[string]any{"told": []any{"command"}}},
		"scheduler":    {nil, []string{"--once", "--config", configuration}, map[string]any{"runs": nil}},
		"metrics":      {nil, []string{"--textfile", filepath.Join(dir, "varve.prom")}, map[string]any{"metrics": nil}},
		"verify":       {[]string{"v"}, []string{"--against", disk, "--sha256"}, map[string]any{"against": disk}},
		"scrub":        {[]string{"m"}, []string{"--sample", "10%", "--older-than=1s", "--max-duration", "1h", "--limit-rate=1G"}, map[string]any{"light": false}},
		"drill":        {[]string{"v", "v*"}, []string{"--exec", "true", "--exec-timeout=1m", "--check-timeout", "2m", "--overlay", dir, "--overlay-size=1G"}, map[string]any{"drills": nil}},
		"volumes":      {[]string{"v*"}, []string{"--sort=unique", "--unique"}, map[string]any{"volumes": nil}},
		"diff":         {[]string{"v@latest", "v"}, []string{"--extents", "RANGES"}, map[string]any{"ranges": nil}},
		"tag":          {[]string{"v@latest"}, []string{"--add", "c", "--remove=d", "--note", "m n"}, map[string]any{"note": "m n"}},
		"pin":          {[]string{"v@latest"}, []string{"--until", "2d", "--reason=audit"}, map[string]any{"pin": nil}},
		"unpin":        {[]string{"v@latest"}, nil, map[string]any{"pin": nil}},
		"distrust":     {[]string{"w@latest"}, []string{"--reason", "so"}, map[string]any{"state": "suspect", "reason": "so"}},
		"prune":        {[]string{"m"}, []string{"--keep-last", "2", "--keep-daily=3", "--keep-within", "1d", "--keep-tag", "x", "-n"}, map[string]any{"dry_run": true}},
		"rm":           {[]string{"m@latest"}, []string{"--dry-run"}, map[string]any{"dry_run": true}},
		"merge":        {[]string{"m@tag:older"}, []string{"--dry-run"}, map[string]any{"dry_run": true}},
		"undelete":     {[]string{"GONE"}, nil, map[string]any{"state": "good"}},
		"gc":           {nil, []string{"--threshold", "50%", "--empty-trash", "-n"}, map[string]any{"dry_run": true}},
		"rename":       {[]string{"w", "NEW"}, nil, map[string]any{"was": "w"}},
		"retire":       {[]string{"v"}, []string{"--undo"}, map[string]any{"retired": nil}},
		"rebuild":      {nil, nil, map[string]any{"packs": nil}},
		"adopt":        {nil, []string{"--moved"}, map[string]any{"former": nil}},
		"version":      {nil, nil, map[string]any{"format": 1.0}},
		"completion":   {[]string{"zsh"}, nil, map[string]any{"shell": "zsh"}},
		"help":         {[]string{"log"}, nil, map[string]any{"text": nil}},
	}
	s := newSession(nil, nil, nil)
	for _, c := range commands(s) {
		if _, tested := tests[c.name]; c.group != "" && !tested {
			t.Errorf("no test of the flags of %s", c.name)
		}
	}
	global := []string{"--repo", repo, "--json", "-v", "--color=never"}
	for _, name := range slices.Sorted(maps.Keys(tests)) {
		test := tests[name]
		for place, words := range places(name, test.args, test.flags, global) {
			t.Run(name+" "+place, func(t *testing.T) {
				if name == "init" { // into a new place each time
					fresh := filepath.Join(t.TempDir(), "repo")
					words[slices.Index(words, "REPO")] = fresh
					words[slices.Index(words, repo)] = fresh // both name the same
				}
				if i := slices.Index(words, "POINT"); i >= 0 {
					words[i] = mountPoint(t)
				}
				if name == "rename" || name == "distrust" {
					mustType(t, "-r", repo, "backup", "w", disk)
				}
				if name == "distrust" {
					defer mustType(t, "-r", repo, "verify", "w", "--against", disk)
				}
				if i := slices.Index(words, "COPY"); i >= 0 {
					words[i] = filepath.Join(t.TempDir(), "copy")
					backUpExt4(t, repo, "ext4", map[string]string{})
				}
				if i := slices.Index(words, "OLD"); i >= 0 { // likewise: of one time there is one revision
					words[i] = "old " + place
				}
				if i := slices.Index(words, "GONE"); i >= 0 {
					name := "gone " + place
					mustType(t, "-r", repo, "backup", name, disk)
					words[i] = name + "@" + revisionsIn(t, repo, revision.Name(name))[0].ID.Short()
					mustType(t, "-r", repo, "rm", words[i])
				}
				if i := slices.Index(words, "NEW"); i >= 0 { // another name each time
					words[i] = "w " + place
				}
				if i := slices.Index(words, "RANGES"); i >= 0 {
					words[i] = filepath.Join(t.TempDir(), "ranges")
				}
				code, stdout, stderr := typed(words...)
				if code != 0 {
					t.Fatalf("varve %s: exit code %d\n%s%s", strings.Join(words, " "), code, stdout, stderr)
				}
				var document struct{ Result map[string]any }
				if err := json.Unmarshal([]byte(stdout), &document); err != nil {
					t.Fatalf("varve %s: %v in %q", strings.Join(words, " "), err, stdout)
				}
				for field, want := range test.want {
					got, isThere := document.Result[field]
					if !isThere || want != nil && toJSON(t, got) != toJSON(t, want) {
						t.Errorf("varve %s: %s is %v, want %v", strings.Join(words, " "), field, got, want)
					}
				}
			})
		}
	}
}

// places puts flags before, between and after the arguments.
func places(name string, args, flags, global []string) map[string][]string {
	all := slices.Concat(flags, global)
	p := map[string][]string{
		"before": slices.Concat([]string{name}, all, args),
		"after":  slices.Concat([]string{name}, args, all),
		"global": slices.Concat(global, []string{name}, flags, []string{"--"}, args),
	}
	if len(args) > 0 {
		p["between"] = slices.Concat([]string{name}, args[:1], all, args[1:])
		p["around"] = slices.Concat([]string{name}, flags, args, global)
	}
	return p
}

func mustType(t *testing.T, words ...string) {
	t.Helper()
	if code, stdout, stderr := typed(words...); code != 0 {
		t.Fatalf("varve %s: exit code %d\n%s%s", strings.Join(words, " "), code, stdout, stderr)
	}
}

func toJSON(t *testing.T, value any) string {
	t.Helper()
	data, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestArrange(t *testing.T) {
	s := newSession(nil, nil, nil)
	tests := map[string]struct {
		words []string
		want  string // of the words for urfave/cli, or of the error
	}{
		"nothing":             {nil, ""},
		"short with value":    {[]string{"log", "v", "-n", "5"}, "log --n=5 -- v"},
		"short and value":     {[]string{"log", "-n5", "v"}, "log --n=5 -- v"},
		"short equals":        {[]string{"log", "-n=5", "v"}, "log --n=5 -- v"},
		"short ones together": {[]string{"log", "-qvn5", "v"}, "--quiet --verbose log --n=5 -- v"},
		"value like a flag": {[]string{"backup", "--note", "--json", "v"},
			"flag --note needs a value; one that begins with - is written --note=--json"},
		"value of dashes": {[]string{"backup", "--note", "--", "v"},
			"flag --note needs a value; one that begins with - is written --note=--"},
		"value of a dash":   {[]string{"backup", "--note", "-", "v"}, "backup --note=- -- v"},
		"version flag":      {[]string{"-V"}, "version --"},
		"empty value":       {[]string{"backup", "--note=", "v"}, "backup --note= -- v"},
		"empty argument":    {[]string{"backup", "v", ""}, "backup -- v "},
		"dash":              {[]string{"restore", "v", "-", "-q"}, "--quiet restore -- v -"},
		"after dashes":      {[]string{"restore", "--", "-v", "-q"}, "restore -- -v -q"},
		"bool with value":   {[]string{"log", "--all=false"}, "log --all=false --"},
		"alias":             {[]string{"restore", "-n", "v", "-r", "x", "t"}, "--repo=x restore --dry-run -- v t"},
		"name of a flag":    {[]string{"log", "repo"}, "log -- repo"},
		"unknown command":   {[]string{"frobnicate"}, `unknown command "frobnicate"`},
		"flag of another":   {[]string{"log", "--tag", "x"}, "unknown flag --tag"},
		"flag too early":    {[]string{"--tag", "x", "backup"}, "unknown flag --tag"},
		"one dash too few":  {[]string{"log", "-json"}, "unknown flag -json"},
		"one dash too many": {[]string{"log", "--n", "5"}, "unknown flag --n"},
		"unknown letter":    {[]string{"log", "-qx"}, `unknown flag -x in "-qx"`},
		"no value":          {[]string{"log", "-n"}, "flag -n needs a value"},
		"no value, long":    {[]string{"backup", "v", "--tag"}, "flag --tag needs a value"},
	}
	for name, test := range tests {
		l, err := arrange(test.words, s.globals.flags(), commands(s))
		got := strings.Join(l.words, " ")
		if err != nil {
			got = err.Error()
		}
		if got != test.want {
			t.Errorf("%s: %q is arranged as %q, want %q", name, test.words, got, test.want)
		}
		if misuse := new(usageError); err != nil && !errors.As(err, &misuse) {
			t.Errorf("%s: the error is a %T", name, err)
		}
	}
}

// FuzzArrange makes sure that words never get lost, and that what is not a flag
// comes out as it went in.
func FuzzArrange(f *testing.F) {
	f.Add("log\x00-n\x005\x00v")
	f.Add("-q\x00backup\x00--tag=x\x00--\x00-v\x00--json")
	f.Fuzz(func(t *testing.T, text string) {
		words := strings.Split(text, "\x00")
		s := newSession(nil, nil, nil)
		l, err := arrange(words, s.globals.flags(), commands(s))
		if err != nil || l.command == nil {
			return
		}
		end := slices.Index(l.words, "--")
		for _, arg := range l.words[end+1:] {
			if !slices.Contains(words, arg) {
				t.Errorf("%q: nobody typed the argument %q", words, arg)
			}
		}
		again, err := arrange(l.words, s.globals.flags(), commands(s))
		if oneLetter := slices.ContainsFunc(l.words[:end], func(w string) bool { return strings.HasPrefix(w, "--n=") }); oneLetter {
			return // urfave/cli takes --n, people do not
		}
		if err != nil || !slices.Equal(again.words, l.words) {
			t.Errorf("%q is arranged as %q, and that as %q, %v", words, l.words, again.words, err)
		}
	})
}

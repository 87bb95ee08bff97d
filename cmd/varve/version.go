package main

import (
	"context"
	"regexp"
	"runtime"
	"runtime/debug"

	"varve/repository"
)

// version is what the Makefile says that this is.
var version = unknown

const unknown = "unknown"

func versionCommand() *command {
	return &command{
		name: "version", group: plumbing, asks: true,
		summary: "tell which varve this is",
		about:   "Prints the version, the commit it was built from, the Go release and the repository format.",
		example: "varve version --json",
		run:     func(context.Context, []string) (result, error) { return thisVersion(), nil },
	}
}

// build is the result of version.
type build struct {
	Version string `json:"version"`
	Commit  string `json:"commit"`
	Go      string `json:"go"`
	System  string `json:"system"`
	Format  int    `json:"format"`
}

// stamped finds the commit in what git describe says: v1.2-7-gdf2fd22-dirty, df2fd22.
var stamped = regexp.MustCompile(`(?:^|-g)([0-9a-f]{7,64})(-dirty)?$`)

func thisVersion() *build {
	b := &build{
		Version: version, Commit: unknown, Go: runtime.Version(), System: runtime.GOOS + "/" + runtime.GOARCH,
		Format: repository.FormatVersion,
	}
	if stamp := stamped.FindStringSubmatch(version); stamp != nil {
		b.Commit = stamp[1]
		if stamp[2] != "" {
			b.Commit += " and changes"
		}
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	for _, setting := range info.Settings {
		switch {
		case setting.Key == "vcs.revision":
			b.Commit = setting.Value
		case setting.Key == "vcs.modified" && setting.Value == "true":
			b.Commit += " and changes"
		}
	}
	return b
}

func (b *build) print(p *page) {
	p.line("varve %s", b.Version)
	if b.Commit != unknown {
		p.line("commit  %s", b.Commit)
	}
	p.line("built   with %s for %s", b.Go, b.System)
	p.line("format  %d of repositories", b.Format)
}

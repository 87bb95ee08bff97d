package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"time"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
	"go.yaml.in/yaml/v4/plugin/loaderlimits"
)

// Bounds of a file. Nothing that a person writes comes near.
const (
	maxBytes    = 1 << 20 // each of them may become 100 in memory
	maxDepth    = 32
	maxProblems = 100
)

// Find is the path of the configuration: the one that is named, whether or not
// there is such a file; or the first of some places where there is one, which is
// then the whole configuration; or nothing.
func Find(named string, places ...string) string {
	if named != "" {
		return named
	}
	for _, place := range places {
		// What cannot be looked at may be one: who loads it learns why.
		_, err := os.Stat(place)
		if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR) {
			return place
		}
	}
	return ""
}

// Load reads a file. What is wrong with what it says is an [*Error]; a file that
// cannot be read is another error.
func Load(path string) (*Config, error) {
	data, changed, err := read(path)
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	c, err := Parse(path, data)
	if err != nil {
		return nil, err
	}
	c.Changed = changed
	return c, nil
}

// read reads a regular file of bearable size.
func read(path string) (data []byte, changed time.Time, err error) {
	info, err := os.Stat(path) // before it is opened: a pipe would wait for ever
	if err != nil {
		return nil, changed, err
	}
	if !info.Mode().IsRegular() {
		return nil, changed, fmt.Errorf("%q is no regular file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, changed, err
	}
	defer func() { _ = f.Close() }() // it was only read
	data, err = io.ReadAll(io.LimitReader(f, maxBytes+1))
	if err == nil && len(data) > maxBytes {
		err = fmt.Errorf("%q is larger than 1 MiB", path)
	}
	return data, info.ModTime(), err
}

// Parse reads the text of a file; path is for messages.
func Parse(path string, data []byte) (*Config, error) {
	d := &decoder{path: path}
	root := d.load(data)
	var doc document
	if len(d.problems) == 0 {
		doc = d.document(root)
	}
	if len(d.problems) > 0 {
		return nil, d.failure()
	}
	doc.config.Path, doc.config.Text = path, data
	return &doc.config, nil
}

// load parses YAML: nil for an empty file, or after a problem.
func (d *decoder) load(data []byte) *yaml.Node {
	if !utf8.Valid(data) || strings.ContainsRune(string(data), 0) {
		d.add(0, 0, "it is no text in UTF-8")
		return nil
	}
	loader, err := yaml.NewLoader(strings.NewReader(string(data)),
		yaml.WithUniqueKeys(false), // which the decoder tells with both lines
		yaml.WithPlugin(loaderlimits.New(loaderlimits.DepthValue(maxDepth))))
	if err != nil {
		d.add(0, 0, err.Error())
		return nil
	}
	var root, more yaml.Node
	if err := loader.Load(&root); err != nil {
		if !errors.Is(err, io.EOF) {
			d.syntax(err)
		}
		return nil
	}
	switch err := loader.Load(&more); {
	case err == nil:
		d.add(more.Line, more.Column, "a second document begins here; want one")
	case !errors.Is(err, io.EOF):
		d.syntax(err)
	}
	if root.Kind == yaml.DocumentNode {
		return root.Content[0]
	}
	return &root
}

// syntax reports what is no YAML.
func (d *decoder) syntax(err error) {
	var at *yaml.LoadError
	if errors.As(err, &at) {
		d.add(at.Mark.Line, at.Mark.Column, "this is no YAML: "+at.Message)
		return
	}
	d.add(0, 0, "this is no YAML: "+err.Error())
}

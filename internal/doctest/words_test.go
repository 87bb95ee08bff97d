package doctest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// A manual knows the commands of a program and their flags, by its own help.
type manual struct {
	program string
	pages   map[string]map[string]bool // command → flags; nil: there is no such command
}

// mentioned finds commands of varve in code: up to what ends a command in a shell.
var (
	code      = regexp.MustCompile("`([^`]+)`")
	mentioned = regexp.MustCompile(`(?:^|[\s;|&(!])varve((?: +[^\s;|&)<>#]+)*)`)
	flag      = regexp.MustCompile(`(?m)^ +(?:(-[a-zA-Z])(?:, | |$))? *(--[a-z-0-9]+)?`)
)

// noCommand has what only looks like a command.
var noCommand = map[string]bool{
	"varve region v1": true, "varve image v1": true, // contexts of hashes, in format.md
}

// problems looks up the commands that a text speaks of.
func (m *manual) problems(text string) (all []string) {
	for _, found := range mentioned.FindAllStringSubmatch(text, -1) {
		if noCommand[strings.TrimSpace(found[0])] {
			continue
		}
		if problem := m.problem(strings.Fields(found[1])); problem != "" {
			all = append(all, fmt.Sprintf("%q: %s", strings.TrimSpace(found[0]), problem))
		}
	}
	return all
}

// inProse looks up the commands in the code of a line of prose.
func (m *manual) inProse(line string) (all []string) {
	for _, found := range code.FindAllStringSubmatch(line, -1) {
		all = append(all, m.problems(found[1])...)
	}
	return all
}

var link = regexp.MustCompile(`\]\(([^)#:]+)[^):]*\)`)

// deadLinks gives what a line links to in this tree that is not there.
func deadLinks(dir, line string) (all []string) {
	for _, found := range link.FindAllStringSubmatch(line, -1) {
		if _, err := os.Stat(filepath.Join(dir, found[1])); err != nil {
			all = append(all, "a dead link: "+found[1])
		}
	}
	return all
}

// withValue are the flags before a command that take the next word.
var withValue = map[string]bool{
	"-r": true, "--repo": true, "--config": true, "--wait": true, "--progress": true, "--color": true, "--log-format": true,
}

func (m *manual) problem(words []string) string {
	command := ""
	for i := 0; i < len(words) && command == ""; i++ {
		switch {
		case withValue[words[i]]:
			i++
		case !strings.HasPrefix(words[i], "-"):
			command = words[i]
		}
	}
	switch {
	case command == "" || command == "COMMAND" || command[0] == '/' || command == "..." || command == "…":
		return "" // about flags of all commands, about any command, or the word is a name of something else
	case command == "help" && len(words) > 1 && words[1] != "COMMAND":
		command = words[1]
	}
	for _, name := range strings.Split(command, "|") { // pin|unpin
		flags := m.page(name)
		if flags == nil {
			return "there is no command " + name
		}
		for _, word := range words {
			word = strings.Trim(word, `[],.:"'`)
			if word, _, _ = strings.Cut(word, "="); strings.HasPrefix(word, "-") && word != "-" && word != "--" && !flags[word] {
				return name + " has no flag " + word
			}
		}
	}
	return ""
}

// page gives the flags of a command, nil if there is no such command.
func (m *manual) page(command string) map[string]bool {
	if flags, known := m.pages[command]; known {
		return flags
	}
	out, err := exec.Command(m.program, "help", command).Output()
	var flags map[string]bool
	if err == nil {
		flags = map[string]bool{"-h": true, "--help": true}
		for _, found := range flag.FindAllStringSubmatch(string(out), -1) {
			for _, name := range found[1:] {
				if name != "" {
					flags[name] = true
				}
			}
		}
	}
	m.pages[command] = flags
	return flags
}

package config_test

import (
	"errors"
	"strings"
	"testing"

	"varve/config"
)

// good parses what must be right.
func good(t *testing.T, text string) *config.Config {
	t.Helper()
	c, err := config.Parse("varve.yaml", []byte(text))
	if err != nil {
		t.Fatalf("%v", err)
	}
	return c
}

// problems gives what is wrong with a text, each without the path.
func problems(t *testing.T, text string) (list []string) {
	t.Helper()
	c, err := config.Parse("varve.yaml", []byte(text))
	var wrong *config.Error
	switch {
	case err == nil:
		return nil
	case c != nil || !errors.As(err, &wrong) || wrong.Path != "varve.yaml" || len(wrong.Problems) == 0:
		t.Fatalf("got %v, %v", c, err)
	}
	for line := range strings.SplitSeq(err.Error(), "\n") {
		list = append(list, strings.TrimPrefix(line, "varve.yaml"))
	}
	return list
}

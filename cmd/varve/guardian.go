package main

import (
	"context"

	"varve/hook"
)

const guardianName = "__guard"

// guardianCommand is what guards a frozen source: package hook starts this program
// again as that. It speaks with its parent over standard input and output.
func guardianCommand(s *session) *command {
	return &command{
		name: guardianName,
		run: func(context.Context, []string) (result, error) {
			return nil, hook.Guard(s.stdin, s.stdout)
		},
	}
}

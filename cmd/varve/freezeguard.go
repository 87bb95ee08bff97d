package main

import (
	"context"

	"varve/hook"
)

const guardName = "__guard"

// guardCommand is what guards a frozen source: package hook starts this program
// again as that. It speaks with its parent over standard input and output.
func guardCommand(s *session) *command {
	return &command{
		name: guardName,
		run: func(context.Context, []string) (result, error) {
			return nil, hook.Guard(s.stdin, s.stdout)
		},
	}
}

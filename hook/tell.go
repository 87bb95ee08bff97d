package hook

import (
	"context"
	"time"
)

// Notify is what [Tell] calls its commands, in errors and in VARVE_HOOK.
const Notify = "notify"

// Tell runs a command of a person that is to take a message: with env besides the environment
// of this process, and input on its standard input, which it need not read. It may take so
// long. Its failure is an [*Error].
func Tell(ctx context.Context, text string, env []string, input []byte, limit time.Duration) error {
	_, err := command{hook: Notify, text: text, env: env, input: input, limit: limit, grace: grace}.run(ctx)
	return err
}

package scheduler

import (
	"context"
	"net"
)

// Answer answers who is at the other end of a connection.
func (s *Scheduler) Answer(ctx context.Context, conn net.Conn) { s.answer(ctx, conn) }

package main

import (
	"net"
	"os"
	"strconv"
	"strings"
	"time"
)

// watchdog speaks with the service manager that started this program, if one did: that it
// is ready, and that it is alive (sd_notify(3)).
type watchdog struct {
	socket string        // empty: nobody listens
	every  time.Duration // zero: nobody watches
}

func newWatchdog() *watchdog {
	w := &watchdog{socket: os.Getenv("NOTIFY_SOCKET")}
	if path, isAbstract := strings.CutPrefix(w.socket, "@"); isAbstract {
		w.socket = "\x00" + path
	}
	microseconds, err := strconv.ParseInt(os.Getenv("WATCHDOG_USEC"), 10, 64)
	pid := os.Getenv("WATCHDOG_PID")
	if err == nil && microseconds > 0 && (pid == "" || pid == strconv.Itoa(os.Getpid())) {
		w.every = time.Duration(microseconds) * time.Microsecond
	}
	return w
}

// tick is how often it wants to hear of us; zero: it does not care.
func (w *watchdog) tick() time.Duration {
	const tick = 30 * time.Second
	if w.every > 0 && w.every/3 < tick {
		return w.every / 3
	}
	return tick
}

func (w *watchdog) ready() { w.say("READY=1") }

func (w *watchdog) alive() {
	if w.every > 0 {
		w.say("WATCHDOG=1")
	}
}

func (w *watchdog) stopping() { w.say("STOPPING=1") }

// say says it. Who does not hear it acts as if we were dead, and that is theirs to do.
func (w *watchdog) say(text string) {
	if w.socket == "" {
		return
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: w.socket, Net: "unixgram"})
	if err != nil {
		return
	}
	_, _ = conn.Write([]byte(text))
	_ = conn.Close()
}

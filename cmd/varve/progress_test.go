package main

import (
	"bytes"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestProgressLine(t *testing.T) {
	v := view{
		Verb: "reading", sample: sample{done: 38 << 30, total: 60 << 30, changed: 264 << 20},
		Seconds: 20, Rate: 2040109466, Left: 11,
	}
	tests := map[string]string{
		v.line(100, true, true):  "reading ━━━━━━━━━━━━╸          63 %  38 of 60 GiB  1.9 GiB/s  changed 264 MiB  0:11 left",
		v.line(100, true, false): "reading ############-.......   63 %  38 of 60 GiB  1.9 GiB/s  changed 264 MiB  0:11 left",
		v.line(50, false, false): "reading   63 %  38 of 60 GiB  1.9 GiB/s",
		v.line(3, false, false):  "reading",
		(view{Verb: "reading", sample: sample{done: 3, total: 7, packs: true}}).line(80, false, false):          "reading   42 %  3 of 7 packs",
		(view{Verb: "reading"}).line(80, false, false):                                                          "reading  0 bytes so far",
		(view{Verb: "reading", sample: sample{done: 5 << 20}, Seconds: 20, Rate: 1 << 20}).line(80, true, true): "reading  5 MiB so far  1 MiB/s",
		(view{Verb: "reading", sample: sample{done: 1, packs: true}}).line(80, true, true):                      "reading  1 pack so far",
	}
	for got, want := range tests {
		if got != want {
			t.Errorf("got  %q\nwant %q", got, want)
		}
	}
}

func TestBar(t *testing.T) {
	for _, test := range []struct {
		done, total int64
		want        string
	}{
		{0, 0, "...................."},
		{0, 5, "...................."},
		{1, 40, "-..................."},
		{5, 5, "####################"},
		{9, 5, "####################"},
	} {
		if got := drawBar(test.done, test.total, false); got != test.want {
			t.Errorf("bar of %d in %d: %q, want %q", test.done, test.total, got, test.want)
		}
	}
}

func TestRateIsThatOfTheLastSeconds(t *testing.T) {
	done := int64(0)
	v := newViewer("reading", func() sample { return sample{done: done, total: 1000} })
	at := v.begun
	for range 30 { // slow at first
		at, done = at.Add(time.Second), done+1
		v.at(at)
	}
	for range 20 {
		at, done = at.Add(time.Second), done+10
		v.at(at)
	}
	got := v.at(at)
	if got.Rate != 10 || got.Left != 77 {
		t.Errorf("rate %v with %v s left, want 10 and 77", got.Rate, got.Left)
	}
}

func TestScreenClearsTheBar(t *testing.T) {
	var out bytes.Buffer
	s := &screen{w: &out}
	for _, do := range []func() error{
		func() error { return s.draw("10 %", false) },
		func() error { return s.draw("20 %", false) },
		func() error { _, err := s.Write([]byte("line\n")); return err },
		func() error { return s.draw("", false) },
	} {
		if err := do(); err != nil {
			t.Fatal(err)
		}
	}
	want := "10 %" + clearLine + "20 %" + clearLine + "line\n"
	if got := out.String(); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if strings.Contains(want, "\n\r") {
		t.Error("a cleared line ends with a newline")
	}
}

// firstWrite tells when something was written.
type firstWrite chan string

func (f firstWrite) Write(p []byte) (int, error) {
	f <- string(p)
	return len(p), nil
}

func TestWhoAsksIsTold(t *testing.T) {
	told, asked := make(firstWrite, 1), make(chan os.Signal, 1)
	s := newSession(nil, nil, told)
	s.asked = asked
	stop := s.watch("reading", func() sample { return sample{done: 1 << 20, total: 4 << 20} })
	asked <- syscall.SIGUSR1
	if got := <-told; !strings.HasPrefix(got, "reading   25 %  1 of 4 MiB") {
		t.Errorf("told %q", got)
	}
	stop()
}

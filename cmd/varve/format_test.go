package main

import (
	"testing"
	"time"
)

func TestFormatBytes(t *testing.T) {
	if got := formatBytes(41220096) + formatBytes(12) + formatBytes(123456); got != "41,220,09612123,456" {
		t.Errorf("formatBytes = %q", got)
	}
}

func TestFormatDuration(t *testing.T) {
	tests := map[time.Duration][2]string{
		0:                             {"0 ms", "0:00"},
		31 * time.Millisecond:         {"31 ms", "0:00"},
		400 * time.Millisecond:        {"0.4 s", "0:00"},
		31 * time.Second:              {"31 s", "0:31"},
		192 * time.Second:             {"3:12 min", "3:12"},
		108 * time.Minute:             {"1:48 h", "1:48 h"},
		50*time.Hour + 61*time.Second: {"50:01 h", "50:01 h"},
	}
	for d, want := range tests {
		if took, left := formatDuration(d), formatLeft(d); took != want[0] || left != want[1] {
			t.Errorf("%v took %q and has %q left, want %q and %q", d, took, left, want[0], want[1])
		}
	}
}

func TestFormatTime(t *testing.T) {
	now := time.Date(2026, 11, 24, 3, 0, 0, 0, time.FixedZone("CET", 3600))
	tests := map[time.Time][2]string{
		time.Date(2026, 11, 24, 1, 0, 3, 0, time.UTC):  {"Tue 24 Nov 02:00:03", "Tue 24 Nov"},
		time.Date(2026, 11, 5, 23, 30, 0, 0, time.UTC): {"Fri  6 Nov 00:30:00", "Fri 6 Nov"},
		time.Date(2025, 10, 9, 0, 0, 0, 0, time.UTC):   {" 9 Oct 2025 01:00:00", "9 Oct 2025"},
	}
	for at, want := range tests {
		if clock, day := formatTime(at, now), formatDay(at, now); clock != want[0] || day != want[1] {
			t.Errorf("%v is %q and %q, want %q and %q", at, clock, day, want[0], want[1])
		}
	}
	for d, want := range map[time.Duration]string{time.Second: "now", 5 * time.Minute: "5m", 30 * time.Hour: "30h", 75 * time.Hour: "3d"} {
		if got := formatAge(d); got != want {
			t.Errorf("an age of %v is %q, want %q", d, got, want)
		}
	}
}

func TestPageIsHarmless(t *testing.T) {
	p := &page{color: true}
	p.line("%s %v", "a\x1b[2Jb\u009b", p.red("c\x07"))
	p.table([][]cell{{left("x\ny"), right("z\r")}})
	want := "a?[2Jb? \x1b[1;31mc?\x1b[0m\nx y  z?\n"
	if got := p.text.String(); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

package fusemount

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// bootSector is a whole operating system, for a PC: it writes itself to the second sector of the disk that it came from,
// by the BIOS, says so on the serial line if that succeeded, and switches the machine off.
func bootSector() []byte {
	sector := make([]byte, 512)
	copy(sector, []byte{
		0x31, 0xC0, //       xor ax, ax
		0x8E, 0xD8, //       mov ds, ax
		0x8E, 0xC0, //       mov es, ax
		0xB8, 0x01, 0x03, // mov ax, 0x0301  write one sector
		0xBB, 0x00, 0x7C, // mov bx, 0x7c00  from where this is
		0xB9, 0x02, 0x00, // mov cx, 0x0002  to the second
		0xBA, 0x80, 0x00, // mov dx, 0x0080  of the first disk
		0xCD, 0x13, //       int 0x13
		0x72, 0x0E, //       jc off
		0xBE, 0x31, 0x7C, // mov si, text
		0xBA, 0xF8, 0x03, // mov dx, 0x3f8
		0xAC,       //       next: lodsb
		0x84, 0xC0, //       test al, al
		0x74, 0x03, //       jz off
		0xEE,       //       out dx, al
		0xEB, 0xF8, //       jmp next
		0xBA, 0xF4, 0x00, // off: mov dx, 0xf4
		0xB0, 0x00, //       mov al, 0
		0xEE, //             out dx, al
		0xF4, //             hlt
	})
	copy(sector[0x31:], "it runs\x00")
	sector[510], sector[511] = 0x55, 0xAA
	return sector
}

// A machine is started from the image of its disk, and writes to it; the revision and the repository stay as they are.
func TestAMachineStartsFromAnImage(t *testing.T) {
	needTools(t, "qemu-system-x86_64")
	p := newPlace(t, 64*kib)
	disk := p.source("disk", 4*mib, 1, extent{mib, 64 * kib})
	f, err := os.OpenFile(disk, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt(bootSector(), 0); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	p.backup("vm", disk)
	m, dir := p.mount(Options{Writable: true, Overlay: p.base})
	image := filepath.Join(dir, "vm", "latest.img")
	out, err := exec.Command("qemu-system-x86_64", "-M", "pc", "-accel", "tcg", "-m", "32", "-nic", "none", "-display", "none", "-monitor", "none", "-serial", "stdio",
		"-device", "isa-debug-exit,iobase=0xf4,iosize=1", "-drive", "file="+image+",format=raw,if=ide").CombinedOutput()
	if exit := new(exec.ExitError); !errors.As(err, &exit) || exit.ExitCode() != 1 || !bytes.Contains(out, []byte("it runs")) {
		t.Fatalf("the machine ends with %v, and says %q", err, out)
	}
	if got := read(t, image)[512:1024]; !bytes.Equal(got, bootSector()) {
		t.Error("what the machine wrote is not there")
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	_, dir = p.mount(Options{})
	same(t, filepath.Join(dir, "vm", "latest.img"), disk)
}

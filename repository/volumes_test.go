package repository_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"varve/internal/durable"
	"varve/internal/durable/durabletest"
	"varve/repository"
	"varve/revision"
)

func TestVolumesOfEveryName(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	r := p.open()
	names := []revision.Name{
		"db1", "vms/vm-17", "a/b/c", "..", ".hidden", "100%", "with space", "ümläut", "日本", "%2F", "volume.json",
		"-rf", "a\\b", revision.Name(strings.Repeat("x", 240)), "con:x", "'; drop table",
	}
	made := map[revision.Name]*revision.Statement{}
	for i, name := range names {
		im := newImage(int64(i))
		if i > 0 {
			im.write(0, []byte{byte(i)})
		}
		made[name] = p.mustStore(r, name, im)
		p.checkImage(r, made[name], im)
	}
	volumes, err := r.Volumes()
	if err != nil {
		t.Fatal(err)
	}
	got := make([]revision.Name, len(volumes))
	for i, v := range volumes {
		got[i] = v.Name
		if v.UUID != made[v.Name].Volume.UUID || v.Created.IsZero() {
			t.Errorf("volume %q is listed as %+v", v.Name, v)
		}
	}
	slices.Sort(names)
	if !slices.Equal(got, names) {
		t.Errorf("listed %q, want %q", got, names)
	}
	if entries, err := os.ReadDir(filepath.Dir(p.dir)); err != nil || len(entries) > 2 {
		t.Errorf("something lies beside the repository: %v, %v", entries, err)
	}
}

func TestVolumesPassesOverWhatIsNone(t *testing.T) {
	t.Parallel()
	h := newHistory(t)
	for _, dir := range []string{"volumes/half-made", "volumes/%zz", "volumes/%2f"} {
		if err := os.Mkdir(h.path(dir), 0o750); err != nil {
			t.Fatal(err)
		}
	}
	h.write("volumes/"+durable.TempPrefix+"x-1", nil)
	volumes, err := h.open().Volumes()
	if len(volumes) != 1 || volumes[0].Name != "db1" {
		t.Errorf("listed %+v", volumes)
	}
	for _, bad := range []string{"%zz", "%2f"} {
		if err == nil || !strings.Contains(err.Error(), bad) {
			t.Errorf("the error %v does not name %s", err, bad)
		}
	}
	if _, err := h.open().Volume("half-made"); !errors.Is(err, repository.ErrNoVolume) {
		t.Errorf("Volume of an empty directory = %v, want ErrNoVolume", err)
	}
}

func TestOneNameOneUUID(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	uuids := make(chan revision.UUID, 6)
	var wg sync.WaitGroup
	for range cap(uuids) / 2 {
		r := p.open()
		for range 2 {
			wg.Go(func() {
				b, err := r.BeginBackup(t.Context(), repository.BackupOptions{Volume: "db1", Wait: time.Hour})
				if err != nil {
					t.Error(err)
					return
				}
				uuids <- b.Volume().UUID
				if err := b.Close(); err != nil {
					t.Error(err)
				}
			})
		}
	}
	wg.Wait()
	close(uuids)
	first := <-uuids
	for uuid := range uuids {
		if uuid != first {
			t.Errorf("the volume has the uuids %s and %s", first, uuid)
		}
	}
	p.checkNoTemps()
}

func TestAVolumesFileIsFoundAgain(t *testing.T) {
	t.Parallel()
	original := newHistory(t)
	const file = "volumes/db1/volume.json"
	whole := original.read(file)
	for name, content := range map[string][]byte{
		"missing": nil, "empty": {}, "torn": whole[:20], "flipped": append([]byte("x"), whole[1:]...),
		"without uuid":     reseal(t, whole, func(d map[string]any) { d["uuid"] = revision.UUID{} }),
		"another volume's": reseal(t, whole, func(d map[string]any) { d["uuid"] = revision.UUID{1} }),
	} {
		h := original.copy(t)
		h.remove(file)
		if content != nil {
			h.write(file, content)
		}
		r := h.open()
		v, err := r.Volume("db1")
		if err != nil || v.UUID != h.made[0].Volume.UUID {
			t.Errorf("%s: Volume = %+v, %v", name, v, err)
		}
		if volumes, err := r.Volumes(); err != nil || len(volumes) != 1 {
			t.Errorf("%s: Volumes = %+v, %v", name, volumes, err)
		}
		h.checkKept(r, name)
		st, err := store(t.Context(), r, "db1", h.next(), storeOptions{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if st.Volume.UUID != v.UUID || st.Kind != revision.Delta {
			t.Errorf("%s: the next backup is a %s of %s", name, st.Kind, st.Volume.UUID)
		}
		if now := h.read(file); !bytes.Contains(now, []byte(v.UUID.String())) {
			t.Errorf("%s: the next backup left %q", name, now)
		}
	}
	p := newPlace(t)
	p.mustStore(p.open(), "db1", newImage(0))
	p.write(file, []byte("x"))
	for _, name := range p.files(".rev") {
		p.write(name, []byte("x"))
	}
	damaged := new(repository.DamagedFileError)
	if _, err := p.open().Volume("db1"); !errors.As(err, &damaged) {
		t.Errorf("with nothing left that says the uuid: Volume = %v, want a DamagedFileError", err)
	}
	if _, err := store(t.Context(), p.open(), "db1", newImage(0), storeOptions{}); !errors.As(err, &damaged) {
		t.Errorf("with nothing left that says the uuid: BeginBackup = %v, want a DamagedFileError", err)
	}
}

func TestABusyVolumeSaysByWhom(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	r := p.open()
	b, err := r.BeginBackup(t.Context(), repository.BackupOptions{Volume: "db1"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = p.open().BeginBackup(t.Context(), repository.BackupOptions{Volume: "db1"})
	busy := new(repository.BusyError)
	if !errors.As(err, &busy) || busy.Holder.PID != os.Getpid() || busy.Holder.Command != "backup" || !strings.Contains(busy.What, "db1") {
		t.Errorf("second backup = %v, want a BusyError that names this process", err)
	}
	if other, err := r.BeginBackup(t.Context(), repository.BackupOptions{Volume: "db2"}); err != nil {
		t.Errorf("a backup of another volume: %v", err)
	} else if err := other.Close(); err != nil {
		t.Error(err)
	}
	waited := make(chan error, 1)
	polled := make(chan struct{})
	var once sync.Once
	waiting := p.openOn(durabletest.NewWatched(p.tree(), func(op, name string) error {
		if op == "read" && strings.HasPrefix(name, "locks/volumes/") { // it looks who is there
			once.Do(func() { close(polled) })
		}
		return nil
	}))
	go func() {
		b, err := waiting.BeginBackup(t.Context(), repository.BackupOptions{Volume: "db1", Wait: time.Hour})
		if err == nil {
			err = b.Close()
		}
		waited <- err
	}()
	<-polled
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-waited; err != nil {
		t.Errorf("the backup that waited: %v", err)
	}
}

// The lock's file stays; what it says is no lock. So a process that was killed
// holds nothing.
func TestALockDiesWithItsProcess(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	r := p.open()
	p.mustStore(r, "db1", newImage(0))
	lock := p.files("locks/volumes/")
	if len(lock) != 1 {
		t.Fatalf("locks are %q", lock)
	}
	sealed, err := repository.Seal(repository.Holder{Command: "backup", PID: 1, Host: "elsewhere"})
	if err != nil {
		t.Fatal(err)
	}
	p.write(lock[0], sealed)
	p.mustStore(r, "db1", newImage(0))
}

// Maintenance that holds a volume is waited for even without Wait; the program's
// own name for itself makes no maintenance of a backup.
func TestMaintenanceIsWaitedFor(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	daemon, err := repository.Open(p.tree(), repository.Options{Command: "scheduler"})
	if err != nil {
		t.Fatal(err)
	}
	closeAfter(t, daemon)
	b, err := daemon.BeginBackup(t.Context(), repository.BackupOptions{Volume: "db1"})
	if err != nil {
		t.Fatal(err)
	}
	busy := new(repository.BusyError)
	if _, err := p.open().BeginBackup(t.Context(), repository.BackupOptions{Volume: "db1"}); !errors.As(err, &busy) {
		t.Errorf("backup while the scheduler makes one = %v, want a BusyError at once", err)
	}
	lock := p.files("locks/volumes/")[0]
	sealed, err := repository.Seal(repository.Holder{Command: "merge", PID: 1})
	if err != nil {
		t.Fatal(err)
	}
	p.write(lock, sealed)
	polls := 0
	r := p.openOn(durabletest.NewWatched(p.tree(), func(op, name string) error {
		if op == "lock" && name == lock {
			if polls++; polls == 2 {
				return b.Close()
			}
		}
		return nil
	}))
	after, err := r.BeginBackup(t.Context(), repository.BackupOptions{Volume: "db1"})
	if err != nil {
		t.Fatalf("a backup that waits for a merge: %v", err)
	}
	if err := after.Close(); err != nil {
		t.Error(err)
	}
}

// The volume is removed, with its directory, while a backup waits for its lock.
func TestAVolumeRemovedMeanwhileIsMadeAnew(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	old := p.mustStore(p.open(), "db1", newImage(0))
	gone := false
	r := p.openOn(durabletest.NewWatched(p.tree(), func(op, name string) error {
		if op == "lock" && strings.HasPrefix(name, "locks/volumes/") && !gone {
			gone = true
			return os.RemoveAll(p.path("volumes/db1"))
		}
		return nil
	}))
	st, err := store(t.Context(), r, "db1", newImage(0), storeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if st.Volume.UUID == old.Volume.UUID || st.Sequence != 1 {
		t.Errorf("the new volume is %s, its revision number %d", st.Volume.UUID, st.Sequence)
	}
}

package diskcache

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// TestFileSystemThatIsTooSmallIsFilledNoFurther: a real one, of 4 MiB, for a cache
// that was promised 64. Every Put succeeds, a twentieth stays free, and what is
// cached is right.
func TestFileSystemThatIsTooSmallIsFilledNoFurther(t *testing.T) {
	t.Parallel()
	onSmallFileSystem(t, "4m", fillSmallFileSystem)
}

func fillSmallFileSystem(t *testing.T, dir string) {
	c := open4test(t, dir, Options{MaxBytes: 64 << 20, MemoryBytes: -1, Keys: testKeys{}})
	c.disk.space.now = func() int64 { return c.disk.space.sampled + 2*samplePause } // look every time
	for i := range 3000 {
		key := fmt.Sprint(i)
		mustPut(t, c, key, NewView(content(key, 1, 5000+i%7*10_000)), "v")
		if i%50 == 0 {
			total, free := spaceOf(t, dir)
			if free < total/spareShare-footprint(300<<10) {
				t.Fatalf("after %d Puts %d of %d bytes are free", i, free, total)
			}
		}
	}
	checkRest(t, c, 3000)
	want := mixed("stream", 1500<<10)
	mustStream(t, c, "stream", want, Meta{})
	wantHit(t, c, "stream", want)
	if err := c.PutFrom(t.Context(), "too large", &repeated{piece: want}, -1, Meta{}, c.Fence("too large")); !errors.Is(err, syscall.ENOSPC) {
		t.Error("a stream without an end:", err)
	}
	for i := range 1000 { // full again
		mustPut(t, c, fmt.Sprint("again", i), NewView(content("again", 1, 5000)), "v")
	}
	if err := os.WriteFile(filepath.Join(filepath.Dir(dir), "others"), make([]byte, 2<<20), 0o600); err != nil {
		t.Log("the neighbour found no room:", err)
	}
	before := c.Stats().DiskBytes
	mustPut(t, c, "after", NewView([]byte("x")), "v")
	if after := c.Stats().DiskBytes; after >= before {
		t.Errorf("the cache did not shrink for its neighbour: %d bytes, %d before", after, before)
	}
	wantHit(t, c, "after", []byte("x"))
}

// TestFileSystemFilledByOthersIsBypassed: there is no room at all, and nothing to
// evict. Puts fail and say so, Gets are served from memory, nothing panics; once
// there is room again, the cache goes on.
func TestFileSystemFilledByOthersIsBypassed(t *testing.T) {
	onSmallFileSystem(t, "4m", fillByOthers)
}

func fillByOthers(t *testing.T, dir string) {
	c := open4test(t, dir, Options{MaxBytes: 64 << 20, Keys: testKeys{}, statfs: func() (int64, int64, error) { return 1 << 40, 1 << 39, nil }})
	mustPut(t, c, "first", NewView([]byte("x")), "v")
	others := filepath.Join(filepath.Dir(dir), "others")
	f, err := os.Create(others)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for block := noise(4096); ; {
		if _, err := f.Write(block); err != nil {
			break // full to the last block
		}
	}
	full := 0
	for i := range 200 {
		key := fmt.Sprint(i)
		err := c.Put(key, NewView(content(key, 1, 3000)), Meta{}, c.Fence(key))
		if errors.Is(err, syscall.ENOSPC) {
			full++
		} else if err != nil {
			t.Fatal(err)
		}
		wantHit(t, c, key, content(key, 1, 3000))
	}
	if full == 0 {
		t.Error("the disk was never full")
	}
	c.Drop("first")
	wantMiss(t, c, "first")
	if err := f.Truncate(0); err != nil {
		t.Fatal(err)
	}
	c.clear() // what is in memory only
	mustPut(t, c, "after", NewView([]byte("y")), "v")
	c = reopen(t, c, dir, Options{MaxBytes: 64 << 20, Keys: testKeys{}})
	wantHit(t, c, "after", []byte("y"))
	wantMiss(t, c, "first")
}

// inNamespace is set in the process that runs one test in namespaces of its own.
const inNamespace = "DISKCACHE_TEST_NAMESPACE"

// onSmallFileSystem runs a test with a folder to be made on a file system of that
// size. Mounting one needs a privilege, which everybody has in a user namespace of his
// own where the kernel allows those; so this binary runs that test again in one. The
// mount ends with it, whatever happens.
func onSmallFileSystem(t *testing.T, size string, test func(t *testing.T, dir string)) {
	if os.Getenv(inNamespace) == "" {
		if out, started, err := inOwnNamespace(t); started && !bytes.Contains(out, []byte("--- SKIP")) {
			if err != nil || !bytes.Contains(out, []byte("--- PASS: "+t.Name())) {
				t.Fatalf("in its own namespace: %v\n%s", err, out)
			}
			return
		}
	}
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "mode=0700,size="+size); err != nil {
		t.Skipf("the kernel allows neither mounts nor user namespaces: %v (TestFullDiskEvictsTheOldestAndTriesOnceMore covers the rest)", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	test(t, filepath.Join(dir, "cache"))
}

// inOwnNamespace runs the test in another process. It is not started where the kernel
// refuses.
func inOwnNamespace(t *testing.T) (out []byte, started bool, err error) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var buf bytes.Buffer
	cmd := exec.CommandContext(t.Context(), exe, "-test.run=^"+t.Name()+"$", "-test.v", "-test.count=1")
	cmd.Env = append(os.Environ(), inNamespace+"=1")
	cmd.Stdout, cmd.Stderr = &buf, &buf
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}},
		Pdeathsig:   syscall.SIGKILL,
	}
	if err := cmd.Start(); err != nil {
		t.Log("no user namespace:", err)
		return nil, false, err
	}
	err = cmd.Wait()
	return buf.Bytes(), true, err
}

func spaceOf(t *testing.T, dir string) (total, free int64) {
	t.Helper()
	f, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if total, free, err = statfs(f); err != nil {
		t.Fatal(err)
	}
	return total, free
}

// checkRest wants the last entry, and of the others a miss or the right bytes.
func checkRest(t *testing.T, c *Cache, n int) {
	t.Helper()
	hits := 0
	for i := range n {
		key := fmt.Sprint(i)
		e, err := c.Get(key)
		if err == nil && !is(e, content(key, 1, 5000+i%7*10_000)) {
			t.Fatal("wrong bytes under", key)
		}
		if err == nil {
			hits++
		} else if i == n-1 {
			t.Error("the last entry is a miss")
		}
	}
	if hits < 40 {
		t.Errorf("%d entries are left", hits)
	}
}

package upgrade

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/parley-chat/parley/pkg/store"
	"github.com/parley-chat/parley/services/parley/pebblestore"
)

// The folders of versions 1 and 2, as their scripts left them.
const (
	folderFile  = "testdata/folder-1.tar.gz"
	folderFile2 = "testdata/folder-2.tar.gz"
)

func pebble(t *testing.T, dir string) *pebblestore.Store {
	t.Helper()
	st, err := pebblestore.Open(pebblestore.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	return st
}

// A folder that version 1 left is read as this version reads its own, and goes on.
func TestOpensAFolderOfVersion1(t *testing.T) { opensFolder(t, folderFile, script) }

// So is one of version 2, in which a conversation is kept for a time.
func TestOpensAFolderOfVersion2(t *testing.T) { opensFolder(t, folderFile2, script2) }

func opensFolder(t *testing.T, file string, script func(*testing.T, store.Store)) {
	t.Helper()
	own := filepath.Join(t.TempDir(), "own")
	st := pebble(t, own)
	script(t, st)
	want := reads(t, st)
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	if os.Getenv(writeEnv) != "" {
		pack(t, own, file)
	}
	old := filepath.Join(t.TempDir(), "old")
	unpack(t, old, file)
	st = pebble(t, old)
	if got := reads(t, st); got != want {
		t.Errorf("%s: it reads\n%s\nand of its own\n%s", file, got, want)
	}
	if _, err := st.NewEpoch(t.Context()); err != nil {
		t.Error(err)
	}
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
}

func pack(t *testing.T, dir, file string) {
	t.Helper()
	var b bytes.Buffer
	zip := gzip.NewWriter(&b)
	archive := tar.NewWriter(zip)
	if err := errors.Join(archive.AddFS(os.DirFS(dir)), archive.Close(), zip.Close()); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
}

func unpack(t *testing.T, dir, file string) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	zip, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	for archive := tar.NewReader(zip); ; {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		to := filepath.Join(dir, filepath.Clean("/"+h.Name))
		if h.FileInfo().IsDir() {
			continue
		}
		data, err := io.ReadAll(archive)
		if err := errors.Join(err, os.MkdirAll(filepath.Dir(to), 0o700), os.WriteFile(to, data, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
}

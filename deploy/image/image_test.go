// SPDX-License-Identifier: Apache-2.0

package main

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/internal/testenv"
)

func read(t *testing.T, b []byte) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	for r := tar.NewReader(bytes.NewReader(b)); ; {
		h, err := r.Next()
		if err == io.EOF {
			return files
		}
		require.NoError(t, err)
		data, err := io.ReadAll(r)
		require.NoError(t, err)
		files[h.Name] = data
	}
}

// TestImage makes the real image and walks through it from the index to the executable, as a container runtime does.
func TestImage(t *testing.T) {
	dir := t.TempDir()
	binary := filepath.Join(dir, "n3iwf")
	build := exec.Command(testenv.NeedTool(t, "go", "golang"), "build", "-buildvcs=false", "-o", binary, "../../cmd/n3iwf")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := build.CombinedOutput()
	require.NoError(t, err, string(out))
	image := filepath.Join(dir, "image.tar")
	require.NoError(t, run(binary, options{"n3iwf:test", "65532:65532", "run", "500/udp", runtime.GOARCH}, image))
	text, err := os.ReadFile(image)
	require.NoError(t, err)
	files := read(t, text)

	var index struct{ Manifests []struct{ Digest string } }
	require.NoError(t, json.Unmarshal(files["index.json"], &index))
	blobOf := func(digest string) []byte {
		b := files["blobs/sha256/"+digest[len("sha256:"):]]
		require.NotNil(t, b)
		require.Equal(t, digest, "sha256:"+blob(b)[len("blobs/sha256/"):])
		return b
	}
	var manifest struct {
		Config struct{ Digest string }
		Layers []struct{ Digest string }
	}
	require.NoError(t, json.Unmarshal(blobOf(index.Manifests[0].Digest), &manifest))
	var config struct {
		Architecture string
		Config       struct {
			User            string
			Entrypoint, Cmd []string
		}
		Rootfs struct {
			DiffIDs []string `json:"diff_ids"`
		}
	}
	require.NoError(t, json.Unmarshal(blobOf(manifest.Config.Digest), &config))
	require.Equal(t, runtime.GOARCH, config.Architecture)
	require.Equal(t, "65532:65532", config.Config.User)
	require.Equal(t, []string{"/n3iwf"}, config.Config.Entrypoint)
	require.Equal(t, []string{"run"}, config.Config.Cmd)
	require.Equal(t, []string{manifest.Layers[0].Digest}, config.Rootfs.DiffIDs)
	root := read(t, blobOf(manifest.Layers[0].Digest))
	require.Len(t, root, 1, "nothing but the program")

	// The program of the image runs where there is nothing else: no libc, no files.
	testenv.NeedRoot(t)
	jail := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(jail, "n3iwf"), root["n3iwf"], 0o755))
	said, err := exec.Command(testenv.NeedTool(t, "chroot", "coreutils"), "--userspec=65532:65532", jail, "/n3iwf", "version").CombinedOutput()
	require.NoError(t, err, string(said))
	require.Contains(t, string(said), runtime.Version())

	require.NoError(t, run(binary, options{"n3iwf:test", "65532:65532", "run", "500/udp", runtime.GOARCH}, image))
	again, err := os.ReadFile(image)
	require.NoError(t, err)
	require.True(t, bytes.Equal(text, again), "the same binary gives the same image")
}

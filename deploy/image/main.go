// SPDX-License-Identifier: Apache-2.0

// Command image puts static binaries into container images without Docker and without a base image: an OCI image layout in a
// tar file, which `docker load`, `podman load`, `ctr image import` and `skopeo copy oci-archive:` take. The same binary always
// gives the same image. It makes what deploy/docker/Dockerfile makes.
package main

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"time"
)

func main() {
	binary := flag.String("binary", "", "static executable to put into the image as its entry point")
	name := flag.String("name", "", "name and tag, such as n3iwf:0.1.0")
	user := flag.String("user", "65532:65532", "uid:gid that it runs as")
	arch := flag.String("arch", runtime.GOARCH, "architecture of the binary, as Go names it")
	out := flag.String("o", "", "tar `FILE` to write")
	flag.Parse()
	if err := run(*binary, *name, *user, *arch, *out); err != nil {
		fmt.Fprintln(os.Stderr, "image:", err)
		os.Exit(1)
	}
}

func run(binary, name, user, arch, out string) error {
	if binary == "" || name == "" || out == "" {
		return fmt.Errorf("-binary, -name and -o are needed")
	}
	executable, err := os.ReadFile(binary)
	if err != nil {
		return err
	}
	image, err := build(filepath.Base(binary), executable, name, user, arch)
	if err != nil {
		return err
	}
	return os.WriteFile(out, image, 0o644)
}

type object = map[string]any

// build makes the archive: one layer with the executable, its configuration, a manifest, and the indexes of OCI and of Docker.
func build(file string, executable []byte, name, user, arch string) ([]byte, error) {
	layer, err := archive([]entry{{name: file, mode: 0o755, data: executable}})
	if err != nil {
		return nil, err
	}
	config, err := json.Marshal(object{
		"architecture": arch, "os": "linux", "created": time.Unix(0, 0).UTC(),
		"config":  object{"User": user, "Entrypoint": []string{"/" + file}, "WorkingDir": "/", "ExposedPorts": object{"500/udp": object{}, "4500/udp": object{}, "2152/udp": object{}}},
		"rootfs":  object{"type": "layers", "diff_ids": []string{digest(layer)}},
		"history": []object{{"created_by": "deploy/image", "created": time.Unix(0, 0).UTC()}},
	})
	if err != nil {
		return nil, err
	}
	manifest, err := json.Marshal(object{
		"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
		"config": descriptor("application/vnd.oci.image.config.v1+json", config),
		"layers": []object{descriptor("application/vnd.oci.image.layer.v1.tar", layer)},
	})
	if err != nil {
		return nil, err
	}
	named := descriptor("application/vnd.oci.image.manifest.v1+json", manifest)
	named["annotations"] = object{"org.opencontainers.image.ref.name": name, "io.containerd.image.name": name}
	index, err := json.Marshal(object{"schemaVersion": 2, "manifests": []object{named}})
	if err != nil {
		return nil, err
	}
	forDocker, err := json.Marshal([]object{{"Config": blob(config), "RepoTags": []string{name}, "Layers": []string{blob(layer)}}})
	if err != nil {
		return nil, err
	}
	return archive([]entry{
		{name: "oci-layout", mode: 0o644, data: []byte(`{"imageLayoutVersion":"1.0.0"}`)},
		{name: "index.json", mode: 0o644, data: index},
		{name: "manifest.json", mode: 0o644, data: forDocker},
		{name: blob(config), mode: 0o644, data: config},
		{name: blob(layer), mode: 0o644, data: layer},
		{name: blob(manifest), mode: 0o644, data: manifest},
	})
}

type entry struct {
	name string
	mode int64
	data []byte
}

func archive(entries []entry) ([]byte, error) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range entries {
		if err := w.WriteHeader(&tar.Header{Name: e.name, Mode: e.mode, Size: int64(len(e.data)), Typeflag: tar.TypeReg, Format: tar.FormatUSTAR}); err != nil {
			return nil, err
		}
		if _, err := w.Write(e.data); err != nil {
			return nil, err
		}
	}
	err := w.Close()
	return b.Bytes(), err
}

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return "sha256:" + hex.EncodeToString(sum[:])
}

func blob(b []byte) string { return "blobs/sha256/" + digest(b)[len("sha256:"):] }

func descriptor(mediaType string, b []byte) object {
	return object{"mediaType": mediaType, "digest": digest(b), "size": len(b)}
}

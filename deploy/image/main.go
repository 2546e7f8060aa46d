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
	"strings"
	"time"
)

func main() {
	binary := flag.String("binary", "", "static executable to put into the image as its entry point")
	name := flag.String("name", "", "name and tag, such as n3iwf:0.1.0")
	user := flag.String("user", "65532:65532", "uid:gid that it runs as; empty: root")
	command := flag.String("cmd", "", "its first argument when none is given")
	ports := flag.String("ports", "", "ports that it listens at, such as 500/udp,9464/tcp")
	arch := flag.String("arch", runtime.GOARCH, "architecture of the binary, as Go names it")
	out := flag.String("o", "", "tar `FILE` to write")
	flag.Parse()
	if err := run(*binary, options{*name, *user, *command, *ports, *arch}, *out); err != nil {
		fmt.Fprintln(os.Stderr, "image:", err)
		os.Exit(1)
	}
}

// options are what an image says of itself.
type options struct {
	name, user, command, ports, arch string
}

func run(binary string, o options, out string) error {
	if binary == "" || o.name == "" || out == "" {
		return fmt.Errorf("-binary, -name and -o are needed")
	}
	executable, err := os.ReadFile(binary)
	if err != nil {
		return err
	}
	image, err := build(filepath.Base(binary), executable, o)
	if err != nil {
		return err
	}
	return os.WriteFile(out, image, 0o644)
}

type object = map[string]any

// build makes the archive: one layer with the executable, its configuration, a manifest, and the indexes of OCI and of Docker.
func build(file string, executable []byte, o options) ([]byte, error) {
	layer, err := archive([]entry{{name: file, mode: 0o755, data: executable}})
	if err != nil {
		return nil, err
	}
	running := object{"User": o.user, "Entrypoint": []string{"/" + file}, "WorkingDir": "/"}
	if o.command != "" {
		running["Cmd"] = []string{o.command}
	}
	if o.ports != "" {
		exposed := object{}
		for p := range strings.SplitSeq(o.ports, ",") {
			exposed[p] = object{}
		}
		running["ExposedPorts"] = exposed
	}
	config, err := json.Marshal(object{
		"architecture": o.arch, "os": "linux", "created": time.Unix(0, 0).UTC(),
		"config":  running,
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
	named["annotations"] = object{"org.opencontainers.image.ref.name": o.name, "io.containerd.image.name": o.name}
	index, err := json.Marshal(object{"schemaVersion": 2, "manifests": []object{named}})
	if err != nil {
		return nil, err
	}
	forDocker, err := json.Marshal([]object{{"Config": blob(config), "RepoTags": []string{o.name}, "Layers": []string{blob(layer)}}})
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

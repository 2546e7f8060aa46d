// SPDX-License-Identifier: Apache-2.0

package main

import (
	"archive/tar"
	"context"
	"debug/elf"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/content"
	"oras.land/oras-go/v2/content/oci"
)

// image reads what `make image` has made by the library that registries' clients use, which checks sizes and digests, and compares it with what the
// stage of deploy/docker/Dockerfile says.
func image(root, file, stage string) error {
	ctx := context.Background()
	store, err := oci.NewFromTar(ctx, file)
	if err != nil {
		return err
	}
	var tags []string
	if err := store.Tags(ctx, "", func(list []string) error { tags = append(tags, list...); return nil }); err != nil {
		return err
	}
	if len(tags) != 1 {
		return fmt.Errorf("tags %v", tags)
	}
	top, err := store.Resolve(ctx, tags[0])
	if err != nil {
		return err
	}
	var manifest ocispec.Manifest
	if err := decoded(ctx, store, top, &manifest); err != nil {
		return err
	}
	var config ocispec.Image
	if err := decoded(ctx, store, manifest.Config, &config); err != nil {
		return err
	}
	text, err := os.ReadFile(filepath.Join(root, "deploy", "docker", "Dockerfile"))
	if err != nil {
		return err
	}
	said := regexp.MustCompile(`(?ms)^FROM scratch AS ` + stage + `$(.*?)(^FROM|\z)`).FindString(string(text))
	instruction := func(name string) string {
		if m := regexp.MustCompile(`(?m)^` + name + ` (.*)$`).FindStringSubmatch(said); m != nil {
			return m[1]
		}
		return ""
	}
	asJSON := func(list []string) string {
		if len(list) == 0 {
			return ""
		}
		b, _ := json.Marshal(list) // strings can be marshalled
		return string(b)
	}
	blanks := regexp.MustCompile(`\s+`)
	switch {
	case instruction("ENTRYPOINT") == "":
		return fmt.Errorf("the Dockerfile has no stage %s", stage)
	case config.Config.User != instruction("USER"):
		return fmt.Errorf("it runs as %q; the Dockerfile says %q", config.Config.User, instruction("USER"))
	case asJSON(config.Config.Entrypoint) != blanks.ReplaceAllString(instruction("ENTRYPOINT"), ""):
		return fmt.Errorf("it starts %v; the Dockerfile says %s", config.Config.Entrypoint, instruction("ENTRYPOINT"))
	case asJSON(config.Config.Cmd) != blanks.ReplaceAllString(instruction("CMD"), ""):
		return fmt.Errorf("its default is %v; the Dockerfile says %s", config.Config.Cmd, instruction("CMD"))
	case config.OS != "linux" || len(manifest.Layers) != 1 || len(config.RootFS.DiffIDs) != 1 || config.RootFS.DiffIDs[0] != manifest.Layers[0].Digest:
		return errors.New("it is not one layer without compression for Linux")
	}
	for port := range config.Config.ExposedPorts {
		if !slices.Contains(blanks.Split(instruction("EXPOSE"), -1), port) {
			return fmt.Errorf("port %s is not one of the Dockerfile's", port)
		}
	}
	return static(ctx, store, manifest.Layers[0], config.Config.Entrypoint[0])
}

func decoded(ctx context.Context, from content.Fetcher, what ocispec.Descriptor, to any) error {
	b, err := content.FetchAll(ctx, from, what)
	if err != nil {
		return err
	}
	return json.Unmarshal(b, to)
}

// static looks that a layer holds one program, which loads nothing.
func static(ctx context.Context, from content.Fetcher, layer ocispec.Descriptor, program string) error {
	r, err := from.Fetch(ctx, layer)
	if err != nil {
		return err
	}
	defer r.Close()
	files := tar.NewReader(r)
	h, err := files.Next()
	if err != nil {
		return err
	}
	if "/"+h.Name != program || h.FileInfo().Mode().Perm()&0o111 != 0o111 {
		return fmt.Errorf("the layer has %s (%s), and starts %s", h.Name, h.FileInfo().Mode(), program)
	}
	f, err := os.CreateTemp("", "image")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	if _, err := io.Copy(f, files); err != nil {
		return err
	}
	e, err := elf.NewFile(f)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(e.Progs, func(p *elf.Prog) bool { return p.Type == elf.PT_INTERP }) {
		return fmt.Errorf("%s is linked dynamically", program)
	}
	if h, err := files.Next(); err != io.EOF {
		return fmt.Errorf("there is more than the program in it: %v %w", h, err)
	}
	return nil
}

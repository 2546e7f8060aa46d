// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// kernel is a kernel and its modules, as Debian's packages have them.
type kernel struct {
	image   string // vmlinuz
	version string // as uname -r gives it
	modules string // lib/modules/<version>
	deps    map[string][]string
	builtin map[string]bool // modules that are part of the image
}

// kernelPackage is a meta package: it depends on the current kernel, whose name has a version.
const kernelPackage = "linux-image-cloud-amd64"

// getKernel opens the kernel in a folder, or downloads and unpacks that of a Debian release once; later calls find it in the cache folder. No release is
// the one that apt of this machine has.
func getKernel(cache, release string) (*kernel, error) {
	if strings.ContainsRune(release, filepath.Separator) {
		return openKernel(release)
	}
	root, apt := filepath.Join(cache, "kernel"), &apt{}
	if release != "" {
		root += "-" + release
	}
	if k, err := openKernel(root); err == nil {
		return k, nil
	}
	fmt.Println(strings.TrimSpace("vm: getting Debian's cloud kernel (once) " + release))
	tmp := root + ".tmp"
	if err := errors.Join(os.RemoveAll(tmp), os.MkdirAll(tmp, 0o755)); err != nil {
		return nil, err
	}
	if release != "" {
		var err error
		if apt, err = foreignApt(filepath.Join(tmp, "apt"), release); err != nil {
			return nil, err
		}
	}
	name, err := apt.currentKernel()
	if err != nil {
		return nil, err
	}
	if _, err := apt.run(tmp, "apt-get", "download", name); err != nil {
		return nil, err
	}
	debs, err := filepath.Glob(filepath.Join(tmp, "*.deb"))
	if err != nil || len(debs) != 1 {
		return nil, fmt.Errorf("apt-get download %s left %d packages (%w)", name, len(debs), err)
	}
	if _, err := output(tmp, "dpkg-deb", "-x", debs[0], "."); err != nil {
		return nil, err
	}
	// From Debian 13 on, packages have in /usr what was beside it.
	if merged := filepath.Join(tmp, "usr", "lib", "modules"); isFolder(merged) {
		if err := errors.Join(os.MkdirAll(filepath.Join(tmp, "lib"), 0o755), os.Rename(merged, filepath.Join(tmp, "lib", "modules"))); err != nil {
			return nil, err
		}
	}
	versions, err := os.ReadDir(filepath.Join(tmp, "lib", "modules"))
	if err != nil || len(versions) != 1 {
		return nil, fmt.Errorf("%s has %d sets of modules (%w)", name, len(versions), err)
	}
	// The package makes its index of modules when it is installed.
	if _, err := output(tmp, "/sbin/depmod", "-b", tmp, versions[0].Name()); err != nil {
		return nil, err
	}
	if err := errors.Join(os.Remove(debs[0]), os.RemoveAll(filepath.Join(tmp, "apt")), os.RemoveAll(root), os.Rename(tmp, root)); err != nil {
		return nil, err
	}
	return openKernel(root)
}

func isFolder(name string) bool {
	st, err := os.Stat(name)
	return err == nil && st.IsDir()
}

func openKernel(root string) (*kernel, error) {
	images, err := filepath.Glob(filepath.Join(root, "boot", "vmlinuz-*"))
	if err != nil || len(images) != 1 {
		return nil, fmt.Errorf("no kernel in %s", root)
	}
	k := &kernel{image: images[0], deps: map[string][]string{}, builtin: map[string]bool{}}
	k.version = strings.TrimPrefix(filepath.Base(k.image), "vmlinuz-")
	k.modules = filepath.Join(root, "lib", "modules", k.version)
	index, err := os.ReadFile(filepath.Join(k.modules, "modules.dep"))
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(index)) {
		file, needs, _ := strings.Cut(strings.TrimSpace(line), ":")
		k.deps[moduleName(file)] = append([]string{file}, strings.Fields(needs)...)
	}
	if index, err = os.ReadFile(filepath.Join(k.modules, "modules.builtin")); err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(index)) {
		k.builtin[moduleName(strings.TrimSpace(line))] = true
	}
	return k, nil
}

// moduleName is the name that the kernel has for a module's file.
func moduleName(file string) string {
	name, _, _ := strings.Cut(filepath.Base(file), ".ko")
	return strings.ReplaceAll(name, "-", "_")
}

// files gives the files of the modules and of all that they need, relative to k.modules. Those that this kernel does not have at all come back as absent.
func (k *kernel) files(names []string) (files, absent []string) {
	have := map[string]bool{}
	for _, n := range names {
		list, ok := k.deps[moduleName(n+".ko")]
		if !ok && !k.builtin[moduleName(n+".ko")] {
			absent = append(absent, n)
		}
		for _, f := range list {
			if !have[f] {
				have[f] = true
				files = append(files, f)
			}
		}
	}
	return files, absent
}

// output runs a program and gives what it printed; its words are part of the error.
func output(dir, name string, args ...string) (string, error) {
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return string(out), nil
}

// SPDX-License-Identifier: Apache-2.0

package main

import (
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

var libraryFolders = []string{
	"/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu", "/usr/lib/ipsec", "/usr/lib/x86_64-linux-gnu/wireshark", "/lib", "/usr/lib",
}

// program copies a program of the host with the libraries that it is linked to. A script or a static program comes alone.
func (a *archive) program(name string) error {
	from, err := exec.LookPath(name)
	if err != nil {
		return fmt.Errorf("%w (scripts/deps test installs it)", err)
	}
	return a.linked(from)
}

// linked copies an ELF file under its own name, and what it needs.
func (a *archive) linked(from string) error {
	if a.made[filepath.Clean(from)] {
		return nil
	}
	target, err := filepath.EvalSymlinks(from)
	if err != nil {
		return err
	}
	a.file(from, target)
	f, err := elf.Open(target)
	if err != nil {
		var format *elf.FormatError
		if errors.As(err, &format) {
			return a.err
		}
		return err
	}
	defer f.Close() //nolint:errcheck // only read
	if section := f.Section(".interp"); section != nil {
		loader, err := section.Data()
		if err != nil {
			return err
		}
		if err := a.linked(string(loader[:len(loader)-1])); err != nil {
			return err
		}
	}
	needed, err := f.ImportedLibraries()
	if err != nil {
		return err
	}
	for _, lib := range needed {
		at := ""
		for _, dir := range libraryFolders {
			if _, err := os.Stat(filepath.Join(dir, lib)); err == nil {
				at = filepath.Join(dir, lib)
				break
			}
		}
		if at == "" {
			return fmt.Errorf("%s needs %s, which is nowhere", from, lib)
		}
		if err := a.linked(at); err != nil {
			return err
		}
	}
	return a.err
}

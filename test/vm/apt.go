// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// apt calls apt's programs: with this machine's settings, or with settings and lists of packages of its own.
type apt struct {
	options []string
}

// keyring is what Debian signs its releases with; every Debian has it.
const keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"

var releaseName = regexp.MustCompile(`^[a-z]+$`)

// foreignApt is for another Debian release than this machine's, from the mirror that this machine has. Its lists are in dir; nothing of the machine's own
// apt changes. What it gets is signed by Debian.
func foreignApt(dir, release string) (*apt, error) {
	if !releaseName.MatchString(release) {
		return nil, fmt.Errorf("%q is no name of a Debian release, as bullseye is one", release)
	}
	if _, err := os.Stat(keyring); err != nil {
		return nil, fmt.Errorf("a kernel of another Debian release needs debian-archive-keyring: %w", err)
	}
	uri, err := mirror()
	if err != nil {
		return nil, err
	}
	for _, sub := range []string{"lists/partial", "cache/archives/partial"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			return nil, err
		}
	}
	sources := filepath.Join(dir, "sources.list")
	if err := os.WriteFile(sources, fmt.Appendf(nil, "deb [signed-by=%s] %s %s main\n", keyring, uri, release), 0o644); err != nil {
		return nil, err
	}
	a := &apt{options: []string{
		"-o", "Dir::Etc::sourcelist=" + sources, "-o", "Dir::Etc::sourceparts=-",
		"-o", "Dir::State::lists=" + filepath.Join(dir, "lists"), "-o", "Dir::Cache=" + filepath.Join(dir, "cache"),
	}}
	if _, err := a.run("", "apt-get", "update", "--error-on=any", "-o", "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false"); err != nil {
		return nil, fmt.Errorf("this machine's Debian mirror does not give %s: %w", release, err)
	}
	return a, nil
}

// mirror is the first place of Debian's packages that this machine's apt knows.
func mirror() (string, error) {
	find := func() (string, error) {
		return output("", "apt-get", "indextargets", "--format", "$(REPO_URI)", "MetaKey: main/binary-amd64/Packages", "Origin: Debian", "Label: Debian")
	}
	list, err := find()
	if strings.TrimSpace(list) == "" && os.Geteuid() == 0 { // no lists of packages yet
		if _, err := output("", "apt-get", "update"); err != nil {
			return "", err
		}
		list, err = find()
	}
	if err != nil {
		return "", err
	}
	lines := strings.Fields(list)
	if len(lines) == 0 {
		return "", errors.New("apt knows no mirror of Debian: run apt-get update")
	}
	return lines[0], nil
}

func (a *apt) run(dir, name, verb string, args ...string) (string, error) {
	return output(dir, name, slices.Concat([]string{verb}, a.options, args)...)
}

// currentKernel is the name of the package of the kernel, with its version.
func (a *apt) currentKernel() (string, error) {
	depends, err := a.run("", "apt-cache", "depends", kernelPackage)
	if err != nil && os.Geteuid() == 0 && a.options == nil { // no lists of packages yet
		if _, err := output("", "apt-get", "update"); err != nil {
			return "", err
		}
		depends, err = a.run("", "apt-cache", "depends", kernelPackage)
	}
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(depends) {
		if dep, ok := strings.CutPrefix(strings.TrimSpace(line), "Depends: linux-image-"); ok {
			return "linux-image-" + dep, nil
		}
	}
	return "", fmt.Errorf("apt does not know %s: run apt-get update", kernelPackage)
}

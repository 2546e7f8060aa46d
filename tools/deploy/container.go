// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/compose-spec/compose-go/v2/types"
)

// imageUser is whom deploy/docker/Dockerfile and deploy/image let the N3IWF run as.
const imageUser = 65532

// inContainer runs what two services run, as their users and with their volumes, but without containers: first cert, which makes the
// certificate as people are told to, then the N3IWF, which checks the text of its configuration. Not being root, it does so as the user
// that it has.
func inContainer(nf, cert types.ServiceConfig, text, program string) error {
	switch {
	case nf.User != "" && nf.User != fmt.Sprintf("%d:%d", imageUser, imageUser):
		return fmt.Errorf("it runs as %s", nf.User)
	case len(cert.Command) == 0:
		return errors.New("no service makes its certificate when asked to")
	case cert.NetworkMode != "none" || !cert.ReadOnly || !slices.Equal(cert.CapDrop, []string{"ALL"}):
		return errors.New("what makes the certificate has more than it needs")
	}
	dir, err := os.MkdirTemp("", "compose")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	user := uint32(imageUser)
	if os.Geteuid() != 0 {
		user = uint32(os.Geteuid())
	}
	// Other users see nothing of this machine but these.
	there := filepath.Join(dir, "n3iwf")
	if err := errors.Join(os.Chmod(dir, 0o755), copyOf(program, there)); err != nil {
		return err
	}
	p := places{dir, user}
	if out, err := exec.Command(there, p.command(cert)...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w: %s", cert.Name, cert.Command[0], err, out)
	}
	for _, v := range nf.Volumes {
		if !v.ReadOnly {
			return fmt.Errorf("volume %s can be written", v.Target)
		}
		if err := noAuthority(p.of(v)); err != nil {
			return err
		}
	}
	config := filepath.Join(dir, "n3iwf.yaml")
	if err := os.WriteFile(config, []byte(p.replace(nf, text)), 0o644); err != nil {
		return err
	}
	check := exec.Command(there, "check", "-c", config)
	if os.Geteuid() == 0 {
		check.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: user, Gid: user}}
	}
	if out, err := check.CombinedOutput(); err != nil {
		return fmt.Errorf("n3iwf check: %w: %s", err, out)
	}
	// The key is no secret when anybody can read it.
	for _, v := range nf.Volumes {
		key := filepath.Join(p.of(v), "n3iwf.key")
		if info, err := os.Stat(key); err == nil && info.Mode().Perm()&0o077 != 0 {
			return fmt.Errorf("%s has mode %s", filepath.Join(v.Target, "n3iwf.key"), info.Mode())
		}
	}
	return nil
}

// places are folders on this machine in the place of those of the files: the same for the same.
type places struct {
	dir  string
	user uint32 // in the place of imageUser
}

func (p places) of(v types.ServiceVolumeConfig) string {
	return filepath.Join(p.dir, "volumes", filepath.Base(v.Source))
}

// replace gives a text of a container with its folders where they are here.
func (p places) replace(s types.ServiceConfig, text string) string {
	for _, v := range s.Volumes {
		text = strings.ReplaceAll(text, v.Target+"/", p.of(v)+"/")
	}
	return text
}

func (p places) command(s types.ServiceConfig) []string {
	owner := strings.NewReplacer(fmt.Sprint(imageUser), fmt.Sprint(p.user))
	args := slices.Clone(s.Command)
	for i := range args {
		for _, v := range s.Volumes {
			if args[i] == v.Target {
				args[i] = p.of(v)
			}
		}
		if i > 0 && args[i-1] == "--owner" {
			args[i] = owner.Replace(args[i])
		}
	}
	return args
}

// noAuthority looks that a CA's key is not among what is mounted.
func noAuthority(folder string) error {
	err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Name() == "ca.key" {
			err = fmt.Errorf("the CA's key is mounted: %s", path)
		}
		return err
	})
	if errors.Is(err, fs.ErrNotExist) { // a file of the configuration, which is elsewhere
		return nil
	}
	return err
}

func copyOf(program, there string) error {
	b, err := os.ReadFile(program)
	if err != nil {
		return err
	}
	return os.WriteFile(there, b, 0o755)
}

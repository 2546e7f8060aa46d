// SPDX-License-Identifier: Apache-2.0

// Command dist makes what is handed out of one version: for each architecture the static binaries, a tar file with them, the example
// configurations, the systemd unit and the documentation, a Debian package of the same, a container image, and a list of the Go modules inside
// (SBOM, CycloneDX); and SHA256SUMS of all. It needs neither root nor Debian. The same sources and the same Go give the same files, octet by octet.
package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

func main() {
	o := options{}
	flag.StringVar(&o.root, "root", ".", "`FOLDER` of the sources")
	flag.StringVar(&o.out, "o", "dist", "`FOLDER` of what is made; it is emptied before")
	flag.StringVar(&o.version, "version", "", "version; default: of git describe")
	architectures := flag.String("arch", "amd64,arm64", "architectures, as Go names them")
	flag.Parse()
	o.architectures = strings.Split(*architectures, ",")
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := o.run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "dist:", err)
		os.Exit(1)
	}
}

type options struct {
	root, out, version string
	architectures      []string
}

// commands are the programs, each the name of its folder in cmd.
var commands = []string{"n3iwf", "nwulab"}

// versions are those that Debian, container registries and file names can have.
var versions = regexp.MustCompile(`^[0-9][0-9A-Za-z.+~-]*$`)

func (o *options) run(ctx context.Context) error {
	if o.version == "" {
		o.version = gitVersion(ctx, o.root)
	}
	if !versions.MatchString(o.version) {
		return fmt.Errorf("version %q: want one that begins with a digit, such as 0.1.0", o.version)
	}
	if err := os.RemoveAll(o.out); err != nil {
		return err
	}
	if err := os.MkdirAll(o.out, 0o755); err != nil {
		return err
	}
	for _, arch := range o.architectures {
		if err := o.architecture(ctx, arch); err != nil {
			return fmt.Errorf("%s: %w", arch, err)
		}
	}
	return o.sums()
}

// gitVersion is the latest tag with what came after it, or the commit alone, behind a zero.
func gitVersion(ctx context.Context, root string) string {
	git := func(args ...string) string {
		out, err := exec.CommandContext(ctx, "git", append([]string{"-C", root}, args...)...).Output()
		if err != nil {
			return ""
		}
		return strings.TrimSpace(string(out))
	}
	if tag := strings.TrimPrefix(git("describe", "--tags", "--match", "v[0-9]*"), "v"); tag != "" {
		return tag
	}
	if commit := git("rev-parse", "--short=12", "HEAD"); commit != "" {
		return "0.0.0-" + commit
	}
	return "0.0.0"
}

// architecture makes everything of one.
func (o *options) architecture(ctx context.Context, arch string) error {
	work, err := os.MkdirTemp("", "n3iwf-dist-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	name := fmt.Sprintf("n3iwf-%s-linux-%s", o.version, arch)
	var bom bill
	binaries := map[string][]byte{}
	for _, command := range commands {
		file := filepath.Join(work, command)
		if err := o.compile(ctx, arch, command, file); err != nil {
			return err
		}
		if binaries[command], err = os.ReadFile(file); err != nil {
			return err
		}
		if err := bom.add(command, file); err != nil {
			return err
		}
	}
	sbom, err := bom.json(name)
	if err != nil {
		return err
	}
	files, err := o.content(binaries, sbom)
	if err != nil {
		return err
	}
	tarball, err := compress(files, name+"/", layoutTar)
	if err != nil {
		return err
	}
	deb, err := debian(files, o.version, arch)
	if err != nil {
		return err
	}
	for file, b := range map[string][]byte{
		name + ".tar.gz": tarball, name + ".cdx.json": sbom, fmt.Sprintf("n3iwf_%s_%s.deb", o.version, arch): deb,
	} {
		if err := os.WriteFile(filepath.Join(o.out, file), b, 0o644); err != nil {
			return err
		}
	}
	out, err := filepath.Abs(filepath.Join(o.out, name+".image.tar"))
	if err != nil {
		return err
	}
	// An image name cannot have the signs that a version may.
	tag := "n3iwf:" + strings.NewReplacer("+", "-", "~", "-").Replace(o.version)
	return o.goCommand(ctx, "", "run", "-buildvcs=false", "./deploy/image", "-binary", filepath.Join(work, "n3iwf"), "-name", tag, "-cmd", "run",
		"-ports", "500/udp,4500/udp,2152/udp,9464/tcp", "-arch", arch, "-o", out)
}

// compile builds a static binary, without the paths of this machine.
func (o *options) compile(ctx context.Context, arch, command, file string) error {
	return o.goCommand(ctx, arch, "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w -buildid= -X main.release="+o.version, "-o", file, "./cmd/"+command)
}

func (o *options) goCommand(ctx context.Context, arch string, args ...string) error {
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = o.root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if arch != "" {
		cmd.Env = append(cmd.Env, "GOOS=linux", "GOARCH="+arch)
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return nil
}

// content is what both packages hold.
func (o *options) content(binaries map[string][]byte, sbom []byte) ([]file, error) {
	var files []file
	for _, command := range commands {
		files = append(files, file{kind: kindBinary, name: command, mode: 0o755, data: binaries[command]})
	}
	files = append(files, file{kind: kindDoc, name: "sbom.cdx.json", mode: 0o644, data: sbom})
	sources := []struct {
		kind kind
		glob string
	}{
		{kindExample, "config/n3iwf.example.yaml"}, {kindExample, "test/lab/core/core.example.yaml"}, {kindExample, "test/lab/ue/ue.example.yaml"},
		{kindUnit, "deploy/systemd/n3iwf.service"}, {kindExample, "deploy/systemd/kernel.conf"}, {kindDoc, "README.md"}, {kindDoc, "LICENSE"}, {kindDoc, "CHANGELOG.md"}, {kindDoc, "docs/*.md"},
		{kindDoc, "config/n3iwf.schema.json"},
	}
	for _, s := range sources {
		found, err := filepath.Glob(filepath.Join(o.root, s.glob))
		if err != nil {
			return nil, err
		}
		slices.Sort(found)
		for _, path := range found {
			b, err := os.ReadFile(path)
			if err != nil {
				return nil, err
			}
			files = append(files, file{kind: s.kind, name: filepath.Base(path), mode: 0o644, data: b})
		}
	}
	return files, nil
}

// sums writes SHA256SUMS as sha256sum does.
func (o *options) sums() error {
	entries, err := os.ReadDir(o.out)
	if err != nil {
		return err
	}
	var text bytes.Buffer
	for _, e := range entries { // sorted by name
		b, err := os.ReadFile(filepath.Join(o.out, e.Name()))
		if err != nil {
			return err
		}
		fmt.Fprintf(&text, "%x  %s\n", sha256.Sum256(b), e.Name())
	}
	return os.WriteFile(filepath.Join(o.out, "SHA256SUMS"), text.Bytes(), 0o644)
}

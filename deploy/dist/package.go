// SPDX-License-Identifier: Apache-2.0

package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/md5"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"
)

// kind says where a file goes.
type kind int

const (
	kindBinary kind = iota
	kindExample
	kindUnit
	kindDoc
)

// file is one file of a package.
type file struct {
	kind kind
	name string
	mode int64
	data []byte
}

// layouts give the folder of each kind.
var (
	layoutTar    = map[kind]string{kindBinary: "bin", kindExample: "examples", kindUnit: "systemd", kindDoc: "doc"}
	layoutDebian = map[kind]string{kindBinary: "usr/bin", kindExample: "usr/share/doc/n3iwf/examples", kindUnit: "lib/systemd/system", kindDoc: "usr/share/doc/n3iwf"}
)

// epoch is the time of all files: a package does not depend on when it was made.
var epoch = time.Unix(0, 0).UTC()

// compress makes a .tar.gz with the folders before their files, all of root.
func compress(files []file, prefix string, layout map[kind]string) ([]byte, error) {
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	w := tar.NewWriter(z)
	made := map[string]bool{}
	var folder func(name string) error
	folder = func(name string) error {
		name = strings.TrimSuffix(name, "/")
		if name == "." || made[name] {
			return nil
		}
		made[name] = true
		if err := folder(path.Dir(name)); err != nil {
			return err
		}
		return w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: name + "/", Mode: 0o755, Uname: "root", Gname: "root", ModTime: epoch, Format: tar.FormatGNU})
	}
	for _, f := range files {
		name := prefix + path.Join(layout[f.kind], f.name)
		if err := folder(path.Dir(name)); err != nil {
			return nil, err
		}
		if err := w.WriteHeader(&tar.Header{
			Typeflag: tar.TypeReg, Name: name, Mode: f.mode, Size: int64(len(f.data)), Uname: "root", Gname: "root", ModTime: epoch, Format: tar.FormatGNU,
		}); err != nil {
			return nil, err
		}
		if _, err := w.Write(f.data); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	err = z.Close()
	return b.Bytes(), err
}

// debian makes a binary package (deb(5)): an ar archive of its version, what the package manager must know, and the files.
func debian(files []file, version, arch string) ([]byte, error) {
	files = slices.Clone(files)
	for i := range files {
		if files[i].name == "LICENSE" {
			files[i].name = "copyright" // where Debian policy 12.5 wants it
		}
	}
	size := 0
	var sums strings.Builder
	for _, f := range files {
		size += len(f.data)
		fmt.Fprintf(&sums, "%x  %s\n", md5.Sum(f.data), path.Join(layoutDebian[f.kind], f.name))
	}
	control := fmt.Sprintf(`Package: n3iwf
Version: %s
Architecture: %s
Maintainer: open-n3iwf <https://github.com/open-n3iwf/n3iwf>
Installed-Size: %d
Section: net
Priority: optional
Homepage: https://github.com/open-n3iwf/n3iwf
Description: non-3GPP interworking function of a 5G core
 Lets UEs on any WLAN reach a 5G core: IKEv2 with EAP-5G and MOBIKE towards UEs,
 NGAP towards the AMF, GTP-U towards the UPF. With nwulab, its lab: UE, core,
 load generator and conformance checks. Write /etc/n3iwf/n3iwf.yaml, then
 systemctl enable --now n3iwf.
`, debianVersion(version), arch, (size+1023)/1024)
	meta, err := compress([]file{{name: "control", mode: 0o644, data: []byte(control)}, {name: "md5sums", mode: 0o644, data: []byte(sums.String())}}, "./", nil)
	if err != nil {
		return nil, err
	}
	data, err := compress(files, "./", layoutDebian)
	if err != nil {
		return nil, err
	}
	b := bytes.NewBufferString("!<arch>\n")
	for _, member := range []struct {
		name string
		data []byte
	}{{"debian-binary", []byte("2.0\n")}, {"control.tar.gz", meta}, {"data.tar.gz", data}} {
		fmt.Fprintf(b, "%-16s%-12d%-6d%-6d%-8o%-10d`\n", member.name, 0, 0, 0, 0o100644, len(member.data))
		b.Write(member.data)
		if len(member.data)%2 == 1 {
			b.WriteByte('\n')
		}
	}
	return b.Bytes(), nil
}

// debianVersion is a version in which what follows a hyphen is no revision of a packager.
func debianVersion(v string) string { return strings.ReplaceAll(v, "-", "+") }

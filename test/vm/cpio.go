// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
)

// archive writes the "newc" cpio format that the kernel unpacks into its first file system (Documentation/driver-api/early-userspace/
// buffer-format.rst): a header of hexadecimal numbers, the name, the content, each padded to 4 octets.
type archive struct {
	w    *bufio.Writer
	n    int64
	ino  int
	made map[string]bool
	err  error
}

func newArchive(w io.Writer) *archive {
	return &archive{w: bufio.NewWriterSize(w, 1<<20), made: map[string]bool{".": true, "/": true}}
}

const (
	cpioDir     = 0o040000
	cpioFile    = 0o100000
	cpioSymlink = 0o120000
	cpioChar    = 0o020000
)

func (a *archive) entry(name string, mode int, size int64, rmajor, rminor int, content io.Reader) {
	if a.err != nil {
		return
	}
	a.ino++
	name = strings.TrimPrefix(name, "/")
	a.put(fmt.Appendf(nil, "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%s\x00",
		a.ino, mode, 0, 0, 1, 0, size, 0, 0, rmajor, rminor, len(name)+1, 0, name))
	a.pad()
	if content != nil {
		n, err := io.Copy(a.w, content)
		a.n += n
		switch {
		case err != nil:
			a.err = err
		case n != size:
			a.err = fmt.Errorf("%s changed while it was read", name)
		}
		a.pad()
	}
}

func (a *archive) put(b []byte) {
	n, err := a.w.Write(b)
	a.n += int64(n)
	if a.err == nil {
		a.err = err
	}
}

func (a *archive) pad() { a.put(make([]byte, (4-a.n%4)%4)) }

// parents makes the folders above name.
func (a *archive) parents(name string) {
	dir := path.Dir(path.Clean("/" + name))
	if a.made[dir] {
		return
	}
	a.parents(dir)
	a.made[dir] = true
	a.entry(dir, cpioDir|0o755, 0, 0, 0, nil)
}

// taken tells whether something of that name is in the archive, and takes the name.
func (a *archive) taken(name string) bool {
	name = path.Clean("/" + name)
	if a.made[name] {
		return true
	}
	a.parents(name)
	a.made[name] = true
	return false
}

// file copies a file of the host, with its permissions. The first one of a name counts.
func (a *archive) file(name, from string) {
	if a.taken(name) || a.err != nil {
		return
	}
	f, err := os.Open(from)
	if err != nil {
		a.err = err
		return
	}
	defer f.Close() //nolint:errcheck // only read
	st, err := f.Stat()
	if err != nil {
		a.err = err
		return
	}
	a.entry(name, cpioFile|int(st.Mode().Perm()), st.Size(), 0, 0, f)
}

func (a *archive) bytes(name string, perm fs.FileMode, content string) {
	if !a.taken(name) {
		a.entry(name, cpioFile|int(perm), int64(len(content)), 0, 0, strings.NewReader(content))
	}
}

func (a *archive) symlink(name, target string) {
	if !a.taken(name) {
		a.entry(name, cpioSymlink|0o777, int64(len(target)), 0, 0, strings.NewReader(target))
	}
}

func (a *archive) device(name string, major, minor int) {
	if !a.taken(name) {
		a.entry(name, cpioChar|0o600, 0, major, minor, nil)
	}
}

func (a *archive) close() error {
	a.entry("TRAILER!!!", 0, 0, 0, 0, nil)
	if a.err != nil {
		return a.err
	}
	return a.w.Flush()
}

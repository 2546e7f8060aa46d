// SPDX-License-Identifier: Apache-2.0

package ipsec

import (
	"context"
	"errors"
	"os"
)

// ErrBusy says that an SA cannot be handed on in its present state, which will pass: its path is not proven yet.
var ErrBusy = errors.New("the child SA cannot be handed on now")

// Estate is what a data plane leaves to another one of the same host, in another process, beside its SAs. The files are open descriptors: whoever has an
// Estate closes them.
type Estate struct {
	Sockets []SocketFiles
	Files   []*os.File // of the maker's own, in its order
	State   []byte     // of the maker's own
}

// SocketFiles are the sockets of one address, in the order of their workers.
type SocketFiles struct {
	Socket Socket
	Files  []*os.File
}

// FilesOf are the sockets of an address, nil when it was not served before; likewise with a nil Estate.
func (e *Estate) FilesOf(s Socket) []*os.File {
	if e == nil {
		return nil
	}
	for _, f := range e.Sockets {
		if f.Socket == s {
			return f.Files
		}
	}
	return nil
}

// Close closes all files.
func (e *Estate) Close() (err error) {
	for _, s := range e.Sockets {
		err = closeAll(err, s.Files)
	}
	return closeAll(err, e.Files)
}

func closeAll(err error, files []*os.File) error {
	for _, f := range files {
		if f != nil {
			err = errors.Join(err, f.Close())
		}
	}
	return err
}

// Succession is what a DataPlane offers beside so that another process of the host can go on in its place, with its sockets, and with its SAs where they
// are in the kernel: Pause, Bequeath and Bequest for each child SA, and when the successor has all of it, Leave; or Resume, and nothing has happened.
//
// The successor is made with Options.Estate and installs the child SAs with ChildSA.Kept and ChildSA.Resume. Until its first Resume it receives nothing,
// and its Close leaves all to its predecessor.
type Succession interface {
	// Pause receives nothing from now on: what comes waits in the sockets, and the kernel goes on with what it does by itself. It returns when the Sink
	// has got the last packet and the last IKE message, or with ctx's error, and then the data plane goes on.
	Pause(ctx context.Context) error
	// Resume ends Pause.
	Resume()
	// Bequeath gives what the successor is made with.
	Bequeath() (*Estate, error)
	// Bequest gives the generations of a child SA for the successor, oldest first; those in their grace are left out. ErrBusy when that is not possible
	// now.
	Bequest(id ChildID) ([]Handed, error)
	// Leave is Close, but for what the successor has.
	Leave() error
}

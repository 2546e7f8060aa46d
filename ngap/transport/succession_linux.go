// SPDX-License-Identifier: Apache-2.0

package transport

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

var _ Heritable = (*kernelAssociation)(nil)

// restInterval is how often Pause looks whether the receiver has come to rest.
const restInterval = time.Millisecond

// Pause implements Heritable.
func (a *kernelAssociation) Pause(ctx context.Context) error {
	for {
		if err := a.gate.Shut(ctx); err != nil {
			return err
		}
		if a.partial.Load() { // the rest of a message has to come first
			a.gate.Open()
		} else if n := a.taken.Load(); n == a.queued.Load() && a.calls.Load() > n {
			return nil
		}
		select {
		case <-ctx.Done():
			a.gate.Open()
			return ctx.Err()
		case <-a.done:
			return a.loss
		case <-time.After(restInterval):
		}
	}
}

// Resume implements Heritable.
func (a *kernelAssociation) Resume() { a.gate.Open() }

// File implements Heritable.
func (a *kernelAssociation) File() (*os.File, error) {
	var other int
	err := a.s.control(func(fd int) (err error) {
		other, err = unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("SCTP socket: %w", err)
	}
	return os.NewFile(uintptr(other), "sctp"), nil
}

// Release implements Heritable.
func (a *kernelAssociation) Release() error {
	a.released.Store(true)
	a.once.Do(func() { close(a.closing) })
	a.closeSocket(false)
	<-a.done
	return nil
}

// Inherit goes on with an association that another process has paused; the file can be closed then. It is paused here too, until Resume. o is as for
// Dial; what concerns the opening of an association does not matter.
func Inherit(o Options, file *os.File) (Heritable, error) {
	o, err := o.defaulted()
	if err != nil {
		return nil, err
	}
	rc, err := file.SyscallConn()
	if err != nil {
		return nil, err
	}
	fd := -1
	cerr := rc.Control(func(old uintptr) { fd, err = unix.FcntlInt(old, unix.F_DUPFD_CLOEXEC, 0) })
	if err = errors.Join(cerr, err); err != nil {
		return nil, fmt.Errorf("SCTP socket: %w", err)
	}
	s, err := newKernelSocket(fd)
	if err != nil {
		return nil, err
	}
	return newKernelAssociation(s, o, true)
}

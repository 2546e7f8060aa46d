// SPDX-License-Identifier: Apache-2.0

package udpbatch

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"
)

// Pause lets nobody receive from c until Resume: what comes waits in the socket. It returns when all Receivers wait in Receive, or with ctx's error, and
// then they go on. Sending goes on.
func (c *Conn) Pause(ctx context.Context) error { return c.gate.Shut(ctx) }

// Resume ends Pause.
func (c *Conn) Resume() { c.gate.Open() }

// File gives another descriptor of the socket, for a process that goes on with it by Inherit.
func (c *Conn) File() (*os.File, error) {
	var file *os.File
	err := c.control(func(fd int) error {
		other, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
		if err == nil {
			file = os.NewFile(uintptr(other), "udpbatch")
		}
		return err
	})
	return file, err
}

// Inherit goes on with sockets that another process has made with Listen or ListenGroup and the same Options, and has paused. They are paused here
// too, until Resume. The files can be closed afterwards. A socket of another address is an error.
func Inherit(o Options, files []*os.File) (conns []*Conn, err error) {
	defer func() {
		if err != nil {
			for _, c := range conns {
				err = errors.Join(err, c.Close())
			}
			conns = nil
		}
	}()
	for _, f := range files {
		pc, err := net.FilePacketConn(f)
		if err != nil {
			return conns, fmt.Errorf("udpbatch: inherited socket: %w", err)
		}
		c := newConn(o)
		if err := c.use(pc, true); err != nil {
			return conns, errors.Join(err, pc.Close())
		}
		conns = append(conns, c)
		if err := c.isOurs(pc); err != nil {
			return conns, err
		}
		if !c.raw {
			err = c.control(func(fd int) error {
				// It may have been turned off for a while; many kernels that have it cannot tell.
				c.gro = !o.NoGRO && unix.SetsockoptInt(fd, unix.IPPROTO_UDP, unix.UDP_GRO, 1) == nil
				_, err := unix.GetsockoptInt(fd, unix.IPPROTO_UDP, unix.UDP_SEGMENT)
				c.gso.Store(!o.NoGSO && err == nil)
				return nil
			})
			if err != nil {
				return conns, err
			}
		}
	}
	return conns, nil
}

// isOurs compares the socket with what was asked for.
func (c *Conn) isOurs(pc net.PacketConn) error {
	var local netip.AddrPort
	raw := false
	switch a := pc.LocalAddr().(type) {
	case *net.UDPAddr:
		local = a.AddrPort()
	case *net.IPAddr:
		ip, _ := netip.AddrFromSlice(a.IP)
		local, raw = netip.AddrPortFrom(ip, 0), true
	}
	want := c.opts.Local
	same := local.Addr().Unmap() == want.Addr() || local.Addr().IsUnspecified() && want.Addr().IsUnspecified()
	if raw != c.raw || !same || !raw && want.Port() != 0 && local.Port() != want.Port() {
		return fmt.Errorf("udpbatch: inherited socket %s is not %s", pc.LocalAddr(), want)
	}
	return nil
}

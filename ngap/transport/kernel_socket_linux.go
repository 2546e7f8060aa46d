// SPDX-License-Identifier: Apache-2.0

package transport

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"
	"unsafe"

	"github.com/ishidawataru/sctp"
	"golang.org/x/sys/unix"
)

// ProbeKernel tells whether this machine's kernel has SCTP; nil if so.
func ProbeKernel() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, unix.IPPROTO_SCTP)
	if err == nil {
		return unix.Close(fd)
	}
	if errors.Is(err, unix.EPROTONOSUPPORT) || errors.Is(err, unix.ESOCKTNOSUPPORT) {
		return fmt.Errorf("%w (%w): load the sctp module, or use mode udp or raw", ErrKernelUnsupported, err)
	}
	return fmt.Errorf("kernel SCTP socket: %w", err)
}

// kernelSocket is a non-blocking one-to-one SCTP socket on the runtime's poller,
// so that Close ends every call on it.
type kernelSocket struct {
	file *os.File
	raw  syscall.RawConn
}

func newKernelSocket(fd int) (*kernelSocket, error) {
	f := os.NewFile(uintptr(fd), "sctp")
	raw, err := f.SyscallConn()
	if err != nil {
		f.Close() //nolint:errcheck // the first error says more
		return nil, err
	}
	return &kernelSocket{f, raw}, nil
}

// control runs f with the descriptor.
func (s *kernelSocket) control(f func(fd int) error) error {
	var err error
	if cerr := s.raw.Control(func(fd uintptr) { err = f(int(fd)) }); cerr != nil {
		return cerr
	}
	return err
}

// openKernel makes a socket with all options, bound to the local addresses.
func openKernel(o Options, port uint16) (*kernelSocket, error) {
	family := unix.AF_INET
	for _, a := range append(append([]netip.AddrPort{}, o.Local...), o.Remote...) {
		if a.Addr().Is6() && !a.Addr().Is4In6() {
			family = unix.AF_INET6 // takes IPv4 as well
		}
	}
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.IPPROTO_SCTP)
	if err != nil {
		return nil, fmt.Errorf("kernel SCTP socket: %w", err)
	}
	s, err := newKernelSocket(fd)
	if err != nil {
		return nil, err
	}
	err = s.control(func(fd int) error {
		for _, opt := range kernelOptions(o) {
			if err := setOption(fd, opt); err != nil {
				return err
			}
		}
		for opt, size := range map[int]int{unix.SO_RCVBUF: o.ReceiveBuffer, unix.SO_SNDBUF: max(o.SendBuffer, 2*o.MaxMessageSize)} {
			if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, opt, size); err != nil {
				return fmt.Errorf("socket buffer: %w", err)
			}
		}
		local := kernelAddr(o.Local, port)
		if len(o.Local) == 0 && port != 0 {
			local.IPAddrs = []net.IPAddr{{IP: net.IPv4zero}}
			if family == unix.AF_INET6 {
				local.IPAddrs[0].IP = net.IPv6zero
			}
		}
		if len(local.IPAddrs) > 0 {
			if err := sctp.SCTPBind(fd, local, sctp.SCTP_BINDX_ADD_ADDR); err != nil {
				return fmt.Errorf("bind SCTP to %s: %w", local, err)
			}
		}
		return nil
	})
	if err != nil {
		s.file.Close() //nolint:errcheck // the first error says more
		return nil, err
	}
	return s, nil
}

func setOption(fd int, o sockOption) error {
	_, _, errno := unix.Syscall6(unix.SYS_SETSOCKOPT, uintptr(fd), solSCTP, uintptr(o.opt),
		uintptr(unsafe.Pointer(&o.value[0])), uintptr(len(o.value)), 0)
	if errno != 0 {
		return fmt.Errorf("kernel SCTP option %s: %w", o.name, errno)
	}
	return nil
}

func kernelAddr(list []netip.AddrPort, port uint16) *sctp.SCTPAddr {
	a := &sctp.SCTPAddr{Port: int(port)}
	for _, l := range list {
		a.IPAddrs = append(a.IPAddrs, net.IPAddr{IP: l.Addr().AsSlice(), Zone: l.Addr().Zone()})
	}
	return a
}

func fromKernelAddr(a net.Addr) (out Addr) {
	if s, ok := a.(*sctp.SCTPAddr); ok && s != nil {
		out.Port = uint16(s.Port)
		for _, ip := range s.IPAddrs {
			if n, ok := netip.AddrFromSlice(ip.IP); ok {
				if n = n.Unmap(); n.IsLinkLocalUnicast() {
					n = n.WithZone(ip.Zone)
				}
				out.IPs = append(out.IPs, n)
			}
		}
	}
	return out
}

func dialKernel(ctx context.Context, o Options, port uint16) (Association, error) {
	localPort := uint16(0)
	if len(o.Local) > 0 {
		localPort = o.Local[0].Port()
	}
	s, err := openKernel(o, localPort)
	if err != nil {
		return nil, err
	}
	peer := Addr{Port: port}
	for _, r := range o.Remote {
		peer.IPs = append(peer.IPs, r.Addr())
	}
	if err := s.connect(ctx, kernelAddr(o.Remote, port)); err != nil {
		s.file.Close() //nolint:errcheck // the first error says more
		reason := ReasonNoAnswer
		switch {
		case ctx.Err() != nil:
			reason, err = ReasonAborted, ctx.Err()
		case errors.Is(err, unix.ECONNREFUSED), errors.Is(err, unix.ECONNRESET):
			reason = ReasonRefused
		case !errors.Is(err, unix.ETIMEDOUT):
			reason = ReasonSocket
		}
		return nil, &LossError{Reason: reason, Peer: peer, Err: err}
	}
	a, err := newKernelAssociation(s, o, false)
	if errors.Is(err, unix.EINVAL) {
		// The peer took it down between the handshake's end and our look at it.
		return nil, &LossError{Reason: ReasonRefused, Peer: peer, Err: unix.ECONNRESET}
	}
	if err != nil {
		return nil, err
	}
	return a, nil
}

// connect starts the handshake and waits for its end. The socket only becomes
// writable once the association is up.
func (s *kernelSocket) connect(ctx context.Context, to *sctp.SCTPAddr) error {
	err := s.control(func(fd int) error {
		_, err := sctp.SCTPConnect(fd, to)
		return err
	})
	if err == nil || !errors.Is(err, unix.EINPROGRESS) {
		return err
	}
	stop := context.AfterFunc(ctx, func() { s.file.SetWriteDeadline(time.Unix(1, 0)) }) //nolint:errcheck // pollable by construction
	defer stop()
	var result error
	err = s.raw.Write(func(fd uintptr) bool {
		code, err := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_ERROR)
		if err != nil || code != 0 {
			result = errors.Join(err, syscall.Errno(code))
			return true
		}
		st, err := sctp.NewSCTPConn(int(fd), nil).GetStatus()
		return err == nil && st.State >= stateEstablished
	})
	if err != nil {
		return err
	}
	if result == nil && !stop() {
		return ctx.Err()
	}
	return result
}

// kernelListener accepts from the kernel.
type kernelListener struct {
	s    *kernelSocket
	o    Options
	addr Addr
	turn chan struct{} // held by the one accepter, who owns the read deadline
}

func listenKernel(o Options, port uint16) (Listener, error) {
	s, err := openKernel(o, port)
	if err != nil {
		return nil, err
	}
	l := &kernelListener{s: s, o: o, turn: make(chan struct{}, 1)}
	err = s.control(func(fd int) error {
		if err := unix.Listen(fd, 64); err != nil {
			return fmt.Errorf("listen on SCTP port %d: %w", port, err)
		}
		l.addr = fromKernelAddr(sctp.NewSCTPConn(fd, nil).LocalAddr())
		return nil
	})
	if err != nil {
		s.file.Close() //nolint:errcheck // the first error says more
		return nil, err
	}
	return l, nil
}

func (l *kernelListener) Addr() Addr { return l.addr }
func (l *kernelListener) Mode() Mode { return ModeKernel }
func (l *kernelListener) Close() error {
	return l.s.file.Close()
}

func (l *kernelListener) Accept(ctx context.Context) (Association, error) {
	select {
	case l.turn <- struct{}{}:
		defer func() { <-l.turn }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	for {
		l.s.file.SetReadDeadline(time.Time{}) //nolint:errcheck // pollable by construction
		stop := context.AfterFunc(ctx, func() { l.s.file.SetReadDeadline(time.Unix(1, 0)) })
		var fd int
		var result error
		err := l.s.raw.Read(func(lfd uintptr) bool {
			fd, _, result = unix.Accept4(int(lfd), unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
			return !errors.Is(result, unix.EAGAIN)
		})
		stop()
		switch {
		case ctx.Err() != nil && err != nil:
			return nil, ctx.Err()
		case errors.Is(err, os.ErrClosed):
			return nil, ErrListenerClosed
		case err != nil:
			return nil, err
		case errors.Is(result, unix.ECONNABORTED), errors.Is(result, unix.EINTR):
			continue
		case result != nil:
			return nil, result
		}
		s, err := newKernelSocket(fd)
		if err != nil {
			return nil, err
		}
		a, err := newKernelAssociation(s, l.o, false)
		if err != nil {
			l.o.Logger.Warn("an SCTP association was gone before it was accepted", "error", err)
			continue
		}
		return a, nil
	}
}

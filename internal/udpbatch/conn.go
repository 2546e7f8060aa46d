// SPDX-License-Identifier: Apache-2.0

package udpbatch

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"syscall"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"github.com/open-n3iwf/n3iwf/internal/halt"
)

// Options say how a socket is made. The zero value of each field but Local is a good default.
type Options struct {
	// Local is the address to bind: an unspecified address (0.0.0.0, ::) is the wildcard of that family only; port 0 is any free port.
	Local netip.AddrPort
	// Protocol is 0 for UDP, else the number of a raw IP protocol (needs CAP_NET_RAW); ports are 0 then.
	Protocol int
	// Batch is how many datagrams (before GRO splits them) one receive takes; default 32.
	Batch int
	// MaxDatagram is the largest datagram received, in octets; longer ones are dropped and counted. Default and maximum 65535. With
	// coalescing it does not shrink the buffers.
	MaxDatagram int
	// NoGRO and NoGSO turn the kernel's offloads off.
	NoGRO, NoGSO bool
	// ReadBuffer and WriteBuffer are the socket buffers in octets; default 4 MiB and 2 MiB. What the system's limits allow is taken when
	// the process may not exceed them.
	ReadBuffer, WriteBuffer int
	// SendSlab is a Sender's memory for datagrams in octets, default 256 KiB, minimum 64 KiB.
	SendSlab int
	// PathMTUDiscovery leaves the don't-fragment bit to the kernel's path MTU discovery. By default it is never set (IPv4), and datagrams
	// longer than the path MTU are fragmented.
	PathMTUDiscovery bool
	// Encapsulation gives ESP to the kernel (RFC 3948): of what comes, only IKE behind its marker reaches the receivers.
	Encapsulation bool
}

// Conn is one socket. Any number of Receivers and Senders may use it, each from one goroutine.
type Conn struct {
	pc       net.PacketConn
	rc       syscall.RawConn
	local    netip.AddrPort
	v6       bool
	wildcard bool
	raw      bool
	gro      bool // datagrams may come joined
	gso      atomic.Bool
	opts     Options
	counters counters
	gate     *halt.Gate

	single sync.Mutex // guards one
	one    *Sender    // of WriteTo
}

type counters struct {
	rxDatagrams, rxBytes, rxCalls, rxTruncated, rxMalformed atomic.Uint64
	txDatagrams, txBytes, txCalls, txErrors, txUnsegmented  atomic.Uint64
}

// Stats are a Conn's counts since it was made.
type Stats struct {
	RxDatagrams, RxBytes, RxCalls uint64
	RxTruncated                   uint64 // longer than MaxDatagram, dropped
	RxMalformed                   uint64 // no usable source address, or a raw IPv4 header that is not one; dropped
	TxDatagrams, TxBytes, TxCalls uint64
	TxErrors                      uint64 // datagrams that the system refused
	TxUnsegmented                 uint64 // batches sent without segmentation because the system refused it for them
}

// Stats gives the counts.
func (c *Conn) Stats() Stats {
	k := &c.counters
	return Stats{
		RxDatagrams: k.rxDatagrams.Load(), RxBytes: k.rxBytes.Load(), RxCalls: k.rxCalls.Load(),
		RxTruncated: k.rxTruncated.Load(), RxMalformed: k.rxMalformed.Load(),
		TxDatagrams: k.txDatagrams.Load(), TxBytes: k.txBytes.Load(), TxCalls: k.txCalls.Load(),
		TxErrors: k.txErrors.Load(), TxUnsegmented: k.txUnsegmented.Load(),
	}
}

// LocalAddr is the bound address. The address is unspecified for a wildcard socket.
func (c *Conn) LocalAddr() netip.AddrPort { return c.local }

// Wildcard tells whether the socket is bound to all addresses of its family.
func (c *Conn) Wildcard() bool { return c.wildcard }

// Close closes the socket. Receivers return net.ErrClosed.
func (c *Conn) Close() error {
	err := c.pc.Close()
	c.gate.Close()
	return err
}

// Listen opens a socket.
func Listen(o Options) (*Conn, error) { return listen(o, false) }

// ListenGroup opens n sockets on one port (SO_REUSEPORT). steer is a classic BPF program that sees the UDP payload and returns the index of
// the socket for a datagram; an index out of range leaves the choice to the kernel's hash. A nil steer leaves all to the hash. A port that another
// group has, of this process or another one, is in use (EADDRINUSE).
func ListenGroup(o Options, n int, steer []bpf.Instruction) (conns []*Conn, err error) {
	if n < 1 || o.Protocol != 0 {
		return nil, fmt.Errorf("udpbatch: group of %d sockets, protocol %d", n, o.Protocol)
	}
	defer func() {
		if err != nil {
			for _, c := range conns {
				err = errors.Join(err, c.Close())
			}
			conns = nil
		}
	}()
	for i := range n {
		c, err := listen(o, i > 0)
		if err != nil {
			return conns, err
		}
		conns = append(conns, c)
		if i == 0 && n > 1 {
			o.Local = c.local // all on the port that the first one got
			// Only now: bind would let the first socket join those of another process otherwise, and each would get a part of the other's packets.
			if err := c.control(shared); err != nil {
				return conns, err
			}
		}
	}
	if n == 1 || steer == nil {
		return conns, nil
	}
	prog, err := bpf.Assemble(steer)
	if err != nil {
		return conns, fmt.Errorf("udpbatch: steering program: %w", err)
	}
	filter := make([]unix.SockFilter, len(prog))
	for i, ins := range prog {
		filter[i] = unix.SockFilter{Code: ins.Op, Jt: ins.Jt, Jf: ins.Jf, K: ins.K}
	}
	return conns, conns[0].control(func(fd int) error {
		return unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_REUSEPORT_CBPF,
			&unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]})
	})
}

// shared lets more sockets of this user join the one of fd.
func shared(fd int) error {
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1); err != nil {
		return fmt.Errorf("setsockopt SO_REUSEPORT: %w", err)
	}
	return nil
}

func (c *Conn) control(f func(fd int) error) error {
	var err error
	if cerr := c.rc.Control(func(fd uintptr) { err = f(int(fd)) }); cerr != nil {
		return cerr
	}
	return err
}

// Coalesce lets the kernel join datagrams of a peer before they are received (UDP_GRO), or not from now on. It does so at first, unless Options.NoGRO is set
// or the kernel cannot; then Coalesce changes nothing. What is joined is seen as one by whoever looks at packets before the socket.
func (c *Conn) Coalesce(on bool) error {
	if !c.gro {
		return nil
	}
	value := 0
	if on {
		value = 1
	}
	return c.control(func(fd int) error {
		return os.NewSyscallError("UDP_GRO", unix.SetsockoptInt(fd, unix.IPPROTO_UDP, unix.UDP_GRO, value))
	})
}

func newConn(o Options) *Conn {
	if o.Batch <= 0 {
		o.Batch = 32
	}
	if o.MaxDatagram <= 0 || o.MaxDatagram > maxDatagram {
		o.MaxDatagram = maxDatagram
	}
	if o.SendSlab <= 0 {
		o.SendSlab = slabSize
	}
	o.SendSlab = max(o.SendSlab, maxDatagram+1)
	if o.ReadBuffer <= 0 {
		o.ReadBuffer = 4 << 20
	}
	if o.WriteBuffer <= 0 {
		o.WriteBuffer = 2 << 20
	}
	a := o.Local.Addr()
	return &Conn{v6: a.Is6(), wildcard: a.IsUnspecified(), raw: o.Protocol != 0, opts: o}
}

func listen(o Options, reusePort bool) (*Conn, error) {
	a := o.Local.Addr()
	if !a.IsValid() || a.Is4In6() {
		return nil, fmt.Errorf("udpbatch: local address %q must be an IPv4 or IPv6 address", a)
	}
	c := newConn(o)
	lc := net.ListenConfig{Control: func(_, _ string, rc syscall.RawConn) error {
		var err error
		cerr := rc.Control(func(fd uintptr) { err = c.configure(int(fd), reusePort) })
		return errors.Join(cerr, err)
	}}
	network, address := "udp4", o.Local.String()
	if c.v6 {
		network = "udp6"
	}
	if c.raw {
		network, address = fmt.Sprintf("ip4:%d", o.Protocol), a.String()
		if c.v6 {
			network = fmt.Sprintf("ip6:%d", o.Protocol)
		}
	}
	pc, err := lc.ListenPacket(context.Background(), network, address)
	if err != nil {
		return nil, fmt.Errorf("udpbatch: %w", err)
	}
	if err := c.use(pc, false); err != nil {
		return nil, errors.Join(err, pc.Close())
	}
	c.keepSource()
	return c, nil
}

// use notes the socket of c.
func (c *Conn) use(pc net.PacketConn, shut bool) (err error) {
	switch s := pc.(type) {
	case *net.UDPConn:
		c.rc, err = s.SyscallConn()
		c.local = s.LocalAddr().(*net.UDPAddr).AddrPort()
	case *net.IPConn:
		c.rc, err = s.SyscallConn()
	}
	c.pc, c.gate = pc, halt.New(pc.SetReadDeadline, shut)
	// net reports the wildcard address as :: for either family.
	c.local = netip.AddrPortFrom(c.opts.Local.Addr(), c.local.Port())
	return err
}

// keepSource lets the socket go on sending from its address when the machine has it no more, where that is permitted
// (CAP_NET_ADMIN or CAP_NET_RAW): what tells peers of the loss can come from there only, if a NAT is before them. It is set
// after bind, which is to fail for an address that was never there.
func (c *Conn) keepSource() {
	_ = c.control(func(fd int) error {
		if c.v6 {
			return unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_TRANSPARENT, 1)
		}
		return unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_TRANSPARENT, 1)
	})
}

// configure sets what must hold before bind.
func (c *Conn) configure(fd int, reusePort bool) error {
	set := func(level, opt, v int, what string) error {
		if err := unix.SetsockoptInt(fd, level, opt, v); err != nil {
			return fmt.Errorf("setsockopt %s: %w", what, err)
		}
		return nil
	}
	// Buffers beyond the system's limits need CAP_NET_ADMIN; the plain option is capped silently by rmem_max and wmem_max.
	for _, b := range []struct{ force, plain, size int }{
		{unix.SO_RCVBUFFORCE, unix.SO_RCVBUF, c.opts.ReadBuffer}, {unix.SO_SNDBUFFORCE, unix.SO_SNDBUF, c.opts.WriteBuffer},
	} {
		if unix.SetsockoptInt(fd, unix.SOL_SOCKET, b.force, b.size) != nil {
			if err := set(unix.SOL_SOCKET, b.plain, b.size, "buffer size"); err != nil {
				return err
			}
		}
	}
	if reusePort {
		if err := shared(fd); err != nil {
			return err
		}
	}
	if c.v6 {
		if err := set(unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 1, "IPV6_V6ONLY"); !c.raw && err != nil {
			return err
		}
		if err := set(unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO, 1, "IPV6_RECVPKTINFO"); c.wildcard && err != nil {
			return err
		}
	} else if c.wildcard {
		if err := set(unix.IPPROTO_IP, unix.IP_PKTINFO, 1, "IP_PKTINFO"); err != nil {
			return err
		}
	}
	if !c.opts.PathMTUDiscovery && !c.v6 {
		if err := set(unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_DONT, "IP_MTU_DISCOVER"); err != nil {
			return err
		}
	}
	if c.opts.Encapsulation {
		if err := set(unix.IPPROTO_UDP, unix.UDP_ENCAP, unix.UDP_ENCAP_ESPINUDP, "UDP_ENCAP"); err != nil {
			return err
		}
	}
	if !c.raw {
		c.gro = !c.opts.NoGRO && unix.SetsockoptInt(fd, unix.IPPROTO_UDP, unix.UDP_GRO, 1) == nil
		_, err := unix.GetsockoptInt(fd, unix.IPPROTO_UDP, unix.UDP_SEGMENT)
		c.gso.Store(!c.opts.NoGSO && err == nil)
	}
	return nil
}

// Add adds other's counts.
func (s *Stats) Add(other Stats) {
	s.RxDatagrams += other.RxDatagrams
	s.RxBytes += other.RxBytes
	s.RxCalls += other.RxCalls
	s.RxTruncated += other.RxTruncated
	s.RxMalformed += other.RxMalformed
	s.TxDatagrams += other.TxDatagrams
	s.TxBytes += other.TxBytes
	s.TxCalls += other.TxCalls
	s.TxErrors += other.TxErrors
	s.TxUnsegmented += other.TxUnsegmented
}

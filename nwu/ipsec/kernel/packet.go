// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"syscall"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"github.com/open-n3iwf/n3iwf/internal/halt"
	"github.com/open-n3iwf/n3iwf/internal/mmsg"
)

// packetConn is a socket of inner packets, as whole IP packets with a mark. A packet socket on the xfrm interface gives decrypted packets and takes those
// to encrypt; it sees what the interface carries before any policy of the kernel is asked. Where such sockets do not tell marks, they only take packets,
// and others give them; see nflog.go.
type packetConn struct {
	f     *os.File
	rc    syscall.RawConn
	gate  *halt.Gate
	batch int
	link  int
	log   bool // a netlink socket that packets come from as from a log
}

// packetConns are the sockets of a data plane.
type packetConns struct {
	in, out []*packetConn // for receivers and for writers; the same ones where packet sockets tell marks
}

// all are the sockets, each once, first those that packets come from.
func (p *packetConns) all() []*packetConn {
	list := slices.Clone(p.in)
	for _, c := range p.out {
		if !slices.Contains(list, c) {
			list = append(list, c)
		}
	}
	return list
}

const (
	maxPacket   = 1 << 16
	markSpace   = 24 // a control message of 4 octets
	packetQueue = 8 << 20
)

// receiveMark is SO_RCVMARK. Tests of what goes on without it take a number that no kernel knows.
var receiveMark = unix.SO_RCVMARK

// errNoMarks is of kernels before Linux 5.19.
var errNoMarks = errors.New("packet sockets do not tell marks")

// openPackets opens a socket for each worker and address family; child SAs of slot s come to worker s mod n. Sockets of one protocol, and not of all,
// get what the interface's filters at the ingress of tc have left: see gre/ebpf. A kernel without marks on them is errNoMarks.
func openPackets(link, n, batch int) (list []*packetConn, err error) {
	for _, protocol := range []uint16{unix.ETH_P_IP, unix.ETH_P_IPV6} {
		more, err := openFamily(link, n, batch, protocol)
		if list = append(list, more...); err != nil {
			return nil, closeAll(list, err)
		}
	}
	return list, nil
}

// openSenders opens packet sockets that nothing comes from.
func openSenders(link, n int) (list []*packetConn, err error) {
	for range n {
		c, err := openPacket(link, 0, 0)
		if err != nil {
			return nil, closeAll(list, err)
		}
		list = append(list, c)
	}
	return list, nil
}

func closeAll(list []*packetConn, err error) error {
	for _, c := range list {
		err = errors.Join(err, c.close())
	}
	return err
}

func openFamily(link, n, batch int, protocol uint16) (list []*packetConn, err error) {
	group := 0
	for i := range n {
		c, err := openPacket(link, batch, protocol)
		if err != nil {
			return list, err
		}
		list = append(list, c)
		if n == 1 {
			break
		}
		err = c.control(func(fd int) error {
			mode := unix.PACKET_FANOUT_CBPF << 16
			if i == 0 {
				mode |= unix.PACKET_FANOUT_FLAG_UNIQUEID << 16
			}
			if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_FANOUT, group|mode); err != nil || i > 0 {
				return err
			}
			got, err := unix.GetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_FANOUT)
			group = got & 0xffff
			if err != nil {
				return err
			}
			return attach(fd, unix.SOL_PACKET, unix.PACKET_FANOUT_DATA, []bpf.Instruction{
				bpf.LoadExtension{Num: bpf.ExtLen}, // replaced below: the library has no name for the mark
				bpf.ALUOpConstant{Op: bpf.ALUOpShiftRight, Val: lowBits},
				bpf.ALUOpConstant{Op: bpf.ALUOpMod, Val: uint32(n)},
				bpf.RetA{},
			}, loadMark)
		})
		if err != nil {
			return list, fmt.Errorf("workers of the packet sockets: %w", err)
		}
	}
	return list, nil
}

// loadMark is the instruction that loads the mark of a packet (SKF_AD_OFF + SKF_AD_MARK); it takes the place of the first one.
var loadMark = &unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: ^uint32(0x1000) + 1 + 20}

// attach sets a classic BPF program as a socket option.
func attach(fd, level, option int, program []bpf.Instruction, first *unix.SockFilter) error {
	raw, err := bpf.Assemble(program)
	if err != nil {
		return err
	}
	filter := make([]unix.SockFilter, len(raw))
	for i, ins := range raw {
		filter[i] = unix.SockFilter{Code: ins.Op, Jt: ins.Jt, Jf: ins.Jf, K: ins.K}
	}
	if first != nil {
		filter[0] = *first
	}
	return unix.SetsockoptSockFprog(fd, level, option, &unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]})
}

func networkOrder(v uint16) uint16 { return v<<8 | v>>8 }

// openPacket opens a packet socket; without a protocol nothing comes from it.
func openPacket(link, batch int, protocol uint16) (*packetConn, error) {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("packet socket (CAP_NET_RAW): %w", err)
	}
	fail := func(what string, err error) (*packetConn, error) {
		return nil, errors.Join(fmt.Errorf("packet socket: %s: %w", what, err), unix.Close(fd))
	}
	if protocol != 0 {
		switch err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, receiveMark, 1); {
		case errors.Is(err, unix.ENOPROTOOPT):
			return fail("SO_RCVMARK", errNoMarks)
		case err != nil:
			return fail("SO_RCVMARK", err)
		}
	}
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, packetQueue)
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUFFORCE, packetQueue)
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: networkOrder(protocol), Ifindex: link}); err != nil {
		return fail("bind", err)
	}
	return newPacketConn(fd, batch, link, false)
}

func newPacketConn(fd, batch, link int, shut bool) (*packetConn, error) {
	c := &packetConn{f: os.NewFile(uintptr(fd), "packets"), batch: batch, link: link}
	c.gate = halt.New(c.f.SetReadDeadline, shut)
	var err error
	if c.log, err = isLog(c.f); err != nil {
		return nil, errors.Join(err, c.f.Close())
	}
	if c.rc, err = c.f.SyscallConn(); err != nil {
		return nil, errors.Join(err, c.f.Close())
	}
	return c, nil
}

func (c *packetConn) close() error {
	err := c.f.Close()
	c.gate.Close()
	return err
}

func (c *packetConn) control(f func(fd int) error) error {
	var err error
	return errors.Join(c.rc.Control(func(fd uintptr) { err = f(int(fd)) }), err)
}

// overruns is how many packets found no room in the queue of the socket.
func (c *packetConn) overruns() uint64 {
	const drops = 8 // SK_MEMINFO_DROPS
	var info [drops + 1]uint32
	size := uint32(unsafe.Sizeof(info))
	err := c.rc.Control(func(fd uintptr) {
		_, _, _ = unix.Syscall6(unix.SYS_GETSOCKOPT, fd, unix.SOL_SOCKET, unix.SO_MEMINFO, uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0)
	})
	if err != nil {
		return 0 // closed
	}
	return uint64(info[drops])
}

// marked is a packet and its mark.
type marked struct {
	data []byte
	mark uint32
}

// packetReceiver takes packets from a packetConn in batches. It belongs to one goroutine.
type packetReceiver struct {
	gate  *halt.Gate
	log   bool
	link  int
	room  int // octets for each packet, with what comes before it in a log
	call  *mmsg.Call
	msgs  []mmsg.Header
	iovs  []unix.Iovec
	ctrls [][markSpace]byte
	bufs  []byte
	out   []marked
}

func (c *packetConn) newReceiver() *packetReceiver {
	c.gate.Enter()
	room := maxPacket
	if c.log {
		room += logHeader
	}
	r := &packetReceiver{
		gate: c.gate, log: c.log, link: c.link, room: room,
		call: mmsg.Receive(c.rc), msgs: make([]mmsg.Header, c.batch), iovs: make([]unix.Iovec, c.batch), ctrls: make([][markSpace]byte, c.batch),
		bufs: make([]byte, c.batch*room), out: make([]marked, 0, c.batch),
	}
	for i := range r.msgs {
		r.iovs[i].Base = &r.bufs[i*room]
		r.iovs[i].SetLen(room)
		h := &r.msgs[i].Hdr
		h.Iov = &r.iovs[i]
		h.SetIovlen(1)
		if !c.log {
			h.Control = &r.ctrls[i][0]
		}
	}
	return r
}

// receive waits for packets. They are good until the next call. After close it returns os.ErrClosed.
func (r *packetReceiver) receive() ([]marked, error) {
	for i := range r.msgs {
		if !r.log {
			r.msgs[i].Hdr.SetControllen(markSpace)
		}
	}
	n, refused, gone := r.call.Do(r.msgs)
	for gone != nil && !r.gate.Passed(gone) {
		n, refused, gone = r.call.Do(r.msgs)
	}
	if gone != nil {
		return nil, os.ErrClosed // it has no other reason
	}
	if refused != nil {
		return nil, refused
	}
	r.out = r.out[:0]
	for i := range n {
		h := &r.msgs[i]
		if h.Hdr.Flags&unix.MSG_TRUNC != 0 {
			continue
		}
		b := r.bufs[i*r.room : i*r.room+int(h.Len)]
		if r.log {
			// A rule of another program, or one that a crash has left, may log into our group.
			if packet, mark, link, ok := parseLogged(b); ok && link == r.link {
				r.out = append(r.out, marked{packet, mark})
			}
			continue
		}
		ctrl := &r.ctrls[i]
		c := (*unix.Cmsghdr)(unsafe.Pointer(ctrl))
		if h.Hdr.Controllen < unix.SizeofCmsghdr+4 || c.Level != unix.SOL_SOCKET || c.Type != unix.SO_MARK {
			continue // not through one of our states
		}
		r.out = append(r.out, marked{b, *(*uint32)(unsafe.Pointer(&ctrl[unix.SizeofCmsghdr]))})
	}
	return r.out, nil
}

// packetSender puts packets into batches. It belongs to one goroutine.
type packetSender struct {
	call   *mmsg.Call
	msgs   []mmsg.Header
	iovs   []unix.Iovec
	ctrls  [][markSpace]byte
	slab   []byte
	used   int
	n      int
	owners []*child // of the packets
	v4, v6 unix.RawSockaddrLinklayer
}

const (
	sendBatch = 64
	sendSlab  = 256 << 10
)

func (c *packetConn) newSender() *packetSender {
	s := &packetSender{
		call: mmsg.Send(c.rc), msgs: make([]mmsg.Header, sendBatch), iovs: make([]unix.Iovec, sendBatch), ctrls: make([][markSpace]byte, sendBatch), slab: make([]byte, sendSlab),
		owners: make([]*child, sendBatch),
	}
	s.v4 = unix.RawSockaddrLinklayer{Family: unix.AF_PACKET, Protocol: networkOrder(unix.ETH_P_IP), Ifindex: int32(c.link)}
	s.v6 = unix.RawSockaddrLinklayer{Family: unix.AF_PACKET, Protocol: networkOrder(unix.ETH_P_IPV6), Ifindex: int32(c.link)}
	for i := range s.msgs {
		h := &s.msgs[i].Hdr
		h.Namelen = unix.SizeofSockaddrLinklayer
		h.Iov = &s.iovs[i]
		h.SetIovlen(1)
		h.Control = &s.ctrls[i][0]
		h.SetControllen(markSpace)
		cm := (*unix.Cmsghdr)(unsafe.Pointer(&s.ctrls[i]))
		cm.Level, cm.Type = unix.SOL_SOCKET, unix.SO_MARK
		cm.SetLen(unix.SizeofCmsghdr + 4)
	}
	return s
}

// full tells that a packet of n octets needs a flush first.
func (s *packetSender) full(n int) bool { return s.n == len(s.msgs) || s.used+n > len(s.slab) }

// put copies a packet, given in two parts, and returns the copy, which may be changed until the flush.
func (s *packetSender) put(c *child, head, payload []byte) []byte {
	b := s.slab[s.used : s.used+len(head)+len(payload)]
	copy(b[copy(b, head):], payload)
	s.used += len(b)
	h := &s.msgs[s.n].Hdr
	name := &s.v4
	if b[0]>>4 == 6 {
		name = &s.v6
	}
	h.Name = (*byte)(unsafe.Pointer(name))
	s.iovs[s.n].Base = &b[0]
	s.iovs[s.n].SetLen(len(b))
	*(*uint32)(unsafe.Pointer(&s.ctrls[s.n][unix.SizeofCmsghdr])) = c.mark()
	s.owners[s.n] = c
	s.n++
	return b
}

// flush sends what was put. A packet that the system refuses is passed over; refused counts them, err is the last refusal.
func (s *packetSender) flush() (refused int, err error) {
	for next := 0; next < s.n; {
		n, serr, gone := s.call.Do(s.msgs[next:s.n])
		if gone != nil {
			refused, err = refused+s.n-next, gone
			break
		}
		next += n
		if serr != nil {
			refused, err = refused+1, serr
			next++
		}
	}
	clear(s.owners[:s.n])
	s.n, s.used = 0, 0
	return refused, err
}

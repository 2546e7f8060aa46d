// SPDX-License-Identifier: Apache-2.0

package udpbatch

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/open-n3iwf/n3iwf/internal/mmsg"
)

// Address says where a datagram goes and how.
type Address struct {
	Remote netip.AddrPort
	// Local is the source address. Wildcard sockets need it to answer from the address that was asked; invalid leaves it to routing.
	// Other sockets ignore it.
	Local netip.Addr
	TOS   uint8 // DSCP << 2 | ECN; 0 is the system's default
}

// ErrTooLong is the error for a datagram that no UDP datagram can hold.
var ErrTooLong = errors.New("udpbatch: datagram too long")

const (
	maxPayload = 65507 // of a UDP datagram over IPv4
	// A batch: 45 datagrams of 1400 octets fill one segmentation offload of 64 KiB; four of those leave together.
	slabSize = 1 << 18
	// Datagrams and system calls' messages of a batch, per octet of slab: small datagrams fill the lists before the slab.
	perPacket   = 512
	perRun      = 2048
	maxSegments = 64 // UDP_MAX_SEGMENTS of the kernel (net/ipv4/udp.c; 128 in later ones)
	lookBack    = 16 // how many runs are searched for one to the same address
)

// packet is one datagram in the slab.
type packet struct{ off, len, next int32 }

// run is a list of datagrams to one address that can leave as one segmented send: all of one size, but the last may be shorter.
type run struct {
	to         Address
	head, tail int32 // packets
	count      int
	size       int // of each but the last
	bytes      int
	closed     bool
}

// Sender sends datagrams through a Conn in batches. It belongs to one goroutine. Datagrams to one address leave in the order they were
// given; those to different addresses may not.
type Sender struct {
	c       *Conn
	slab    []byte
	used    int
	packets []packet
	runs    []run

	call  *mmsg.Call
	msgs  []mmsg.Header
	iovs  []unix.Iovec
	names []unix.RawSockaddrInet6
	ctrls [][controlSize]byte
}

// NewSender makes a sender with its own buffers (about Options.SendSlab and a sixth).
func (c *Conn) NewSender() *Sender {
	return c.newSender(c.opts.SendSlab, c.opts.SendSlab/perPacket, c.opts.SendSlab/perRun)
}

func (c *Conn) newSender(slab, maxPackets, maxRuns int) *Sender {
	return &Sender{
		c: c, call: mmsg.Send(c.rc), slab: make([]byte, slab), packets: make([]packet, 0, maxPackets), runs: make([]run, 0, maxRuns),
		msgs: make([]mmsg.Header, maxRuns), iovs: make([]unix.Iovec, maxPackets),
		names: make([]unix.RawSockaddrInet6, maxRuns), ctrls: make([][controlSize]byte, maxRuns),
	}
}

// Reserve gives n octets to build a datagram in, good until the next Commit, Append or Flush. It flushes when the batch is full (errors
// are counted). It gives nil when n is more than a datagram holds.
func (s *Sender) Reserve(n int) []byte {
	if n > maxPayload {
		return nil
	}
	if s.used+n > len(s.slab) || len(s.packets) == cap(s.packets) || len(s.runs) == cap(s.runs) {
		_, _ = s.Flush()
	}
	return s.slab[s.used : s.used+n : s.used+n]
}

// Commit takes the first n octets of what Reserve gave as a datagram to that address.
func (s *Sender) Commit(to *Address, n int) {
	p := int32(len(s.packets))
	s.packets = append(s.packets, packet{off: int32(s.used), len: int32(n), next: -1})
	s.used += n
	if s.c.gso.Load() && n > 0 {
		for i := len(s.runs) - 1; i >= 0 && i >= len(s.runs)-lookBack; i-- {
			r := &s.runs[i]
			if r.to != *to {
				continue
			}
			if r.closed || n > r.size || r.bytes+n > maxPayload || r.count == maxSegments {
				break
			}
			s.packets[r.tail].next, r.tail = p, p
			r.count++
			r.bytes += n
			r.closed = n < r.size // only the last segment may be shorter
			return
		}
	}
	s.runs = append(s.runs, run{to: *to, head: p, tail: p, count: 1, size: n, bytes: n})
}

// Append copies a datagram, given in two parts, into the batch. ErrTooLong is the only error.
func (s *Sender) Append(to *Address, head, payload []byte) error {
	n := len(head) + len(payload)
	b := s.Reserve(n)
	if b == nil && n > 0 {
		return ErrTooLong
	}
	copy(b[copy(b, head):], payload)
	s.Commit(to, n)
	return nil
}

// WriteTo sends one datagram, given in two parts, at once. It may be called from any goroutine.
func (c *Conn) WriteTo(to *Address, head, payload []byte) error {
	c.single.Lock()
	defer c.single.Unlock()
	if c.one == nil {
		c.one = c.newSender(maxDatagram+1, 1, 1)
	}
	if err := c.one.Append(to, head, payload); err != nil {
		return err
	}
	_, err := c.one.Flush()
	return err
}

// Pending is how many datagrams wait for Flush.
func (s *Sender) Pending() int { return len(s.packets) }

// Flush sends the batch; it waits while the socket's buffer is full. It gives how many datagrams were sent and the last error; datagrams
// that the system refused are counted and dropped. After Close the error is net.ErrClosed.
func (s *Sender) Flush() (sent int, err error) {
	iov := 0
	for i := range s.runs {
		iov = s.message(i, &s.runs[i], iov)
	}
	k := &s.c.counters
	var bytes int
	for next := 0; next < len(s.runs); {
		k.txCalls.Add(1)
		n, refused, gone := s.call.Do(s.msgs[next:len(s.runs)])
		if gone != nil {
			err = gone
			break
		}
		for _, r := range s.runs[next : next+n] {
			sent += r.count
			bytes += r.bytes
		}
		next += n
		if refused == nil {
			continue
		}
		r := &s.runs[next]
		if r.count == 1 {
			err = refused
			k.txErrors.Add(1)
			next++
			continue
		}
		if errors.Is(refused, unix.EIO) {
			s.c.gso.Store(false) // the device cannot checksum segments
		}
		k.txUnsegmented.Add(1)
		m, b, serr := s.single(next, r)
		sent, bytes = sent+m, bytes+b
		if serr != nil {
			err = serr
		}
		next++
	}
	k.txDatagrams.Add(uint64(sent))
	k.txBytes.Add(uint64(bytes))
	s.packets, s.runs, s.used = s.packets[:0], s.runs[:0], 0
	return sent, err
}

// single sends the datagrams of run r, whose message is i, one by one.
func (s *Sender) single(i int, r *run) (sent, bytes int, err error) {
	h := &s.msgs[i].Hdr
	h.SetControllen(s.controlFor(i, &r.to, 0))
	h.Iov = &s.iovs[0] // of run 0, which is this one or has been sent
	for p := r.head; p >= 0; p = s.packets[p].next {
		s.vector(0, int(s.packets[p].off), int(s.packets[p].len))
		h.SetIovlen(1)
		s.c.counters.txCalls.Add(1)
		_, refused, gone := s.call.Do(s.msgs[i : i+1])
		if gone != nil {
			return sent, bytes, gone
		}
		if refused != nil {
			err = refused
			s.c.counters.txErrors.Add(1)
			continue
		}
		sent++
		bytes += int(s.packets[p].len)
	}
	return sent, bytes, err
}

// message fills message i for run r, with io vectors from iov on, and gives the next free one.
func (s *Sender) message(i int, r *run, iov int) int {
	h := &s.msgs[i].Hdr
	first := iov
	end := -1
	for p := r.head; p >= 0; p = s.packets[p].next {
		off, n := int(s.packets[p].off), int(s.packets[p].len)
		if off == end && iov > first { // neighbours in the slab share a vector
			s.iovs[iov-1].SetLen(int(s.iovs[iov-1].Len) + n)
		} else {
			s.vector(iov, off, n)
			iov++
		}
		end = off + n
	}
	h.Iov = &s.iovs[first]
	h.SetIovlen(iov - first)
	h.Name = (*byte)(unsafe.Pointer(&s.names[i]))
	h.Namelen = s.sockaddr(&s.names[i], r.to.Remote)
	segment := 0
	if r.count > 1 {
		segment = r.size
	}
	h.Control = &s.ctrls[i][0]
	h.SetControllen(s.controlFor(i, &r.to, segment))
	return iov
}

func (s *Sender) vector(i, off, n int) {
	s.iovs[i].Base = &s.slab[min(off, len(s.slab)-1)] // an empty datagram may lie at the end
	s.iovs[i].SetLen(n)
}

func (s *Sender) sockaddr(name *unix.RawSockaddrInet6, to netip.AddrPort) uint32 {
	port := to.Port()
	if s.c.raw {
		port = 0
	}
	if !s.c.v6 {
		v4 := (*unix.RawSockaddrInet4)(unsafe.Pointer(name))
		*v4 = unix.RawSockaddrInet4{Family: unix.AF_INET}
		if to.Addr().Is4() {
			v4.Addr = to.Addr().As4()
		}
		binary.BigEndian.PutUint16((*[2]byte)(unsafe.Pointer(&v4.Port))[:], port)
		return unix.SizeofSockaddrInet4
	}
	*name = unix.RawSockaddrInet6{Family: unix.AF_INET6, Addr: to.Addr().As16()}
	if zone := to.Addr().Zone(); zone != "" {
		name.Scope_id = zoneID(zone)
	}
	binary.BigEndian.PutUint16((*[2]byte)(unsafe.Pointer(&name.Port))[:], port)
	return unix.SizeofSockaddrInet6
}

// controlFor writes the control messages of message i and gives their length.
func (s *Sender) controlFor(i int, to *Address, segment int) int {
	b := &s.ctrls[i]
	n := 0
	if s.c.wildcard && to.Local.IsValid() && to.Local.Is4() != s.c.v6 {
		if s.c.v6 {
			p := unix.Inet6Pktinfo{Addr: to.Local.As16()}
			n += cmsg(b[n:], unix.IPPROTO_IPV6, unix.IPV6_PKTINFO, (*[unix.SizeofInet6Pktinfo]byte)(unsafe.Pointer(&p))[:])
		} else {
			p := unix.Inet4Pktinfo{Spec_dst: to.Local.As4()}
			n += cmsg(b[n:], unix.IPPROTO_IP, unix.IP_PKTINFO, (*[unix.SizeofInet4Pktinfo]byte)(unsafe.Pointer(&p))[:])
		}
	}
	if to.TOS != 0 {
		v := int32(to.TOS)
		level, kind := int32(unix.IPPROTO_IP), int32(unix.IP_TOS)
		if s.c.v6 {
			level, kind = unix.IPPROTO_IPV6, unix.IPV6_TCLASS
		}
		n += cmsg(b[n:], level, kind, (*[4]byte)(unsafe.Pointer(&v))[:])
	}
	if segment > 0 {
		v := uint16(segment)
		n += cmsg(b[n:], unix.IPPROTO_UDP, unix.UDP_SEGMENT, (*[2]byte)(unsafe.Pointer(&v))[:])
	}
	return n
}

func cmsg(b []byte, level, kind int32, body []byte) int {
	h := (*unix.Cmsghdr)(unsafe.Pointer(&b[0]))
	h.Level, h.Type = level, kind
	h.SetLen(unix.CmsgLen(len(body)))
	copy(b[unix.CmsgLen(0):], body)
	return unix.CmsgSpace(len(body))
}

// SPDX-License-Identifier: Apache-2.0

package udpbatch

import (
	"encoding/binary"
	"net/netip"
	"strconv"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/open-n3iwf/n3iwf/internal/mmsg"
)

const (
	maxDatagram = 65535
	controlSize = 128 // PKTINFO of either family (40) and UDP_GRO (24), with room for one more
)

// Datagram is one received datagram. Data is good until the next Receive and may be changed in place; octets next to it belong to its
// neighbours.
type Datagram struct {
	Data          []byte
	Local, Remote netip.AddrPort
}

// Receiver takes datagrams from a Conn in batches. It belongs to one goroutine.
type Receiver struct {
	c     *Conn
	call  *mmsg.Call
	msgs  []mmsg.Header
	iovs  []unix.Iovec
	names []unix.RawSockaddrInet6 // large enough for either family
	ctrls [][controlSize]byte
	bufs  []byte
	size  int // of one buffer
	leave sync.Once
	out   []Datagram
}

// NewReceiver makes a receiver with its own buffers: Options.Batch times 64 KiB with coalescing, else times MaxDatagram.
func (c *Conn) NewReceiver() *Receiver {
	n := c.opts.Batch
	c.gate.Enter()
	r := &Receiver{c: c, call: mmsg.Receive(c.rc), size: c.opts.MaxDatagram}
	if c.gro {
		r.size = 1 << 16
	}
	r.msgs = make([]mmsg.Header, n)
	r.iovs = make([]unix.Iovec, n)
	r.names = make([]unix.RawSockaddrInet6, n)
	r.ctrls = make([][controlSize]byte, n)
	r.bufs = make([]byte, n*r.size)
	r.out = make([]Datagram, 0, n)
	for i := range r.msgs {
		r.iovs[i].Base = &r.bufs[i*r.size]
		r.iovs[i].SetLen(r.size)
		h := &r.msgs[i].Hdr
		h.Name = (*byte)(unsafe.Pointer(&r.names[i]))
		h.Iov = &r.iovs[i]
		h.SetIovlen(1)
		if c.gro || c.wildcard {
			h.Control = &r.ctrls[i][0]
		}
	}
	return r
}

// Receive waits for datagrams and gives those that are there, up to the batch. The batch may be empty when all were dropped. After Close it
// returns net.ErrClosed; other errors are of the socket and passing (an ICMP error, say): call again.
func (r *Receiver) Receive() ([]Datagram, error) {
	for i := range r.msgs {
		h := &r.msgs[i].Hdr
		h.Namelen = unix.SizeofSockaddrInet6
		if h.Control != nil {
			h.SetControllen(controlSize)
		}
	}
	n, refused, gone := r.call.Do(r.msgs)
	for gone != nil && !r.c.gate.Passed(gone) {
		n, refused, gone = r.call.Do(r.msgs)
	}
	if gone != nil {
		r.leave.Do(r.c.gate.Leave)
		return nil, gone
	}
	r.out = r.out[:0]
	if refused != nil {
		return nil, refused
	}
	bytes, before := 0, 0
	for i := range n {
		before = len(r.out)
		r.take(i)
		for _, d := range r.out[before:] {
			bytes += len(d.Data)
		}
	}
	k := &r.c.counters
	k.rxCalls.Add(1)
	k.rxDatagrams.Add(uint64(len(r.out)))
	k.rxBytes.Add(uint64(bytes))
	return r.out, nil
}

// take appends the datagrams of message i to r.out.
func (r *Receiver) take(i int) {
	h := &r.msgs[i].Hdr
	data := r.bufs[i*r.size : i*r.size+int(r.msgs[i].Len)]
	d := Datagram{Local: r.c.local}
	var ok bool
	if d.Remote, ok = r.remote(i); !ok {
		r.c.counters.rxMalformed.Add(1)
		return
	}
	segment := len(data)
	if h.Control != nil {
		segment = r.control(r.ctrls[i][:min(int(h.Controllen), controlSize)], &d, segment)
	}
	if h.Flags&unix.MSG_TRUNC != 0 {
		r.c.counters.rxTruncated.Add(1)
		return
	}
	if r.c.raw && !r.c.v6 {
		if data, ok = stripIPv4(data); !ok {
			r.c.counters.rxMalformed.Add(1)
			return
		}
		segment = len(data)
	}
	for {
		n := min(segment, len(data))
		d.Data, data = data[:n:n], data[n:]
		if n > r.c.opts.MaxDatagram {
			r.c.counters.rxTruncated.Add(1)
		} else {
			r.out = append(r.out, d)
		}
		if len(data) == 0 {
			return
		}
	}
}

// remote gives the source address of message i.
func (r *Receiver) remote(i int) (netip.AddrPort, bool) {
	name := &r.names[i]
	switch name.Family {
	case unix.AF_INET:
		v4 := (*unix.RawSockaddrInet4)(unsafe.Pointer(name))
		return netip.AddrPortFrom(netip.AddrFrom4(v4.Addr), hostPort(&v4.Port, r.c.raw)), r.msgs[i].Hdr.Namelen >= unix.SizeofSockaddrInet4
	case unix.AF_INET6:
		a := netip.AddrFrom16(name.Addr)
		if name.Scope_id != 0 {
			a = a.WithZone(strconv.Itoa(int(name.Scope_id))) // link-local only
		}
		return netip.AddrPortFrom(a, hostPort(&name.Port, r.c.raw)), r.msgs[i].Hdr.Namelen >= unix.SizeofSockaddrInet6
	}
	return netip.AddrPort{}, false
}

// hostPort reads a port that lies in network byte order. Raw sockets carry the protocol number there.
func hostPort(p *uint16, raw bool) uint16 {
	if raw {
		return 0
	}
	return binary.BigEndian.Uint16((*[2]byte)(unsafe.Pointer(p))[:])
}

// control reads the control messages: the local address into d, and gives the segment size (whole when there is none).
func (r *Receiver) control(b []byte, d *Datagram, segment int) int {
	for len(b) >= unix.SizeofCmsghdr {
		h := (*unix.Cmsghdr)(unsafe.Pointer(&b[0]))
		n := int(h.Len)
		if n < unix.SizeofCmsghdr || n > len(b) {
			break
		}
		body := b[unix.CmsgLen(0):n]
		switch {
		case h.Level == unix.IPPROTO_UDP && h.Type == unix.UDP_GRO && len(body) >= 4:
			if s := int(int32(binary.NativeEndian.Uint32(body))); s > 0 {
				segment = s
			}
		case h.Level == unix.IPPROTO_IP && h.Type == unix.IP_PKTINFO && len(body) >= unix.SizeofInet4Pktinfo:
			p := (*unix.Inet4Pktinfo)(unsafe.Pointer(&body[0]))
			d.Local = netip.AddrPortFrom(netip.AddrFrom4(p.Addr), r.c.local.Port())
		case h.Level == unix.IPPROTO_IPV6 && h.Type == unix.IPV6_PKTINFO && len(body) >= unix.SizeofInet6Pktinfo:
			p := (*unix.Inet6Pktinfo)(unsafe.Pointer(&body[0]))
			d.Local = netip.AddrPortFrom(netip.AddrFrom16(p.Addr), r.c.local.Port())
		}
		if step := unix.CmsgSpace(n - unix.CmsgLen(0)); step < len(b) {
			b = b[step:]
		} else {
			break
		}
	}
	return segment
}

// stripIPv4 removes the IPv4 header that raw sockets give.
func stripIPv4(b []byte) ([]byte, bool) {
	if len(b) < 20 || b[0]>>4 != 4 {
		return nil, false
	}
	n, total := int(b[0]&15)*4, int(binary.BigEndian.Uint16(b[2:]))
	if n < 20 || total < n || total > len(b) {
		return nil, false
	}
	return b[n:total], true
}

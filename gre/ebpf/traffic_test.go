// SPDX-License-Identifier: Apache-2.0

//go:build linux && kernelipsec

package ebpf

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/open-n3iwf/n3iwf/gre"
	"github.com/open-n3iwf/n3iwf/gre/gtpu"
)

// send puts one inner packet through the UE's tunnel.
func (w *world) send(packet []byte) {
	w.t.Helper()
	require.NoError(w.t, w.writer.Write(w.handle, nil, packet))
	require.NoError(w.t, w.writer.Flush())
}

// receive is the next packet at the UPF.
func (w *world) receive() []byte {
	w.t.Helper()
	b := make([]byte, 65536)
	require.NoError(w.t, w.n3.SetReadDeadline(time.Now().Add(patience)))
	n, err := w.n3.Read(b)
	require.NoError(w.t, err, "kernel %+v relay %+v", w.plane.Status(), w.relay.Stats())
	return b[:n]
}

// gpdu is the next user packet at the UPF; the relay's Echo Requests are passed over.
func (w *world) gpdu() gtpu.Message {
	w.t.Helper()
	for {
		m, err := gtpu.Decode(w.receive())
		require.NoError(w.t, err)
		if m.Type != gtpu.EchoRequest {
			return m
		}
	}
}

func (w *world) fromUPF(payload []byte) { w.fromUPFTo(addr(gwN3), payload) }

func (w *world) fromUPFTo(local netip.Addr, payload []byte) {
	w.t.Helper()
	_, err := w.n3.WriteToUDPAddrPort(payload, netip.AddrPortFrom(local, gtpu.Port))
	require.NoError(w.t, err)
}

// listenUPF6 opens the UPF's end of N3 over IPv6.
func listenUPF6(w *world) (c *net.UDPConn, err error) {
	w.upf.do(func() {
		c, err = net.ListenUDP("udp6", net.UDPAddrFromAddrPort(netip.AddrPortFrom(addr(upfN36), gtpu.Port)))
	})
	return c, err
}

// setOptions puts IPv4 options into what the UPF sends from now on.
func (w *world) setOptions(options []byte) {
	w.t.Helper()
	rc, err := w.n3.SyscallConn()
	require.NoError(w.t, err)
	var set error
	require.NoError(w.t, rc.Control(func(fd uintptr) {
		set = unix.SetsockoptString(int(fd), unix.IPPROTO_IP, unix.IP_OPTIONS, string(options))
	}))
	require.NoError(w.t, set)
}

// atUE is the next carrier at the UE.
func (w *world) atUE() (gre.Packet, []byte) {
	w.t.Helper()
	var got [][]byte
	w.eventually("a packet at the UE", func() bool { got = append(got, w.ueSink.take()...); return len(got) > 0 })
	require.Len(w.t, got, 1)
	p, err := gre.Decode(got[0])
	require.NoError(w.t, err)
	return p, got[0][p.Offset:p.End]
}

// joinedAtUE is the next carrier at the UE, which may come in fragments.
func (w *world) joinedAtUE() (p gre.Packet, pdu []byte) {
	w.t.Helper()
	var join gre.Reassembler
	w.eventually("a packet at the UE, whole or in fragments", func() bool {
		for _, b := range w.ueSink.take() {
			var err error
			if p, err = gre.Decode(b); errors.Is(err, gre.DropFragment) {
				if b, _ = join.Add(7, b, time.Now()); b == nil {
					continue
				}
				p, err = gre.Decode(b)
			}
			require.NoError(w.t, err)
			pdu = b[p.Offset:p.End]
		}
		return pdu != nil
	})
	return p, pdu
}

func greFrom(source netip.Addr, qfi uint8, pdu []byte) []byte {
	return carrier(source, up, gre.Header{QFI: qfi}, pdu)[14:]
}

func numbered(n int, length int) []byte {
	b := ipPDU(length)
	binary.BigEndian.PutUint32(b[4:], uint32(n))
	return b
}

// segmented sends datagrams as one buffer with UDP_SEGMENT, as a batching UPF on the same host does.
func (w *world) segmented(payloads []byte, size int) {
	w.t.Helper()
	rc, err := w.n3.SyscallConn()
	require.NoError(w.t, err)
	cmsg := make([]byte, unix.CmsgSpace(2))
	h := (*unix.Cmsghdr)(unsafe.Pointer(&cmsg[0]))
	h.Level, h.Type = unix.SOL_UDP, unix.UDP_SEGMENT
	h.SetLen(unix.CmsgLen(2))
	binary.NativeEndian.PutUint16(cmsg[unix.CmsgLen(0):], uint16(size))
	var sent error
	require.NoError(w.t, rc.Write(func(fd uintptr) bool {
		_, sent = unix.SendmsgN(int(fd), payloads, cmsg, &unix.SockaddrInet4{Port: gtpu.Port, Addr: addr(gwN3).As4()}, 0)
		return true
	}))
	require.NoError(w.t, sent)
}

// downlinkTraffic sends numbered packets through flow 9 until the function that it gives is called, which tells how many.
func (w *world) downlinkTraffic() (stop func() int) {
	var stopped atomic.Bool
	sent := make(chan int)
	go func() {
		n := 0
		for ; !stopped.Load(); n++ {
			w.fromUPF(downlinkGPDU(w.session.TEID(), 9, false, numbered(n, 100)))
			time.Sleep(300 * time.Microsecond)
		}
		sent <- n
	}()
	return func() int { stopped.Store(true); return <-sent }
}

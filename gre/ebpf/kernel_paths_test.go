// SPDX-License-Identifier: Apache-2.0

//go:build linux && kernelipsec

package ebpf

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/gre"
	"github.com/open-n3iwf/n3iwf/gre/gtpu"
	"github.com/open-n3iwf/n3iwf/gre/relay"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec"
)

// User packets of every size go through whole, both ways, over every kind of outer path of 1500 octets, by the programs and by the relay. The largest
// that fits is one packet on the wire, the next one is two; the outer header and that of N3 have the configured DSCP.
func TestKernelPathMTU(t *testing.T) {
	w := newWorldOf(t, setting{all: true})
	w.dscp = 34
	w.connect(nil)
	atUE, atUPF := newTap(t, w.ueNS, "v1"), newTap(t, w.upf, "n1")
	for _, forwarder := range []string{"programs", "relay"} {
		w.leave = forwarder == "relay"
		require.NoError(t, w.session.Update(w.config))
		require.Equal(t, !w.leave, w.offloaded())
		for _, c := range []struct {
			local, remote string
			natt          bool
			fits          int // the largest PDU with AES-GCM that is not fragmented
		}{
			{gwOuter, ueOuter, true, 1410}, {gwOuter, ueOuter, false, 1418}, {gwOuter6, ueOuter6, true, 1390}, {gwOuter6, ueOuter6, false, 1398},
		} {
			p := natTPath(c.local, c.remote)
			p.NATT = c.natt
			mirror := ipsec.Path{Local: p.Remote, Remote: p.Local, NATT: c.natt}
			require.NoError(t, w.dp.Move(ipsec.Target{Path: p, Limit: ipsec.Unlimited}, 7))
			require.NoError(t, w.ue.Move(ipsec.Target{Path: mirror, Limit: ipsec.Unlimited}, 7))
			for i, n := range []int{64, c.fits, c.fits + 1, 1456, 1457, 1500} {
				name := fmt.Sprint(forwarder, " ", p, " ", n)
				kernel, inRelay := w.inKernel(), w.inRelay()
				w.send(greFrom(ue, 9, numbered(i, n)))
				require.Equal(t, numbered(i, n), w.gpdu().Payload, name)
				w.fromUPF(downlinkGPDU(w.session.TEID(), 9, false, numbered(i, n)))
				_, pdu := w.atUE()
				require.Equal(t, numbered(i, n), pdu, name)

				// 1456 is what a link of 1500 octets takes on N3: longer ones come in fragments, which are the relay's, and so are those that have to leave so.
				up, down := relay.Counter{Packets: 1, Bytes: uint64(n)}, relay.Counter{Packets: 1, Bytes: uint64(n)}
				want := relay.Traffic{Uplink: up, Downlink: down}
				byKernel, byRelay := w.inKernel(), relay.Traffic{}
				w.eventually("counted: "+name, func() bool {
					byKernel, byRelay = w.inKernel(), w.inRelay()
					byKernel.Subtract(kernel)
					byRelay.Subtract(inRelay)
					return byRelay.Uplink.Packets+byKernel.Uplink.Packets == 1 && byRelay.Downlink.Packets+byKernel.Downlink.Packets == 1
				})
				if w.leave || n > 1456 {
					require.Equal(t, want, byRelay, name)
				} else {
					require.Equal(t, want, byKernel, name)
				}

				packets := 1
				if n > c.fits {
					packets = 2
				}
				outer := w.next(atUE, packets, name)
				require.Len(t, outer, packets, name)
				for _, o := range outer {
					require.Equal(t, byte(34<<2), class(o), name)
					require.LessOrEqual(t, len(o), 1500, name)
				}
				packets = 1
				if n > 1456 {
					packets = 2
				}
				tunnel := w.next(atUPF, packets, name)
				require.Len(t, tunnel, packets, name)
				for _, o := range tunnel {
					require.Equal(t, byte(46<<2), class(o), name)
				}
			}
		}
	}
	require.Zero(t, w.session.Stats().Dropped())
}

// Sessions with IPv6 on N3 or between UE and N3IWF are the relay's, and work.
func TestKernelIPv6Sessions(t *testing.T) {
	w := newWorldOf(t, setting{all: true})
	w.connect(nil)
	six, err := listenUPF6(w)
	require.NoError(t, err)
	four := w.n3
	for _, c := range []struct {
		name   string
		n3     bool
		ue, up netip.Addr
	}{{"N3", true, ue, up}, {"inner", false, ue6, up6}, {"both", true, ue6, up6}} {
		config := w.config
		config.Children = []relay.Child{{ID: 7, UE: c.ue, UP: c.up}}
		if c.ue.Is6() { // the kernel drops what does not fit: 1370 octets of a PDU do
			require.Equal(t, 1500, w.dp.PathMTU(natTPath(gwOuter, ueOuter)))
			config.Children[0].MaxPacket = 1370 + 48
		}
		local := gwN3
		w.n3 = four
		if c.n3 {
			config.UPF, w.n3, local = netip.AddrPortFrom(addr(upfN36), 0), six, gwN36
		}
		require.NoError(t, w.session.Update(config))
		require.False(t, w.offloaded(), c.name)
		require.Equal(t, addr(local), w.session.Local())
		for i, n := range []int{64, 1370, 1371, 1500} {
			carrier, err := gre.NewCarrier(c.ue, c.up, 0)
			require.NoError(t, err)
			packet := make([]byte, carrier.Len())
			carrier.Put(packet, gre.Header{QFI: 9}, n, 7)
			w.send(append(packet, numbered(i, n)...))
			require.Equal(t, numbered(i, n), w.gpdu().Payload, c.name)
			w.fromUPFTo(addr(local), downlinkGPDU(w.session.TEID(), 9, true, numbered(i, n)))
			p, pdu := w.joinedAtUE()
			require.Equal(t, []netip.Addr{c.up, c.ue}, []netip.Addr{p.Source, p.Destination})
			require.Equal(t, numbered(i, n), pdu, c.name)
		}
	}
	require.Zero(t, w.inKernel())
	w.eventually("counted in the relay", func() bool {
		r := w.inRelay()
		return r.Uplink.Packets == 12 && r.Downlink.Packets == 12
	})
	require.EqualValues(t, 4, w.relay.Stats().Fragmented)
	require.NoError(t, w.session.Update(w.config))
	require.True(t, w.offloaded(), "with IPv4 again")
	w.n3 = four
	require.NoError(t, six.Close())
}

// What is rare on N3 or on NWu passes the programs by, and the relay does with it what the standards ask for.
func TestKernelLeavesTheRareToRelay(t *testing.T) {
	w := newWorld(t)
	w.connect(nil)
	inRelay := func(up, down int) {
		t.Helper()
		w.eventually("packets are counted", func() bool {
			r := w.inRelay()
			return r.Uplink.Packets == uint64(up) && r.Downlink.Packets == uint64(down)
		})
		require.Zero(t, w.inKernel().Downlink.Packets+w.inKernel().Uplink.Packets)
	}
	// IPv4 options of the GRE delivery header, and of N3.
	plain := greFrom(ue, 9, numbered(1, 200))
	options := append(append(append([]byte{}, plain[:20]...), 1, 1, 1, 0), plain[20:]...)
	options[0] = 0x46
	binary.BigEndian.PutUint16(options[2:], uint16(len(options)))
	w.send(options)
	require.Equal(t, numbered(1, 200), w.gpdu().Payload)
	w.setOptions([]byte{1, 1, 1, 0})
	w.fromUPF(downlinkGPDU(w.session.TEID(), 9, false, numbered(2, 200)))
	_, pdu := w.atUE()
	require.Equal(t, numbered(2, 200), pdu)
	w.setOptions(nil)
	inRelay(1, 1)
	require.NotZero(t, w.plane.Status().HandedUp["uplink"]["not a plain user packet"])

	// An extension header that must be understood: dropped, and the UPF is told which ones are (TS 29.281 5.2.1).
	w.fromUPF([]byte{0x34, 255, 0, 8, 0, 0, 0, 1, 0, 0, 0, 0xc0, 1, 0, 0, 0})
	require.Equal(t, gtpu.SupportedExtensionHeaderNotification, w.gpdu().Type)
	unknown := extensions(ipPDU(64), 0xc0, "0000", 0x85, "0009")
	binary.BigEndian.PutUint32(unknown[4:], w.session.TEID())
	w.fromUPF(unknown)
	require.Equal(t, gtpu.SupportedExtensionHeaderNotification, w.gpdu().Type)
	// An uplink container is not one that a UPF may send.
	w.fromUPF(func() []byte {
		b := make([]byte, gtpu.GPDUHeaderLen, 100)
		gtpu.PutUplink(b, w.session.TEID(), 9, 64)
		return append(b, ipPDU(64)...)
	}())
	w.eventually("the direction is wrong", func() bool { return w.session.Stats().Drops[relay.Direction] == 1 })

	// The UPF does not know the uplink tunnel: the owner of the session is told.
	w.fromUPF(gtpu.AppendErrorIndication(nil, uplinkTEID, addr(upfN3), gtpu.Port))
	w.eventually("the owner hears of it", func() bool {
		select {
		case e := <-w.events: // the test's UPF answers no Echo Request, so that there may be others
			return e == relay.ErrorIndication{Session: w.session, TEID: uplinkTEID, Peer: addr(upfN3)}
		default:
			return false
		}
	})

	// More than the child SA may carry at once goes in fragments of the GRE packet.
	config := w.config
	config.Children = []relay.Child{{ID: 7, UE: ue, UP: up, MaxPacket: 1000}}
	require.NoError(t, w.session.Update(config))
	w.fromUPF(downlinkGPDU(w.session.TEID(), 9, false, numbered(3, 1400)))
	_, pdu = w.joinedAtUE()
	require.Equal(t, numbered(3, 1400), pdu)
	inRelay(1, 2)
	require.EqualValues(t, 1, w.relay.Stats().Fragmented)
	down := w.plane.Status().HandedUp["downlink"]
	require.EqualValues(t, 1, down["too long"])
	require.EqualValues(t, 2, down["extension header"])
	w.fromUPF(downlinkGPDU(w.session.TEID(), 9, false, numbered(4, 1000-28)))
	_, pdu = w.atUE()
	require.Equal(t, numbered(4, 1000-28), pdu)
	require.EqualValues(t, 1, w.inKernel().Downlink.Packets, "one that fits is not left")
}

// While the path moves to another address of ours, to IPv6, or to plain ESP and back, downlink packets wait for the moment in which the kernel has no state
// to send with. Each packet is accounted for: it has come, or it was between program and state on another processor as that moment began, or it was overtaken
// there by one from behind the move, so that the UE took it for late. The maps are as before then.
func TestKernelMovesOfEveryKind(t *testing.T) {
	w := newWorldOf(t, setting{all: true})
	w.connect(nil)
	before := w.dump()
	w.ueSink.quiet = true
	stop := w.downlinkTraffic()
	plain := natTPath(gwOuter, ueOuter)
	plain.NATT = false
	paths := []ipsec.Path{
		natTPath(gwOuter2, ueOuter), natTPath(gwOuter6, ueOuter6), natTPath(gwOuter2, ueOuter2), natTPath(gwOuter, ueOuter2), natTPath(gwOuter, ueOuter), plain,
		natTPath(gwOuter, ueOuter),
	}
	moves := 0
	for round := 0; round < 2 || round < 50 && w.inRelay().Downlink.Packets == 0; round++ { // until some have had to wait
		for i, p := range paths {
			mirror := ipsec.Path{Local: p.Remote, Remote: p.Local, NATT: p.NATT}
			require.NoError(t, w.dp.Move(ipsec.Target{Path: p, Limit: ipsec.Unlimited}, 7))
			require.NoError(t, w.ue.Move(ipsec.Target{Path: mirror, Limit: ipsec.Unlimited}, 7))
			w.send(greFrom(ue, 9, numbered(i, 64)))
			require.Equal(t, numbered(i, 64), w.gpdu().Payload)
			came := w.ueSink.total()
			w.eventually("traffic goes on", func() bool { return w.ueSink.total() > came+20 })
			moves++
		}
	}
	n := stop()
	late := func() int { // what is below the window is taken for one of the next 2^32 numbers, and fails its check (RFC 4303 appendix A2)
		st, err := w.ue.Stats(7)
		require.NoError(t, err)
		return int(st.Generations[0].Drops.Old + st.Generations[0].Drops.Auth)
	}
	w.eventually("all packets", func() bool { return w.ueSink.total()+late()+w.unsent() == n })
	t.Logf("%d packets over %d moves: %d waited, %d were late, %d not sent", n, moves, w.inRelay().Downlink.Packets, late(), w.unsent())
	require.NotZero(t, w.inRelay().Downlink.Packets)
	require.Equal(t, before, w.dump())
}

// A rekey is none of the programs' business: packets of both generations are forwarded, and nothing of the maps changes.
func TestKernelRekeys(t *testing.T) {
	w := newWorld(t)
	w.connect(nil)
	before := w.dump()
	both := func(number int) {
		t.Helper()
		w.send(greFrom(ue, 9, numbered(number, 64)))
		require.Equal(t, numbered(number, 64), w.gpdu().Payload)
		w.fromUPF(downlinkGPDU(w.session.TEID(), 9, false, numbered(number, 64)))
		_, pdu := w.atUE()
		require.Equal(t, numbered(number, 64), pdu)
	}
	both(0)
	const rekeys = 10 // more than a mark can tell apart at once
	for i := range rekeys {
		st, err := w.dp.Stats(7)
		require.NoError(t, err)
		old := st.Generations[0]
		gw, peer := w.install(byte(10 + i))
		both(100 + i) // with the old generation
		require.NoError(t, w.ue.SwitchOutbound(7, peer.InboundSPI))
		both(200 + i) // a new one uplink
		require.NoError(t, w.dp.SwitchOutbound(7, gw.InboundSPI))
		both(300 + i)
		require.NoError(t, w.dp.DeleteSA(7, old.InboundSPI, 0))
		require.NoError(t, w.ue.DeleteSA(7, old.OutboundSPI, 0))
		both(400 + i)
		st, err = w.dp.Stats(7)
		require.NoError(t, err)
		require.Len(t, st.Generations, 1)
		require.Equal(t, gw.InboundSPI, st.Generations[0].InboundSPI)
		require.WithinDuration(t, time.Now(), st.LastOnPath, patience)
	}
	const packets = 1 + 4*rekeys
	require.EqualValues(t, packets, w.inKernel().Uplink.Packets)
	require.EqualValues(t, packets, w.inKernel().Downlink.Packets)
	require.Zero(t, w.inRelay())
	require.Equal(t, before, w.dump())
}

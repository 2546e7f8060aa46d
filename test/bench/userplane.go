// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/open-n3iwf/n3iwf/gre"
	"github.com/open-n3iwf/n3iwf/gre/gtpu"
	"github.com/open-n3iwf/n3iwf/internal/udpbatch"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec"
	"github.com/open-n3iwf/n3iwf/test/lab/fleet"
	"github.com/open-n3iwf/n3iwf/test/lab/upf"
)

const (
	bigPacket, smallPacket = 1400, 64
	// rawTime is the CPU time for the raw cipher, before and after the user plane.
	rawTime = 500 * time.Millisecond
)

// userPlane measures both directions with long and with short packets of some UEs. What counts is what came out at the other end.
func (b *bench) userPlane(ctx context.Context) (err error) {
	if err := b.coreHas(ctx, "the PDU sessions of the traffic", len(b.warm), sessionUp); err != nil {
		return err
	}
	raw, err := rawGCM(bigPacket, rawTime)
	if err != nil {
		return err
	}
	ues := b.warm[:b.o.traffic]
	up := newUplink(b, ues)
	down, err := newDownlink(b, ues)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, down.conn.Close()) }()
	type result struct {
		direction string
		size      int
		packets   float64 // per CPU-second
	}
	var results []result
	for _, d := range []struct {
		name string
		flow flow
	}{{"ul", up}, {"dl", down}} {
		for _, size := range []int{bigPacket, smallPacket} {
			b.say("user traffic: %s, packets of %d octets in bursts of %d, %d UEs, %v", d.name, size, b.o.burst, len(ues), b.o.duration)
			d.flow.prepare(size)
			var sum loadResult
			cpu, err := b.cost(fmt.Sprintf("user_%s_%d", d.name, size), func() (err error) {
				sum, err = load(ctx, d.flow, uint64(b.o.burst), b.o.duration)
				return err
			})
			if err != nil {
				return err
			}
			results = append(results, result{d.name, size, float64(sum.delivered) / cpu.Seconds()})
			b.report.note("%s %4d octets: %8.0f packets/s (%.2f Gbit/s) with %.2f CPUs of the N3IWF, %.1f %% lost on the way", d.name, size,
				float64(sum.delivered)/sum.took.Seconds(), float64(sum.delivered)*float64(size)*8/sum.took.Seconds()/1e9, cpu.Seconds()/sum.took.Seconds(),
				100*float64(sum.sent-sum.delivered)/float64(max(1, sum.sent)))
		}
	}
	again, err := rawGCM(bigPacket, rawTime)
	if err != nil {
		return err
	}
	raw = (raw + again) / 2
	b.report.note("raw AES-128-GCM: %.2f GB per CPU-second in packets of %d octets", raw/1e9, bigPacket)
	for _, r := range results {
		if r.size == bigPacket {
			b.report.set(share[r.direction], r.packets*bigPacket/raw)
		} else {
			b.report.set(perSecond[r.direction], r.packets)
		}
	}
	return nil
}

var (
	share     = map[string]string{"ul": metricULShare, "dl": metricDLShare}
	perSecond = map[string]string{"ul": metricULRate, "dl": metricDLRate}
)

// uplink sends through the ESP of the UEs to the sink of the data network, which answers nothing.
type uplink struct {
	upf     *upf.UPF
	writer  ipsec.Writer
	burst   int
	paths   []*fleet.User
	packets [][]byte
	next    int
	id      uint16
	head    [gre.MaxCarrierLen]byte
}

func newUplink(b *bench, ues []*fleet.UE) *uplink {
	u := &uplink{upf: b.lab.core.UPF(), writer: b.fleet.NewWriter(), burst: b.o.burst}
	for _, ue := range ues {
		u.paths = append(u.paths, ue.User())
	}
	return u
}

func (u *uplink) prepare(size int) {
	u.packets = nil
	for _, p := range u.paths {
		u.packets = append(u.packets, udpPacket(p.Address, dataNetwork, upf.PortSink, size))
	}
}

func (u *uplink) delivered() uint64 { return u.upf.Stats().Sink.Packets }

func (u *uplink) send() error {
	p, packet := u.paths[u.next], u.packets[u.next]
	u.next = (u.next + 1) % len(u.paths)
	head := u.head[:p.Carrier.Len()]
	for range u.burst {
		u.id++
		p.Carrier.Put(head, gre.Header{QFI: qfi}, len(packet), u.id)
		if err := u.writer.Write(p.Handle, head, packet); err != nil {
			return err
		}
	}
	return u.writer.Flush()
}

// downlink sends as the UPF does, but in a closed loop, from an address of its own.
type downlink struct {
	fleet   *fleet.Fleet
	conn    *udpbatch.Conn
	sender  *udpbatch.Sender
	burst   int
	n3      udpbatch.Address
	teids   []uint32
	targets []netip.Addr
	packets [][]byte // with GTP-U header
	next    int
}

func newDownlink(b *bench, ues []*fleet.UE) (*downlink, error) {
	d := &downlink{fleet: b.fleet, burst: b.o.burst, n3: udpbatch.Address{Remote: netip.AddrPortFrom(b.lab.addr.n3iwfCore, gtpu.Port)}}
	byAddress := map[string]uint32{}
	for _, u := range b.lab.core.State().UEs {
		for _, s := range u.Sessions {
			byAddress[s.Address] = s.DownlinkTEID
		}
	}
	for _, ue := range ues {
		a := ue.User().Address
		teid, ok := byAddress[a.String()]
		if !ok {
			return nil, fmt.Errorf("the core has no PDU session with the address %s", a)
		}
		d.teids, d.targets = append(d.teids, teid), append(d.targets, a)
	}
	var err error
	if d.conn, err = udpbatch.Listen(udpbatch.Options{Local: netip.AddrPortFrom(b.lab.addr.source, gtpu.Port)}); err != nil {
		return nil, err
	}
	d.sender = d.conn.NewSender()
	return d, nil
}

func (d *downlink) prepare(size int) {
	d.packets = nil
	for i, a := range d.targets {
		b := make([]byte, gtpu.GPDUHeaderLen, gtpu.GPDUHeaderLen+size)
		gtpu.PutDownlink(b, d.teids[i], qfi, false, size)
		d.packets = append(d.packets, append(b, udpPacket(dataNetwork, a, upf.PortSource, size)...))
	}
}

func (d *downlink) delivered() uint64 { return d.fleet.Arrived() }

func (d *downlink) send() error {
	packet := d.packets[d.next]
	d.next = (d.next + 1) % len(d.packets)
	for range d.burst {
		if err := d.sender.Append(&d.n3, packet, nil); err != nil {
			return err
		}
	}
	sent, err := d.sender.Flush()
	if err == nil && sent != d.burst {
		err = errors.New("not all packets were sent")
	}
	return err
}

var dataNetwork = netip.AddrFrom4([4]byte{192, 0, 2, 1})

// udpPacket is an IPv4 packet of size octets with UDP, without UDP checksum (RFC 768 allows none over IPv4).
func udpPacket(from, to netip.Addr, port uint16, size int) []byte {
	const ipLen, udpLen = 20, 8
	b := make([]byte, size)
	b[0], b[6], b[8], b[9] = 0x45, 0x40, 64, 17 // version, DF, TTL, UDP
	binary.BigEndian.PutUint16(b[2:], uint16(size))
	src, dst := from.As4(), to.As4()
	copy(b[12:], src[:])
	copy(b[16:], dst[:])
	var sum uint32
	for i := 0; i < ipLen; i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	sum = sum>>16 + sum&0xffff
	sum += sum >> 16
	binary.BigEndian.PutUint16(b[10:], ^uint16(sum))
	udp := b[ipLen:]
	binary.BigEndian.PutUint16(udp, 40000)
	binary.BigEndian.PutUint16(udp[2:], port)
	binary.BigEndian.PutUint16(udp[4:], uint16(size-ipLen))
	return b
}

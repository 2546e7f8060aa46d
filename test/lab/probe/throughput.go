// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"context"
	"encoding/binary"
	"errors"
	"net/netip"
	"time"
)

// Rate is what a bulk transfer reached at the receiver.
type Rate struct {
	Mbps          float64 // of IP packets
	Packets       uint64
	Sent          uint64 // 0 when not known
	PacketsSecond float64
}

// Uplink sends packets of size octets as fast as the UE can for d, and asks the sink what came.
func (p *Probe) Uplink(ctx context.Context, d time.Duration, size int) (Rate, error) {
	before, err := p.sinkReport(ctx)
	if err != nil {
		return Rate{}, err
	}
	sender := p.session.NewSender()
	b := appendUDP(nil, netip.AddrPortFrom(p.session.Address(), localPort), netip.AddrPortFrom(p.dn, PortSink), 0, make([]byte, size-ipv4Len-udpLen))
	var sent uint64
	start := time.Now()
	for time.Since(start) < d {
		for range 32 {
			if sender.Write(0, b) == nil {
				sent++
			}
		}
		_ = sender.Flush() // what is not sent is not received
	}
	took := time.Since(start)
	after, err := p.sinkReport(ctx)
	if err != nil {
		return Rate{}, err
	}
	return rate(after.packets-before.packets, after.bytes-before.bytes, sent, took), nil
}

// What an uplink transfer leaves in queues may hold a request up for seconds, or make it be lost. It is made again so often, with that much time between.
const (
	requests    = 10
	requestTime = 500 * time.Millisecond
	arrivalPoll = time.Millisecond
)

// Downlink asks the source for perSecond packets a second of size octets for d and counts what comes, from the first packet on.
func (p *Probe) Downlink(ctx context.Context, d time.Duration, size int, perSecond uint32) (Rate, error) {
	request := binary.BigEndian.AppendUint32(nil, perSecond)
	request = binary.BigEndian.AppendUint32(request, uint32(d/time.Millisecond))
	request = binary.BigEndian.AppendUint16(request, uint16(size))
	sender := p.session.NewSender()
	packets, bytes := p.bulk.Load(), p.bulkBytes.Load()
	for i := 0; i < requests && p.bulk.Load() == packets; i++ {
		if err := sender.Write(0, appendUDP(nil, netip.AddrPortFrom(p.session.Address(), localPort), netip.AddrPortFrom(p.dn, PortSource), 0, request)); err != nil {
			return Rate{}, err
		}
		if err := sender.Flush(); err != nil {
			return Rate{}, err
		}
		for asked := time.Now(); p.bulk.Load() == packets && time.Since(asked) < requestTime; {
			select {
			case <-time.After(arrivalPoll):
			case <-ctx.Done():
				return Rate{}, ctx.Err()
			}
		}
	}
	start := time.Now()
	select {
	case <-time.After(d):
	case <-ctx.Done():
		return Rate{}, ctx.Err()
	}
	return rate(p.bulk.Load()-packets, p.bulkBytes.Load()-bytes, 0, time.Since(start)), nil
}

// Bulk is how many packets of Downlink have come so far. They may come long after it: what was under way at its end lies in queues.
func (p *Probe) Bulk() uint64 { return p.bulk.Load() }

func rate(packets, bytes, sent uint64, took time.Duration) Rate {
	s := took.Seconds()
	return Rate{Mbps: float64(bytes) * 8 / s / 1e6, Packets: packets, Sent: sent, PacketsSecond: float64(packets) / s}
}

type sinkCount struct{ packets, bytes uint64 }

// errNoReport says that the sink does not answer.
var errNoReport = errors.New("the sink of the data network does not answer")

// sinkReport asks the sink what it has counted: an empty datagram is the question, two 64-bit numbers are the answer.
func (p *Probe) sinkReport(ctx context.Context) (sinkCount, error) {
	sender := p.session.NewSender()
	for range 5 {
		p.report.Store(nil)
		if err := sender.Write(0, appendUDP(nil, netip.AddrPortFrom(p.session.Address(), localPort), netip.AddrPortFrom(p.dn, PortSink), 0, nil)); err != nil {
			return sinkCount{}, err
		}
		if err := sender.Flush(); err != nil {
			return sinkCount{}, err
		}
		for range 50 {
			if b := p.report.Load(); b != nil && len(*b) >= 16 {
				return sinkCount{binary.BigEndian.Uint64(*b), binary.BigEndian.Uint64((*b)[8:])}, nil
			}
			select {
			case <-time.After(10 * time.Millisecond):
			case <-ctx.Done():
				return sinkCount{}, ctx.Err()
			}
		}
	}
	return sinkCount{}, errNoReport
}

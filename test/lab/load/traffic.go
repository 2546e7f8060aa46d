// SPDX-License-Identifier: Apache-2.0

package load

import (
	"context"
	"encoding/binary"
	"time"

	"github.com/open-n3iwf/n3iwf/gre"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec"
	"github.com/open-n3iwf/n3iwf/test/lab/fleet"
	"github.com/open-n3iwf/n3iwf/test/lab/probe"
)

const (
	// echoHeaders are the IPv4 and the ICMP header; the time of sending follows.
	echoHeaders = 28
	minSize     = echoHeaders + 8
	// echoID tells our echo replies from others.
	echoID = 0x6e77
	// turn is how often packets that are due are sent.
	turn = 5 * time.Millisecond
)

// traffic sends what is due, the UEs in turn, until ctx ends.
func (r *run) traffic(ctx context.Context) {
	if r.o.Packets == 0 {
		return
	}
	writer := r.fleet.NewWriter()
	payload := make([]byte, r.o.Size-echoHeaders)
	var packet []byte
	var sequence uint16
	var head [gre.MaxCarrierLen]byte
	due, next, last := 0.0, 0, time.Now()
	ticker := time.NewTicker(turn)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		r.mu.Lock()
		up := r.up
		r.mu.Unlock()
		now := time.Now()
		// A generator that was held up does not make up for more than a few turns.
		due = min(due+now.Sub(last).Seconds()*r.o.Packets*float64(len(up)), max(1, 10*turn.Seconds()*r.o.Packets*float64(len(up))))
		last = now
		for ; due >= 1 && len(up) > 0; due-- {
			next = (next + 1) % len(up)
			u := up[next].ue.User()
			if u == nil || !u.Address.Is4() {
				continue
			}
			sequence++
			binary.BigEndian.PutUint64(payload, uint64(time.Since(r.start)))
			packet = probe.AppendEcho(packet[:0], u.Address, r.o.Ping, echoID, sequence, payload)
			r.send(writer, u, head[:u.Carrier.Len()], packet, sequence)
		}
		_ = writer.Flush() // what is not sent counts as lost
	}
}

// send queues a packet. One that cannot be sent, as its UE has just gone, counts as lost.
func (r *run) send(w ipsec.Writer, u *fleet.User, head, packet []byte, id uint16) {
	u.Carrier.Put(head, gre.Header{QFI: u.QFI}, len(packet), id)
	r.sent.Add(1)
	_ = w.Write(u.Handle, head, packet)
}

// arrived takes a packet that came down.
func (r *run) arrived(_ *fleet.UE, pdu []byte) {
	id, payload, ok := probe.EchoReply(pdu)
	if !ok || id != echoID || len(payload) < 8 {
		return
	}
	r.received.Add(1)
	r.rtt.add(time.Since(r.start) - time.Duration(binary.BigEndian.Uint64(payload)))
}

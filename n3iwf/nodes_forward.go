// SPDX-License-Identifier: Apache-2.0

package n3iwf

import (
	"encoding/binary"
	"log/slog"
	"net/netip"

	"github.com/open-n3iwf/n3iwf/ikev2"
	"github.com/open-n3iwf/n3iwf/ikev2/message"
	"github.com/open-n3iwf/n3iwf/ngap"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec"
)

// What comes to the wrong node. All of it may be lost, as on any network: a queue that is full drops.

var _ ipsec.Forwarder = sink{}

// Forward implements ipsec.Forwarder.
func (s sink) Forward(spi uint32, packet []byte) bool { return s.nf.nodes.forwardESP(spi, packet, 0) }

func (n *nodes) forwardESP(spi uint32, packet []byte, hops uint8) bool {
	if n.link == nil {
		return false
	}
	n.leaving.RLock()
	node, moved := n.esp[spi]
	n.leaving.RUnlock()
	if !moved {
		node = n.nf.handover.NodeOf(spi)
	}
	if node == n.node || hops >= maxHops || !n.up(node) {
		return false
	}
	n.nf.counters.Forwarded.Add(1)
	return n.link.Offer(node, nodeESP, append(append(make([]byte, 0, 1+len(packet)), hops+1), packet...))
}

func (n *nodes) takeESP(body []byte) error {
	if len(body) < 1+8 {
		return errNodeMessage
	}
	hops, packet := body[0], body[1:]
	spi := binary.BigEndian.Uint32(packet)
	n.leaving.RLock()
	_, moved := n.esp[spi]
	if !moved {
		n.nf.handover.Inject(packet) // before the UE can leave
	}
	n.leaving.RUnlock()
	if moved {
		n.forwardESP(spi, packet, hops)
	}
	return nil
}

// forwardIKE sends an IKE message on whose SPI is not known here.
func (n *nodes) forwardIKE(path ikev2.Path, spi message.SPI, data []byte, hops uint8) bool {
	if n.link == nil {
		return false
	}
	n.leaving.RLock()
	node, moved := n.ike[spi]
	n.leaving.RUnlock()
	if !moved {
		node = n.nf.handover.IKENodeOf(uint64(spi))
	}
	if node == n.node || hops >= maxHops || !n.up(node) {
		return false
	}
	n.nf.counters.Forwarded.Add(1)
	m := transit{hops: hops + 1, path: path, data: data}
	return n.link.Offer(node, nodeIKE, m.append(nil))
}

func (n *nodes) takeIKE(body []byte) error {
	m, err := parseTransit(body)
	if err != nil {
		return errNodeMessage
	}
	spi, ok := ikev2.LocalSPI(m.data)
	if !ok || spi == 0 {
		return errNodeMessage
	}
	o := n.nf.ownerOfSPI(spi)
	o.mail.offer(func() { o.receiveIKE(m.path, spi, m.data, m.hops) })
	return nil
}

// sendFrom lets another node send from its address; false when the address is not another node's.
func (n *nodes) sendFrom(d ikev2.Datagram) bool {
	node, ok := n.at(d.Path.Local)
	if !ok {
		return false
	}
	m := transit{path: d.Path, keepalive: d.Keepalive, data: d.Data}
	if !n.link.Offer(node, nodeSend, m.append(nil)) {
		n.nf.counters.IKENotSent.Add(1)
	}
	return true
}

func (n *nodes) sendFor(body []byte) error {
	m, err := parseTransit(body)
	if err != nil {
		return err
	}
	if _, foreign := n.at(m.path.Local); foreign {
		return errNodeMessage
	}
	n.nf.sendIKE(ikev2.Datagram{Path: m.path, Data: m.data, Keepalive: m.keepalive}, n.nf.log)
	return nil
}

// nodeOfRAN gives the node that a UE is at, when that is another one.
func (n *nodes) nodeOfRAN(ranID uint32) (int, bool) {
	if n.link == nil {
		return 0, false
	}
	n.leaving.RLock()
	node, moved := n.ran[ranID]
	n.leaving.RUnlock()
	if !moved {
		node = int(uint64(ranID) >> (32 - n.bits))
	}
	return node, node != n.node && n.up(node)
}

// forwardNGAP sends an NGAP message on to the node where its UE is.
func (n *nodes) forwardNGAP(ng *ngConnection, ranID uint32, pdu *ngap.PDU, hops uint8) bool {
	node, elsewhere := n.nodeOfRAN(ranID)
	if !elsewhere || hops >= maxHops {
		return false
	}
	b, err := ngap.Encode(pdu.Message)
	if err != nil {
		ng.amf.log.Error("NGAP message cannot be sent on", slog.Uint64("ue", uint64(ranID)), slog.Any("error", err))
		return false
	}
	n.nf.counters.Forwarded.Add(1)
	m := forwardedNGAP{hops: hops + 1, amf: ng.name(), pdu: b}
	return n.link.Offer(node, nodeNGAP, m.append(nil))
}

// tellNGAP lets the other nodes know of a message that concerns the whole N3IWF.
func (n *nodes) tellNGAP(ng *ngConnection, pdu *ngap.PDU) {
	if n.link == nil {
		return
	}
	b, err := ngap.Encode(pdu.Message)
	if err != nil {
		ng.amf.log.Error("NGAP message cannot be sent on", slog.Any("error", err))
		return
	}
	m := forwardedNGAP{hops: 1, amf: ng.name(), pdu: b}
	for _, node := range n.list() {
		if !n.link.Offer(node, nodeNGAP, m.append(nil)) {
			ng.amf.log.Error("another node does not hear of an NGAP message", slog.Int("node", node), slog.String("message", pdu.Name()))
		}
	}
}

func (n *nodes) takeNGAP(body []byte) error {
	m, err := parseForwardedNGAP(body)
	if err != nil {
		return err
	}
	pdu, err := ngap.Decode(m.pdu)
	if err != nil {
		return err
	}
	ng := n.nf.connectionTo(m.amf)
	amfID, ranID := ngap.UEIDs(pdu.Message)
	switch {
	case ng == nil:
		return errNodeMessage
	case ranID == nil:
		ng.aboutNode(pdu, nil)
		return nil
	}
	ng.toUE(uint32(*ranID), amfID, pdu, nil, m.hops)
	return nil
}

// forwardNAS sends uplink NAS on that came here before its UE left.
func (n *nodes) forwardNAS(ranID uint32, pdu []byte, hops uint8) {
	node, elsewhere := n.nodeOfRAN(ranID)
	if !elsewhere || hops >= maxHops {
		n.nf.log.Warn("uplink NAS of a UE that has gone is lost", slog.Uint64("ue", uint64(ranID)))
		return
	}
	m := forwardedNAS{hops: hops + 1, ranID: ranID, pdu: pdu}
	if !n.link.Offer(node, nodeNAS, m.append(nil)) {
		n.nf.log.Warn("uplink NAS of a UE that has gone is lost", slog.Uint64("ue", uint64(ranID)))
	}
}

func (n *nodes) takeNAS(body []byte) error {
	m, err := parseForwardedNAS(body)
	if err != nil {
		return err
	}
	o := n.nf.ownerOfRAN(m.ranID)
	o.mail.post(func() {
		if u := o.byRANID[m.ranID]; u != nil {
			o.guarded(u, func() { u.uplinkNAS(m.pdu) })
			return
		}
		n.forwardNAS(m.ranID, m.pdu, m.hops)
	})
	return nil
}

// freed gives an inner address back to the node that lent it.
func (n *nodes) freed(a netip.Addr) {
	owner := nodeOfAddress(a, n.bits)
	if n.link != nil && a.IsValid() && owner != n.node && !n.link.Offer(owner, nodeFreed, a.AsSlice()) {
		n.nf.log.Warn("inner address not given back; the node that lent it keeps it until it restarts", slog.String("address", a.String()), slog.Int("node", owner))
	}
}

func (n *nodes) takeFreed(body []byte) error {
	a, ok := netip.AddrFromSlice(body)
	if !ok {
		return errNodeMessage
	}
	if pool := n.nf.poolOf(a); pool != nil {
		pool.takeBack(a)
	}
	return nil
}

// nodeOfAddress is the node that gives an inner address to UEs: they take turns.
func nodeOfAddress(a netip.Addr, bits int) int {
	if !a.IsValid() {
		return 0
	}
	b := a.AsSlice()
	return int(b[len(b)-1]) & (1<<bits - 1)
}

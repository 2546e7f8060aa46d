// SPDX-License-Identifier: Apache-2.0

package n3iwf

import (
	"encoding/binary"
	"errors"
	"net/netip"

	"github.com/open-n3iwf/n3iwf/ikev2"
)

// Kinds of messages between nodes.
const (
	nodeIKE    = 1 + iota // an IKE message that came to the wrong node: transit
	nodeSend              // an IKE message to be sent from an address of the receiver: transit
	nodeESP               // an ESP packet that came to the wrong node: hops | packet
	nodeOffer             // a UE's context, sealed
	nodeAccept            // JSON of acceptance
	nodeRefuse            // JSON of refusal
	nodeNGAP              // an NGAP message for a UE of the receiver: hops | name length | AMF name | PDU
	nodeNAS               // uplink NAS that came to the node that a UE has left: hops | RAN-UE-NGAP-ID | NAS
	nodeFreed             // an inner address that the receiver has lent with a UE: octets of the address
	nodeAMF               // JSON of amfNews
)

// maxHops bounds how often a message is sent on: from the node that chose the identity to where the UE has gone, and on from there.
const maxHops = 4

var errNodeMessage = errors.New("malformed message of another node")

// transit is an IKE message on its way between nodes.
type transit struct {
	hops      uint8
	path      ikev2.Path
	keepalive bool
	data      []byte
}

const (
	transitNATT = 1 << iota
	transitKeepalive
)

func (m *transit) append(b []byte) []byte {
	flags := byte(0)
	if m.path.NATT {
		flags |= transitNATT
	}
	if m.keepalive {
		flags |= transitKeepalive
	}
	b = append(b, m.hops, flags)
	for _, a := range []netip.AddrPort{m.path.Local, m.path.Remote} {
		ip := a.Addr().WithZone("").AsSlice()
		b = append(b, byte(len(ip)))
		b = append(b, ip...)
		b = binary.BigEndian.AppendUint16(b, a.Port())
	}
	return append(b, m.data...)
}

func parseTransit(b []byte) (m transit, err error) {
	if len(b) < 2 || b[1]&^(transitNATT|transitKeepalive) != 0 {
		return m, errNodeMessage
	}
	m.hops, m.path.NATT, m.keepalive = b[0], b[1]&transitNATT != 0, b[1]&transitKeepalive != 0
	b = b[2:]
	for _, to := range []*netip.AddrPort{&m.path.Local, &m.path.Remote} {
		if len(b) < 1 || len(b) < 1+int(b[0])+2 {
			return m, errNodeMessage
		}
		n := int(b[0])
		a, ok := netip.AddrFromSlice(b[1 : 1+n])
		if !ok {
			return m, errNodeMessage
		}
		*to = netip.AddrPortFrom(a, binary.BigEndian.Uint16(b[1+n:]))
		b = b[1+n+2:]
	}
	m.data = b
	return m, nil
}

// forwardedNGAP is an NGAP message that came to another node than its UE's.
type forwardedNGAP struct {
	hops uint8
	amf  string
	pdu  []byte
}

func (m *forwardedNGAP) append(b []byte) []byte {
	name := m.amf[:min(len(m.amf), 255)]
	b = append(b, m.hops, byte(len(name)))
	b = append(b, name...)
	return append(b, m.pdu...)
}

func parseForwardedNGAP(b []byte) (m forwardedNGAP, err error) {
	if len(b) < 2 || len(b) < 2+int(b[1]) {
		return m, errNodeMessage
	}
	n := 2 + int(b[1])
	return forwardedNGAP{b[0], string(b[2:n]), b[n:]}, nil
}

// forwardedNAS is uplink NAS that a node still had when its UE had gone.
type forwardedNAS struct {
	hops  uint8
	ranID uint32
	pdu   []byte
}

func (m *forwardedNAS) append(b []byte) []byte {
	b = append(b, m.hops)
	b = binary.BigEndian.AppendUint32(b, m.ranID)
	return append(b, m.pdu...)
}

func parseForwardedNAS(b []byte) (m forwardedNAS, err error) {
	if len(b) < 5 {
		return m, errNodeMessage
	}
	return forwardedNAS{b[0], binary.BigEndian.Uint32(b[1:]), b[5:]}, nil
}

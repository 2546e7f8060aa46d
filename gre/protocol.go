// SPDX-License-Identifier: Apache-2.0

package gre

// PDUType is the type of a PDU session (TS 24.501 9.11.4.11), as far as the protocol type of a GRE header depends on it.
type PDUType uint8

// The PDU session types.
const (
	PDUIPv4 PDUType = iota + 1
	PDUIPv6
	PDUIPv4v6
	PDUUnstructured
	PDUEthernet
)

// ProtocolPolicy decides what is written into the protocol type, which every receiver should ignore.
type ProtocolPolicy uint8

const (
	// ProtocolEtherType names the PDU: UEs that use a Linux GRE device, as free5GC's does, drop the packet otherwise.
	ProtocolEtherType ProtocolPolicy = iota
	// ProtocolZero follows TS 24.502 9.3.3 to the letter.
	ProtocolZero
)

// For gives the protocol type of one PDU of a session of type t; of an IP PDU only the version is looked at, so that a
// session of type IPv4v6 (or one that carries link-local IPv6 beside IPv4) is named packet by packet.
func (p ProtocolPolicy) For(t PDUType, pdu []byte) uint16 {
	if p == ProtocolZero {
		return TypeNone
	}
	switch t {
	case PDUEthernet:
		return TypeEthernet
	case PDUIPv4, PDUIPv6, PDUIPv4v6:
		if len(pdu) > 0 && pdu[0]>>4 == 6 {
			return TypeIPv6
		}
		return TypeIPv4
	}
	return TypeNone
}

// SPDX-License-Identifier: Apache-2.0

// Package dhcpv6 is as much of DHCPv6 (RFC 8415) as a relay UE needs to have an IPv6 prefix delegated to its PDU session (TS 23.501 5.8.2.2.4):
// Solicit with Rapid Commit, and the Reply to it.
package dhcpv6

import (
	"encoding/binary"
	"net/netip"
)

// Ports and the address that a client sends to (RFC 8415 7.1, 7.2).
const (
	ClientPort = 546
	ServerPort = 547
)

// Servers is All_DHCP_Relay_Agents_and_Servers.
var Servers = netip.MustParseAddr("ff02::1:2")

const (
	solicit = 1
	reply   = 7

	optionClientID    = 1
	optionServerID    = 2
	optionRapidCommit = 14
	optionIAPD        = 25
	optionIAPrefix    = 26

	forever = 0xffffffff
)

// Request is a Solicit with Rapid Commit for one prefix.
type Request struct {
	Transaction [3]byte
	Client      []byte  // DUID
	IAID        [4]byte // of the identity association for prefix delegation
}

// AppendSolicit writes the request.
func (r Request) AppendSolicit(b []byte) []byte {
	b = append(append(b, solicit), r.Transaction[:]...)
	b = appendOption(b, optionClientID, r.Client)
	b = appendOption(b, optionRapidCommit, nil)
	return appendOption(b, optionIAPD, append(r.IAID[:], 0, 0, 0, 0, 0, 0, 0, 0)) // T1, T2: up to the server
}

// ParseSolicit reads a request. It takes only those with Rapid Commit and one identity association.
func ParseSolicit(b []byte) (r Request, ok bool) {
	if len(b) < 4 || b[0] != solicit {
		return r, false
	}
	r.Transaction = [3]byte(b[1:])
	rapid, association := false, false
	whole := options(b[4:], func(code uint16, data []byte) {
		switch {
		case code == optionClientID:
			r.Client = data
		case code == optionRapidCommit:
			rapid = true
		case code == optionIAPD && len(data) >= 12:
			association, r.IAID = true, [4]byte(data)
		}
	})
	return r, whole && rapid && association && len(r.Client) > 0
}

// AppendReply delegates prefix for as long as the PDU session lasts.
func (r Request) AppendReply(b, server []byte, prefix netip.Prefix) []byte {
	b = append(append(b, reply), r.Transaction[:]...)
	b = appendOption(b, optionClientID, r.Client)
	b = appendOption(b, optionServerID, server)
	b = appendOption(b, optionRapidCommit, nil)
	address := prefix.Masked().Addr().As16()
	lease := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, forever), forever) // preferred and valid lifetime
	lease = append(append(lease, byte(prefix.Bits())), address[:]...)
	association := append(append([]byte{}, r.IAID[:]...), 0, 0, 0, 0, 0, 0, 0, 0)
	return appendOption(b, optionIAPD, appendOption(association, optionIAPrefix, lease))
}

// ParseReply gives the prefix that a reply to r delegates.
func (r Request) ParseReply(b []byte) (prefix netip.Prefix, ok bool) {
	if len(b) < 4 || b[0] != reply || [3]byte(b[1:]) != r.Transaction {
		return prefix, false
	}
	whole := options(b[4:], func(code uint16, data []byte) {
		if code != optionIAPD || len(data) < 12 || [4]byte(data) != r.IAID {
			return
		}
		options(data[12:], func(code uint16, data []byte) {
			if code == optionIAPrefix && len(data) >= 25 {
				prefix = netip.PrefixFrom(netip.AddrFrom16([16]byte(data[9:])), int(data[8])).Masked()
			}
		})
	})
	return prefix, whole && prefix.IsValid()
}

func appendOption(b []byte, code uint16, data []byte) []byte {
	b = binary.BigEndian.AppendUint16(b, code)
	b = binary.BigEndian.AppendUint16(b, uint16(len(data)))
	return append(b, data...)
}

// options gives each option in turn and tells whether nothing is left over.
func options(b []byte, each func(code uint16, data []byte)) bool {
	for len(b) >= 4 {
		n := int(binary.BigEndian.Uint16(b[2:]))
		if len(b) < 4+n {
			return false
		}
		each(binary.BigEndian.Uint16(b), b[4:4+n])
		b = b[4+n:]
	}
	return len(b) == 0
}

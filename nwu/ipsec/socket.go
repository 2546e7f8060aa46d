// SPDX-License-Identifier: Apache-2.0

package ipsec

import "net/netip"

// Kind is what a socket of a data plane carries.
type Kind uint8

// The kinds of sockets.
const (
	NATT Kind = iota + 1 // UDP: ESP, and IKE behind the non-ESP marker (usually port 4500)
	IKE                  // UDP: IKE without marker (usually port 500)
	ESP                  // IP protocol 50; needs CAP_NET_RAW
)

func (k Kind) String() string {
	return map[Kind]string{NATT: "NAT traversal", IKE: "IKE", ESP: "plain ESP"}[k]
}

// Socket is a local address to serve. An unspecified address is the wildcard of that family; port 0 is any free port.
type Socket struct {
	Kind  Kind
	Local netip.AddrPort
}

// Serves tells whether packets of that kind to that local address belong to s.
func (s Socket) Serves(kind Kind, local netip.AddrPort) bool {
	return s.Kind == kind && s.Local.Addr().Is4() == local.Addr().Is4() &&
		(s.Local.Addr().IsUnspecified() || s.Local.Addr() == local.Addr()) &&
		(kind == ESP || s.Local.Port() == local.Port())
}

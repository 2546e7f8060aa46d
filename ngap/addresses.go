// SPDX-License-Identifier: Apache-2.0

package ngap

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"time"
)

// NewTransportLayerAddress returns the address a, and b beside it when given: one may be IPv4 and the other IPv6.
func NewTransportLayerAddress(addrs ...netip.Addr) (TransportLayerAddress, error) {
	var v4, v6 []byte
	for _, a := range addrs {
		a = a.Unmap()
		switch {
		case a.Is4() && v4 == nil:
			v4 = a.AsSlice()
		case a.Is6() && v6 == nil:
			v6 = a.AsSlice()
		default:
			return TransportLayerAddress{}, fmt.Errorf("ngap: transport layer address of %v: want one of a family", addrs)
		}
	}
	b := slices.Concat(v4, v6)
	if len(b) == 0 {
		return TransportLayerAddress{}, fmt.Errorf("ngap: transport layer address without an address")
	}
	return TransportLayerAddress{Bytes: b, N: 8 * len(b)}, nil
}

// Addrs returns the IPv4 and the IPv6 address; the one that is absent is the zero Addr. ok is false when the length
// is none of 32, 128 and 160 bits.
func (t TransportLayerAddress) Addrs() (v4, v6 netip.Addr, ok bool) {
	b := t.Bytes
	if t.N != 8*len(b) {
		return v4, v6, false
	}
	switch len(b) {
	case 4:
		return netip.AddrFrom4([4]byte(b)), v6, true
	case 16:
		return v4, netip.AddrFrom16([16]byte(b)), true
	case 20:
		return netip.AddrFrom4([4]byte(b[:4])), netip.AddrFrom16([16]byte(b[4:])), true
	}
	return v4, v6, false
}

// Addr returns the address, the IPv4 one of a pair.
func (t TransportLayerAddress) Addr() (netip.Addr, bool) {
	v4, v6, ok := t.Addrs()
	if v4.IsValid() {
		return v4, ok
	}
	return v6, ok
}

func (t TransportLayerAddress) String() string {
	v4, v6, ok := t.Addrs()
	switch {
	case !ok:
		return fmt.Sprintf("%x/%d", t.Bytes, t.N)
	case v4.IsValid() && v6.IsValid():
		return v4.String() + "+" + v6.String()
	case v4.IsValid():
		return v4.String()
	}
	return v6.String()
}

func (p PortNumber) String() string { return strconv.Itoa(int(p)) }

// NewUserLocationInformationN3IWF returns the location of a UE behind an N3IWF: its outer address and UDP port, and
// the tracking area unless tai is nil.
func NewUserLocationInformationN3IWF(outer netip.AddrPort, tai *TAI) (UserLocationInformation, error) {
	a, err := NewTransportLayerAddress(outer.Addr())
	if err != nil {
		return UserLocationInformation{}, err
	}
	return UserLocationInformation{UserLocationInformationN3IWF: &UserLocationInformationN3IWF{
		IPAddress: a, PortNumber: PortNumber(outer.Port()), TAI: tai,
	}}, nil
}

// NewGTPTunnel returns the end of a GTP-U tunnel.
func NewGTPTunnel(a netip.Addr, teid uint32) (UPTransportLayerInformation, error) {
	t, err := NewTransportLayerAddress(a)
	if err != nil {
		return UPTransportLayerInformation{}, err
	}
	return UPTransportLayerInformation{GTPTunnel: &GTPTunnel{TransportLayerAddress: t, GTPTEID: GTPTEID(teid)}}, nil
}

// Endpoint returns the SCTP endpoint of an AMF; port is 0 when none is given and the default applies.
func (c CPTransportLayerInformation) Endpoint() (a TransportLayerAddress, port uint16) {
	switch {
	case c.EndpointIPAddress != nil:
		return *c.EndpointIPAddress, 0
	case c.EndpointIPAddressAndPort != nil:
		return c.EndpointIPAddressAndPort.EndpointIPAddress, uint16(c.EndpointIPAddressAndPort.PortNumber)
	}
	return TransportLayerAddress{}, 0
}

// Duration returns the time to wait, 0 for a value that is not known.
func (v TimeToWait) Duration() time.Duration {
	seconds := [...]time.Duration{1, 2, 5, 10, 20, 60}
	if int(v) >= len(seconds) {
		return 0
	}
	return seconds[v] * time.Second
}

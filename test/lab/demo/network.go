// SPDX-License-Identifier: Apache-2.0

package demo

import (
	"net/netip"
	"os"
	"time"
)

// network is where the programs run and which addresses they have.
type network interface {
	// wrap makes the command line that runs argv at that place.
	wrap(host string, argv ...string) []string
	// addresses of the run; see plan.
	plan() plan
	// changePort gives the NAT's mapping of the UE another port; it tells up to when the old one was good for certain.
	changePort() (time.Time, error)
	// record prepares for recording: packets must cross the interfaces one by one. It gives the commands that record, per file name.
	record() (map[string][]string, error)
	// delegated gives the UE an address of the IPv6 prefix that a relay has, on the link to it.
	delegated(prefix netip.Prefix) (netip.Addr, error)
	close() error
}

// hosts of the demo.
const (
	hostUE    = "ue"
	hostN3IWF = "n3iwf"
	hostCore  = "core"
)

// plan says who is where.
type plan struct {
	description  string
	n3iwf        [2]netip.Addr // NWu addresses, IPv4 and IPv6
	first        netip.Addr    // of the UE
	second       netip.Addr
	behindNAT    netip.Addr
	natN3IWF     netip.Addr // where a UE behind the NAT finds the N3IWF
	ipv6         netip.Addr
	n3iwfCore    netip.Addr // N2 and N3
	core         netip.Addr
	upf          netip.Addr
	ike, natt    uint16 // ports of the N3IWF
	ueIKE, ueNAT uint16 // ports of the UE
	n2           string // transport of SCTP
	dataPlane    string // of N3IWF and UE
	relays       relayPlan
}

// newNetwork takes network namespaces where root allows, loopback addresses otherwise.
func newNetwork(relays bool) (network, error) {
	if os.Geteuid() == 0 {
		n, err := newNamespaces(relays)
		if err == nil {
			return n, nil
		}
	}
	return newLoopback()
}

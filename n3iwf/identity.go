// SPDX-License-Identifier: Apache-2.0

package n3iwf

import (
	"cmp"
	"context"
	"encoding/hex"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/open-n3iwf/n3iwf/config"
	"github.com/open-n3iwf/n3iwf/gre/gtpu"
	"github.com/open-n3iwf/n3iwf/ngap"
)

// served is what AMFs are told of this N3IWF. It is never changed, only replaced, by a reload.
type served struct {
	name  ngap.RANNodeName
	tas   ngap.SupportedTAList
	plmns []ngap.PLMNIdentity
}

// identify turns the configured identity into NGAP's terms.
func (nf *N3IWF) identify() error {
	c := nf.live().N3IWF
	plmn, err := ngap.NewPLMNIdentity(c.GlobalN3IWFID.PLMN.MCC, c.GlobalN3IWFID.PLMN.MNC)
	if err != nil {
		return err
	}
	nf.nodeID = ngap.NewGlobalN3IWFID(plmn, c.GlobalN3IWFID.ID)
	s, err := newServed(c)
	nf.served.Store(s)
	return err
}

func newServed(c config.N3IWF) (*served, error) {
	s := &served{name: ngap.RANNodeName(c.Name)}
	seen := map[ngap.PLMNIdentity]bool{}
	for _, ta := range c.SupportedTAs {
		tac, err := ngap.ParseTAC(ta.TAC.String())
		if err != nil {
			return nil, err
		}
		item := ngap.SupportedTAItem{TAC: tac}
		for _, of := range ta.PLMNs {
			plmn, err := ngap.NewPLMNIdentity(of.PLMN.MCC, of.PLMN.MNC)
			if err != nil {
				return nil, err
			}
			broadcast := ngap.BroadcastPLMNItem{PLMNIdentity: plmn}
			if nid, ok := of.NID.Value(); ok {
				broadcast.NPNSupport = &ngap.NPNSupport{SNPN: new(ngap.NID(nid))}
			}
			for _, slice := range of.Slices {
				snssai := ngap.SNSSAI{SST: ngap.SST(slice.SST)}
				if slice.SD != "" {
					b, err := hex.DecodeString(string(slice.SD))
					if err != nil || len(b) != 3 {
						return nil, fmt.Errorf("slice differentiator %q: want 6 hexadecimal digits", slice.SD)
					}
					sd := ngap.SD(b)
					snssai.SD = &sd
				}
				broadcast.TAISliceSupportList = append(broadcast.TAISliceSupportList, ngap.SliceSupportItem{SNSSAI: snssai})
			}
			item.BroadcastPLMNList = append(item.BroadcastPLMNList, broadcast)
			if !seen[plmn] {
				seen[plmn] = true
				s.plmns = append(s.plmns, plmn)
			}
		}
		s.tas = append(s.tas, item)
	}
	return s, nil
}

// ngSetupRequest introduces this N3IWF to an AMF (TS 38.413 9.2.6.1). Paging DRX has no meaning here but is mandatory on the wire.
// With retained the UEs of before are still here, and the AMF is asked to keep theirs too.
func (nf *N3IWF) ngSetupRequest(retained bool) *ngap.NGSetupRequest {
	s := nf.served.Load()
	m := &ngap.NGSetupRequest{GlobalRANNodeID: nf.nodeID, RANNodeName: s.name, SupportedTAList: s.tas, DefaultPagingDRX: ngap.PagingDRXV128}
	if retained {
		m.UERetentionInformation = new(ngap.UERetentionInformationUesRetained)
	}
	return m
}

// n3Addresses are the local GTP-U addresses: those configured, else the one that reaches the first AMF.
func (nf *N3IWF) n3Addresses() []netip.AddrPort {
	var list []netip.AddrPort
	for _, a := range nf.live().N3.Addresses {
		list = append(list, netip.AddrPortFrom(a, nf.live().N3.Port))
	}
	if len(list) == 0 {
		// An AMF that cannot be resolved yet leaves n3.addresses without default: see noN3Address.
		if amf, err := remoteAddresses(context.Background(), nf.live().N2.AMFs[0]); err == nil && len(amf) > 0 {
			if a, ok := sourceTowards(amf[0]); ok {
				list = append(list, netip.AddrPortFrom(a, nf.live().N3.Port))
			}
		}
	}
	return list
}

// noN3Address is why there is no default of n3.addresses.
func (nf *N3IWF) noN3Address() error {
	amf, err := remoteAddresses(context.Background(), nf.live().N2.AMFs[0])
	if err == nil {
		err = fmt.Errorf("no route to it at %v", amf)
	}
	return fmt.Errorf("n3.addresses: not given, and the address that reaches the first AMF is not known: %w; write n3.addresses, or start again when the AMF is known", err)
}

// sourceTowards asks the routing table; connecting a UDP socket sends nothing.
func sourceTowards(a netip.Addr) (netip.Addr, bool) {
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(netip.AddrPortFrom(a, gtpu.Port)))
	if err != nil {
		return netip.Addr{}, false
	}
	local := conn.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap()
	return local, conn.Close() == nil
}

// n3Timers are what the relay takes for n3.echo and n3.teidQuarantine. There 0 is a default, and less than 0 what 0 is here.
func (nf *N3IWF) n3Timers() (echo gtpu.EchoTimers, quarantine time.Duration) {
	c := nf.live().N3
	return gtpu.EchoTimers{Interval: cmp.Or(c.Echo.Interval, -1), T3: c.Echo.Timeout, N3: c.Echo.Tries}, cmp.Or(c.TEIDQuarantine, -1)
}

// n3Peer takes the UPF's address of a family that there is a local N3 address for.
func (nf *N3IWF) n3Peer(t ngap.TransportLayerAddress) (netip.Addr, error) {
	v4, v6, ok := t.Addrs()
	if !ok {
		return netip.Addr{}, fmt.Errorf("UPF address %s", t)
	}
	for _, local := range nf.relay.LocalAddr() {
		switch {
		case local.Addr().Is4() && v4.IsValid():
			return v4, nil
		case local.Addr().Is6() && v6.IsValid():
			return v6, nil
		}
	}
	return netip.Addr{}, fmt.Errorf("UPF at %s, but no N3 address of that family; add one to n3.addresses", t)
}

// servesSlice tells whether a slice is configured for any tracking area and PLMN.
func (nf *N3IWF) servesSlice(s ngap.SNSSAI) bool {
	for _, ta := range nf.served.Load().tas {
		for _, plmn := range ta.BroadcastPLMNList {
			for _, item := range plmn.TAISliceSupportList {
				if item.SNSSAI.Equal(s) {
					return true
				}
			}
		}
	}
	return false
}

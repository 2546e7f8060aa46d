// SPDX-License-Identifier: Apache-2.0

package n3iwf

import (
	"cmp"
	"context"
	"net/netip"
	"slices"
)

// PacketFilter tells one pair of ESP SAs of a UE apart from all others on the way between UE and N3IWF, for the operator of that way: the network of a
// relay UE, for instance, which gives QoS flows of the relay's PDU session to what the filter matches (TS 23.304 5.6.2.2, TS 23.501 5.7.6.2: addresses,
// ports, security parameter index, type of service). A rekey changes the SPIs and a move the addresses; both pairs of a rekey are there for a while.
type PacketFilter struct {
	UE         uint32 `json:"ue"`
	PDUSession int    `json:"pduSession"` // 0: NAS signalling
	QFIs       []int  `json:"qfis"`
	FiveQIs    []int  `json:"fiveQIs"`
	// DSCP of the outer header in both directions; -1: not marked.
	DSCP int `json:"dscp"`
	// N3IWF and Remote are the outer addresses; the ports matter where UDPEncapsulated.
	N3IWF           netip.AddrPort `json:"n3iwf"`
	Remote          netip.AddrPort `json:"remote"`
	UDPEncapsulated bool           `json:"udpEncapsulated"`
	// UplinkSPI and DownlinkSPI are those of ESP to and from the N3IWF, 8 hexadecimal digits. Under UDP they are the first four octets of the payload.
	UplinkSPI   string `json:"uplinkSPI"`
	DownlinkSPI string `json:"downlinkSPI"`
	// Current: the N3IWF sends on this pair.
	Current bool `json:"current"`
}

// Filters gives the packet filters of a page of UEs.
func (nf *N3IWF) Filters(ctx context.Context, q UEQuery) []PacketFilter {
	out := []PacketFilter{}
	for _, s := range nf.UEs(ctx, q).UEs {
		o := nf.ownerOfRAN(s.ID)
		list, _ := ask(ctx, o, func() ([]PacketFilter, struct{}) {
			if u := o.byRANID[s.ID]; u != nil {
				return u.filters(), struct{}{}
			}
			return nil, struct{}{}
		})
		out = append(out, list...)
	}
	return out
}

func (u *ue) filters() (list []PacketFilter) {
	for _, c := range u.children {
		stats, err := u.nf.dataPlane.Stats(c.id)
		if err != nil {
			continue
		}
		f := PacketFilter{
			UE: u.ranID, QFIs: []int{}, FiveQIs: []int{}, DSCP: -1,
			N3IWF: stats.Path.Local, Remote: stats.Path.Remote, UDPEncapsulated: stats.Path.NATT,
		}
		if s := c.session; s != nil {
			f.PDUSession, f.DSCP = int(s.id), int(c.key.dscp)
			for _, flow := range s.flows {
				if slices.Contains(c.qfis, flow.qfi) {
					f.QFIs, f.FiveQIs = append(f.QFIs, int(flow.qfi)), append(f.FiveQIs, int(flow.fiveQI))
				}
			}
		}
		for _, g := range stats.Generations {
			f.UplinkSPI, f.DownlinkSPI, f.Current = hexDigits(uint64(g.InboundSPI), 8), hexDigits(uint64(g.OutboundSPI), 8), g.Current
			list = append(list, f)
		}
	}
	slices.SortFunc(list, func(a, b PacketFilter) int {
		return cmp.Or(cmp.Compare(a.PDUSession, b.PDUSession), slices.Compare(a.QFIs, b.QFIs), cmp.Compare(a.UplinkSPI, b.UplinkSPI))
	})
	return list
}

// SPDX-License-Identifier: Apache-2.0

package n3iwf

import (
	"fmt"
	"log/slog"
	"net/netip"
	"slices"

	"github.com/open-n3iwf/n3iwf/nwu/ipsec"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec/kernel"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec/user"
)

// dataPlane is what the network function needs of a maker.
type dataPlane interface {
	ipsec.DataPlane
	Sockets() []ipsec.Socket
	AddSocket(ipsec.Socket) (netip.AddrPort, error)
	RemoveSocket(ipsec.Socket) error
	Totals() ipsec.Totals
}

// working is what a maker has beside that can fail as a whole.
type working interface {
	Working() error
}

// working tells why user packets cannot go through, nil when nothing is known. That addresses are gone is known where nwu.mobike.watchAddresses is on.
func (nf *N3IWF) working() error {
	if w, ok := nf.dataPlane.(working); ok {
		if err := w.Working(); err != nil {
			return err
		}
	}
	nwu, n3 := nf.outerAddresses()
	switch {
	case nf.local.allGone(nwu):
		return fmt.Errorf("UEs reach none of the addresses %v (nwu.addresses): their interface is down, or it has them no more", nwu)
	case nf.local.allGone(n3):
		return fmt.Errorf("UPFs reach none of the addresses %v (n3.addresses): their interface is down, or it has them no more", n3)
	}
	return nil
}

// outerAddresses are those that sockets are bound to on either side; none for a side that takes all of this machine's.
func (nf *N3IWF) outerAddresses() (nwu, n3 []netip.Addr) {
	for _, s := range nf.dataPlane.Sockets() {
		if nwu = append(nwu, s.Local.Addr().Unmap()); s.Local.Addr().IsUnspecified() {
			nwu = nil
			break
		}
	}
	for _, a := range nf.relay.LocalAddr() {
		if n3 = append(n3, a.Addr().Unmap()); a.Addr().IsUnspecified() {
			n3 = nil
			break
		}
	}
	slices.SortFunc(nwu, netip.Addr.Compare)
	return slices.Compact(nwu), n3
}

// handover is what a maker has beside whose SAs can go on at other nodes. In a cluster there is one: the configuration sees to that.
type handover interface {
	ipsec.Handover
	NodeOf(spi uint32) int
	IKENodeOf(spi uint64) int
}

// openDataPlane makes the data plane that the configuration asks for.
func (nf *N3IWF) openDataPlane(workers int) error {
	c := nf.live().DataPlane
	if c.Kind == "kernel" {
		shared := nf.wantsEBPF()
		if err := nf.keptInKernel(); err != nil {
			return err
		}
		d, err := kernel.New(kernel.Options{
			Sink: sink{nf}, Sockets: sockets(&nf.live().NWu), Workers: workers, InterfaceID: c.InterfaceID, Routes: nf.prefixes(), Log: nf.log,
			Shared: shared, Estate: nf.heir.esp(),
		})
		if err != nil {
			return err
		}
		nf.dataPlane, nf.succession = d, d
		return nil
	}
	d, err := user.New(user.Options{
		Sink: sink{nf}, Sockets: sockets(&nf.live().NWu), Workers: workers, Node: nf.nodes.node, NodeBits: nf.nodes.bits, Log: nf.log,
		LogAttrs: func(id ipsec.ChildID) []slog.Attr { return []slog.Attr{slog.Uint64("ue", uint64(id>>32))} },
		Estate:   nf.heir.esp(),
	})
	if err != nil {
		return err
	}
	nf.dataPlane, nf.handover, nf.succession = d, d, d
	return nil
}

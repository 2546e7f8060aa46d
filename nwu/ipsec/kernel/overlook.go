// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"errors"
	"fmt"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// Packet sockets have the GRE packets that come out of child SAs, and the host's IP has no use for them: it would look for a route and a protocol for each
// one, which takes as long as handing it to its socket, and answer some of them to the UE with "protocol unreachable". A packet that is not for this host is
// overlooked by IP at once, and by packet sockets not at all: so tc says that of GRE, at the ingress of the xfrm interface.

// priorityOverlook is behind that of gre/ebpf, whose programs come first.
const priorityOverlook = 0x5000

// overlookGRE keeps GRE packets of the xfrm interface from the host's IP. Without it all works, at some cost.
func (l *link) overlookGRE() error {
	clsact := &netlink.Clsact{QdiscAttrs: netlink.QdiscAttrs{LinkIndex: l.index, Handle: netlink.MakeHandle(0xffff, 0), Parent: netlink.HANDLE_CLSACT}}
	if err := l.handle.QdiscAdd(clsact); err != nil && !errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("clsact of tc (sch_ingress): %w", err)
	}
	for i, f := range []struct {
		family uint16
		key    netlink.TcU32Key // the word of the header that has the protocol
	}{
		{unix.ETH_P_IP, netlink.TcU32Key{Off: 8, Mask: 0x00ff0000, Val: unix.IPPROTO_GRE << 16}},
		{unix.ETH_P_IPV6, netlink.TcU32Key{Off: 4, Mask: 0x0000ff00, Val: unix.IPPROTO_GRE << 8}},
	} {
		other := uint16(unix.PACKET_OTHERHOST)
		edit := netlink.NewSkbEditAction()
		edit.Action, edit.PType = netlink.TC_ACT_UNSPEC, &other // other filters may follow
		err := l.handle.FilterAdd(&netlink.U32{
			FilterAttrs: netlink.FilterAttrs{LinkIndex: l.index, Parent: netlink.HANDLE_MIN_INGRESS, Priority: priorityOverlook + uint16(i), Protocol: f.family},
			Sel:         &netlink.TcU32Sel{Flags: nl.TC_U32_TERMINAL, Nkeys: 1, Keys: []netlink.TcU32Key{f.key}}, Actions: []netlink.Action{edit},
		})
		if err != nil {
			return fmt.Errorf("u32 filter of tc with action skbedit (cls_u32, act_skbedit): %w", err)
		}
	}
	return nil
}

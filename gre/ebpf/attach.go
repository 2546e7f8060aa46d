// SPDX-License-Identifier: Apache-2.0

//go:build linux

package ebpf

import (
	"errors"
	"fmt"
	"slices"

	"github.com/cilium/ebpf"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/open-n3iwf/n3iwf/gre/gtpu"
)

// n3link is a link with an N3 address.
type n3link struct {
	name   string
	index  int
	repair bool // packets may come without their UDP checksum
}

// Priorities of our filters, in the order in which they run. Filters of several N3IWFs on one link share the first and the last one under
// handles of their own; a flower filter cannot, so that each has its own priority.
const (
	priorityGuard  = 0x4e00
	priorityRepair = 0x4e10
	repairs        = 0x100
	priorityMain   = 0x4f20
)

// findLinks finds the links of the N3 addresses.
func (u *UserPlane) findLinks() error {
	addresses, err := u.handle.AddrList(nil, unix.AF_INET)
	if err != nil {
		return fmt.Errorf("N3 addresses: %w", err)
	}
	for _, n3 := range u.opts.N3 {
		if !n3.Is4() {
			continue
		}
		i := slices.IndexFunc(addresses, func(a netlink.Addr) bool { return a.IP.Equal(n3.AsSlice()) })
		if i < 0 {
			return fmt.Errorf("no link of this host has the N3 address %s", n3)
		}
		link, err := u.handle.LinkByIndex(addresses[i].LinkIndex)
		if err != nil {
			return fmt.Errorf("link of the N3 address %s: %w", n3, err)
		}
		a := link.Attrs()
		if a.EncapType != "ether" {
			return fmt.Errorf("the N3 address %s is on %s, which is no Ethernet link (%s)", n3, a.Name, a.EncapType)
		}
		u.local[n3] = struct{}{}
		if !slices.ContainsFunc(u.links, func(l n3link) bool { return l.index == a.Index }) {
			u.links = append(u.links, n3link{name: a.Name, index: a.Index, repair: u.mayLackChecksum(link)})
		}
	}
	if len(u.links) == 0 {
		return errors.New("no IPv4 address for N3")
	}
	return nil
}

// mayLackChecksum tells whether packets of a neighbour on the same machine come over the link, whose checksum a device would have had to fill in.
// Real network cards do not deliver such packets; virtual links of all kinds may.
func (u *UserPlane) mayLackChecksum(link netlink.Link) bool {
	switch link.Type() {
	case "device":
		return slices.Contains([]string{"virtio_net", "vif", "xen-netfront"}, driver(link.Attrs().Name))
	case "vlan":
		parent, err := u.handle.LinkByIndex(link.Attrs().ParentIndex)
		return err != nil || u.mayLackChecksum(parent)
	}
	return true
}

// driver is who drives a link of the calling thread's network namespace; /sys may show those of another one.
func driver(link string) string {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return ""
	}
	defer unix.Close(fd) //nolint:errcheck // nothing was written
	info, err := unix.IoctlGetEthtoolDrvinfo(fd, link)
	if err != nil {
		return ""
	}
	return unix.ByteSliceToString(info.Driver[:])
}

// attach puts the programs on their links. A program of an earlier process is replaced in one step.
func (u *UserPlane) attach() error {
	if err := u.filter(u.xfrm, priorityMain, u.objects.N3iwfUplink, "n3iwf_uplink"); err != nil {
		return fmt.Errorf("%s: %w", u.opts.XfrmInterface, err)
	}
	for _, l := range u.links {
		last, name := u.objects.N3iwfDownlink, "n3iwf_downlink"
		if l.repair {
			last, name = u.objects.N3iwfRepaired, "n3iwf_repaired"
			err := u.filter(l.index, priorityGuard, u.objects.N3iwfGuard, "n3iwf_guard")
			if err == nil {
				err = u.handle.FilterReplace(u.repair(l.index))
			}
			if err != nil {
				return fmt.Errorf("%s is a virtual link, whose packets may lack their checksum; filling it in needs cls_flower and act_csum: %w", l.name, err)
			}
		}
		if err := u.filter(l.index, priorityMain, last, name); err != nil {
			return fmt.Errorf("%s: %w", l.name, err)
		}
	}
	return nil
}

func (u *UserPlane) filter(link int, priority uint16, p *ebpf.Program, name string) error {
	clsact := &netlink.Clsact{QdiscAttrs: netlink.QdiscAttrs{LinkIndex: link, Handle: netlink.MakeHandle(0xffff, 0), Parent: netlink.HANDLE_CLSACT}}
	if err := u.handle.QdiscAdd(clsact); err != nil && !errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("clsact of tc (sch_ingress): %w", err)
	}
	f := u.attached(link, priority)
	f.Fd, f.Name, f.DirectAction = p.FD(), name, true
	if err := u.handle.FilterReplace(f); err != nil {
		return fmt.Errorf("classifier of tc (cls_bpf): %w", err)
	}
	return nil
}

// attached names one of our filters.
func (u *UserPlane) attached(link int, priority uint16) *netlink.BpfFilter {
	return &netlink.BpfFilter{FilterAttrs: netlink.FilterAttrs{
		LinkIndex: link, Parent: netlink.HANDLE_MIN_INGRESS, Handle: u.opts.ID, Priority: priority, Protocol: unix.ETH_P_ALL,
	}}
}

// repair is the filter that fills in checksums of GTP-U packets and lets them go on to the next filter.
func (u *UserPlane) repair(link int) *netlink.Flower {
	udp := nl.IPPROTO_UDP
	csum := netlink.NewCsumAction()
	csum.Action = netlink.TC_ACT_UNSPEC
	csum.UpdateFlags = netlink.TCA_CSUM_UPDATE_FLAG_UDP
	return &netlink.Flower{
		FilterAttrs: netlink.FilterAttrs{
			LinkIndex: link, Parent: netlink.HANDLE_MIN_INGRESS, Handle: 1, Priority: priorityRepair + uint16(u.opts.ID%repairs), Protocol: unix.ETH_P_IP,
		},
		EthType: unix.ETH_P_IP, IPProto: &udp, DestPort: gtpu.Port, Actions: []netlink.Action{csum},
	}
}

// detach takes the programs off. The qdisc stays: others may have come to use it.
func (u *UserPlane) detach() error {
	var errs []error
	del := func(f netlink.Filter) {
		if err := u.handle.FilterDel(f); err != nil && !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.ENODEV) && !errors.Is(err, unix.EINVAL) {
			errs = append(errs, err)
		}
	}
	del(u.attached(u.xfrm, priorityMain))
	for _, l := range u.links {
		del(u.attached(l.index, priorityMain))
		if l.repair {
			del(u.repair(l.index))
			del(u.attached(l.index, priorityGuard))
		}
	}
	return errors.Join(errs...)
}

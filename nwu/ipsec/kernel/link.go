// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"unsafe"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/open-n3iwf/n3iwf/nwu/ipsec/kernel/xfrm"
)

// link is the xfrm interface, its addresses and routes, and the claim to its number.
type link struct {
	handle *netlink.Handle
	xfrm   *xfrm.Conn
	id     uint32
	index  int
	made   netlink.Link
	drops  map[netip.Prefix]netlink.Route
	claim  net.Listener
}

// alias marks our interfaces, so that nothing else is ever taken for a leftover.
const alias = "open-n3iwf"

const (
	linkMTU    = 65535 // ESP packets longer than the path are fragmented outside; the carrier of user data must not be cut here
	lastResort = 1<<31 - 1
	// advertisedMSS fits a TCP segment into a tunnel over any path of 1280 octets or more.
	advertisedMSS = 1160
)

// newLink claims the interface id, clears what a crash has left under it, and makes the interface.
func newLink(x *xfrm.Conn, o *Options) (l *link, err error) {
	l = &link{xfrm: x, id: o.InterfaceID, drops: map[netip.Prefix]netlink.Route{}}
	defer func() {
		if err != nil {
			err = errors.Join(err, l.close(o.Estate != nil))
			l = nil
		}
	}()
	// An abstract socket belongs to the network namespace and goes with the process, or its successor.
	if o.Estate != nil {
		l.claim, err = net.FileListener(o.Estate.Files[0])
	} else {
		l.claim, err = net.Listen("unix", claimOf(o.InterfaceID))
	}
	switch {
	case errors.Is(err, unix.EADDRINUSE): // of no address that an operator knows
		return l, fmt.Errorf("interface id %d is in use by a running process; give each N3IWF of a host a number of its own (dataPlane.interfaceID)", o.InterfaceID)
	case err != nil:
		return l, fmt.Errorf("claim interface id %d: %w", o.InterfaceID, err)
	}
	if l.handle, err = netlink.NewHandle(unix.NETLINK_ROUTE); err != nil {
		return l, err
	}
	// Routes of last resort come first: from here on nothing for a peer's inner address can leave in clear.
	for _, p := range o.Routes {
		if err := l.drop(p); err != nil {
			return l, err
		}
	}
	if o.Estate != nil {
		return l, l.adopt(o)
	}
	n, err := l.clearStale(o.Interface)
	if err != nil {
		return l, err
	}
	if n > 0 {
		o.Log.Warn("removed what an earlier run has left in the kernel", "interface", o.Interface, "id", o.InterfaceID, "objects", n)
	}
	if err := l.make(o); err != nil {
		return l, err
	}
	return l, nil
}

// working tells what is wrong with the interface: somebody has taken it away or set it down.
func (l *link) working() error {
	now, err := l.handle.LinkByIndex(l.index)
	switch {
	case err != nil:
		return fmt.Errorf("xfrm interface %s, which the next start makes again: %w", l.made.Attrs().Name, err)
	case now.Attrs().Flags&net.FlagUp == 0:
		return fmt.Errorf("xfrm interface %s is down: ip link set %[1]s up", now.Attrs().Name)
	}
	return nil
}

// clearStale removes states, policies and the interface of our id.
func (l *link) clearStale(name string) (n int, err error) {
	if old, err := l.handle.LinkByName(name); err == nil {
		if !l.isOurs(old) {
			return 0, fmt.Errorf("there is an interface %s that is not ours; choose another name", name)
		}
		if err := l.handle.LinkDel(old); err != nil {
			return 0, fmt.Errorf("remove the stale interface %s: %w", name, err)
		}
		n++
	}
	policies, err := l.xfrm.Policies(func(p *xfrm.Policy) bool { return p.IfID == l.id })
	if err != nil {
		return n, err
	}
	for _, p := range policies {
		if err := l.xfrm.DeletePolicy(p.PolicyID); err != nil {
			return n, err
		}
	}
	states, err := l.xfrm.States(func(s *xfrm.State) bool { return s.IfID == l.id })
	if err != nil {
		return n, err
	}
	for _, s := range states {
		if err := l.xfrm.DeleteState(s.ID); err != nil && !errors.Is(err, xfrm.ErrNotFound) {
			return n, err
		}
	}
	return n + len(policies) + len(states), nil
}

func (l *link) isOurs(k netlink.Link) bool {
	x, ok := k.(*netlink.Xfrmi)
	return ok && x.Ifid == l.id && x.Attrs().Alias == alias
}

// adopt takes the interface over that a predecessor has made.
func (l *link) adopt(o *Options) error {
	if l.claim.Addr().String() != claimOf(l.id) {
		return fmt.Errorf("the predecessor has another interface id (%s) than %d; dataPlane.interfaceID must be the same", l.claim.Addr(), l.id)
	}
	k, err := l.handle.LinkByName(o.Interface)
	if err != nil {
		return fmt.Errorf("interface of the predecessor: %w", err)
	}
	if !l.isOurs(k) {
		return fmt.Errorf("the interface %s is not that of the predecessor", o.Interface)
	}
	l.made, l.index = k, k.Attrs().Index
	return nil
}

func claimOf(id uint32) string { return fmt.Sprintf("@open-n3iwf/xfrm/%d", id) }

func (l *link) make(o *Options) error {
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.MTU = o.Interface, linkMTU
	x := &netlink.Xfrmi{LinkAttrs: attrs, Ifid: l.id}
	if err := l.handle.LinkAdd(x); err != nil {
		return fmt.Errorf("add xfrm interface %s with id %d (CONFIG_XFRM_INTERFACE; another one may have the id): %w", o.Interface, l.id, err)
	}
	l.made = x
	made, err := l.handle.LinkByName(o.Interface)
	if err != nil {
		return err
	}
	l.index = made.Attrs().Index
	if err := l.handle.LinkSetAlias(made, alias); err != nil {
		return fmt.Errorf("alias of %s: %w", o.Interface, err)
	}
	if err := noOffload(o.Interface); err != nil {
		return err
	}
	if err := l.overlookGRE(); err != nil {
		o.Log.Info("the host's IP looks at user packets as well, which takes longer", "interface", o.Interface, "error", err)
	}
	// No address of its own making, which is better; and answers go back where the route says although packets come from peers all over.
	inner := func(family, name string) string {
		return fmt.Sprintf("/proc/sys/net/%s/conf/%s/%s", family, o.Interface, name)
	}
	if err := setSysctl(inner("ipv6", "addr_gen_mode"), "1", func(string) bool { return true }); err != nil {
		return err
	}
	if err := setSysctl(inner("ipv4", "rp_filter"), "0", func(now string) bool { return now == "2" }); err != nil {
		return err
	}
	if o.TCP {
		// Accepted connections take over the mark of the packet that opened them, and with it the child SA.
		if err := setSysctl("/proc/sys/net/ipv4/tcp_fwmark_accept", "1", nil); err != nil {
			return fmt.Errorf("TCP through the tunnels: %w", err)
		}
	}
	for _, a := range o.Addresses {
		if err := l.handle.AddrAdd(made, &netlink.Addr{IPNet: &net.IPNet{IP: a.Addr().AsSlice(), Mask: net.CIDRMask(a.Bits(), a.Addr().BitLen())}, Flags: unix.IFA_F_NODAD}); err != nil {
			return fmt.Errorf("address %s on %s: %w", a, o.Interface, err)
		}
	}
	if err := l.handle.LinkSetUp(made); err != nil {
		return fmt.Errorf("%s: %w", o.Interface, err)
	}
	for _, p := range o.Routes {
		if err := l.handle.RouteReplace(l.routeTo(p)); err != nil {
			return fmt.Errorf("route for %s to %s: %w", p, o.Interface, err)
		}
	}
	return nil
}

func ipNet(p netip.Prefix) *net.IPNet {
	p = p.Masked()
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

// noOffload turns GRO off: inner packets must come as they were sent.
func noOffload(name string) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd) //nolint:errcheck // nothing was written
	value := struct{ cmd, data uint32 }{cmd: unix.ETHTOOL_SGRO}
	request := struct {
		name [unix.IFNAMSIZ]byte
		data uintptr
		pad  [16]byte
	}{data: uintptr(unsafe.Pointer(&value))}
	copy(request.name[:unix.IFNAMSIZ-1], name)
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&request))); errno != 0 {
		return fmt.Errorf("turn off GRO on %s: %w", name, errno)
	}
	return nil
}

// close removes the interface, what may be left under its id, and the routes. Routes of last resort go last. What is another process's stays.
func (l *link) close(borrowed bool) error {
	var errs []error
	if borrowed {
		l.made, l.drops = nil, nil
	}
	if l.handle != nil {
		if l.made != nil {
			if err := l.handle.LinkDel(l.made); !errors.Is(err, unix.ENODEV) { // somebody else has taken it away
				errs = append(errs, err)
			}
			_, err := l.clearStale(l.made.Attrs().Name)
			errs = append(errs, err)
		}
		for _, r := range l.drops {
			errs = append(errs, l.handle.RouteDel(&r))
		}
		l.handle.Close()
	}
	if l.claim != nil {
		errs = append(errs, l.claim.Close())
	}
	return errors.Join(errs...)
}

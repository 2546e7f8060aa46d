// SPDX-License-Identifier: Apache-2.0

package n3iwf

import (
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"time"

	"github.com/open-n3iwf/n3iwf/config"
	"github.com/open-n3iwf/n3iwf/ikev2"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec"
)

// sockets are the outer addresses served.
func sockets(c *config.NWu) []ipsec.Socket {
	var list []ipsec.Socket
	for _, a := range c.Addresses {
		list = append(list,
			ipsec.Socket{Kind: ipsec.IKE, Local: netip.AddrPortFrom(a, c.IKEPort)},
			ipsec.Socket{Kind: ipsec.NATT, Local: netip.AddrPortFrom(a, c.NATTPort)})
		if c.ESP.Plain || c.UDPEncapsulation == "auto" {
			list = append(list, ipsec.Socket{Kind: ipsec.ESP, Local: netip.AddrPortFrom(a, 0)})
		}
	}
	return list
}

// socketLinger is how long a socket goes on to receive that the configuration has no more. UEs that used its address are told another one at once; one
// behind a NAT that lets in nobody else hears of it from there, and what all of them have under way comes there still.
const socketLinger = 10 * time.Second

// leavingSockets are those in that time. The lock of reloads is theirs.
type leavingSockets map[ipsec.Socket]*time.Timer

// reloadSockets opens and closes sockets for UEs. None is closed that a UE needs which cannot go to another one.
func (nf *N3IWF) reloadSockets(old, next *config.Config) (Change, error) {
	former, wanted := sockets(&old.NWu), sockets(&next.NWu)
	var added, removed []ipsec.Socket
	for _, s := range wanted {
		if !slices.Contains(former, s) {
			added = append(added, s)
		}
	}
	for _, s := range former {
		if !slices.Contains(wanted, s) {
			removed = append(removed, s)
		}
	}
	told := slices.Equal(old.NWu.MOBIKE.AdditionalAddresses, next.NWu.MOBIKE.AdditionalAddresses)
	if len(added)+len(removed) == 0 {
		if told {
			return Change{}, nil
		}
		return Change{Commit: func() { nf.announce(next.NWu.MOBIKE.AdditionalAddresses) }}, nil
	}
	if next.Cluster.Enabled {
		return Change{}, &config.KeyError{Key: socketKey(old, next, append(added, removed...)[0]), What: "the other nodes of the cluster have been told the former value",
			Do: "move the UEs to another node with n3iwf drain, and restart this one"}
	}
	if n := nf.needSockets(&next.NWu); n > 0 {
		return Change{}, &config.KeyError{Key: socketKey(old, next, removed[0]),
			What: fmt.Sprintf("%d UEs use %s and cannot go elsewhere: they have no MOBIKE, or there is no other address of their IP version in nwu.mobike.additionalAddresses", n, removed[0].Local),
			Do:   "keep it until those UEs have gone; n3iwf ues names them"}
	}
	var opened, kept []ipsec.Socket
	undo := func() {
		nf.closeSockets(opened)
		for _, s := range kept {
			nf.leave(s)
		}
	}
	for _, s := range added {
		if t := nf.leaving[s]; t != nil { // it is still there
			t.Stop() // or comes too late
			delete(nf.leaving, s)
			kept = append(kept, s)
			continue
		}
		local, err := nf.dataPlane.AddSocket(s)
		if err != nil {
			undo()
			return Change{}, keyError(socketKey(old, next, s), err)
		}
		opened = append(opened, ipsec.Socket{Kind: s.Kind, Local: local})
	}
	return Change{Undo: undo, Commit: func() {
		nwu, n3 := nf.outerAddresses()
		nf.local.watch(slices.Concat(nwu, n3))
		nf.log.Info("sockets for UEs", slog.Any("opened", added), slog.Any("closing", removed))
		list := nf.local.configure(next.NWu.MOBIKE.AdditionalAddresses)
		nf.lookAtAddresses()
		nf.eachUE(func(u *ue) {
			if !told {
				u.apply(u.session.SetAddresses(time.Now(), list))
			}
			if !servedPath(wanted, u.session.Path()) {
				u.apply(u.session.LocalAddressGone(time.Now(), u.session.Path().Local.Addr()))
			}
		})
		for _, s := range removed {
			nf.leave(s)
		}
	}}, nil
}

// leave closes a socket later, unless a reload wants it again.
func (nf *N3IWF) leave(s ipsec.Socket) {
	if nf.leaving == nil {
		nf.leaving = leavingSockets{}
	}
	var t *time.Timer
	t = time.AfterFunc(socketLinger, func() {
		nf.reloading.Lock()
		defer nf.reloading.Unlock()
		if !nf.ended.Load() && nf.leaving[s] == t { // else a reload has been faster
			nf.left(s)
		}
	})
	nf.leaving[s] = t
}

// left closes a socket whose time is over.
func (nf *N3IWF) left(s ipsec.Socket) {
	delete(nf.leaving, s)
	nf.closeSockets(nf.opened(s))
}

// leaveOthers is for what a predecessor has served for a while yet.
func (nf *N3IWF) leaveOthers() {
	nf.reloading.Lock()
	defer nf.reloading.Unlock()
	list := sockets(&nf.live().NWu)
	for _, s := range nf.dataPlane.Sockets() {
		if !slices.Contains(list, s) {
			nf.leave(s)
		}
	}
}

// opened is a socket of the configuration as the data plane knows it, whose port is the one that it got.
func (nf *N3IWF) opened(s ipsec.Socket) []ipsec.Socket {
	list := nf.dataPlane.Sockets()
	i := slices.IndexFunc(list, func(o ipsec.Socket) bool {
		return o.Kind == s.Kind && o.Local.Addr() == s.Local.Addr() && (o.Local.Port() == s.Local.Port() || s.Local.Port() == 0)
	})
	if i < 0 {
		return nil
	}
	return list[i : i+1]
}

func (nf *N3IWF) closeSockets(list []ipsec.Socket) {
	for _, s := range list {
		if err := nf.dataPlane.RemoveSocket(s); err != nil {
			nf.log.Error("socket", slog.String("address", s.Local.String()), slog.Any("error", err))
		}
	}
}

// socketKey is the key by which a socket has come or gone.
func socketKey(old, next *config.Config, s ipsec.Socket) string {
	o, n := &old.NWu, &next.NWu
	switch {
	case !slices.Equal(o.Addresses, n.Addresses):
		if i := slices.Index(n.Addresses, s.Local.Addr()); i >= 0 {
			return fmt.Sprintf("nwu.addresses[%d]", i)
		}
		return "nwu.addresses"
	case s.Kind == ipsec.IKE:
		return "nwu.ikePort"
	case s.Kind == ipsec.NATT:
		return "nwu.nattPort"
	case o.UDPEncapsulation != n.UDPEncapsulation:
		return "nwu.udpEncapsulation"
	}
	return "nwu.esp.plain"
}

// servedPath tells whether one of the sockets receives IKE on a path.
func servedPath(list []ipsec.Socket, p ikev2.Path) bool {
	kind := ipsec.IKE
	if p.NATT {
		kind = ipsec.NATT
	}
	return slices.ContainsFunc(list, func(s ipsec.Socket) bool { return s.Serves(kind, p.Local) })
}

// needSockets counts the UEs that would be lost with the sockets that c lacks.
func (nf *N3IWF) needSockets(c *config.NWu) int {
	list := sockets(c)
	return nf.census(func(u *ue) bool {
		if !u.session.Established() {
			return false
		}
		p, esp := u.session.Path(), u.session.ChildPath()
		if !esp.NATT && !slices.ContainsFunc(list, func(s ipsec.Socket) bool { return s.Serves(ipsec.ESP, esp.Local) }) {
			return true
		}
		if servedPath(list, p) {
			return false
		}
		return !u.session.MOBIKE() || !slices.ContainsFunc(c.MOBIKE.AdditionalAddresses, func(a netip.Addr) bool {
			q := p
			q.Local = netip.AddrPortFrom(a, p.Local.Port())
			return a.Is4() == p.Remote.Addr().Is4() && servedPath(list, q)
		})
	})
}

// census counts the UEs of which something is true. Before Serve there are none.
func (nf *N3IWF) census(is func(u *ue) bool) (n int) {
	if nf.life == nil {
		return 0
	}
	for _, o := range nf.owners {
		count := make(chan int, 1)
		if !o.mail.post(func() {
			k := 0
			for _, u := range o.byRANID {
				if !u.gone && is(u) {
					k++
				}
			}
			count <- k
		}) {
			continue
		}
		select {
		case k := <-count:
			n += k
		case <-o.done:
		}
	}
	return n
}

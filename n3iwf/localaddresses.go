// SPDX-License-Identifier: Apache-2.0

package n3iwf

import (
	"context"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/open-n3iwf/n3iwf/config"
	"github.com/open-n3iwf/n3iwf/ikev2"
)

// localAddresses are the addresses that UEs are told (RFC 4555 3.6): the configured ones, without those that this machine
// does not have at present.
type localAddresses struct {
	mu         sync.Mutex
	configured []netip.Addr
	bound      []netip.Addr // of sockets, on NWu and N3
	gone       map[netip.Addr]bool
	seen       map[netip.Addr]bool // of both, those that this machine had at a look, or lost since; one behind a NAT it never has
	deaf       bool                // nothing is heard of this machine any more
}

// change notes that an address of this machine came or went. list is what UEs are to be told from now on; changed says
// whether it differs from before.
func (l *localAddresses) change(a netip.Addr, present bool) (list []netip.Addr, changed bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.deaf {
		return l.present(), false
	}
	announced := slices.Contains(l.configured, a)
	if (announced || slices.Contains(l.bound, a)) && l.gone[a] == present {
		changed = announced
		if l.gone == nil {
			l.gone = map[netip.Addr]bool{}
		}
		l.gone[a] = !present
	}
	return l.present(), changed
}

// configure takes another list, and gives what UEs are to be told.
func (l *localAddresses) configure(list []netip.Addr) []netip.Addr {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.configured = list
	return l.present()
}

func (l *localAddresses) present() []netip.Addr {
	return slices.DeleteFunc(slices.Clone(l.configured), func(a netip.Addr) bool { return l.gone[a] })
}

// missing is the present list when it lacks a configured address.
func (l *localAddresses) missing() (list []netip.Addr, some bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	list = l.present()
	return list, len(list) < len(l.configured)
}

// watch notes the addresses that sockets are bound to.
func (l *localAddresses) watch(bound []netip.Addr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.bound = bound
}

// allGone tells whether this machine has none of the addresses any more.
func (l *localAddresses) allGone(of []netip.Addr) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(of) > 0 && !slices.ContainsFunc(of, func(a netip.Addr) bool { return !l.gone[a] })
}

// forget is for the end of watching: all addresses count as present, until hear.
func (l *localAddresses) forget() (list []netip.Addr, changed bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	before := len(l.present())
	l.gone, l.deaf = nil, true
	return l.present(), len(l.configured) > before
}

func (l *localAddresses) hear() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.deaf = false
}

// beginWatch follows the addresses of this machine, with the beginning of Serve.
func (nf *N3IWF) beginWatch(life context.Context) {
	nf.reloading.Lock()
	defer nf.reloading.Unlock()
	nf.life = life
	nwu, n3 := nf.outerAddresses()
	nf.local.watch(slices.Concat(nwu, n3))
	nf.lookAtAddresses()
	if !nf.live().NWu.MOBIKE.WatchAddresses {
		nf.local.forget()
		return
	}
	ctx, cancel := context.WithCancel(life)
	if err := nf.watchAddresses(ctx); err != nil {
		cancel()
		nf.log.Warn("addresses of this machine are not followed", slog.Any("error", err))
		return
	}
	nf.unwatch = cancel
}

// reloadWatch begins or ends that.
func (nf *N3IWF) reloadWatch(old, next *config.Config) (Change, error) {
	on := next.NWu.MOBIKE.WatchAddresses
	if nf.life == nil || on == old.NWu.MOBIKE.WatchAddresses {
		return Change{}, nil
	}
	if !on {
		return Change{Commit: func() {
			nf.lookAtAddresses()
			if nf.unwatch != nil {
				nf.unwatch()
				nf.unwatch = nil
			}
			if list, changed := nf.local.forget(); changed {
				nf.eachUE(func(u *ue) { u.apply(u.session.SetAddresses(time.Now(), list)) })
			}
		}}, nil
	}
	ctx, cancel := context.WithCancel(nf.life)
	if err := nf.watchAddresses(ctx); err != nil {
		cancel()
		return Change{}, keyError("nwu.mobike.watchAddresses", err)
	}
	return Change{Commit: func() {
		nf.unwatch = cancel
		nf.local.hear()
		nf.catchUpOnAddresses()
	}, Undo: cancel}, nil
}

// watchAddresses follows the addresses of this machine until ctx ends.
func (nf *N3IWF) watchAddresses(ctx context.Context) error {
	updates := make(chan netlink.AddrUpdate, 64)
	err := netlink.AddrSubscribeWithOptions(updates, ctx.Done(), netlink.AddrSubscribeOptions{
		ErrorCallback: func(err error) {
			if ctx.Err() == nil {
				nf.log.Error("the addresses of this machine are not followed any more; reload with nwu.mobike.watchAddresses false, and true again", slog.Any("error", err))
			}
		},
	})
	if err != nil {
		return keyError("nwu.mobike.watchAddresses", err)
	}
	nf.running.Go(func() {
		for up := range updates {
			if a, ok := netip.AddrFromSlice(up.LinkAddress.IP); ok {
				nf.addressChanged(a.Unmap(), up.NewAddr)
			}
		}
	})
	return nf.watchLinks(ctx)
}

// addressChanged tells the UEs: those that use an address that is gone go on with another one at once.
func (nf *N3IWF) addressChanged(a netip.Addr, present bool) {
	list, changed := nf.local.change(a, present)
	if present && !changed {
		return
	}
	if changed {
		nf.log.Info("local address", slog.String("address", a.String()), slog.Bool("present", present))
	}
	nf.eachUE(func(u *ue) {
		if present {
			u.apply(u.session.SetAddresses(time.Now(), list))
		} else {
			u.apply(u.session.LocalAddressGone(time.Now(), a))
		}
	})
}

// announce tells UEs the addresses that a reload has brought.
func (nf *N3IWF) announce(configured []netip.Addr) {
	list := nf.local.configure(configured)
	nf.eachUE(func(u *ue) { u.apply(u.session.SetAddresses(time.Now(), list)) })
}

// correctAddresses tells a new UE what has changed since the configuration was read.
func (u *ue) correctAddresses() {
	if list, some := u.nf.local.missing(); some {
		u.apply(u.session.SetAddresses(time.Now(), list))
	}
}

// switchDone: a UE that does not follow is told the address list instead, and moves when its present address stops answering.
func (u *ue) switchDone(ev ikev2.SwitchDone) {
	if u.relocationSwitched(ev) {
		return
	}
	u.log.Info("UE was asked to move", slog.String("to", ev.To.String()), slog.String("outcome", ev.Outcome.String()))
	if ev.Outcome != ikev2.SwitchUnsupported {
		return
	}
	list, _ := u.nf.local.missing()
	if !slices.Contains(list, ev.To.Addr()) {
		list = append(list, ev.To.Addr())
	}
	u.apply(u.session.SetAddresses(time.Now(), list))
}

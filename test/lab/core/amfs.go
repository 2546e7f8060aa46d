// SPDX-License-Identifier: Apache-2.0

package core

import (
	"net/netip"
	"slices"

	"github.com/open-n3iwf/n3iwf/ngap"
	"github.com/open-n3iwf/n3iwf/ngap/transport"
)

// AMF is a further AMF of the core. All AMFs share their UE contexts, as an AMF set with a UDSF does (TS 23.501 5.21.2.1), so that each can go on
// with the UEs of another.
type AMF struct {
	Name     string `yaml:"name"`
	AMFID    string `yaml:"amfId"`
	Listen   string `yaml:"listen"`   // as of the core
	Capacity uint8  `yaml:"capacity"` // relative
}

// amf is an AMF towards N3IWFs.
type amf struct {
	name     ngap.AMFName
	guami    ngap.GUAMI
	capacity ngap.RelativeAMFCapacity
	listen   []netip.AddrPort // the first one, and those for further TNL associations
	homes    []netip.Addr     // further addresses of the first one
}

// listeners opens the sockets of all AMFs.
func (c *Core) listenAll() error {
	for i, a := range c.net.amfs {
		for j, at := range a.listen {
			port := c.cfg.UDPPort
			local := []netip.AddrPort{at}
			if j == 0 {
				for _, home := range a.homes {
					local = append(local, netip.AddrPortFrom(home, at.Port()))
				}
			}
			l, err := transport.Listen(transport.Options{
				Mode: c.net.mode, Local: local, UDPPort: port, MaxMessageSize: 1 << 20, HeartbeatInterval: c.cfg.Heartbeat, Logger: c.log,
			})
			if err != nil {
				for _, open := range c.listeners {
					_ = open.Close() // the error that matters is there
				}
				return err
			}
			if i == 0 && j == 0 {
				c.listener = l
			}
			c.listeners = append(c.listeners, l)
			c.running.Go(func() { c.accept(l, a) })
		}
	}
	return nil
}

// amfs reads the further AMFs and associations of the configuration.
func (n *network) addAMFs(c *Config) error {
	first := &amf{name: ngap.AMFName(c.Name), guami: n.guami, capacity: ngap.RelativeAMFCapacity(c.Capacity), listen: []netip.AddrPort{n.listen}}
	for i, text := range c.Homes {
		home, err := netip.ParseAddr(text)
		if err != nil {
			return wrong(indexed("homes", i, ""), "%q: give a further address of N2, without a port", text)
		}
		first.homes = append(first.homes, home)
	}
	for i, text := range c.Associations {
		at, err := netip.ParseAddrPort(text)
		if err != nil {
			return wrong(indexed("associations", i, ""), "%q: give address and port of N2", text)
		}
		first.listen = append(first.listen, at)
	}
	n.amfs = []*amf{first}
	for i, other := range c.AMFs {
		a := &amf{name: ngap.AMFName(other.Name), capacity: ngap.RelativeAMFCapacity(other.Capacity)}
		at, err := netip.ParseAddrPort(other.Listen)
		if err != nil {
			return wrong(indexed("amfs", i, "listen"), "%q: give address and port of N2", other.Listen)
		}
		if a.guami, err = ngap.NewGUAMI(n.plmn, other.AMFID); err != nil {
			return wrong(indexed("amfs", i, "amfId"), "%q: give 6 hexadecimal digits", other.AMFID)
		}
		if a.name == "" || slices.ContainsFunc(n.amfs, func(b *amf) bool { return a.name == b.name || a.guami.String() == b.guami.String() }) {
			return wrong(indexed("amfs", i, "name"), "each AMF has a name and an identity of its own")
		}
		a.listen = []netip.AddrPort{at}
		n.amfs = append(n.amfs, a)
	}
	return nil
}

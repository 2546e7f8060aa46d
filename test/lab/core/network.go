// SPDX-License-Identifier: Apache-2.0

package core

import (
	"cmp"
	"crypto/ecdh"
	"encoding/hex"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/open-n3iwf/n3iwf/gre/gtpu"
	"github.com/open-n3iwf/n3iwf/ngap"
	"github.com/open-n3iwf/n3iwf/ngap/transport"
	"github.com/open-n3iwf/n3iwf/test/lab/nas"
	"github.com/open-n3iwf/n3iwf/test/lab/nas/milenage"
	"github.com/open-n3iwf/n3iwf/test/lab/nas/suci"
	"github.com/open-n3iwf/n3iwf/test/lab/upf"
)

// network is the configuration in the terms of NGAP and NAS.
type network struct {
	mode        transport.Mode
	plmn        ngap.PLMNIdentity
	nid         *ngap.NID // nil: no SNPN
	guami       ngap.GUAMI
	nasGUAMI    nas.GUAMI
	tac         ngap.TAC
	slices      []ngap.SNSSAI
	nssai       nas.NSSAI // the same slices
	listen      netip.AddrPort
	amfs        []*amf // the first one is the core's own
	upf         netip.Addr
	pool        netip.Prefix
	pool6       netip.Prefix
	n6          upf.N6
	dnns        map[string]*dataNetwork
	firstDNN    *dataNetwork
	subscribers map[string]*subscriber
	any         *subscriber
	homeKeys    map[uint8]*ecdh.PrivateKey
}

// subscriber is a subscriber at the UDM. Its sequence number goes on.
type subscriber struct {
	imsi   string
	key    milenage.Subscriber
	sqn    milenage.SQN
	reject nas.Cause
}

// dataNetwork is a DNN at the SMF.
type dataNetwork struct {
	name  string
	flows []flow
	dns   []netip.Addr
	mtu   uint16
}

// flow is a QoS flow with its filter read.
type flow struct {
	Flow
	remote netip.Prefix
}

// network checks the configuration. The error is a *ConfigError.
func (c *Config) network() (*network, error) {
	n := &network{dnns: map[string]*dataNetwork{}, subscribers: map[string]*subscriber{}, homeKeys: map[uint8]*ecdh.PrivateKey{}}
	for _, step := range []func(*Config) error{n.identity, n.addresses, n.addAMFs, n.checkVariant, n.addSlices, n.addDNNs, n.addSubscribers, n.addHomeKeys} {
		if err := step(c); err != nil {
			return nil, err
		}
	}
	return n, nil
}

// indexed is the path of a key in an item of a list.
func indexed(list string, i int, key string) string {
	if key == "" {
		return fmt.Sprintf("%s[%d]", list, i)
	}
	return fmt.Sprintf("%s[%d].%s", list, i, key)
}

func wrong(path, what string, args ...any) error {
	return &ConfigError{Path: "$." + path, What: fmt.Sprintf(what, args...)}
}

func (n *network) identity(c *Config) (err error) {
	if n.plmn, err = ngap.NewPLMNIdentity(c.MCC, c.MNC); err != nil {
		return wrong("mcc", "%q with mnc %q is no PLMN: give 3 digits of MCC and 2 or 3 of MNC, in quotes", c.MCC, c.MNC)
	}
	if c.NID != "" {
		v, err := strconv.ParseUint(c.NID, 16, 64)
		if err != nil || len(c.NID) != 11 {
			return wrong("nid", "%q: give 11 hexadecimal digits, in quotes", c.NID)
		}
		n.nid = new(ngap.NID(v))
	}
	if n.guami, err = ngap.NewGUAMI(n.plmn, c.AMFID); err != nil {
		return wrong("amfId", "%q: give 6 hexadecimal digits, such as cafe00", c.AMFID)
	}
	n.nasGUAMI = nas.GUAMI{PLMN: nas.PLMN(n.plmn), Region: uint8(n.guami.AMFRegionID), Set: uint16(n.guami.AMFSetID), Pointer: uint8(n.guami.AMFPointer)}
	if n.tac, err = ngap.ParseTAC(c.TAC); err != nil {
		return wrong("tac", "%q: give up to 6 hexadecimal digits, in quotes", c.TAC)
	}
	if c.Name == "" || len(c.Name) > 150 {
		return wrong("name", "give 1 to 150 characters")
	}
	if c.AMBR == 0 || c.AMBR > 4_000_000 {
		return wrong("ambr", "%d: give 1 to 4000000 Mbit/s", c.AMBR)
	}
	return nil
}

func (n *network) addresses(c *Config) (err error) {
	if n.mode, err = transport.ParseMode(c.Transport); err != nil {
		return wrong("transport", "%v", err)
	}
	if n.listen, err = netip.ParseAddrPort(c.Listen); err != nil {
		return wrong("listen", "%q: give address and port of N2, such as 127.0.0.1:%d", c.Listen, transport.Port)
	}
	if n.upf, err = netip.ParseAddr(c.UPF); err != nil || n.upf.IsUnspecified() {
		return wrong("upf", "%q: give the GTP-U address that N3IWFs send to, without a port; that is %d", c.UPF, gtpu.Port)
	}
	if n.pool, err = netip.ParsePrefix(c.Pool); err != nil || !n.pool.Addr().Is4() {
		return wrong("pool", "%q: give an IPv4 prefix for PDU sessions, such as 10.45.0.0/16", c.Pool)
	}
	if c.Pool6 != "" {
		if n.pool6, err = netip.ParsePrefix(c.Pool6); err != nil || !n.pool6.Addr().Is6() || n.pool6.Bits() < 32 || n.pool6.Bits() > 64 {
			return wrong("pool6", "%q: give an IPv6 prefix of /32 to /64, such as fd45::/48", c.Pool6)
		}
	}
	for i, text := range c.N6.Hosts {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			return wrong(fmt.Sprintf("n6.hosts[%d]", i), "%q: give a prefix, such as 192.0.2.0/24", text)
		}
		n.n6.Hosts = append(n.n6.Hosts, p)
	}
	for i, text := range c.N6.NAT {
		a, err := netip.ParseAddr(text)
		if err != nil {
			return wrong(fmt.Sprintf("n6.nat[%d]", i), "%q: give an address of this machine", text)
		}
		n.n6.NAT = append(n.n6.NAT, a)
	}
	return nil
}

func (n *network) addSlices(c *Config) error {
	if len(c.Slices) == 0 || len(c.Slices) > 8 {
		return wrong("slices", "give 1 to 8")
	}
	for i, s := range c.Slices {
		slice, plain := ngap.NewSNSSAI(s.SST, nil), nas.SNSSAI{SST: s.SST}
		if s.SD != "" {
			b, err := hex.DecodeString(s.SD)
			if err != nil || len(b) != 3 {
				return wrong(fmt.Sprintf("slices[%d].sd", i), "%q: give 6 hexadecimal digits, in quotes", s.SD)
			}
			sd := ngap.SD(b)
			slice.SD, plain.HasSD, plain.SD = &sd, true, [3]byte(b)
		}
		n.slices, n.nssai = append(n.slices, slice), append(n.nssai, plain)
	}
	return nil
}

func (n *network) addDNNs(c *Config) error {
	if len(c.DNNs) == 0 {
		return wrong("dnns", "give at least one")
	}
	for i := range c.DNNs {
		path := fmt.Sprintf("dnns[%d]", i)
		d, err := newDataNetwork(path, &c.DNNs[i])
		if err != nil {
			return err
		}
		if n.dnns[d.name] != nil {
			return wrong(path+".name", "%q is there twice", d.name)
		}
		n.dnns[d.name] = d
		if i == 0 {
			n.firstDNN = d
		}
	}
	return nil
}

func newDataNetwork(path string, d *DNN) (*dataNetwork, error) {
	out := &dataNetwork{name: d.Name, mtu: cmp.Or(d.MTU, 1400)}
	if _, err := nas.Encode(&nas.ULNASTransport{DNN: new(nas.DNN(d.Name))}); err != nil {
		return nil, wrong(path+".name", "%q is no DNN: give labels of 1 to 63 characters with dots between", d.Name)
	}
	if len(d.Flows) == 0 || len(d.Flows) > 63 {
		return nil, wrong(path+".flows", "give 1 to 63 QoS flows")
	}
	for j, text := range d.DNS {
		a, err := netip.ParseAddr(text)
		if err != nil || !a.Is4() {
			return nil, wrong(fmt.Sprintf("%s.dns[%d]", path, j), "%q: give an IPv4 address", text)
		}
		out.dns = append(out.dns, a)
	}
	var seen uint64
	for j, f := range d.Flows {
		at := fmt.Sprintf("%s.flows[%d]", path, j)
		var remote netip.Prefix
		if f.Remote != "" {
			var err error
			if remote, err = netip.ParsePrefix(f.Remote); err != nil || !remote.Addr().Is4() {
				return nil, wrong(at+".remote", "%q: give an IPv4 prefix", f.Remote)
			}
		}
		switch {
		case f.QFI == 0 || f.QFI > gtpu.MaxQFI:
			return nil, wrong(at+".qfi", "%d: give 1 to %d", f.QFI, gtpu.MaxQFI)
		case seen&(1<<f.QFI) != 0:
			return nil, wrong(at+".qfi", "%d is there twice", f.QFI)
		case f.DSCP > 63:
			return nil, wrong(at+".dscp", "%d: give 1 to 63", f.DSCP)
		case f.Maximum < f.Guaranteed || f.Maximum > 4_000_000:
			return nil, wrong(at+".maximum", "%d: give the guaranteed rate or more, at most 4000000 Mbit/s", f.Maximum)
		}
		seen |= 1 << f.QFI
		out.flows = append(out.flows, flow{Flow: f, remote: remote})
	}
	return out, nil
}

func (n *network) addSubscribers(c *Config) error {
	if len(c.Subscribers) == 0 {
		return wrong("subscribers", "give at least one")
	}
	for i, s := range c.Subscribers {
		path := fmt.Sprintf("subscribers[%d]", i)
		if len(s.IMSI) < 6 || len(s.IMSI) > 15 || strings.Trim(s.IMSI, "0123456789") != "" {
			return wrong(path+".imsi", "%q: give up to 15 digits, in quotes", s.IMSI)
		}
		if n.subscribers[s.IMSI] != nil {
			return wrong(path+".imsi", "%s is there twice", s.IMSI)
		}
		sub := &subscriber{imsi: s.IMSI, reject: nas.Cause(s.Reject)}
		for _, key := range []struct {
			name, text string
			to         *[16]byte
		}{{"k", s.K, &sub.key.K}, {"opc", s.OPc, &sub.key.OPc}} {
			b, err := hex.DecodeString(key.text)
			if err != nil || len(b) != 16 {
				return wrong(path+"."+key.name, "give 32 hexadecimal digits, in quotes") // the value is a secret
			}
			*key.to = [16]byte(b)
		}
		if s.SQN != "" {
			b, err := hex.DecodeString(s.SQN)
			if err != nil || len(b) != 6 {
				return wrong(path+".sqn", "%q: give 12 hexadecimal digits, in quotes", s.SQN)
			}
			sub.sqn = milenage.ParseSQN([6]byte(b))
		}
		n.subscribers[s.IMSI] = sub
		if c.AnySubscriber && n.any == nil {
			n.any = sub
		}
	}
	return nil
}

func (n *network) addHomeKeys(c *Config) error {
	for i, k := range c.HomeNetworkKeys {
		b, err := hex.DecodeString(k.Key)
		if err == nil {
			n.homeKeys[k.ID], err = ecdh.X25519().NewPrivateKey(b)
		}
		if err != nil {
			return wrong(fmt.Sprintf("homeNetworkKeys[%d].key", i), "give an X25519 private key of 64 hexadecimal digits, in quotes")
		}
	}
	return nil
}

// subscriberOf finds the subscriber of a SUCI of the null scheme or of profile A. It is nil for an IMSI that nobody has.
func (n *network) subscriberOf(id nas.SUCI) (*subscriber, error) {
	msin := id.Output
	switch id.Scheme {
	case 0:
	case suci.SchemeA:
		key := n.homeKeys[id.KeyID]
		if key == nil {
			return nil, fmt.Errorf("the SUCI is concealed with home network key %d, which homeNetworkKeys does not have", id.KeyID)
		}
		var err error
		if msin, err = suci.Reveal(key, id.Output); err != nil {
			return nil, err
		}
	default:
		return nil, fmt.Errorf("SUCI protection scheme %d: only the null scheme and profile A exist here", id.Scheme)
	}
	imsi := id.PLMN.MCC() + id.PLMN.MNC() + nas.DecodeMSIN(msin)
	if s := n.subscribers[imsi]; s != nil {
		return s, nil
	}
	if n.any == nil || ngap.PLMNIdentity(id.PLMN) != n.plmn {
		return nil, fmt.Errorf("nobody has the IMSI %s: add it to subscribers", imsi)
	}
	s := &subscriber{imsi: imsi, key: n.any.key}
	n.subscribers[imsi] = s
	return s, nil
}

// slice finds the slice that a UE names; without a name it is the first one.
func (n *network) slice(s *nas.SNSSAI) (ngap.SNSSAI, bool) {
	if s == nil {
		return n.slices[0], true
	}
	for i, own := range n.nssai {
		if own.Same(*s) {
			return n.slices[i], true
		}
	}
	return ngap.SNSSAI{}, false
}

// allowed are the slices of a UE: the requested ones that the network has, or all.
func (n *network) allowed(requested nas.NSSAI) (nas.NSSAI, ngap.AllowedNSSAI) {
	var plain nas.NSSAI
	var list ngap.AllowedNSSAI
	add := func(match func(nas.SNSSAI) bool) {
		for i, own := range n.nssai {
			if match(own) {
				plain, list = append(plain, own), append(list, ngap.AllowedNSSAIItem{SNSSAI: n.slices[i]})
			}
		}
	}
	add(func(own nas.SNSSAI) bool {
		for _, s := range requested {
			if own.Same(s) {
				return true
			}
		}
		return false
	})
	if len(plain) == 0 {
		add(func(nas.SNSSAI) bool { return true })
	}
	return plain, list
}

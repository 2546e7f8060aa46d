// SPDX-License-Identifier: Apache-2.0

package n3iwf

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/open-n3iwf/n3iwf/config"
	"github.com/open-n3iwf/n3iwf/ikev2"
	"github.com/open-n3iwf/n3iwf/ikev2/message"
	"github.com/open-n3iwf/n3iwf/ikev2/suite"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec"
)

// openProof reads the secrets that the N3IWF proves itself with.
func (nf *N3IWF) openProof() error {
	c := &nf.live().NWu
	s, err := readSecrets(c)
	if err == nil {
		nf.use(s, c.Identity)
	}
	return err
}

// ikeOptions turns the configuration into that of the IKEv2 sessions, as far as all owners share it.
func (nf *N3IWF) ikeOptions(of *config.Config) (ikev2.Options, error) {
	c := of.NWu
	profile, err := suite.ByName(c.IKE.Profile)
	if err != nil {
		return ikev2.Options{}, keyError("nwu.ike.profile", err)
	}
	o := ikev2.Options{
		IKE: profile.IKE, ESP: espProposals(profile.ESP, c.ESP.ESN), Rand: rand.Reader, FullMODP: profile.FullMODP,
		CrashSecret: nf.crash,
		Identity:    ikeIdentity(c.Identity), Prove: nf.prover, EAP: true, PPK: nf.ppkPolicy(c.IKE.PPK), AlwaysSendCertificate: c.Certificate.Send == "always",
		NoMOBIKE: !c.MOBIKE.Enabled, AdditionalAddresses: c.MOBIKE.AdditionalAddresses, HonestNAT: c.UDPEncapsulation != "always",
		Routability:       routability[c.MOBIKE.ReturnRoutability],
		RoutabilityExempt: c.MOBIKE.VerifiedNetworks, RoutabilityMemory: max(c.MOBIKE.ProvenFor, time.Nanosecond), // 0 would be the default
		AcceptPath: nf.acceptPath, AcceptChild: acceptChild,
		Retransmit:   retransmission(c.IKE.Retransmission),
		HalfOpenTime: of.Timers.Registration, Linger: lingerTime, Liveness: c.IKE.Liveness.Period,
		Lifetime: ikev2.Lifetimes{IKE: lifetime(c.IKE.Lifetime), Child: lifetime(c.ESP.Lifetime)},
		Resync:   of.Cluster.Enabled, FragmentSize: c.IKE.FragmentSize - ikeOverhead, Window: c.IKE.Window,
		Rebind: rebinding[c.MOBIKE.FollowESP], Patience: c.MOBIKE.Patience, MovesPerMinute: c.MOBIKE.MovesPerMinute, Switch: switchExtension(c.MOBIKE.Switch),
		KeyLog:          &nf.keys,
		ReleaseChildSPI: func(spi uint32) { nf.dataPlane.ReleaseSPI(spi) },
	}
	return o, nil
}

// retransmission turns the number of tries into the time after which a request is given up.
func retransmission(c config.Retransmission) ikev2.Retransmission {
	r := ikev2.Retransmission{First: c.Initial, Factor: c.Base, Max: time.Hour}
	wait := c.Initial
	for range c.Tries + 1 {
		r.GiveUp += wait
		wait = time.Duration(float64(wait) * c.Base)
	}
	return r
}

// lifetime says it as the sessions do, for which no jitter is less than none.
func lifetime(c config.Lifetime) ikev2.Lifetime {
	l := ikev2.Lifetime{Soft: c.Soft, Hard: c.Hard, Jitter: c.Jitter}
	if l.Jitter == 0 {
		l.Jitter = -1
	}
	return l
}

// ikeOverhead is what a datagram has beside the IKE message: IPv6, UDP, non-ESP marker.
const ikeOverhead = 40 + 8 + 4

var routability = map[string]ikev2.Routability{
	"before": ikev2.RoutabilityBefore, "after": ikev2.RoutabilityAfter, "off": ikev2.RoutabilityOff,
}

var rebinding = map[string]ikev2.Rebinding{
	"off": ikev2.RebindOff, "port": ikev2.RebindPort, "rr": ikev2.RebindRoutability, "port+rr": ikev2.RebindPortRoutability,
}

func switchExtension(c config.Switch) *ikev2.SwitchExtension {
	if !c.Enabled {
		return nil
	}
	return &ikev2.SwitchExtension{VendorID: []byte(c.VendorID), Notify: message.NotifyType(c.Notify), Capability: []byte{c.Capability}}
}

// ownerOptions adds what differs between owners: SPIs that lead back to the owner, and its share of the limits.
func (nf *N3IWF) ownerOptions(o ikev2.Options, owner *owner) ikev2.Options {
	o.NewIKESPI = func() message.SPI {
		var b [8]byte
		_, _ = rand.Read(b[:]) // never fails
		b[7] = byte(owner.index)
		return message.SPI(nf.dataPlane.IKESPI(owner.index, binary.BigEndian.Uint64(b[:])))
	}
	o.MarshalTag, o.UnmarshalTag = marshalTag, owner.unmarshalTag
	o.NewChildSPI = func() (uint32, error) { return nf.dataPlane.NewInboundSPI(owner.index) }
	h, n := nf.live().NWu.IKE.HalfOpen, len(nf.owners)
	share := func(limit int) int { return (limit + n - 1) / n }
	threshold := func(limit int) int {
		if limit == 0 {
			return -1 // always; 0 would be the default
		}
		return share(limit)
	}
	o.Limits = ikev2.Limits{
		CookieTotal: threshold(h.CookieThreshold), CookiePerSource: threshold(h.CookieThresholdPerAddress),
		Total: share(h.Limit), PerSource: share(h.LimitPerAddress), Exempt: h.ExemptPrefixes, SecretLife: h.CookieLifetime,
		SourceBitsIPv4: h.PrefixIPv4, SourceBitsIPv6: h.PrefixIPv6,
	}
	o.Redirect = func(path ikev2.Path, from ikev2.Gateway) ikev2.Gateway {
		if to := nf.redirect(path, from); !to.IsZero() || !nf.stopping.Load() {
			return to
		}
		return nf.redirectTo()
	}
	return o
}

// ikeIdentity is what IDr says: an address, else an FQDN.
func ikeIdentity(s string) ikev2.Identity {
	if a, err := netip.ParseAddr(s); err == nil {
		id := message.AddrIdentification(a)
		return ikev2.Identity{Type: id.Type, Data: id.Data}
	}
	return ikev2.Identity{Type: message.ID_FQDN, Data: []byte(s)}
}

// espProposals puts the preferred kind of sequence numbers first, or takes ESN out.
func espProposals(list []message.Proposal, esn bool) []message.Proposal {
	if esn {
		return list
	}
	out := make([]message.Proposal, len(list))
	for i, p := range list {
		out[i] = p
		out[i].Transforms = nil
		for _, t := range p.Transforms {
			if t.Type != message.TransformESN || t.ID == 0 {
				out[i].Transforms = append(out[i].Transforms, t)
			}
		}
	}
	return out
}

// forbidden tells whether an outer address is in nwu.forbiddenNetworks.
func (nf *N3IWF) forbidden(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	return slices.ContainsFunc(nf.live().NWu.ForbiddenNetworks, func(p netip.Prefix) bool { return p.Contains(a) })
}

// acceptPath refuses a move into a forbidden network, into the N3IWF's own inner networks (packets would go round in their own tunnel), and to where the
// child SAs could not follow.
func (nf *N3IWF) acceptPath(_ *ikev2.Session, path ikev2.Path) error {
	if nf.forbidden(path.Remote.Addr()) {
		return fmt.Errorf("%s is in nwu.forbiddenNetworks", path.Remote.Addr())
	}
	if nf.inPools(path.Remote.Addr()) {
		return fmt.Errorf("%s is inside nwu.uePools", path.Remote.Addr())
	}
	if j, ok := nf.dataPlane.(ipsec.PathJudge); ok {
		return j.Usable(ipsec.Path(path))
	}
	return nil
}

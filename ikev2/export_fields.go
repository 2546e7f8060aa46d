// SPDX-License-Identifier: Apache-2.0

package ikev2

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/open-n3iwf/n3iwf/ikev2/message"
	"github.com/open-n3iwf/n3iwf/ikev2/suite"
)

// The fields that travel, one list a type, for both directions. Whoever adds a field to Session or to what it holds
// adds a line here, or a reason not to in the table of TestEveryFieldTravels.

func (s *Session) fields(c *codec) {
	field(c, "originalInitiator", &s.origInitiator)
	field(c, "path", &s.path)
	field(c, "childPath", &s.espPath)
	field(c, "nat", &s.nat)
	field(c, "fragmentation", &s.fragment)
	field(c, "smallPath", &s.small)
	c.time("lastHeard", &s.lastHeard)
	c.time("lastSent", &s.lastSent)
	field(c, "probing", &s.probing)
	field(c, "reservedSPIs", &s.reserved)
	s.mobility.fields(c)
	s.sync.fields(c)
	field(c, "redirectable", &s.redirect.able)
	field(c, "redirectedFrom", &s.redirect.from)
	list(c, "redirects", &s.redirect.times, maxRedirects, func(c *codec, t *time.Time) { c.time("at", t) })
	s.ikeSAs(c)
	list(c, "children", &s.children, 2*maxChildren, func(c *codec, v **child) {
		if !c.encoding {
			*v = &child{sa: &ChildSA{}}
		}
		(*v).fields(c)
	})
	s.links(c)
}

// links are what connects Child SAs with each other and with our rekeys of them.
func (s *Session) links(c *codec) {
	type link struct {
		Out, ReplacedBy uint32 // inbound SPIs: of the pair of its line that is sent on; of what the peer replaced it by
	}
	var links []link
	for _, v := range s.children {
		if c.encoding {
			l := link{}
			if v.line.out != nil {
				l.Out = v.line.out.sa.InboundSPI
			}
			if r := v.peerRekey; r != nil && r.pair != nil {
				l.ReplacedBy = r.pair.sa.InboundSPI
			}
			links = append(links, l)
		}
	}
	field(c, "links", &links)
	if c.encoding || c.err != nil {
		return
	}
	lines := map[uint32]*line{}
	for i, v := range s.children {
		l := link{Out: v.sa.InboundSPI}
		if len(links) == len(s.children) {
			l = links[i]
		}
		if lines[l.Out] == nil {
			lines[l.Out] = &line{out: s.childByInbound(l.Out)}
		}
		v.line = lines[l.Out]
		if next := s.childByInbound(l.ReplacedBy); next != nil && next != v {
			v.peerRekey = &peerRekey{pair: next}
			next.rekeys = v
		}
		if v.policy == nil {
			v.policy = c.opt.ESP
		}
	}
	for sa := range s.eachIKESA() {
		for i, r := range append(slices.Clone(sa.outstanding), sa.queue...) {
			r.sa = sa
			p, ok := r.carries.(*pendingChild)
			if !ok {
				continue
			}
			p.sent = i < len(sa.outstanding)
			if p.rekeys == 0 {
				continue
			}
			if p.old = s.childByInbound(p.rekeys); p.old == nil {
				c.fail("a rekey of a Child SA that is not there")
				return
			}
			p.old.rekey = p
		}
	}
}

func (y *syncing) fields(c *codec) {
	field(c, "syncMessageIDs", &y.messageIDs)
	field(c, "syncReplay", &y.replay)
	field(c, "syncHighest", &y.highest)
	field(c, "syncAnswered", &y.sum)
	field(c, "syncAnswer", &y.answer)
}

func (m *mobility) fields(c *codec) {
	field(c, "mobike", &m.mobike)
	field(c, "peerAddresses", &m.peerAddrs)
	field(c, "natReference", &m.natReference)
	list(c, "proven", &m.proven, maxProven, func(c *codec, p *provenPath) {
		field(c, "remote", &p.remote)
		c.time("until", &p.until)
	})
	field(c, "routabilityWanted", &m.rr.wanted)
	field(c, "routabilityTarget", &m.rr.target)
	c.time("routabilityDeadline", &m.rr.deadline)
	field(c, "routabilityOpened", &m.rr.opened)
	list(c, "unproven", &m.unproven, maxUnproven+1, func(c *codec, u *unproven) {
		field(c, "address", &u.addr)
		field(c, "octets", &u.octets)
	})
	field(c, "ownAddresses", &m.own)
	field(c, "localGone", &m.localGone)
	field(c, "left", &m.left)
	field(c, "natRetries", &m.natRetries)
	field(c, "rebindingTarget", &m.rebinding.target)
	c.time("rebindingDeadline", &m.rebinding.deadline)
	c.time("rebindingNotBefore", &m.rebinding.notBefore)
	field(c, "followed", &m.followed)
	field(c, "moveLimit", &m.moveLimit)
	c.time("movesSince", &m.moveCount.since)
	field(c, "moves", &m.moveCount.moves)
	field(c, "canSwitch", &m.canSwitch)
	field(c, "switchPhase", &m.switching.phase)
	field(c, "switchTo", &m.switching.to)
	field(c, "switchFormer", &m.switching.former)
	field(c, "switchAgain", &m.switching.again)
	c.time("switchDeadline", &m.switching.deadline)
	c.check(len(m.peerAddrs) <= maxAddresses, "too many peer addresses")
}

// ikeSAs are the IKE SA and those that it has replaced.
func (s *Session) ikeSAs(c *codec) {
	if c.encoding {
		c.object("ikeSA", func(c *codec) { s.ikeSA(c, s.sa) })
		if len(s.others) > 0 {
			c.object("oldIKESA", func(c *codec) { s.ikeSA(c, s.others[0]) })
			further := s.others[1:]
			list(c, "olderIKESAs", &further, maxOthers, func(c *codec, v **ikeSA) { s.ikeSA(c, *v) })
		}
		return
	}
	_, hasOld := c.values["oldIKESA"]
	s.sa = &ikeSA{}
	c.object("ikeSA", func(c *codec) { s.ikeSA(c, s.sa) })
	if hasOld {
		old := &ikeSA{}
		c.object("oldIKESA", func(c *codec) { s.ikeSA(c, old) })
		var further []*ikeSA
		list(c, "olderIKESAs", &further, maxOthers, func(c *codec, v **ikeSA) {
			*v = &ikeSA{}
			s.ikeSA(c, *v)
		})
		s.others = append([]*ikeSA{old}, further...)
		for _, sa := range s.others {
			if sa.until.IsZero() {
				sa.until = c.now.Add(c.opt.Linger)
			}
		}
	}
}

func (s *Session) ikeSA(c *codec, sa *ikeSA) {
	field(c, "spiI", &sa.spiI)
	field(c, "spiR", &sa.spiR)
	field(c, "initiator", &sa.initiator)
	field(c, "suite", &sa.suite)
	field(c, "keys", &sa.keys)
	field(c, "nextSend", &sa.nextSend)
	field(c, "peerToken", &sa.peerToken)
	sa.receiving.fields(c)
	field(c, "window", &sa.window)
	field(c, "lastMove", &sa.lastMove)
	c.time("until", &sa.until)
	sa.life.fields(c)
	s.ivs(c, sa)
	for _, l := range []struct {
		name  string
		list  *[]*request
		limit int
	}{{"outstanding", &sa.outstanding, maxWindow}, {"queue", &sa.queue, maxQueue}} {
		list(c, l.name, l.list, l.limit, func(c *codec, v **request) { s.requestFields(c, v) })
	}
	if c.encoding || c.err != nil {
		return
	}
	c.check(sa.spiI != 0 && sa.spiR != 0, "an SPI is 0")
	c.check(sa.window >= 1 && sa.window <= maxWindow, "the window")
	for i, r := range sa.outstanding {
		c.check(len(r.datagrams) > 0 && len(r.paths) > 0 && r.wait > 0 && !r.sent.IsZero() && !r.next.IsZero(), "an outstanding request that was not sent")
		c.check(r.mid < sa.nextSend, "an outstanding request of the future")
		for _, other := range sa.outstanding[:i] {
			c.check(other.mid != r.mid, "two outstanding requests with one message ID")
		}
	}
}

func (r *receiving) fields(c *codec) {
	field(c, "nextReceive", &r.nextRecv)
	field(c, "receiveWindow", &r.width)
	field(c, "lastUpdate", &r.lastUpdate)
	field(c, "lastAddressList", &r.lastList)
	list(c, "taken", &r.taken, 2*maxWindow, func(c *codec, t *taken) {
		field(c, "messageID", &t.mid)
		field(c, "exchange", &t.exchange)
		field(c, "hash", &t.sum)
		field(c, "fragments", &t.total)
		field(c, "response", &t.reply)
		c.payloads("responsePayloads", &t.inner)
		field(c, "to", &t.to)
		field(c, "copies", &t.copies)
	})
	c.check(r.width >= 0 && r.width <= maxWindow, "the receive window")
}

// maxQueue bounds the requests that wait for room in the window when a session travels.
const maxQueue = 1024

// ivs is how many IVs of the key for sending are used. Reading it makes both protectors.
func (s *Session) ivs(c *codec, sa *ikeSA) {
	var used uint64
	if p, ok := sa.out.(*suite.Protector); ok {
		used = p.IVs()
	}
	field(c, "usedIVs", &used)
	if c.encoding || c.err != nil {
		return
	}
	p := sa.suite.PRF.Len()
	if !sa.suite.Supported() || sa.keys == nil || len(sa.keys.D) != p || len(sa.keys.PI) != p || len(sa.keys.PR) != p {
		c.fail("the keys of an IKE SA with %v", sa.suite)
		return
	}
	out, in, err := sa.keys.Protectors(sa.suite, sa.initiator, c.opt.Rand)
	if err != nil {
		c.fail("the keys of an IKE SA: %w", err)
		return
	}
	out.SkipIVs(used)
	sa.out, sa.in = out, in
}

// requestFields is one request. What it does is made anew from its kind and from what it carries.
func (s *Session) requestFields(c *codec, v **request) {
	var kind string
	if c.encoding {
		kind = kindNames[(*v).kind]
	}
	field(c, "kind", &kind)
	if !c.encoding {
		if *v = s.restoreRequest(c, kind); *v == nil {
			c.fail("a request of kind %q", kind)
			return
		}
	} else {
		s.saveRequest(c, *v)
	}
	r := *v
	field(c, "messageID", &r.mid)
	field(c, "datagrams", &r.datagrams)
	c.payloads("payloads", &r.inner)
	field(c, "tries", &r.tries)
	field(c, "void", &r.void)
	field(c, "paths", &r.paths)
	c.time("sent", &r.sent)
	c.time("next", &r.next)
	field(c, "wait", &r.wait)
	c.time("notBefore", &r.notBefore)
	field(c, "cookie2", &r.cookie2)
	field(c, "only", &r.only)
	field(c, "giveUp", &r.giveUp)
}

// kindNames are the kinds that travel; each has a line in restoreRequest.
var kindNames = map[requestKind]string{
	requestChild: "child", requestDeleteChild: "delete", requestLiveness: "liveness",
	requestRoutability: "routability", requestUpdate: "update", requestNotify: "notify", requestAddresses: "addresses",
	requestRebinding: "rebinding", requestSwitch: "switch",
	requestToken: "token", requestWindow: "window",
}

func (s *Session) saveRequest(c *codec, r *request) {
	switch p := r.carries.(type) {
	case *pendingChild:
		p.fields(c)
	case *pendingNotify:
		p.fields(c)
	case []uint32:
		field(c, "spis", &p)
	case Path:
		field(c, "path", &p)
	case netip.AddrPort:
		field(c, "switchTo", &p)
	case bool:
		field(c, "compare", &p)
	}
}

func (s *Session) restoreRequest(c *codec, kind string) *request {
	switch kind {
	case "child":
		p := &pendingChild{}
		p.fields(c)
		return s.childRequest(p)
	case "delete":
		var spis []uint32
		field(c, "spis", &spis)
		return s.deleteChildRequest(spis)
	case "liveness":
		var compare bool
		field(c, "compare", &compare)
		return s.livenessRequest(compare)
	case "routability":
		return s.routabilityRequest()
	case "token":
		return s.tokenRequest()
	case "window":
		return s.windowRequest()
	case "update":
		return s.updateRequest()
	case "rebinding":
		var path Path
		field(c, "path", &path)
		return s.rebindingRequest(path)
	case "switch":
		var to netip.AddrPort
		field(c, "switchTo", &to)
		return s.switchRequest(to)
	case "addresses":
		return s.addressesRequest()
	case "notify":
		p := &pendingNotify{}
		p.fields(c)
		return s.notifyRequest(p)
	}
	return nil
}

func (p *pendingNotify) fields(c *codec) {
	c.tag("tag", &p.tag)
	notifies(c, "notifies", &p.notifies)
}

func notifies(c *codec, name string, v *[]*message.Notify) {
	field(c, name, v)
	c.check(!slices.Contains(*v, nil), "an empty notify")
}

func (p *pendingChild) fields(c *codec) {
	field(c, "localTS", &p.req.LocalTS)
	field(c, "remoteTS", &p.req.RemoteTS)
	field(c, "esp", &p.req.ESP)
	notifies(c, "notifies", &p.req.Notifies)
	c.tag("tag", &p.req.Tag)
	field(c, "spi", &p.spi)
	field(c, "nonce", &p.ni)
	field(c, "proposals", &p.proposals)
	field(c, "policy", &p.policy)
	field(c, "group", &p.group)
	c.time("busySince", &p.since)
	field(c, "regrouped", &p.regrouped)
	field(c, "restarted", &p.restarted)
	field(c, "rekeys", &p.rekeys)
	field(c, "inherit", &p.inherit)
	field(c, "unwanted", &p.unwanted)
	field(c, "expired", &p.expired)
	field(c, "gone", &p.gone)
	keyExchange(c, "key", p.group, &p.key)
}

// keyExchange is a private key of group, which is there exactly when the group is not GroupNone.
func keyExchange(c *codec, name string, group suite.GroupID, k **suite.KeyExchange) {
	var private []byte
	if *k != nil {
		private = (*k).Private()
	}
	field(c, name, &private)
	if c.encoding || c.err != nil {
		return
	}
	if (private != nil) != (group != suite.GroupNone) {
		c.fail("a key exchange without its key, or the other way round")
		return
	}
	if private == nil {
		return
	}
	key, err := suite.RestoreKey(group, private)
	if err != nil {
		c.fail("%s: %w", name, err)
		return
	}
	*k = key
}

func (v *child) fields(c *codec) {
	field(c, "deleting", &v.deleting)
	field(c, "redundant", &v.redundant)
	field(c, "policy", &v.policy)
	v.life.fields(c)
	v.sa.fields(c)
}

func (l *term) fields(c *codec) {
	c.time("rekeyAt", &l.soft)
	c.time("endsAt", &l.hard)
}

func (v *ChildSA) fields(c *codec) {
	field(c, "inboundSPI", &v.InboundSPI)
	field(c, "outboundSPI", &v.OutboundSPI)
	field(c, "suite", &v.Suite)
	field(c, "inboundKeys", &v.InboundKeys)
	field(c, "outboundKeys", &v.OutboundKeys)
	field(c, "localTS", &v.LocalTS)
	field(c, "remoteTS", &v.RemoteTS)
	field(c, "path", &v.Path)
	field(c, "initiator", &v.Initiator)
	c.tag("tag", &v.Tag)
	if c.encoding {
		return
	}
	e, i := v.Suite.Encr.MaterialLen(), v.Suite.Integ.KeyLen()
	c.check(v.Suite.Supported(), "the algorithms of a Child SA")
	for _, k := range []Keys{v.InboundKeys, v.OutboundKeys} {
		c.check(len(k.Encr) == e && len(k.Integ) == i, "the keys of a Child SA")
	}
	c.check(v.InboundSPI != 0 && v.OutboundSPI != 0, "an SPI of a Child SA is 0")
}

// plausible checks what the lists of fields cannot.
func (s *Session) plausible() error {
	if !s.path.Remote.IsValid() || !s.path.Local.IsValid() || !s.espPath.Remote.IsValid() || !s.espPath.Local.IsValid() {
		return fmt.Errorf("%w: no path", ErrTransferContent)
	}
	spis := s.LocalSPIs()
	slices.Sort(spis)
	if len(slices.Compact(spis)) != len(s.others)+1 {
		return fmt.Errorf("%w: two IKE SAs with one SPI", ErrTransferContent)
	}
	for i, a := range s.children {
		for _, b := range s.children[:i] {
			if a.sa.InboundSPI == b.sa.InboundSPI {
				return fmt.Errorf("%w: two Child SAs with one SPI", ErrTransferContent)
			}
		}
	}
	return nil
}

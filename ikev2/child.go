// SPDX-License-Identifier: Apache-2.0

package ikev2

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/open-n3iwf/n3iwf/ikev2/message"
	"github.com/open-n3iwf/n3iwf/ikev2/suite"
)

// maxChildren bounds the Child SAs of one session.
const maxChildren = 256

func spiBytes(spi uint32) []byte { return binary.BigEndian.AppendUint32(nil, spi) }

// newChildSPI reserves an inbound SPI until it is used or dropped.
func (s *Session) newChildSPI() (uint32, error) {
	if s.opt.NewChildSPI == nil {
		var b [4]byte
		for {
			s.random(b[:])
			if spi := binary.BigEndian.Uint32(b[:]); spi >= 256 {
				s.reserved = append(s.reserved, spi)
				return spi, nil
			}
		}
	}
	spi, err := s.opt.NewChildSPI()
	if err == nil {
		s.reserved = append(s.reserved, spi)
	}
	return spi, err
}

// dropSPI gives a reserved SPI back.
func (s *Session) dropSPI(spi uint32) {
	if i := slices.Index(s.reserved, spi); i >= 0 {
		s.reserved = slices.Delete(s.reserved, i, i+1)
		s.releaseSPI(spi)
	}
}

func (s *Session) releaseSPI(spi uint32) {
	if s.opt.ReleaseChildSPI != nil {
		s.opt.ReleaseChildSPI(spi)
	}
}

func (s *Session) childByOutbound(spi uint32) *child {
	for _, c := range s.children {
		if c.sa.OutboundSPI == spi {
			return c
		}
	}
	return nil
}

func (s *Session) childByInbound(spi uint32) *child {
	for _, c := range s.children {
		if c.sa.InboundSPI == spi {
			return c
		}
	}
	return nil
}

func (s *Session) espPolicy(override []message.Proposal) []message.Proposal {
	if override != nil {
		return override
	}
	return s.opt.ESP
}

// childKeys derives the keys of c from the exchange's nonces and shared secret (nil without a key exchange). sa is the
// IKE SA that the exchange ran in, which a rekey may have left behind meanwhile.
func (s *Session) childKeys(sa *ikeSA, c *ChildSA, secret, ni, nr []byte, more ...[]byte) {
	k := suite.NewChildKeys(sa.suite.PRF, sa.keys.D, c.Suite, secret, ni, nr, more...)
	c.OutboundKeys = Keys{Encr: k.InitiatorEncr, Integ: k.InitiatorInteg}
	c.InboundKeys = Keys{Encr: k.ResponderEncr, Integ: k.ResponderInteg}
	if !c.Initiator {
		c.OutboundKeys, c.InboundKeys = c.InboundKeys, c.OutboundKeys
	}
}

// childOffer is a peer's proposal of a Child SA on its way to an answer.
type childOffer struct {
	proposals     []message.Proposal
	local, remote []message.TrafficSelector
	policy        []message.Proposal
	group         suite.GroupID // of the KE payload that came, or GroupNone
	first         bool          // in IKE_AUTH
	tag           any
}

// acceptOffer chooses the algorithms and our SPI. The keys are still missing.
func (s *Session) acceptOffer(o childOffer) (c *ChildSA, answer message.Proposal, refusal *NotifyError) {
	choice, err := suite.SelectESP(o.policy, o.proposals, o.group, o.first)
	if err != nil {
		return nil, answer, &NotifyError{Type: message.NO_PROPOSAL_CHOSEN}
	}
	if g := choice.ESP.Group; g != suite.GroupNone && g != o.group {
		return nil, answer, &NotifyError{Type: message.INVALID_KE_PAYLOAD, Data: groupData(g)}
	}
	if len(o.local) == 0 || len(o.remote) == 0 {
		return nil, answer, &NotifyError{Type: message.TS_UNACCEPTABLE}
	}
	outbound := binary.BigEndian.Uint32(choice.Peer.SPI)
	if outbound == 0 {
		return nil, answer, &NotifyError{Type: message.NO_PROPOSAL_CHOSEN}
	}
	inbound, err := s.newChildSPI()
	if err != nil {
		return nil, answer, &NotifyError{Type: message.NO_ADDITIONAL_SAS}
	}
	c = &ChildSA{
		InboundSPI: inbound, OutboundSPI: outbound, Suite: choice.ESP,
		LocalTS: o.local, RemoteTS: o.remote, Path: s.espPath, Tag: o.tag,
	}
	return c, choice.Answer(spiBytes(inbound)), nil
}

// childPayloads are the payloads of a responder's answer that accepts c.
func childPayloads(c *ChildSA, answer message.Proposal) []message.Payload {
	return []message.Payload{
		&message.SecurityAssociation{Proposals: []message.Proposal{answer}},
		&message.TSi{TrafficSelectors: c.RemoteTS},
		&message.TSr{TrafficSelectors: c.LocalTS},
	}
}

// firstChild makes the Child SA of IKE_AUTH as the owner allows it.
func (s *Session) firstChild(a Authorization) ([]message.Payload, *ChildSA, *NotifyError) {
	hs := s.hs
	if a.Refuse != nil {
		return nil, nil, a.Refuse
	}
	o := childOffer{
		proposals: hs.proposals, policy: s.espPolicy(a.ESP), first: true, tag: a.Tag,
		local: orElse(a.LocalTS, hs.tsr), remote: orElse(a.RemoteTS, hs.tsi),
	}
	c, answer, refusal := s.acceptOffer(o)
	if refusal != nil {
		return nil, nil, refusal
	}
	s.childKeys(s.sa, c, nil, hs.ni, hs.nr)
	return childPayloads(c, answer), c, nil
}

func orElse(a, b []message.TrafficSelector) []message.TrafficSelector {
	if a != nil {
		return a
	}
	return b
}

// childAnswer reads the response to our proposal of a Child SA. InboundSPI, Tag and the keys are still missing.
func (s *Session) childAnswer(in []message.Payload, offer []message.Proposal, local, remote []message.TrafficSelector, first bool) (*ChildSA, error) {
	sa, ok1 := message.Get[*message.SecurityAssociation](in)
	tsi, ok2 := message.Get[*message.TSi](in)
	tsr, ok3 := message.Get[*message.TSr](in)
	if !ok1 {
		if n := message.ErrorNotify(in); n != nil {
			return nil, received(n)
		}
	}
	if !ok1 || !ok2 || !ok3 {
		return nil, fmt.Errorf("ikev2: the response to a child proposal lacks SA or TS: %w", ErrSyntax)
	}
	choice, err := suite.AcceptESP(offer, sa.Proposals, first)
	if err != nil {
		return nil, err
	}
	if !narrowed(tsi.TrafficSelectors, local) || !narrowed(tsr.TrafficSelectors, remote) {
		return nil, &NotifyError{Type: message.TS_UNACCEPTABLE}
	}
	outbound := binary.BigEndian.Uint32(choice.Peer.SPI)
	if outbound == 0 {
		return nil, fmt.Errorf("%w: SPI 0", suite.ErrBadAnswer)
	}
	return &ChildSA{
		OutboundSPI: outbound, Suite: choice.ESP, Initiator: true,
		LocalTS: tsi.TrafficSelectors, RemoteTS: tsr.TrafficSelectors, Path: s.espPath,
	}, nil
}

// narrowed tells whether every selector of ts lies in one of within (RFC 7296 2.9), and that there is one.
func narrowed(ts, within []message.TrafficSelector) bool {
	for _, t := range ts {
		if !slices.ContainsFunc(within, func(w message.TrafficSelector) bool { return covers(w, t) }) {
			return false
		}
	}
	return len(ts) > 0
}

func covers(w, t message.TrafficSelector) bool {
	return w.Start.BitLen() == t.Start.BitLen() &&
		w.Start.Compare(t.Start) <= 0 && w.End.Compare(t.End) >= 0 &&
		(w.Protocol == 0 || w.Protocol == t.Protocol) &&
		w.StartPort <= t.StartPort && w.EndPort >= t.EndPort
}

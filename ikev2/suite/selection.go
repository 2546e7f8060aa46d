// SPDX-License-Identifier: Apache-2.0

package suite

import (
	"errors"
	"fmt"
	"slices"

	"github.com/open-n3iwf/n3iwf/ikev2/message"
)

var (
	// ErrNoProposalChosen: nothing offered is acceptable. The answer is NO_PROPOSAL_CHOSEN.
	ErrNoProposalChosen = errors.New("no offered proposal is acceptable")
	// ErrBadAnswer: the responder's SA payload is not a choice from what was offered.
	ErrBadAnswer = errors.New("the SA payload is no choice from what was offered")
)

// Choice is one of the peer's proposals with one transform of each type.
type Choice struct {
	IKE IKE // of SelectIKE and AcceptIKE
	ESP ESP // of SelectESP and AcceptESP
	// Peer is the chosen proposal with the peer's SPI. The answer is Peer with our SPI in the place
	// of the peer's: same number, exactly one transform of each type that was offered.
	Peer message.Proposal
}

// Answer is the proposal that a responder sends back, with its own SPI.
func (c Choice) Answer(spi []byte) message.Proposal {
	p := c.Peer
	p.SPI = spi
	return p
}

// SelectIKE chooses from the proposals of a peer's SA payload (RFC 7296 2.7, 3.3). The order of
// policy decides, then its order within each transform type; except that the group of the KE
// payload that came with it (ke, or GroupNone) wins whenever policy has it at all, because that
// saves a round trip. spiLen is the length that a proposal's SPI must have: 0 in IKE_SA_INIT, 8 in a
// rekey. When Choice.IKE.Group differs from ke, the answer is INVALID_KE_PAYLOAD with that group.
// Error: ErrNoProposalChosen.
func SelectIKE(policy, offered []message.Proposal, spiLen int, ke GroupID) (Choice, error) {
	for i := range policy {
		for j := range offered {
			if offered[j].Protocol != message.ProtocolIKE || len(offered[j].SPI) != spiLen {
				continue
			}
			var c Choice
			if chosen, ok := match(&policy[i], &offered[j], ke, false); ok && c.readIKE(chosen) {
				c.Peer = answer(&offered[j], chosen)
				return c, nil
			}
		}
	}
	return Choice{}, ErrNoProposalChosen
}

// SelectESP is SelectIKE for a Child SA. ke is the group of the KE payload, GroupNone when there is
// none. first says that the exchange is IKE_AUTH, where there is no key exchange and transforms of
// that type are disregarded (RFC 7296 1.2). Otherwise a group that the peer offers is used when
// policy names it, or names no groups at all; the peer does without one by naming none, or
// GroupNone, if policy allows that. Error: ErrNoProposalChosen.
func SelectESP(policy, offered []message.Proposal, ke GroupID, first bool) (Choice, error) {
	for i := range policy {
		for j := range offered {
			if offered[j].Protocol != message.ProtocolESP || len(offered[j].SPI) != 4 {
				continue
			}
			var c Choice
			if chosen, ok := match(&policy[i], &offered[j], ke, first); ok && c.readESP(chosen) {
				c.Peer = answer(&offered[j], chosen)
				return c, nil
			}
		}
	}
	return Choice{}, ErrNoProposalChosen
}

// AcceptIKE checks the SA payload of a response against what was offered: one proposal, one of
// those, with one transform of each type of it. Error: one that wraps ErrBadAnswer.
func AcceptIKE(offered, answered []message.Proposal, spiLen int) (Choice, error) {
	p, of, err := checkAnswer(offered, answered, message.ProtocolIKE, spiLen)
	if err == nil {
		err = checkAdditional(of, p)
	}
	if err != nil {
		return Choice{}, err
	}
	c := Choice{Peer: p}
	if !c.readIKE(p.Transforms) {
		return Choice{}, fmt.Errorf("%w: incomplete", ErrBadAnswer)
	}
	return c, nil
}

// AcceptESP is AcceptIKE for a Child SA; first says that the exchange is IKE_AUTH.
func AcceptESP(offered, answered []message.Proposal, first bool) (Choice, error) {
	p, of, err := checkAnswer(offered, answered, message.ProtocolESP, 4)
	if err == nil && !first { // in IKE_AUTH there is no key exchange (RFC 7296 1.2)
		err = checkAdditional(of, p)
	}
	if err != nil {
		return Choice{}, err
	}
	if first {
		p.Transforms = slices.DeleteFunc(slices.Clone(p.Transforms), func(t message.Transform) bool { return t.Type == message.TransformKE || isAdditional(t.Type) })
	}
	c := Choice{Peer: p}
	if !c.readESP(p.Transforms) {
		return Choice{}, fmt.Errorf("%w: incomplete", ErrBadAnswer)
	}
	return c, nil
}

// checkAnswer gives the proposal of an answer, and the one of the offer that it was made from.
func checkAnswer(offered, answered []message.Proposal, protocol message.ProtocolID, spiLen int) (answer, of message.Proposal, err error) {
	if len(answered) != 1 {
		return answer, of, fmt.Errorf("%w: %d proposals", ErrBadAnswer, len(answered))
	}
	a := answered[0]
	if a.Protocol != protocol || len(a.SPI) != spiLen {
		return answer, of, fmt.Errorf("%w: protocol %v with an SPI of %d octets", ErrBadAnswer, a.Protocol, len(a.SPI))
	}
	i := slices.IndexFunc(offered, func(p message.Proposal) bool { return p.Number == a.Number })
	if i < 0 {
		return answer, of, fmt.Errorf("%w: number %d", ErrBadAnswer, a.Number)
	}
	seen := map[message.TransformType]bool{}
	for _, t := range a.Transforms {
		none := t == AUTH_NONE.Transform() || t == GroupNone.Transform() || t == esnTransform(false) ||
			isAdditional(t.Type) && t == message.Transform{Type: t.Type}
		if seen[t.Type] || !slices.Contains(offered[i].Transforms, t) && (!none || offers(&offered[i], t.Type)) {
			return answer, of, fmt.Errorf("%w: %v %d", ErrBadAnswer, t.Type, t.ID)
		}
		seen[t.Type] = true
	}
	return a, offered[i], nil
}

// checkAdditional: an additional key exchange that we insisted on must not get lost on the way.
func checkAdditional(offered, answer message.Proposal) error {
	for kind := message.TransformADDKE1; kind <= message.TransformADDKE7; kind++ {
		if !offers(&answer, kind) && offers(&offered, kind) && !slices.Contains(offered.Transforms, message.Transform{Type: kind}) {
			return fmt.Errorf("%w: %v is missing", ErrBadAnswer, kind)
		}
	}
	return nil
}

func offers(p *message.Proposal, t message.TransformType) bool {
	return slices.ContainsFunc(p.Transforms, func(o message.Transform) bool { return o.Type == t })
}

// match returns one transform of each type that both proposals can do, or false. Types that one
// side leaves out count as their "none" value (INTEG NONE, KE NONE, no ESN).
func match(policy, offered *message.Proposal, ke GroupID, ignoreKE bool) ([]message.Transform, bool) {
	for _, t := range offered.Transforms {
		// An unknown type asks for something that we cannot give (RFC 7296 3.3.6).
		if t.Type < message.TransformENCR || t.Type > message.TransformADDKE7 {
			return nil, false
		}
	}
	for _, encr := range policy.Transforms {
		if encr.Type != message.TransformENCR || !slices.Contains(offered.Transforms, encr) {
			continue
		}
		chosen := []message.Transform{encr}
		aead := Encr{EncrID(encr.ID), encr.KeyLength}.AEAD()
		complete := true
		for _, kind := range []message.TransformType{message.TransformPRF, message.TransformINTEG, message.TransformKE, message.TransformESN} {
			if kind == message.TransformKE && ignoreKE {
				continue
			}
			ours, theirs := ofType(policy, kind), ofType(offered, kind)
			if kind == message.TransformPRF && policy.Protocol == message.ProtocolESP && len(theirs) == 0 {
				continue
			}
			if kind == message.TransformINTEG && aead {
				// An AEAD goes with no INTEG or with NONE only (RFC 5282 8), whatever else policy has for others.
				ours = []message.Transform{AUTH_NONE.Transform()}
			}
			if kind == message.TransformKE && len(ours) == 0 && policy.Protocol == message.ProtocolESP {
				ours = anyGroup(ke)
			}
			t, ok := choose(kind, ours, theirs, ke)
			if !ok {
				complete = false
				break
			}
			if len(theirs) > 0 {
				chosen = append(chosen, t)
			}
		}
		if complete && !ignoreKE {
			chosen, complete = chooseAdditional(policy, offered, message.TransformADDKE1, chosen, ke)
		}
		if complete {
			return chosen, true
		}
	}
	return nil, false
}

// anyGroup is what an ESP policy without groups takes: the one that came, or none; and when the
// peer insists on one, any.
func anyGroup(ke GroupID) []message.Transform {
	all := []message.Transform{GroupNone.Transform()}
	if ke.Supported() {
		all = []message.Transform{ke.Transform(), GroupNone.Transform()}
	}
	return appendTransforms(all, groups)
}

func choose(kind message.TransformType, ours, theirs []message.Transform, ke GroupID) (message.Transform, bool) {
	none := message.Transform{Type: kind}
	if kind != message.TransformPRF {
		if len(ours) == 0 {
			ours = []message.Transform{none}
		}
		if len(theirs) == 0 {
			theirs = []message.Transform{none}
		}
	}
	if kind == message.TransformKE {
		if t := ke.Transform(); slices.Contains(ours, t) && slices.Contains(theirs, t) {
			return t, true
		}
	}
	for _, t := range ours {
		if slices.Contains(theirs, t) {
			return t, true
		}
	}
	return message.Transform{}, false
}

func ofType(p *message.Proposal, kind message.TransformType) []message.Transform {
	var all []message.Transform
	for _, t := range p.Transforms {
		if t.Type == kind {
			all = append(all, t)
		}
	}
	return all
}

// answer orders the chosen transforms as the peer offered them.
func answer(offered *message.Proposal, chosen []message.Transform) message.Proposal {
	p := *offered
	p.Transforms = nil
	for _, t := range offered.Transforms {
		if slices.Contains(chosen, t) && !slices.Contains(p.Transforms, t) {
			p.Transforms = append(p.Transforms, t)
		}
	}
	return p
}

func (c *Choice) readIKE(transforms []message.Transform) bool {
	for _, t := range transforms {
		switch t.Type {
		case message.TransformENCR:
			c.IKE.Encr = Encr{EncrID(t.ID), t.KeyLength}
		case message.TransformPRF:
			c.IKE.PRF = PRFID(t.ID)
		case message.TransformINTEG:
			c.IKE.Integ = IntegID(t.ID)
		case message.TransformKE:
			c.IKE.Group = GroupID(t.ID)
		default:
			if !isAdditional(t.Type) {
				return false
			}
			c.IKE.Additional[t.Type-message.TransformADDKE1] = GroupID(t.ID)
		}
	}
	return c.IKE.Supported()
}

func (c *Choice) readESP(transforms []message.Transform) bool {
	for _, t := range transforms {
		switch t.Type {
		case message.TransformENCR:
			c.ESP.Encr = Encr{EncrID(t.ID), t.KeyLength}
		case message.TransformINTEG:
			c.ESP.Integ = IntegID(t.ID)
		case message.TransformKE:
			c.ESP.Group = GroupID(t.ID)
		case message.TransformESN:
			c.ESP.ESN = t.ID == esnYes
			if t.ID > esnYes {
				return false
			}
		default:
			if !isAdditional(t.Type) {
				return false
			}
			c.ESP.Additional[t.Type-message.TransformADDKE1] = GroupID(t.ID)
		}
	}
	return c.ESP.Supported()
}

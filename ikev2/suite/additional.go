// SPDX-License-Identifier: Apache-2.0

package suite

import (
	"slices"

	"github.com/open-n3iwf/n3iwf/ikev2/message"
)

// Additional is the key exchange methods of the transform types ADDKE1 to ADDKE7 (RFC 9370 2.1), in this order;
// GroupNone where there is none.
type Additional [message.TransformADDKE7 - message.TransformADDKE1 + 1]GroupID

// AdditionalKE is an Additional with these methods as ADDKE1, ADDKE2 and so on.
func AdditionalKE(groups ...GroupID) (a Additional) {
	copy(a[:], groups)
	return a
}

// Methods are the key exchanges to be done, in their order.
func (a Additional) Methods() []GroupID {
	var all []GroupID
	for _, g := range a {
		if g != GroupNone {
			all = append(all, g)
		}
	}
	return all
}

func (a Additional) String() string {
	s := ""
	for _, g := range a.Methods() {
		s += "+" + g.String()
	}
	return s
}

// fit says whether all methods exist here, none is there twice, and one comes before them (RFC 9370 2.2.2).
func (a Additional) fit(first GroupID) bool {
	methods := a.Methods()
	for i, g := range methods {
		if !g.Supported() || g == first || slices.Contains(methods[:i], g) {
			return false
		}
	}
	return len(methods) == 0 || first != GroupNone
}

func (a Additional) transforms() []message.Transform {
	var all []message.Transform
	for i, g := range a {
		if g != GroupNone {
			all = append(all, additionalTransform(i, g))
		}
	}
	return all
}

func additionalTransform(i int, g GroupID) message.Transform {
	return message.Transform{Type: message.TransformADDKE1 + message.TransformType(i), ID: uint16(g)}
}

func isAdditional(t message.TransformType) bool {
	return t >= message.TransformADDKE1 && t <= message.TransformADDKE7
}

// WithAdditional returns the proposals with ADDKE1 offering these methods in each. GroupNone among them makes it
// optional. What they had as additional key exchanges is replaced; no groups at all removes it.
func WithAdditional(proposals []message.Proposal, groups ...GroupID) []message.Proposal {
	out := slices.Clone(proposals)
	for i := range out {
		t := slices.DeleteFunc(slices.Clone(out[i].Transforms), func(t message.Transform) bool { return isAdditional(t.Type) })
		for _, g := range groups {
			t = append(t, additionalTransform(0, g))
		}
		out[i].Transforms = t
	}
	return out
}

// WithoutAdditional is the policy towards a peer that cannot do additional key exchanges: proposals that insist on one
// are left out, and the optional ones are taken from the others.
func WithoutAdditional(policy []message.Proposal) []message.Proposal {
	var out []message.Proposal
	for i := range policy {
		if !insistsOnAdditional(&policy[i]) {
			out = append(out, policy[i])
		}
	}
	return WithAdditional(out)
}

// OffersAdditional says whether a proposal has an additional key exchange at all.
func OffersAdditional(proposals []message.Proposal) bool {
	return slices.ContainsFunc(proposals, func(p message.Proposal) bool {
		return slices.ContainsFunc(p.Transforms, func(t message.Transform) bool { return isAdditional(t.Type) && t.ID != uint16(GroupNone) })
	})
}

// insistsOnAdditional says whether one of the types ADDKE1 to ADDKE7 lacks NONE.
func insistsOnAdditional(p *message.Proposal) bool {
	for kind := message.TransformADDKE1; kind <= message.TransformADDKE7; kind++ {
		if t := ofType(p, kind); len(t) > 0 && !slices.Contains(t, message.Transform{Type: kind}) {
			return true
		}
	}
	return false
}

// chooseAdditional adds to chosen a method of each type from kind on, none of them twice (RFC 9370 2.2.2). It tries
// all combinations; policies have so few that this is cheap, whatever the peer offers.
func chooseAdditional(policy, offered *message.Proposal, kind message.TransformType, chosen []message.Transform, ke GroupID) ([]message.Transform, bool) {
	if kind > message.TransformADDKE7 {
		return chosen, true
	}
	ours, theirs := ofType(policy, kind), ofType(offered, kind)
	none := message.Transform{Type: kind}
	if len(ours) == 0 {
		ours = []message.Transform{none}
		if policy.Protocol == message.ProtocolESP && ke != GroupNone && len(ofType(policy, message.TransformKE)) == 0 {
			// As with the first key exchange: an ESP policy that names none takes any.
			ours = []message.Transform{{Type: kind, ID: uint16(ML_KEM_768)}, {Type: kind, ID: uint16(ML_KEM_1024)}, none}
		}
	}
	if len(theirs) == 0 {
		theirs = []message.Transform{none}
	}
	for _, t := range ours {
		if !slices.Contains(theirs, t) || t != none && taken(chosen, t.ID) {
			continue
		}
		with := chosen
		if slices.Contains(offered.Transforms, t) {
			with = append(slices.Clone(chosen), t)
		}
		if all, ok := chooseAdditional(policy, offered, kind+1, with, ke); ok {
			return all, true
		}
	}
	return nil, false
}

// taken says whether a key exchange method is among the chosen transforms already.
func taken(chosen []message.Transform, id uint16) bool {
	return slices.ContainsFunc(chosen, func(t message.Transform) bool {
		return (t.Type == message.TransformKE || isAdditional(t.Type)) && t.ID == id
	})
}

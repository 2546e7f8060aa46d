// SPDX-License-Identifier: Apache-2.0

package xfrm

import "net/netip"

// PolicyDirection is which packets a policy is for.
type PolicyDirection uint8

// Directions of policies.
const (
	PolicyIn      PolicyDirection = 0
	PolicyOut     PolicyDirection = 1
	PolicyForward PolicyDirection = 2
)

// PolicyID names a policy.
type PolicyID struct {
	Selector
	Direction PolicyDirection
	Mark      Mark
	IfID      uint32
}

// Policy says what happens to packets of a selector: blocked, or protected as its template says.
type Policy struct {
	PolicyID
	Block    bool
	Priority uint32 // the lower, the earlier
	Template *Template
	Index    uint32 // the kernel's
}

// Template is the state that a packet must go, or have come, through. Invalid addresses are any, of states that are received with.
type Template struct {
	Src, Dst netip.Addr
	ReqID    uint32
}

// encode appends the body of NEWPOLICY or UPDPOLICY.
func (p *Policy) encode(b []byte) []byte {
	info := make([]byte, sizePolicy)
	p.Selector.put(info)
	(&Limits{}).put(info[56:])
	host.PutUint32(info[152:], p.Priority)
	host.PutUint32(info[156:], p.Index)
	info[160] = byte(p.Direction)
	if p.Block {
		info[161] = 1
	}
	b = append(b, info...)
	if t := p.Template; t != nil && !p.Block {
		e := make([]byte, sizeTemplate)
		fam := family(t.Dst)
		if fam == 0 {
			fam = family(p.Dst.Addr()) // any state of the inner family's tunnels: the kernel wants a family
		}
		putAddr(e, t.Dst)
		e[20] = protocolESP
		host.PutUint16(e[24:], fam)
		putAddr(e[28:], t.Src)
		host.PutUint32(e[44:], t.ReqID)
		e[48], e[49] = modeTunnel, shareAny
		for i := range 3 {
			host.PutUint32(e[52+4*i:], ^uint32(0)) // any algorithm: the state has them
		}
		b = attr(b, attrTemplates, e)
	}
	b = p.Mark.append(b, attrMark)
	if p.IfID != 0 {
		b = attr32(b, attrIfID, p.IfID)
	}
	return b
}

// encode appends the body of DELPOLICY or GETPOLICY.
func (id *PolicyID) encode(b []byte) []byte {
	p := make([]byte, sizePolicyID)
	id.Selector.put(p)
	p[60] = byte(id.Direction)
	b = id.Mark.append(append(b, p...), attrMark)
	if id.IfID != 0 {
		b = attr32(b, attrIfID, id.IfID)
	}
	return b
}

// parsePolicy reads the body of NEWPOLICY, as the kernel tells of a policy.
func parsePolicy(b []byte) (*Policy, error) {
	if err := need(b, sizePolicy, "policy"); err != nil {
		return nil, err
	}
	p := &Policy{
		PolicyID: PolicyID{Selector: parseSelector(b), Direction: PolicyDirection(b[160])},
		Block:    b[161] == 1, Priority: host.Uint32(b[152:]), Index: host.Uint32(b[156:]),
	}
	return p, attrs(b[sizePolicy:], func(kind uint16, a []byte) (err error) {
		switch kind {
		case attrTemplates:
			if len(a) == 0 {
				return nil
			}
			if err = need(a, sizeTemplate, "template"); err == nil {
				fam := host.Uint16(a[24:])
				p.Template = &Template{Dst: wildcard(addr(a, fam)), Src: wildcard(addr(a[28:], fam)), ReqID: host.Uint32(a[44:])}
			}
		case attrMark:
			p.Mark, err = parseMark(a)
		case attrIfID:
			if err = need(a, 4, "interface id"); err == nil {
				p.IfID = host.Uint32(a)
			}
		}
		return err
	})
}

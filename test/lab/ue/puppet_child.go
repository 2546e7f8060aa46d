// SPDX-License-Identifier: Apache-2.0

package ue

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/open-n3iwf/n3iwf/ikev2/message"
	"github.com/open-n3iwf/n3iwf/ikev2/suite"
	"github.com/open-n3iwf/n3iwf/nwu"
)

// acceptChild takes a child SA that the N3IWF makes, or its rekey of one.
func (p *Puppet) acceptChild(in []message.Payload) ([]message.Payload, error) {
	out, c, ni, nr, err := p.childAnswer(in)
	if err != nil {
		return nil, err
	}
	if err := c.install(suite.NewChildKeys(puppetSuite.PRF, p.current().keys.D, puppetESP, nil, ni, nr), false); err != nil {
		return nil, err
	}
	if n := message.GetNotify(in, message.REKEY_SA); n != nil { // the N3IWF deletes the old pair, which carries nothing any more
		p.children = slices.DeleteFunc(p.children, func(o *PuppetChild) bool { return bytes.Equal(spiOctets(o.Peer), n.SPI) })
	}
	p.children = append(p.children, c)
	return out, nil
}

// ChildAnswer is an answer to CREATE_CHILD_SA that accepts it: SA, Nr, TSi, TSr, for a test to change. The puppet does not take the child SA.
func (p *Puppet) ChildAnswer(in []message.Payload) ([]message.Payload, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	out, _, _, _, err := p.childAnswer(in)
	return out, err
}

func (p *Puppet) childAnswer(in []message.Payload) (out []message.Payload, c *PuppetChild, ni, nr []byte, err error) {
	sa, okSA := message.Get[*message.SecurityAssociation](in)
	nonce, okN := message.Get[*message.Nonce](in)
	tsi, okI := message.Get[*message.TSi](in)
	tsr, okR := message.Get[*message.TSr](in)
	if !okSA || !okN || !okI || !okR || len(sa.Proposals) == 0 || len(sa.Proposals[0].SPI) != 4 {
		return nil, nil, nil, nil, errors.New("CREATE_CHILD_SA lacks SA, Ni or TS")
	}
	p.number++
	c = &PuppetChild{
		id: p.number, Own: randomSPI(), Peer: binary.BigEndian.Uint32(sa.Proposals[0].SPI), own: tsr.TrafficSelectors, far: tsi.TrafficSelectors,
	}
	if n := message.GetNotify(in, message.REKEY_SA); n != nil {
		i := slices.IndexFunc(p.children, func(o *PuppetChild) bool { return len(n.SPI) == 4 && o.Peer == binary.BigEndian.Uint32(n.SPI) })
		if i < 0 {
			return nil, nil, nil, nil, errors.New("rekey of an unknown child SA")
		}
		old := p.children[i]
		c.Session, c.QFIs, c.Default, c.up = old.Session, old.QFIs, old.Default, old.up
	}
	for _, n := range message.All[*message.Notify](in) {
		switch n.Type {
		case nwu.Notify5GQoSInfo:
			info, err := nwu.ParseQoSInfo(n.Data)
			if err != nil {
				return nil, nil, nil, nil, err
			}
			c.Session, c.QFIs, c.Default = info.PDUSessionID, info.QFIs, info.Default
		case nwu.NotifyUPIP4Address:
			c.up, _ = netip.AddrFromSlice(n.Data)
		}
	}
	nr = randomOctets(32)
	chosen := puppetESP.Proposal(sa.Proposals[0].Number, binary.BigEndian.AppendUint32(nil, c.Own))
	return []message.Payload{&message.SecurityAssociation{Proposals: []message.Proposal{chosen}}, &message.Nonce{Data: nr}, tsi, tsr}, c, nonce.Data, nr, nil
}

// ChildRequest is a CREATE_CHILD_SA request for a child SA, or for the rekey of old.
func (p *Puppet) ChildRequest(old *PuppetChild) (own uint32, ni []byte, payloads []message.Payload) {
	own, ni = randomSPI(), randomOctets(32)
	local, remote := message.TrafficSelectors{anyIPv4}, message.TrafficSelectors{anyIPv4}
	if old != nil {
		payloads = append(payloads, &message.Notify{Protocol: message.ProtocolESP, SPI: spiOctets(old.Own), Type: message.REKEY_SA})
		local, remote = old.own, old.far
	}
	return own, ni, append(payloads, &message.SecurityAssociation{Proposals: []message.Proposal{puppetESP.Proposal(1, spiOctets(own))}},
		&message.Nonce{Data: ni}, &message.TSi{TrafficSelectors: local}, &message.TSr{TrafficSelectors: remote})
}

func spiOctets(spi uint32) []byte { return binary.BigEndian.AppendUint32(nil, spi) }

// RekeyChild rekeys a child SA and deletes the old pair.
func (p *Puppet) RekeyChild(ctx context.Context, old *PuppetChild) error {
	own, ni, request := p.ChildRequest(old)
	in, err := p.Ask(ctx, message.CREATE_CHILD_SA, request...)
	if err != nil {
		return err
	}
	sa, okSA := message.Get[*message.SecurityAssociation](in)
	nr, okN := message.Get[*message.Nonce](in)
	if !okSA || !okN {
		return fmt.Errorf("rekey refused: %v", message.ErrorNotify(in))
	}
	p.mu.Lock()
	next := *old
	p.number++
	next.id, next.Own, next.Peer = p.number, own, binary.BigEndian.Uint32(sa.Proposals[0].SPI)
	next.former = append(slices.Clone(old.former), old.Peer)
	err = next.install(suite.NewChildKeys(puppetSuite.PRF, p.current().keys.D, puppetESP, nil, ni, nr.Data), true)
	p.children = append(slices.DeleteFunc(p.children, func(c *PuppetChild) bool { return c == old }), &next)
	p.mu.Unlock()
	if err != nil {
		return err
	}
	_, err = p.Ask(ctx, message.INFORMATIONAL, &message.Delete{Protocol: message.ProtocolESP, SPIs: []uint32{old.Own}})
	return err
}

// RekeyRequest is a CREATE_CHILD_SA request to rekey the IKE SA.
func (p *Puppet) RekeyRequest() (spi message.SPI, key *suite.KeyExchange, ni []byte, payloads []message.Payload, err error) {
	spi, ni = message.SPI(binary.BigEndian.Uint64(randomOctets(8))|1), randomOctets(32)
	if key, err = suite.GenerateKey(puppetSuite.Group, rand.Reader); err != nil {
		return 0, nil, nil, nil, err
	}
	return spi, key, ni, []message.Payload{
		&message.SecurityAssociation{Proposals: []message.Proposal{puppetSuite.Proposal(1, spi.Bytes())}}, &message.Nonce{Data: ni},
		&message.KeyExchange{Group: uint16(puppetSuite.Group), Data: key.Public()},
	}, nil
}

// RekeyIKE rekeys the IKE SA and deletes the old one.
func (p *Puppet) RekeyIKE(ctx context.Context) error {
	spi, key, ni, request, err := p.RekeyRequest()
	if err != nil {
		return err
	}
	in, err := p.Ask(ctx, message.CREATE_CHILD_SA, request...)
	if err != nil {
		return err
	}
	sa, okSA := message.Get[*message.SecurityAssociation](in)
	nr, okN := message.Get[*message.Nonce](in)
	ke, okKE := message.Get[*message.KeyExchange](in)
	if !okSA || !okN || !okKE {
		return fmt.Errorf("rekey refused: %v", message.ErrorNotify(in))
	}
	secret, err := key.Shared(ke.Data)
	if err != nil {
		return err
	}
	spiR := message.SPI(binary.BigEndian.Uint64(sa.Proposals[0].SPI))
	p.mu.Lock()
	old := p.current()
	keys := suite.RekeyIKE(puppetSuite.PRF, old.keys.D, puppetSuite, secret, ni, nr.Data, spi, spiR)
	p.mu.Unlock()
	next, err := newPuppetIKE(spi, spiR, keys, 0)
	if err != nil {
		return err
	}
	p.mu.Lock()
	p.sas = append(p.sas, next)
	h := message.Header{InitiatorSPI: old.spiI, ResponderSPI: old.spiR, Exchange: message.INFORMATIONAL, Flags: message.FlagInitiator, MessageID: old.next}
	b, err := message.Seal(nil, h, []message.Payload{&message.Delete{Protocol: message.ProtocolIKE}}, old.out)
	p.mu.Unlock()
	if err != nil {
		return err
	}
	if err := p.Send(b); err != nil {
		return err
	}
	return p.await(ctx, "the end of the old IKE SA", func() bool { return len(old.responses[h.MessageID]) > 0 })
}

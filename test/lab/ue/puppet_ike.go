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
	"time"

	"github.com/open-n3iwf/n3iwf/ikev2/message"
	"github.com/open-n3iwf/n3iwf/ikev2/suite"
	"github.com/open-n3iwf/n3iwf/nwu"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec"
)

// puppetIKE is one IKE SA of a Puppet, which is its initiator.
type puppetIKE struct {
	spiI, spiR message.SPI
	keys       *suite.IKEKeys
	out, in    *suite.Protector
	next       uint32               // message ID of the next request
	last       []byte               // the latest request
	responses  map[uint32][][]byte  // of the N3IWF, as they came
	answered   map[uint32][2][]byte // its requests and the answers
}

var puppetAlg = ipsec.Algorithms{Encr: uint16(suite.ENCR_AES_GCM_16)}

type puppetKeys struct{ encr, integ []byte }

func (k puppetKeys) keys() ipsec.Keys { return ipsec.Keys{Encr: k.encr, Integ: k.integ} }

func newPuppetIKE(spiI, spiR message.SPI, keys *suite.IKEKeys, next uint32) (*puppetIKE, error) {
	sa := &puppetIKE{spiI: spiI, spiR: spiR, keys: keys, next: next, responses: map[uint32][][]byte{}, answered: map[uint32][2][]byte{}}
	var err error
	sa.out, sa.in, err = keys.Protectors(puppetSuite, true, rand.Reader)
	return sa, err
}

// InitRequest makes an IKE_SA_INIT request; the same SPI when there is an IKE SA already.
func (p *Puppet) InitRequest() ([]byte, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	key, err := suite.GenerateKey(puppetSuite.Group, rand.Reader)
	if err != nil {
		return nil, err
	}
	spi := message.SPI(binary.BigEndian.Uint64(randomOctets(8)) | 1)
	if len(p.sas) > 0 {
		spi = p.sas[0].spiI
	} else {
		p.private, p.nonces[0] = key, nil
	}
	nonce := randomOctets(32)
	if p.nonces[0] == nil {
		p.nonces[0] = nonce
	}
	m := &message.Message{
		Header: message.Header{InitiatorSPI: spi, Exchange: message.IKE_SA_INIT, Flags: message.FlagInitiator},
		Payloads: []message.Payload{
			&message.SecurityAssociation{Proposals: []message.Proposal{puppetSuite.Proposal(1, nil)}},
			&message.KeyExchange{Group: uint16(puppetSuite.Group), Data: key.Public()}, &message.Nonce{Data: nonce},
			&message.Notify{Type: message.NAT_DETECTION_SOURCE_IP, Data: suite.NATDetectionHash(spi, 0, netip.AddrPortFrom(p.o.Local, p.o.LocalNATT))},
			&message.Notify{Type: message.NAT_DETECTION_DESTINATION_IP, Data: suite.NATDetectionHash(spi, 0, netip.AddrPortFrom(p.o.N3IWF, p.o.NATTPort))},
		},
	}
	return m.Append(nil)
}

// Init runs IKE_SA_INIT.
func (p *Puppet) Init(ctx context.Context) error {
	request, err := p.InitRequest()
	if err != nil {
		return err
	}
	p.first = request
	if err := p.Send(request); err != nil {
		return err
	}
	if err := p.await(ctx, "the answer to IKE_SA_INIT", func() bool { return p.answer != nil }); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	m, err := message.Decode(p.answer)
	if err != nil {
		return err
	}
	ke, okKE := message.Get[*message.KeyExchange](m.Payloads)
	nr, okN := message.Get[*message.Nonce](m.Payloads)
	if !okKE || !okN {
		return errors.New("no key or nonce in the answer")
	}
	secret, err := p.private.Shared(ke.Data)
	if err != nil {
		return err
	}
	p.nonces[1] = nr.Data
	keys := suite.NewIKEKeys(puppetSuite, secret, p.nonces[0], nr.Data, m.InitiatorSPI, m.ResponderSPI)
	sa, err := newPuppetIKE(m.InitiatorSPI, m.ResponderSPI, keys, 1)
	sa.last = request
	p.sas = append(p.sas, sa)
	return err
}

// receiveIKE takes an IKE message of the N3IWF.
func (p *Puppet) receiveIKE(b []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	defer p.happened()
	h, err := message.DecodeHeader(b)
	if err != nil {
		return
	}
	if h.Exchange == message.IKE_SA_INIT {
		p.receiveInit(b)
		return
	}
	i := slices.IndexFunc(p.sas, func(sa *puppetIKE) bool { return sa.spiI == h.InitiatorSPI && sa.spiR == h.ResponderSPI })
	if i < 0 {
		return
	}
	sa := p.sas[i]
	m, err := message.Open(b, sa.in)
	if err != nil {
		return
	}
	if m.Response() {
		sa.responses[h.MessageID] = append(sa.responses[h.MessageID], b)
		return
	}
	if before, ok := sa.answered[h.MessageID]; ok {
		if before[1] != nil {
			_ = p.Send(before[1]) // as any lost answer
		}
		return
	}
	sa.answered[h.MessageID] = [2][]byte{b}
	if p.hold != nil && p.hold(m) {
		p.held = append(p.held, m)
		return
	}
	if err := p.accept(m); err != nil {
		p.o.Logger.Warn("request of the N3IWF", "error", err)
	}
}

// receiveInit takes the first answer to IKE_SA_INIT, and keeps those that come after it. Refusals are not looked at: they are not protected.
func (p *Puppet) receiveInit(b []byte) {
	m, err := message.Decode(b)
	if err != nil {
		return
	}
	if _, ok := message.Get[*message.KeyExchange](m.Payloads); !ok {
		return
	}
	switch {
	case p.answer == nil:
		p.answer = b
	case len(p.sas) > 0:
		p.sas[0].responses[0] = append(p.sas[0].responses[0], b)
	}
}

// InitAgain sends the IKE_SA_INIT request once more and tells whether the answer is the same as before.
func (p *Puppet) InitAgain(ctx context.Context) (same bool, err error) {
	p.mu.Lock()
	before := len(p.sas[0].responses[0])
	p.mu.Unlock()
	if err := p.Send(p.first); err != nil {
		return false, err
	}
	err = p.await(ctx, "another answer to IKE_SA_INIT", func() bool { return len(p.sas[0].responses[0]) > before })
	if err != nil {
		return false, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return bytes.Equal(p.sas[0].responses[0][before], p.answer), nil
}

// current is the IKE SA in use.
func (p *Puppet) current() *puppetIKE { return p.sas[len(p.sas)-1] }

// Seal makes a protected message with the current keys. change, unless nil, changes the header, which otherwise is that of the next request.
func (p *Puppet) Seal(kind message.ExchangeType, change func(*message.Header), payloads ...message.Payload) ([]byte, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	sa := p.current()
	h := message.Header{InitiatorSPI: sa.spiI, ResponderSPI: sa.spiR, Exchange: kind, Flags: message.FlagInitiator, MessageID: sa.next}
	if change != nil {
		change(&h)
	}
	return message.Seal(nil, h, payloads, sa.out)
}

// Post sends the next request and does not wait for its answer, which Answer does.
func (p *Puppet) Post(kind message.ExchangeType, payloads ...message.Payload) error {
	b, err := p.Seal(kind, nil, payloads...)
	if err != nil {
		return err
	}
	p.mu.Lock()
	sa := p.current()
	sa.last = b
	sa.next++
	p.mu.Unlock()
	return p.Send(b)
}

// Answer waits for the answer to the latest request, which it repeats now and then.
func (p *Puppet) Answer(ctx context.Context) ([]message.Payload, error) {
	p.mu.Lock()
	sa := p.current()
	mid, last := sa.next-1, sa.last
	p.mu.Unlock()
	for {
		try, cancel := context.WithTimeout(ctx, 2*time.Second)
		err := p.await(try, fmt.Sprintf("the answer to message %d", mid), func() bool { return len(sa.responses[mid]) > 0 })
		cancel()
		switch {
		case err == nil:
			return p.opened(sa, mid)
		case ctx.Err() != nil:
			return nil, err
		}
		if err := p.Send(last); err != nil {
			return nil, err
		}
	}
}

func (p *Puppet) opened(sa *puppetIKE, mid uint32) ([]message.Payload, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	m, err := message.Open(sa.responses[mid][0], sa.in)
	if err != nil {
		return nil, err
	}
	return m.Payloads, nil
}

// Ask sends a request and gives the answer.
func (p *Puppet) Ask(ctx context.Context, kind message.ExchangeType, payloads ...message.Payload) ([]message.Payload, error) {
	if err := p.Post(kind, payloads...); err != nil {
		return nil, err
	}
	return p.Answer(ctx)
}

// Again sends the latest request once more and tells whether the answer is the same to the bit.
func (p *Puppet) Again(ctx context.Context) (same bool, err error) {
	p.mu.Lock()
	sa := p.current()
	mid, last := sa.next-1, sa.last
	before := len(sa.responses[mid])
	p.mu.Unlock()
	if err := p.Send(last); err != nil {
		return false, err
	}
	if err := p.await(ctx, "the answer once more", func() bool { return len(sa.responses[mid]) > before }); err != nil {
		return false, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return bytes.Equal(sa.responses[mid][0], sa.responses[mid][before]), nil
}

// Last is the latest request as it was sent.
func (p *Puppet) Last() []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.current().last
}

// Hold keeps back the answers to requests that f is true for; nil ends that for later ones.
func (p *Puppet) Hold(f func(*message.Message) bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hold = f
}

// Held waits for a request that is held, and takes it.
func (p *Puppet) Held(ctx context.Context) (m *message.Message, err error) {
	err = p.await(ctx, "a request of the N3IWF", func() bool {
		if len(p.held) == 0 {
			return false
		}
		m, p.held = p.held[0], p.held[1:]
		return true
	})
	return m, err
}

// Accept answers a held request as a UE does that agrees.
func (p *Puppet) Accept(m *message.Message) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	defer p.happened()
	return p.accept(m)
}

// Reply answers a held request with payloads, whatever they are.
func (p *Puppet) Reply(m *message.Message, payloads ...message.Payload) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.reply(m, payloads)
}

func (p *Puppet) reply(m *message.Message, payloads []message.Payload) error {
	i := slices.IndexFunc(p.sas, func(sa *puppetIKE) bool { return sa.spiI == m.InitiatorSPI && sa.spiR == m.ResponderSPI })
	sa := p.sas[i]
	h := message.Header{
		InitiatorSPI: sa.spiI, ResponderSPI: sa.spiR, Exchange: m.Exchange, Flags: message.FlagInitiator | message.FlagResponse, MessageID: m.MessageID,
	}
	b, err := message.Seal(nil, h, payloads, sa.out)
	if err != nil {
		return err
	}
	sa.answered[m.MessageID] = [2][]byte{sa.answered[m.MessageID][0], b}
	return p.Send(b)
}

// accept does what a request wants and answers it.
func (p *Puppet) accept(m *message.Message) error {
	switch m.Exchange {
	case message.CREATE_CHILD_SA:
		payloads, err := p.acceptChild(m.Payloads)
		if err != nil {
			return err
		}
		return p.reply(m, payloads)
	case message.INFORMATIONAL:
		return p.reply(m, p.informational(m.Payloads))
	}
	return fmt.Errorf("exchange %s", m.Exchange)
}

func (p *Puppet) informational(in []message.Payload) (out []message.Payload) {
	var gone []uint32
	for _, d := range message.All[*message.Delete](in) {
		if d.Protocol == message.ProtocolIKE {
			p.deleted, p.children = true, nil
			return nil
		}
		for _, spi := range d.SPIs {
			if i := slices.IndexFunc(p.children, func(c *PuppetChild) bool { return c.Peer == spi }); i >= 0 {
				gone = append(gone, p.children[i].Own)
				p.children = slices.Delete(p.children, i, i+1)
			}
		}
	}
	if len(gone) > 0 {
		out = append(out, &message.Delete{Protocol: message.ProtocolESP, SPIs: gone})
	}
	if n := message.GetNotify(in, nwu.NotifyUPSAInfo); n != nil && len(n.SPI) == 4 {
		spi := binary.BigEndian.Uint32(n.SPI) // which may be of before a rekey that has crossed this
		i := slices.IndexFunc(p.children, func(c *PuppetChild) bool { return c.Peer == spi || slices.Contains(c.former, spi) })
		info, err := nwu.ParseQoSInfo(message.GetNotify(in, nwu.Notify5GQoSInfo).Data)
		if i >= 0 && err == nil {
			p.children[i].QFIs, p.children[i].Default = info.QFIs, info.Default
		}
	}
	return out
}

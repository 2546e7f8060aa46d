// SPDX-License-Identifier: Apache-2.0

package ue

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/open-n3iwf/n3iwf/ikev2/message"
	"github.com/open-n3iwf/n3iwf/ikev2/suite"
	"github.com/open-n3iwf/n3iwf/nwu"
	"github.com/open-n3iwf/n3iwf/nwu/eap5g"
	"github.com/open-n3iwf/n3iwf/test/lab/nas"
	"github.com/open-n3iwf/n3iwf/test/lab/nas/security"
)

// Identify sends the first IKE_AUTH request; 5G-Start comes back.
func (p *Puppet) Identify(ctx context.Context) error {
	all := message.TrafficSelectors{anyIPv4}
	p.mu.Lock()
	p.number++
	signalling := &PuppetChild{id: p.number, Own: randomSPI(), own: all, far: all}
	p.children = []*PuppetChild{signalling}
	p.mu.Unlock()
	identity := message.Identification{Type: message.ID_KEY_ID, Data: randomIdentity()}
	p.identity = identity.Body()
	answer, err := p.Ask(ctx, message.IKE_AUTH, &message.IDi{Identification: identity},
		&message.SecurityAssociation{Proposals: []message.Proposal{puppetESP.Proposal(1, spiOctets(signalling.Own))}},
		&message.TSi{TrafficSelectors: all}, &message.TSr{TrafficSelectors: all})
	if err != nil {
		return err
	}
	return p.takeEAP(answer)
}

func (p *Puppet) takeEAP(answer []message.Payload) error {
	payload, ok := message.Get[*message.EAP](answer)
	if !ok {
		return fmt.Errorf("an answer without EAP: %v", message.ErrorNotify(answer))
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.eap = payload.Packet
	return nil
}

// EAP is the latest EAP packet of the N3IWF.
func (p *Puppet) EAP() []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.eap
}

// eapAnswer is the answer to the latest EAP request: the first NAS message to 5G-Start, what NAS answers to 5G-NAS.
func (p *Puppet) eapAnswer() ([]byte, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	in, err := eap5g.Decode(p.eap)
	if err != nil {
		return nil, err
	}
	var reply eap5g.NASResponse
	switch m := in.Message.(type) {
	case eap5g.Start:
		reply.Parameters = n3iwueParameters(&p.o.Subscriber, false)
		reply.PDU, err = p.hosts.registrationRequest()
	case eap5g.NASRequest:
		reply.PDU, err = p.hosts.answerNAS(m.PDU)
	default:
		err = fmt.Errorf("EAP packet %x", p.eap)
	}
	if err != nil {
		return nil, err
	}
	return eap5g.Packet{Code: eap5g.Response, Identifier: in.Identifier, Message: reply}.Append(nil)
}

// PostEAP answers the latest EAP request and does not wait for the next one, which TakeEAP does.
func (p *Puppet) PostEAP() error {
	b, err := p.eapAnswer()
	if err != nil {
		return err
	}
	return p.Post(message.IKE_AUTH, &message.EAP{Packet: b})
}

// TakeEAP waits for the next EAP packet.
func (p *Puppet) TakeEAP(ctx context.Context) error {
	answer, err := p.Answer(ctx)
	if err != nil {
		return err
	}
	return p.takeEAP(answer)
}

// Respond answers the latest EAP request and takes the next one.
func (p *Puppet) Respond(ctx context.Context) error {
	if err := p.PostEAP(); err != nil {
		return err
	}
	return p.TakeEAP(ctx)
}

// Proof is the last IKE_AUTH request: AUTH by K_N3IWF, and CFG_REQUEST for an IPv4 address.
func (p *Puppet) Proof() []message.Payload {
	p.mu.Lock()
	defer p.mu.Unlock()
	auth := puppetSuite.PRF.SharedKeyMIC(p.hosts.kN3IWF, puppetSuite.PRF.SignedOctets(p.first, p.nonces[1], p.sas[0].keys.PI, p.identity))
	return []message.Payload{
		&message.Authentication{Method: message.AuthSharedKey, Data: auth},
		&message.Configuration{Type: message.CFG_REQUEST, Attributes: []message.ConfigAttribute{{Type: message.INTERNAL_IP4_ADDRESS}}},
	}
}

// Prove sends the last IKE_AUTH request and takes the signalling SA.
func (p *Puppet) Prove(ctx context.Context) error {
	all := message.TrafficSelectors{anyIPv4}
	return p.proved(ctx, p.Proof(), all, all)
}

// ProveFor is Prove with another proposal of the signalling SA's selectors.
func (p *Puppet) ProveFor(ctx context.Context, own, far message.TrafficSelectors) error {
	proposal := puppetESP.Proposal(1, spiOctets(p.Child(0, false).Own))
	return p.proved(ctx, append(p.Proof(), &message.SecurityAssociation{Proposals: []message.Proposal{proposal}},
		&message.TSi{TrafficSelectors: own}, &message.TSr{TrafficSelectors: far}), own, far)
}

func (p *Puppet) proved(ctx context.Context, request []message.Payload, own, far message.TrafficSelectors) error {
	answer, err := p.Ask(ctx, message.IKE_AUTH, request...)
	if err != nil {
		return err
	}
	sa, okSA := message.Get[*message.SecurityAssociation](answer)
	cp, okCP := message.Get[*message.Configuration](answer)
	at, port := message.GetNotify(answer, nwu.NotifyNASIP4Address), message.GetNotify(answer, nwu.NotifyNASTCPPort)
	if !okSA || !okCP || at == nil || port == nil {
		return fmt.Errorf("no signalling SA: %v", message.ErrorNotify(answer))
	}
	inner, ok := cp.Get(message.INTERNAL_IP4_ADDRESS)
	if !ok || len(inner) != 4 {
		return errors.New("no inner address")
	}
	tsi, okI := message.Get[*message.TSi](answer)
	tsr, okR := message.Get[*message.TSr](answer)
	if !okI || !okR || !within(tsi.TrafficSelectors, own) || !within(tsr.TrafficSelectors, far) {
		return errors.New("selectors of the signalling SA that were not proposed")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.inner = netip.AddrFrom4([4]byte(inner))
	a, _ := netip.AddrFromSlice(at.Data)
	p.nasAt = netip.AddrPortFrom(a, binary.BigEndian.Uint16(port.Data))
	c := p.children[0]
	c.Peer = binary.BigEndian.Uint32(sa.Proposals[0].SPI)
	return c.install(suite.NewChildKeys(puppetSuite.PRF, p.sas[0].keys.D, puppetESP, nil, p.nonces[0], p.nonces[1]), true)
}

// within tells whether each selector lies in a proposed one (RFC 7296 2.9).
func within(answered, proposed message.TrafficSelectors) bool {
	for _, a := range answered {
		if !slices.ContainsFunc(proposed, func(p message.TrafficSelector) bool {
			return p.Contains(a.Start) && p.Contains(a.End) && (p.Protocol == 0 || p.Protocol == a.Protocol) && p.StartPort <= a.StartPort && a.EndPort <= p.EndPort
		}) {
			return false
		}
	}
	return len(answered) > 0
}

// downlinkNAS takes a NAS message that came over TCP. The caller has the lock.
func (p *Puppet) downlinkNAS(pdu []byte) error {
	b, err := p.hosts.plain(pdu)
	if err != nil {
		return err
	}
	m, err := nas.Decode(b)
	if err != nil {
		return err
	}
	switch m := m.(type) {
	case *nas.RegistrationAccept:
		p.hosts.guti = m.GUTI
	case *nas.DLNASTransport:
		sm, err := nas.Decode(m.Container)
		if err != nil {
			return err
		}
		p.heard = append(p.heard, sm)
		switch sm := sm.(type) {
		case *nas.EstablishmentAccept:
			p.address[sm.SessionID] = sm.Address.IPv4
		case *nas.ReleaseCommand:
			return p.sendSM(sm.SessionID, &nas.ULNASTransport{}, &nas.ReleaseComplete{SM: sm.SM})
		}
		return nil
	}
	p.heard = append(p.heard, m)
	return nil
}

// AwaitNAS waits for a NAS message of a kind, 5GMM or 5GSM, and takes it and what came before.
func AwaitNAS[T nas.Message](ctx context.Context, p *Puppet) (found T, err error) {
	err = p.await(ctx, fmt.Sprintf("the NAS message %T", found), func() bool {
		for i, m := range p.heard {
			if t, ok := m.(T); ok {
				found, p.heard = t, p.heard[i+1:]
				return true
			}
		}
		return false
	})
	return found, err
}

// SendNAS protects a message and sends it over TCP.
func (p *Puppet) SendNAS(m nas.Message) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.sendNAS(m)
}

func (p *Puppet) sendNAS(m nas.Message) error {
	b, err := nas.Encode(m)
	if err != nil {
		return err
	}
	if b, err = p.hosts.security.Protect(security.IntegrityCiphered, b); err != nil {
		return err
	}
	return p.line.write(b)
}

func (p *Puppet) sendSM(psi uint8, carrier *nas.ULNASTransport, m nas.Message) error {
	container, err := nas.Encode(m)
	if err != nil {
		return err
	}
	carrier.ContainerType, carrier.Container, carrier.SessionID = nas.ContainerN1SM, container, &psi
	return p.sendNAS(carrier)
}

// RequestSession asks for an IPv4 PDU session.
func (p *Puppet) RequestSession(psi uint8, dnn string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	kind, request, ssc := nas.SessionIPv4, uint8(nas.RequestInitial), uint8(1)
	return p.sendSM(psi, &nas.ULNASTransport{RequestType: &request, DNN: new(nas.DNN(dnn))}, &nas.EstablishmentRequest{
		SM: nas.SM{SessionID: psi, PTI: p.hosts.nextPTI()}, IntegrityRate: [2]byte{0xff, 0xff}, SessionType: &kind, SSCMode: &ssc,
	})
}

// ReleaseSession gives a PDU session up.
func (p *Puppet) ReleaseSession(psi uint8) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.sendSM(psi, &nas.ULNASTransport{}, &nas.ReleaseRequest{SM: nas.SM{SessionID: psi, PTI: p.hosts.nextPTI()}})
}

// Deregister leaves the network, which ends the IKE SA.
func (p *Puppet) Deregister(ctx context.Context) error {
	p.mu.Lock()
	err := p.sendNAS(&nas.DeregistrationRequestUE{
		DeregistrationType: nas.DeregisterNon3GPP, KSI: nas.KSI(p.hosts.ksi), Identity: nas.MobileIdentity(p.hosts.guti),
	})
	p.mu.Unlock()
	if err != nil {
		return err
	}
	return p.Gone(ctx)
}

// Gone waits until the N3IWF has ended the IKE SA.
func (p *Puppet) Gone(ctx context.Context) error {
	return p.await(ctx, "the end of the IKE SA", func() bool { return p.deleted })
}

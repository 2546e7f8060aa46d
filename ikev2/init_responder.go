// SPDX-License-Identifier: Apache-2.0

package ikev2

import (
	"bytes"
	"net/netip"

	"github.com/open-n3iwf/n3iwf/ikev2/message"
	"github.com/open-n3iwf/n3iwf/ikev2/suite"
)

// initRequest starts a responder's session with an acceptable IKE_SA_INIT request.
func (s *Session) initRequest(m *message.Message, data []byte, choice suite.Choice, ke *message.KeyExchange, ni *message.Nonce) {
	s.sa = &ikeSA{spiI: m.InitiatorSPI, spiR: s.newSPI(), suite: choice.IKE, window: 1, receiving: receiving{nextRecv: 1}}
	s.hs = &handshake{initReq: bytes.Clone(data), ni: bytes.Clone(ni.Data), nr: s.nonce()}
	s.hs.origin = initOrigin{&s.front.cookies, s.path.Remote.Addr()}
	s.state = stateInit
	s.expires = s.now.Add(s.opt.HalfOpenTime)
	s.learnInit(m.Payloads)
	s.hs.intermediate.methods = choice.IKE.Additional.Methods()
	s.redirect.able, s.redirect.from = redirectable(m.Payloads)
	s.detectNAT(m.Payloads, m.InitiatorSPI, 0, s.path)
	natt := s.nat.Supported

	exchange := suite.Respond
	if s.opt.FullMODP {
		exchange = suite.RespondFull
	}
	group, peer, random := choice.IKE.Group, bytes.Clone(ke.Data), s.opt.Rand
	answer := choice.Answer(nil)
	var public, secret []byte
	s.work(func() (err error) {
		public, secret, err = exchange(group, random, peer)
		return err
	}, func(err error) {
		if err != nil {
			s.close(err, true) // an invalid public value; from anybody, so nobody is told
			return
		}
		s.initAnswer(answer, public, secret, natt)
	})
}

func (s *Session) initAnswer(proposal message.Proposal, public, secret []byte, natt bool) {
	sa, hs := s.sa, s.hs
	payloads := []message.Payload{
		&message.SecurityAssociation{Proposals: []message.Proposal{proposal}},
		&message.KeyExchange{Group: uint16(sa.suite.Group), Data: public},
		&message.Nonce{Data: hs.nr},
	}
	if natt {
		payloads = append(payloads, s.natNotifies(sa.spiI, sa.spiR, s.path)...)
	}
	if req := s.certificateRequest(); req != nil {
		payloads = append(payloads, req)
	}
	// Only what the initiator offered: there are UEs that know none of it.
	for _, p := range abilities() {
		n := p.(*message.Notify)
		if (n.Type == message.IKEV2_FRAGMENTATION_SUPPORTED && s.fragment) ||
			(n.Type == message.SIGNATURE_HASH_ALGORITHMS && hs.peerHashes != nil) {
			payloads = append(payloads, n)
		}
	}
	if s.usePPK() {
		payloads = append(payloads, notify(message.USE_PPK, nil))
	}
	if len(hs.intermediate.methods) > 0 {
		payloads = append(payloads, notify(message.INTERMEDIATE_EXCHANGE_SUPPORTED, nil))
	}
	payloads = append(payloads, s.vendorIDs()...)
	m := message.Message{Header: sa.header(message.IKE_SA_INIT, true, 0), Payloads: payloads}
	reply, err := m.Append(nil)
	if err == nil {
		err = s.useKeys(sa, suite.NewIKEKeys(sa.suite, secret, hs.ni, hs.nr, sa.spiI, sa.spiR))
	}
	if err != nil {
		s.close(err, false)
		return
	}
	hs.initResp = reply
	s.state = stateAuth
	s.front.remember(s, reply)
	s.send(s.path, [][]byte{reply})
}

// detectNAT compares the peer's NAT detection hashes with the addresses of its message (RFC 7296 2.23). Without such
// notifies nothing changes.
func (s *Session) detectNAT(payloads []message.Payload, spiI, spiR message.SPI, path Path) {
	var sources, destinations, matchSource, matchDestination bool
	for _, n := range message.All[*message.Notify](payloads) {
		switch n.Type {
		case message.NAT_DETECTION_SOURCE_IP:
			sources = true
			matchSource = matchSource || bytes.Equal(n.Data, suite.NATDetectionHash(spiI, spiR, path.Remote))
		case message.NAT_DETECTION_DESTINATION_IP:
			destinations = true
			matchDestination = bytes.Equal(n.Data, suite.NATDetectionHash(spiI, spiR, path.Local))
		}
	}
	if !sources || !destinations || s.opt.NoNATTraversal {
		return
	}
	s.nat = NATStatus{Supported: true, PeerBehindNAT: !matchSource, BehindNAT: !matchDestination}
}

// bogus is what is hashed instead of our address to make the peer believe that we are behind a NAT.
var bogus = netip.AddrPortFrom(netip.IPv4Unspecified(), 0)

// natNotifies are the NAT detection notifies of a message that we send on path.
func (s *Session) natNotifies(spiI, spiR message.SPI, path Path) []message.Payload {
	if s.opt.NoNATTraversal {
		return nil
	}
	source := path.Local
	if !s.opt.HonestNAT {
		source = bogus
	}
	return []message.Payload{
		notify(message.NAT_DETECTION_SOURCE_IP, suite.NATDetectionHash(spiI, spiR, source)),
		notify(message.NAT_DETECTION_DESTINATION_IP, suite.NATDetectionHash(spiI, spiR, path.Remote)),
	}
}

// SPDX-License-Identifier: Apache-2.0

package ikev2

import (
	"bytes"
	"crypto/hmac"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/open-n3iwf/n3iwf/ikev2/message"
	"github.com/open-n3iwf/n3iwf/ikev2/suite"
)

// maxRestarts bounds how often an unauthenticated answer (a cookie, another group) makes us send IKE_SA_INIT again.
const maxRestarts = 5

// NewInitiator starts a session towards path.Remote. It copies o and want. The owner registers the session under
// s.SPI() and runs the work of the Output.
func NewInitiator(now time.Time, o Options, want InitiatorOptions, path Path) (*Session, Output) {
	opt := o.withDefaults()
	s := &Session{opt: opt, rules: opt, origInitiator: true, path: path, espPath: path}
	s.own = s.opt.AdditionalAddresses
	s.redirect = want.redirect
	s.redirect.able = want.AcceptRedirect
	s.begin(now)
	s.sa = &ikeSA{initiator: true, spiI: s.newSPI(), window: 1}
	s.hs = &handshake{want: want, ni: s.nonce(), offer: suite.Offer(s.opt.IKE, nil)}
	s.expires = now.Add(s.opt.HalfOpenTime)
	if g, ok := firstGroup(s.hs.offer); ok {
		s.hs.group = g
		s.generateKey()
	} else {
		s.close(fmt.Errorf("ikev2: Options.IKE names no key exchange group: %w", ErrState), false)
	}
	return s, s.finish()
}

func firstGroup(proposals []message.Proposal) (suite.GroupID, bool) {
	for _, p := range proposals {
		for _, t := range p.Transforms {
			if t.Type == message.TransformKE && t.ID != 0 {
				return suite.GroupID(t.ID), true
			}
		}
	}
	return 0, false
}

func offersGroup(proposals []message.Proposal, g suite.GroupID) bool {
	for _, p := range proposals {
		for _, t := range p.Transforms {
			if t == g.Transform() {
				return true
			}
		}
	}
	return false
}

func (s *Session) generateKey() {
	hs := s.hs
	group, random := hs.group, s.opt.Rand
	hs.busy = true
	var key *suite.KeyExchange
	s.work(func() (err error) {
		key, err = suite.GenerateKey(group, random)
		return err
	}, func(err error) {
		if err != nil {
			s.close(err, false)
			return
		}
		hs.busy, hs.key = false, key
		s.sendInit()
	})
}

// sendInit sends the IKE_SA_INIT request, with whatever cookie we have.
func (s *Session) sendInit() {
	sa, hs := s.sa, s.hs
	var payloads []message.Payload
	if hs.cookie != nil {
		payloads = append(payloads, notify(message.COOKIE, hs.cookie))
	}
	payloads = append(payloads,
		&message.SecurityAssociation{Proposals: hs.offer},
		&message.KeyExchange{Group: uint16(hs.group), Data: hs.key.Public()},
		&message.Nonce{Data: hs.ni})
	payloads = append(payloads, s.natNotifies(sa.spiI, 0, s.path)...)
	payloads = append(payloads, abilities()...)
	payloads = append(payloads, s.vendorIDs()...)
	if s.opt.PPK != nil {
		payloads = append(payloads, notify(message.USE_PPK, nil))
	}
	if suite.OffersAdditional(hs.offer) {
		payloads = append(payloads, notify(message.INTERMEDIATE_EXCHANGE_SUPPORTED, nil))
	}
	payloads = append(payloads, s.redirectAbility()...)
	m := message.Message{Header: sa.header(message.IKE_SA_INIT, false, 0), Payloads: payloads}
	data, err := m.Append(nil)
	if err != nil {
		s.close(err, false)
		return
	}
	hs.initReq = data
	sa.outstanding = nil
	s.launch(sa, &request{exchange: message.IKE_SA_INIT, datagrams: [][]byte{data}, giveUp: s.opt.HalfOpenTime})
	sa.nextSend = 1
}

// initResponse works on an answer to IKE_SA_INIT, which can be anybody's.
func (s *Session) initResponse(path Path, data []byte) {
	sa, hs := s.sa, s.hs
	m, err := message.Decode(data)
	if err != nil || hs.busy || len(sa.outstanding) == 0 || m.MessageID != 0 {
		return
	}
	if c := message.GetNotify(m.Payloads, message.COOKIE); c != nil && m.ResponderSPI == 0 {
		if len(c.Data) == 0 || len(c.Data) > 64 || s.lateCookie(c.Data) || !s.restart() {
			return
		}
		hs.cookie, hs.baked = bytes.Clone(c.Data), hs.group
		hs.cookies = append(hs.cookies, hs.cookie)
		s.sendInit()
		return
	}
	if n := message.GetNotify(m.Payloads, message.REDIRECT); n != nil && m.ResponderSPI == 0 {
		if s.redirected(n, hs.ni) {
			s.close(ErrRedirected, true)
		}
		return
	}
	if n := message.ErrorNotify(m.Payloads); n != nil {
		if n.Type != message.INVALID_KE_PAYLOAD {
			s.close(received(n), true)
			return
		}
		if len(n.Data) != 2 {
			return
		}
		g := suite.GroupID(binary.BigEndian.Uint16(n.Data))
		if g == hs.group || !offersGroup(hs.offer, g) || !s.restart() {
			return
		}
		hs.group = g
		s.generateKey()
		return
	}
	answer, ok1 := message.Get[*message.SecurityAssociation](m.Payloads)
	ke, ok2 := message.Get[*message.KeyExchange](m.Payloads)
	nr, ok3 := message.Get[*message.Nonce](m.Payloads)
	if !ok1 || !ok2 || !ok3 || m.ResponderSPI == 0 || len(nr.Data) < message.MinNonceLen || len(nr.Data) > message.MaxNonceLen {
		return
	}
	choice, err := suite.AcceptIKE(hs.offer, answer.Proposals, 0)
	if err != nil || choice.IKE.Group != hs.group || suite.GroupID(ke.Group) != hs.group {
		return
	}
	methods := choice.IKE.Additional.Methods()
	if len(methods) > 0 && message.GetNotify(m.Payloads, message.INTERMEDIATE_EXCHANGE_SUPPORTED) == nil {
		return
	}
	hs.intermediate.methods = methods
	sa.outstanding = nil
	hs.busy = true
	hs.initResp, hs.nr = bytes.Clone(data), bytes.Clone(nr.Data)
	spiR, payloads := m.ResponderSPI, m.Payloads
	key, peer := hs.key, bytes.Clone(ke.Data)
	s.learnInit(payloads)
	s.detectNAT(payloads, sa.spiI, spiR, path)
	s.referNAT(payloads, path)
	var secret []byte
	s.work(func() (err error) {
		secret, err = key.Shared(peer)
		return err
	}, func(err error) {
		if err == nil {
			sa.spiR, sa.suite = spiR, choice.IKE
			err = s.useKeys(sa, suite.NewIKEKeys(sa.suite, secret, hs.ni, hs.nr, sa.spiI, spiR))
		}
		if err != nil {
			s.close(err, true)
			return
		}
		hs.busy, hs.key = false, nil
		s.float()
		s.state = stateAuth
		s.nextExchange()
	})
}

// lateCookie tells whether a cookie is the answer to another copy of the request that has brought us the one we have.
// That one counts until it has been refused, as the silence about a repeated request shows: two requests with different
// cookies would have two responses, and none says which request it answers. One that has been refused is not taken again:
// it comes from somebody who repeats old messages.
func (s *Session) lateCookie(cookie []byte) bool {
	hs := s.hs
	had := slices.ContainsFunc(hs.cookies, func(c []byte) bool { return bytes.Equal(c, cookie) })
	return hs.cookie != nil && (had || hs.baked == hs.group && s.sa.outstanding[0].tries == 0)
}

// restart counts the times that unprotected answers make us start over.
func (s *Session) restart() bool {
	s.hs.restarts++
	return s.hs.restarts <= maxRestarts
}

// float goes to the NAT-traversal port, where both sides can be reached behind whatever comes later (RFC 4555 3.3).
func (s *Session) float() {
	if s.path.NATT || !s.nat.Supported {
		return
	}
	to := s.hs.want.NATTPath
	if !to.Local.IsValid() {
		to.Local = netip.AddrPortFrom(s.path.Local.Addr(), 4500)
		to.Remote = netip.AddrPortFrom(s.path.Remote.Addr(), 4500)
	}
	to.NATT = true
	s.path, s.espPath = to, to
	s.natReference = nil
}

// firstAuth sends the first IKE_AUTH request.
func (s *Session) firstAuth() {
	hs := s.hs
	if p := s.opt.PPK; p != nil && p.Mandatory && !hs.ppk.peer {
		s.close(ErrPPK, false)
		return
	}
	hs.idI = s.opt.Identity.payload()
	if hs.want.Peer.Data != nil {
		hs.idR = hs.want.Peer.payload()
	}
	if s.opt.EAP {
		s.sendFirstAuth()
		return
	}
	if s.opt.Prove == nil || s.opt.Verify == nil {
		s.close(fmt.Errorf("ikev2: Options has neither EAP nor both Prove and Verify: %w", ErrState), false)
		return
	}
	s.makePPKProof(s.sendFirstAuth)
}

func (s *Session) sendFirstAuth() {
	hs, want := s.hs, &s.hs.want
	out := []message.Payload{&message.IDi{Identification: *hs.idI}}
	if !s.opt.EAP {
		out = append(out, s.certificates()...)
	}
	if req := s.certificateRequest(); req != nil {
		out = append(out, req)
	}
	if hs.idR != nil {
		out = append(out, &message.IDr{Identification: *hs.idR})
	}
	if hs.proof != nil {
		out = append(out, &message.Authentication{Method: hs.method, Data: hs.proof})
		out = append(out, s.ppkNotifies(hs.ppk.without)...)
	}
	if want.Config != nil && !want.LateConfig {
		out = append(out, want.Config)
	}
	if want.Child.LocalTS != nil {
		spi, err := s.newChildSPI()
		if err != nil {
			s.close(err, false)
			return
		}
		hs.childSPI = spi
		hs.childESP = suite.Offer(suite.WithAdditional(suite.WithGroups(s.espPolicy(want.Child.ESP))), spiBytes(spi))
		out = append(out,
			&message.SecurityAssociation{Proposals: hs.childESP},
			&message.TSi{TrafficSelectors: want.Child.LocalTS},
			&message.TSr{TrafficSelectors: want.Child.RemoteTS})
	}
	if want.InitialContact {
		out = append(out, notify(message.INITIAL_CONTACT, nil))
	}
	if !s.opt.NoMOBIKE {
		out = append(out, s.mobikeSupported())
		out = append(append(out, s.ownAddresses()...), s.noNATs()...)
	}
	out = append(out, s.windowNotify()...)
	out = appendNotifies(out, s.authAbilities())
	out = appendNotifies(appendNotifies(out, want.Notifies), want.Child.Notifies)
	s.startAuth(out, s.firstAuthResponse)
}

// startAuth sends an IKE_AUTH request.
func (s *Session) startAuth(out []message.Payload, done func(in []message.Payload)) {
	if len(s.sa.outstanding) > 0 {
		return
	}
	s.start(s.sa, &request{
		exchange: message.IKE_AUTH,
		build:    func(*request) []message.Payload { return out },
		done:     func(_ *request, in []message.Payload) { done(in) },
	})
}

func (s *Session) firstAuthResponse(in []message.Payload) {
	hs := s.hs
	idr, ok := message.Get[*message.IDr](in)
	eap, isEAP := message.Get[*message.EAP](in)
	auth, hasAuth := message.Get[*message.Authentication](in)
	if !ok || (!hasAuth && !isEAP) {
		s.authRefused(in, nil)
		return
	}
	if want := hs.want.Peer; want.Data != nil && (idr.Type != want.Type || !bytes.Equal(idr.Data, want.Data)) {
		s.refusePeer(fmt.Errorf("the responder is %v and not %v", &idr.Identification, hs.idR))
		return
	}
	hs.idR = &idr.Identification
	for _, c := range message.All[*message.Certificate](in) {
		if c.Encoding == message.CertX509Signature && len(hs.peerCerts) < maxCerts {
			hs.peerCerts = append(hs.peerCerts, c.Data)
		}
	}
	if isEAP != s.opt.EAP {
		s.refusePeer(errors.New("the responder wants another kind of authentication"))
		return
	}
	then := func() { s.finalAuthResponse(in) }
	if isEAP {
		hs.phase = phaseEAP
		then = func() { s.eapPacket(eap.Packet, in) }
	}
	switch {
	case s.opt.Verify == nil:
		then() // EAP alone: the MSK proves the responder
	case !hasAuth:
		s.refusePeer(errors.New("the responder sent no AUTH"))
	case !isEAP && !s.settlePPK(in):
	default:
		s.verifyPeer(auth, then)
	}
}

func (s *Session) eapResponse(in []message.Payload) {
	if eap, ok := message.Get[*message.EAP](in); ok {
		s.eapPacket(eap.Packet, in)
		return
	}
	s.authRefused(in, nil)
}

// EAP codes (RFC 3748 4).
const (
	eapSuccess = 3
	eapFailure = 4
)

func (s *Session) eapPacket(packet []byte, in []message.Payload) {
	if len(packet) > 0 && packet[0] == eapFailure {
		s.authRefused(in, ErrEAPFailure)
		return
	}
	success := len(packet) > 0 && packet[0] == eapSuccess
	if success {
		s.hs.phase = phaseFinal
	}
	s.emit(EAPReceived{Packet: packet})
	if success && s.hs.mskKnown {
		s.finalAuth()
	}
}

// SetMSK (initiator) gives the key that EAP made; nil for a method without one. It can be called at any time after
// EAP began, and must be after EAP-Success was received.
func (s *Session) SetMSK(now time.Time, msk []byte) Output {
	s.begin(now)
	if hs := s.hs; hs != nil && s.origInitiator && s.state == stateAuth && !hs.mskKnown {
		hs.msk, hs.mskKnown = bytes.Clone(msk), true
		if hs.phase == phaseFinal {
			s.finalAuth()
		}
	}
	return s.finish()
}

// finalAuth sends the AUTH payload that EAP's key makes.
func (s *Session) finalAuth() {
	keys, ok := s.mixedKeys()
	if !ok {
		return
	}
	out := []message.Payload{&message.Authentication{Method: message.AuthSharedKey, Data: s.mskAuth(true, keys)}}
	out = append(out, s.ppkNotifies(s.mskAuth(true, s.sa.keys))...)
	if s.hs.want.LateConfig && s.hs.want.Config != nil {
		out = append(out, s.hs.want.Config)
	}
	s.startAuth(out, func(in []message.Payload) {
		auth, ok := message.Get[*message.Authentication](in)
		if !ok {
			s.authRefused(in, nil)
			return
		}
		if !s.settlePPK(in) {
			return
		}
		if auth.Method != message.AuthSharedKey || !hmac.Equal(auth.Data, s.mskAuth(false, s.sa.keys)) {
			s.refusePeer(errors.New("the responder does not know the key that EAP made"))
			return
		}
		s.finalAuthResponse(in)
	})
}

// authRefused ends the session because the responder answered IKE_AUTH with an error, or with nonsense.
func (s *Session) authRefused(in []message.Payload, reason error) {
	if n := message.ErrorNotify(in); n != nil {
		if reason == nil {
			reason = received(n)
		} else {
			reason = errors.Join(reason, received(n))
		}
	}
	if reason == nil {
		reason = ErrSyntax
	}
	s.closeWith(reason, true, message.All[*message.Notify](in))
}

// finalAuthResponse works on the response that ends authentication.
func (s *Session) finalAuthResponse(in []message.Payload) {
	hs := s.hs
	e := Established{Peer: identityOf(hs.idR), Notifies: message.All[*message.Notify](in)}
	if c, ok := message.Get[*message.Configuration](in); ok && c.Type == message.CFG_REPLY {
		e.Config = c
	}
	s.natReference = nil // IKE_AUTH says nothing about addresses, and it may have come from another one than IKE_SA_INIT
	s.mobike = !s.opt.NoMOBIKE && hasNotify(e.Notifies, message.MOBIKE_SUPPORTED)
	if n := message.GetNotify(in, message.SET_WINDOW_SIZE); n != nil {
		s.sa.setWindow(n.Data)
	}
	s.learnAuthAbilities(e.Notifies)
	if s.redirected(message.GetNotify(in, message.REDIRECT), nil) {
		s.state = stateEstablished // so that the peer hears of the end
		s.abort(ErrRedirected)
		return
	}
	s.addressList(in, s.path)
	want, spi, offer := hs.want.Child, hs.childSPI, hs.childESP
	ni, nr := hs.ni, hs.nr
	s.established(e)
	if spi == 0 {
		return
	}
	child, err := s.childAnswer(in, offer, want.LocalTS, want.RemoteTS, true)
	if err != nil {
		s.dropSPI(spi)
		s.emit(ChildFailed{Tag: want.Tag, Err: err})
		return
	}
	child.InboundSPI, child.Tag = spi, want.Tag
	s.childKeys(s.sa, child, nil, ni, nr)
	s.addChild(child, s.espPolicy(want.ESP), nil)
	s.emit(ChildUp{Child: child, Notifies: e.Notifies})
}

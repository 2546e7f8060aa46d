// SPDX-License-Identifier: Apache-2.0

package ikev2

import (
	"bytes"
	"slices"
	"time"

	"github.com/open-n3iwf/n3iwf/ikev2/message"
	"github.com/open-n3iwf/n3iwf/ikev2/suite"
)

// maxCerts bounds the CERT payloads of a peer that are looked at.
const maxCerts = 8

// authRequest works on an IKE_AUTH request.
func (s *Session) authRequest(in []message.Payload) {
	hs := s.hs
	if im := &hs.intermediate; im.done < len(im.methods) {
		s.invalidSyntax(s.sa) // the keys are not what was agreed
		return
	}
	s.collect(in)
	switch hs.phase {
	case phaseFirst:
		s.firstAuthRequest(in)
	case phaseEAP:
		eap, ok := message.Get[*message.EAP](in)
		if !ok {
			s.failAuthentication()
			return
		}
		s.emit(EAPReceived{Packet: eap.Packet})
	case phaseFinal:
		auth, ok := message.Get[*message.Authentication](in)
		if ok {
			auth, ok = s.takePPK(auth, in)
		}
		if !ok || !s.knowsMSK(auth) {
			s.failAuthentication()
			return
		}
		hs.method, hs.proof = message.AuthSharedKey, s.mskAuth(true, s.sa.keys)
		s.askOwner()
	default:
		s.invalidSyntax(s.sa)
	}
}

// collect remembers what an IKE_AUTH request asks for. UEs put it into the first or into the last one, or a part into
// each.
func (s *Session) collect(in []message.Payload) {
	hs := s.hs
	for _, p := range in {
		switch p := p.(type) {
		case *message.SecurityAssociation:
			hs.proposals = p.Proposals
		case *message.TSi:
			hs.tsi = p.TrafficSelectors
		case *message.TSr:
			hs.tsr = p.TrafficSelectors
		case *message.Configuration:
			hs.config = p
		case *message.CertificateRequest:
			hs.learnRequest(p)
		case *message.Certificate:
			if p.Encoding == message.CertX509Signature && len(hs.peerCerts) < maxCerts && hs.keep(len(p.Data)) {
				hs.peerCerts = append(hs.peerCerts, slices.Clip(slices.Clone(p.Data)))
			}
		case *message.Notify:
			switch p.Type {
			case message.MOBIKE_SUPPORTED:
				hs.mobike, hs.mobikeData = !s.opt.NoMOBIKE, p.Data
			case message.SET_WINDOW_SIZE:
				s.sa.setWindow(p.Data)
			}
			if len(hs.notifies) < maxNotifies && hs.keep(len(p.Data)) {
				n := *p
				n.Data = slices.Clip(slices.Clone(p.Data)) // not the whole message with it
				hs.notifies = append(hs.notifies, &n)
			}
		}
	}
	s.addressList(in, s.sa.pending.path)
}

// maxKept bounds the notifies and certificates of IKE_AUTH requests that are kept, in octets.
const maxKept = 64 << 10

// keep tells whether n octets more may be kept of a peer that is not authenticated yet.
func (hs *handshake) keep(n int) bool {
	if hs.kept+n > maxKept {
		return false
	}
	hs.kept += n
	return true
}

// maxNotifies bounds the notifies of IKE_AUTH requests that are kept for the owner.
const maxNotifies = 64

func (s *Session) firstAuthRequest(in []message.Payload) {
	hs := s.hs
	idi, ok := message.Get[*message.IDi](in)
	if !ok {
		s.invalidSyntax(s.sa)
		return
	}
	// The addresses of the IKE SA are those of this message (RFC 4555 3.3): the port changed to 4500 with it.
	s.path = s.sa.pending.path
	s.espPath = s.path
	if !s.natsAllowed(in, s.path) {
		s.respondError(s.sa, message.UNEXPECTED_NAT_DETECTED)
		s.close(&NotifyError{Type: message.UNEXPECTED_NAT_DETECTED}, false)
		return
	}
	hs.idI = &idi.Identification
	hs.idR = s.opt.Identity.payload()
	var wanted Identity
	if idr, ok := message.Get[*message.IDr](in); ok {
		wanted = identityOf(&idr.Identification)
	}
	auth, ok := message.Get[*message.Authentication](in)
	switch {
	case ok && s.opt.Verify != nil:
		hs.phase = phaseAuthorize
		if auth, ok = s.takePPK(auth, in); !ok {
			s.failAuthentication()
			return
		}
		s.verifyPeer(auth, func() { s.makeProof(s.askOwner) })
	case !ok && s.opt.EAP:
		hs.phase = phaseStart
		s.emit(EAPStart{Peer: identityOf(hs.idI), Wanted: wanted, Notifies: hs.notifies})
		s.makeProof(func() {
			hs.proofReady = true
			s.firstEAPResponse()
		})
	default:
		s.failAuthentication()
	}
}

// failAuthentication refuses the peer, which ends the IKE SA (RFC 7296 2.21.2).
func (s *Session) failAuthentication() {
	s.respondError(s.sa, message.AUTHENTICATION_FAILED)
	s.close(ErrAuthentication, false)
}

// verifyPeer checks the peer's AUTH payload and goes on with then.
func (s *Session) verifyPeer(auth *message.Authentication, then func()) {
	ctx := s.authContext(false, s.sa.keys)
	v, certs := s.opt.Verify, s.hs.peerCerts
	var others [][]byte
	for _, b := range s.otherRequests() {
		others = append(others, s.octetsOf(b))
	}
	s.inlineOrWork(v.Inline(), func() error {
		return verifyPeer(v, ctx, others, auth, certs)
	}, func(err error) {
		if err != nil {
			s.refusePeer(err)
			return
		}
		then()
	})
}

// refusePeer ends the IKE SA because the peer's proof is wrong.
func (s *Session) refusePeer(err error) {
	reason := &authError{err}
	if s.origInitiator {
		// The only error that is ever sent in reaction to a response (RFC 7296 2.21.2).
		d := s.seal(s.sa, message.INFORMATIONAL, false, s.sa.nextSend, []message.Payload{notify(message.AUTHENTICATION_FAILED, nil)})
		s.send(s.path, d)
	} else {
		s.respondError(s.sa, message.AUTHENTICATION_FAILED)
	}
	s.close(reason, false)
}

// makeProof makes our AUTH payload and goes on with then.
func (s *Session) makeProof(then func()) {
	s.makeProofWith(s.sa.keys, func(method message.AuthMethod, proof []byte) {
		s.hs.method, s.hs.proof = method, proof
		then()
	})
}

func (s *Session) makeProofWith(keys *suite.IKEKeys, then func(method message.AuthMethod, proof []byte)) {
	ctx := s.authContext(true, keys)
	if s.hs.prover == nil && s.opt.Prove != nil {
		s.hs.prover = choose(s.opt.Prove, ctx)
	}
	p := s.hs.prover
	if p == nil {
		then(0, nil) // EAP alone proves both sides, with the MSK
		return
	}
	var method message.AuthMethod
	var data []byte
	s.inlineOrWork(p.Inline(), func() (err error) {
		method, data, err = p.Prove(ctx)
		return err
	}, func(err error) {
		if err != nil {
			if !s.origInitiator {
				s.respondError(s.sa, message.AUTHENTICATION_FAILED)
			}
			s.close(&authError{err}, false)
			return
		}
		then(method, data)
	})
}

func (s *Session) inlineOrWork(inline bool, run func() error, done func(error)) {
	if inline {
		done(run())
		return
	}
	s.work(run, done)
}

// firstEAPResponse answers the first IKE_AUTH request of an EAP authentication, when the owner's first EAP packet and
// our signature are both there.
func (s *Session) firstEAPResponse() {
	hs := s.hs
	if !hs.proofReady || hs.eapPacket == nil {
		return
	}
	out := append([]message.Payload{&message.IDr{Identification: *hs.idR}}, s.certificates()...)
	if hs.proof != nil {
		out = append(out, &message.Authentication{Method: hs.method, Data: hs.proof})
	}
	hs.phase = phaseEAP
	s.respond(s.sa, append(out, &message.EAP{Packet: hs.eapPacket}))
	hs.eapPacket, hs.proof = nil, nil
}

// SendEAP sends an EAP packet: of a responder an EAP request as the answer to EAPStart or EAPReceived, of an initiator
// the answer to EAPReceived. Out of turn it does nothing.
func (s *Session) SendEAP(now time.Time, packet []byte) Output {
	s.begin(now)
	switch hs := s.hs; {
	case hs == nil || s.state != stateAuth:
	case s.origInitiator:
		if hs.phase == phaseEAP {
			s.startAuth([]message.Payload{&message.EAP{Packet: packet}}, s.eapResponse)
		}
	case hs.phase == phaseStart:
		hs.eapPacket = packet
		s.firstEAPResponse()
	case hs.phase == phaseEAP:
		s.respond(s.sa, []message.Payload{&message.EAP{Packet: packet}})
	}
	return s.finish()
}

// EAPSuccess (responder) ends EAP: it sends the EAP-Success packet, and the peer must prove that it knows msk.
func (s *Session) EAPSuccess(now time.Time, packet, msk []byte) Output {
	s.begin(now)
	if hs := s.hs; hs != nil && s.state == stateAuth && !s.origInitiator && hs.phase == phaseEAP && s.sa.pending != nil {
		hs.msk = slices.Clone(msk)
		hs.phase = phaseFinal
		s.respond(s.sa, []message.Payload{&message.EAP{Packet: packet}})
		s.leaveFront() // no longer half-open
	}
	return s.finish()
}

// EAPFailure (responder) refuses the peer with an EAP-Failure packet and notifies, and ends the session.
func (s *Session) EAPFailure(now time.Time, packet []byte, notifies ...*message.Notify) Output {
	s.begin(now)
	if hs := s.hs; hs != nil && s.state == stateAuth && !s.origInitiator && (hs.phase == phaseStart || hs.phase == phaseEAP) {
		s.respond(s.sa, appendNotifies([]message.Payload{&message.EAP{Packet: packet}}, notifies))
		s.close(ErrEAPFailure, false)
	}
	return s.finish()
}

// askOwner tells the owner that the peer is who it says.
func (s *Session) askOwner() {
	hs := s.hs
	hs.phase = phaseAuthorize
	s.leaveFront()
	e := AuthRequest{
		Peer: identityOf(hs.idI), Certificates: hs.peerCerts, Config: hs.config,
		MOBIKE: hs.mobike, MOBIKEData: hs.mobikeData, Notifies: hs.notifies,
		InitialContact: hasNotify(hs.notifies, message.INITIAL_CONTACT),
	}
	if hs.proposals != nil {
		e.LocalTS, e.RemoteTS = hs.tsr, hs.tsi
	}
	s.emit(e)
}

// AuthorizeChild (responder) answers AuthRequest.
func (s *Session) AuthorizeChild(now time.Time, a Authorization) Output {
	s.begin(now)
	if hs := s.hs; hs != nil && s.state == stateAuth && !s.origInitiator && hs.phase == phaseAuthorize && s.sa.pending != nil {
		s.authorize(a)
	}
	return s.finish()
}

func (s *Session) authorize(a Authorization) {
	hs := s.hs
	if a.Reject != nil {
		s.respond(s.sa, appendNotifies([]message.Payload{notify(a.Reject.Type, a.Reject.Data)}, a.Notifies))
		s.close(a.Reject, false)
		return
	}
	var out []message.Payload
	if hs.msk == nil {
		out = append(out, &message.IDr{Identification: *hs.idR})
		out = append(out, s.certificates()...)
	}
	out = append(out, &message.Authentication{Method: hs.method, Data: hs.proof})
	if hs.ppk.used {
		out = append(out, notify(message.PPK_IDENTITY, nil))
	}
	if a.Config != nil {
		out = append(out, a.Config)
	}
	var up *ChildUp
	redirect := !a.Redirect.IsZero() && s.redirect.able
	if redirect {
		out = append(out, redirectNotify(a.Redirect, nil))
	}
	if hs.proposals != nil && !redirect {
		payloads, child, refusal := s.firstChild(a)
		if refusal != nil {
			out = append(out, notify(refusal.Type, refusal.Data))
		} else {
			out = append(out, payloads...)
			up = &ChildUp{Child: child, Notifies: hs.notifies}
		}
	}
	s.mobike = hs.mobike
	s.canSwitch = s.canSwitch && bytes.Equal(hs.mobikeData, s.opt.Switch.Capability)
	if s.mobike {
		out = append(out, s.mobikeSupported())
		out = append(out, s.ownAddresses()...)
	}
	out = append(out, s.windowNotify()...)
	s.learnAuthAbilities(hs.notifies)
	out = appendNotifies(out, s.authAbilities())
	out = appendNotifies(out, a.Notifies)
	s.established(Established{Peer: identityOf(hs.idI), Notifies: hs.notifies})
	if up != nil {
		s.addChild(up.Child, s.espPolicy(a.ESP), nil)
		s.emit(*up)
	}
	s.respond(s.sa, out)
}

// authError is ErrAuthentication with what was wrong.
type authError struct{ cause error }

func (e *authError) Error() string   { return ErrAuthentication.Error() + ": " + e.cause.Error() }
func (e *authError) Unwrap() []error { return []error{ErrAuthentication, e.cause} }

func appendNotifies(out []message.Payload, notifies []*message.Notify) []message.Payload {
	for _, n := range notifies {
		out = append(out, n)
	}
	return out
}

func hasNotify(notifies []*message.Notify, t message.NotifyType) bool {
	return slices.ContainsFunc(notifies, func(n *message.Notify) bool { return n.Type == t })
}

// SPDX-License-Identifier: Apache-2.0

package ikev2

import (
	"encoding/binary"

	"github.com/open-n3iwf/n3iwf/ikev2/message"
	"github.com/open-n3iwf/n3iwf/ikev2/suite"
)

type phase uint8

const (
	phaseFirst     phase = iota // the first IKE_AUTH exchange
	phaseStart                  // responder: waits for the owner's first EAP packet and our signature
	phaseEAP                    // EAP packets go to and fro
	phaseFinal                  // EAP succeeded; the AUTH payloads keyed with the MSK come
	phaseAuthorize              // responder: the owner decides
)

// handshake is what is needed until the IKE SA is established, and not after it.
type handshake struct {
	phase phase
	// RealMessage1 and RealMessage2 of RFC 7296 2.15.
	initReq, initResp []byte
	ni, nr            []byte
	idI, idR          *message.Identification
	peerHashes        []suite.HashID
	certWanted        bool     // the peer sent CERTREQ
	authorities       [][]byte // that it asked for
	prover            Prover   // of this handshake
	peerCerts         [][]byte
	kept              int // octets of peerCerts and notifies
	intermediate      intermediate
	ppk               ppkState
	msk               []byte
	mskKnown          bool

	// What an IKE_AUTH request asked for: of the first or of the last one, the latest counts.
	proposals []message.Proposal
	tsi, tsr  message.TrafficSelectors
	config    *message.Configuration
	notifies  []*message.Notify

	// Of a responder.
	origin     initOrigin
	mobike     bool // MOBIKE_SUPPORTED came
	mobikeData []byte
	proofReady bool
	method     message.AuthMethod
	proof      []byte
	eapPacket  []byte

	// Of an initiator.
	want     InitiatorOptions
	offer    []message.Proposal
	group    suite.GroupID
	key      *suite.KeyExchange
	cookie   []byte
	cookies  [][]byte      // that we have had
	baked    suite.GroupID // group of the request that cookie came for
	restarts int
	busy     bool // work is under way on a response
	childSPI uint32
	childESP []message.Proposal
}

// octets are the signed octets (RFC 7296 2.15) of the original initiator or of the responder, with SK_p of keys.
func (hs *handshake) octets(sa *ikeSA, keys *suite.IKEKeys, ofInitiator bool) []byte {
	msg, nonce, id, key := hs.initResp, hs.ni, hs.idR, keys.PR
	if ofInitiator {
		msg, nonce, id, key = hs.initReq, hs.nr, hs.idI, keys.PI
	}
	return sa.suite.PRF.SignedOctets(msg, nonce, key, id.Body(), hs.intermediate.intAuth()...)
}

// authContext is the context of the AUTH payload that we (ours) or the peer send, made with keys.
func (s *Session) authContext(ours bool, keys *suite.IKEKeys) *AuthContext {
	hs := s.hs
	ofInitiator := ours == s.origInitiator
	ctx := &AuthContext{
		Octets: hs.octets(s.sa, keys, ofInitiator), PRF: s.sa.suite.PRF, Time: s.now, PeerHashes: hs.peerHashes,
		PeerAuthorities: hs.authorities,
	}
	prover, verifier := hs.idR, hs.idI
	if ofInitiator {
		prover, verifier = hs.idI, hs.idR
	}
	ctx.Prover = identityOf(prover)
	ctx.Verifier = identityOf(verifier)
	return ctx
}

// mskAuth computes the AUTH payload after EAP (RFC 7296 2.16). A method without a key uses SK_pi and SK_pr.
func (s *Session) mskAuth(ours bool, keys *suite.IKEKeys) []byte {
	secret := s.hs.msk
	if len(secret) == 0 {
		secret = keys.PR
		if ours == s.origInitiator {
			secret = keys.PI
		}
	}
	return s.sa.suite.PRF.SharedKeyMIC(secret, s.hs.octets(s.sa, keys, ours == s.origInitiator))
}

func identityOf(id *message.Identification) Identity {
	if id == nil {
		return Identity{}
	}
	return Identity{Type: id.Type, Data: id.Data}
}

func (id Identity) payload() *message.Identification {
	return &message.Identification{Type: id.Type, Data: id.Data}
}

// learnInit takes what both IKE_SA_INIT messages can carry.
func (s *Session) learnInit(payloads []message.Payload) {
	s.learnVendor(payloads)
	for _, n := range message.All[*message.Notify](payloads) {
		switch n.Type {
		case message.IKEV2_FRAGMENTATION_SUPPORTED:
			s.fragment = true
		case message.USE_PPK:
			s.hs.ppk.peer = true
		case message.SIGNATURE_HASH_ALGORITHMS:
			// A malformed list counts as none.
			s.hs.peerHashes, _ = suite.ParseHashes(n.Data)
		}
	}
	for _, p := range message.All[*message.CertificateRequest](payloads) {
		s.hs.learnRequest(p)
	}
}

// abilities are the notifies that both IKE_SA_INIT messages carry.
func abilities() []message.Payload {
	return []message.Payload{
		notify(message.IKEV2_FRAGMENTATION_SUPPORTED, nil),
		notify(message.SIGNATURE_HASH_ALGORITHMS, suite.AppendHashes(nil, suite.SignatureHashes)),
	}
}

// certificateRequest is our CERTREQ payload, or nil.
func (s *Session) certificateRequest() message.Payload {
	if s.opt.Verify == nil {
		return nil
	}
	all := s.opt.Verify.Authorities()
	if all == nil {
		return nil
	}
	req := &message.CertificateRequest{Encoding: message.CertX509Signature}
	for _, a := range all {
		req.Authorities = append(req.Authorities, a...)
	}
	return req
}

// certificates are our CERT payloads, if they are to be sent.
func (s *Session) certificates() []message.Payload {
	if s.hs.prover == nil || (!s.hs.certWanted && !s.opt.AlwaysSendCertificate) {
		return nil
	}
	var out []message.Payload
	for _, der := range s.hs.prover.Certificates() {
		out = append(out, &message.Certificate{Encoding: message.CertX509Signature, Data: der})
	}
	return out
}

func (s *Session) nonce() []byte {
	b := make([]byte, 32)
	s.random(b)
	return b
}

// newSPI chooses our SPI of an IKE SA; it is never 0.
func (s *Session) newSPI() message.SPI {
	for {
		var spi message.SPI
		if s.opt.NewIKESPI != nil {
			spi = s.opt.NewIKESPI()
		} else {
			var b [8]byte
			s.random(b[:])
			spi = message.SPI(binary.BigEndian.Uint64(b[:]))
		}
		if spi != 0 {
			return spi
		}
	}
}

// useKeys gives the IKE SA its keys.
func (s *Session) useKeys(sa *ikeSA, keys *suite.IKEKeys) error {
	out, in, err := keys.Protectors(sa.suite, sa.initiator, s.opt.Rand)
	if err != nil {
		return err
	}
	sa.keys, sa.in, sa.out = keys, in, out
	if s.opt.KeyLog != nil {
		s.opt.KeyLog.IKE(sa.spiI, sa.spiR, sa.suite, keys)
	}
	return nil
}

func groupData(g suite.GroupID) []byte { return []byte{byte(g >> 8), byte(g)} }

// established ends the handshake.
func (s *Session) established(e Established) {
	s.state = stateEstablished
	s.sa.life = s.rules.Lifetime.IKE.start(s)
	s.sa.fragments = nil
	e.PPK = s.hs.ppk.used
	s.hs = nil
	s.leaveFront()
	s.lastHeard = s.now
	s.sa.width = min(s.opt.Window, maxWindow)
	s.prove(s.path)
	e.Path, e.NAT, e.MOBIKE = s.path, s.nat, s.mobike
	s.emit(e)
}

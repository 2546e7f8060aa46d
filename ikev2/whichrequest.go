// SPDX-License-Identifier: Apache-2.0

package ikev2

import (
	"bytes"
	"crypto/hmac"
	"encoding/binary"
	"net/netip"

	"github.com/open-n3iwf/n3iwf/ikev2/message"
)

// An initiator sends its IKE_SA_INIT request once without a cookie and then with the one that it is given, all else
// unchanged (RFC 7296 2.6); when a copy of an earlier request meets another secret it may be given two. A response does
// not say which of these requests it answers. So AUTH can cover another one than the responder has worked on: the
// initiator takes the response for that to its latest request. They differ in the cookie only, and its value is the
// responder's own, so that a proof over any of them proves as much.

// initOrigin is what a responder can make the other versions of an IKE_SA_INIT request from.
type initOrigin struct {
	jar  *cookieJar
	from netip.Addr
}

// otherRequests are the versions of the IKE_SA_INIT request that the initiator may have signed in place of the one that
// came: none where no cookies were demanded.
func (s *Session) otherRequests() [][]byte {
	hs := s.hs
	if hs.origin.jar == nil {
		return nil
	}
	secrets := hs.origin.jar.current.Load()
	if secrets == nil {
		return nil
	}
	bare := withoutCookie(hs.initReq)
	all := [][]byte{bare}
	for _, secret := range [2]*cookieSecret{secrets.present, secrets.older} {
		if secret != nil {
			all = append(all, withCookie(bare, secret.append(nil, hs.origin.from, s.sa.spiI, hs.ni)))
		}
	}
	others := all[:0]
	for _, b := range all {
		if !bytes.Equal(b, hs.initReq) {
			others = append(others, b)
		}
	}
	return others
}

// octetsOf are the octets that the initiator signs when request is its IKE_SA_INIT request.
func (s *Session) octetsOf(request []byte) []byte {
	other := *s.hs
	other.initReq = request
	return other.octets(s.sa, s.sa.keys, true)
}

// knowsMSK tells whether an initiator's AUTH payload shows that it has the key that EAP made (RFC 7296 2.16).
func (s *Session) knowsMSK(auth *message.Authentication) bool {
	if auth.Method != message.AuthSharedKey {
		return false
	}
	came := s.hs.initReq
	for _, b := range append([][]byte{came}, s.otherRequests()...) {
		s.hs.initReq = b
		if hmac.Equal(auth.Data, s.mskAuth(false, s.sa.keys)) {
			return true
		}
	}
	s.hs.initReq = came
	return false
}

// verifyPeer checks a peer's proof over ctx.Octets, then over others.
func verifyPeer(v Verifier, ctx *AuthContext, others [][]byte, auth *message.Authentication, certs [][]byte) error {
	err := v.Verify(ctx, auth.Method, auth.Data, certs)
	for i := 0; i < len(others) && err != nil; i++ {
		other := *ctx
		other.Octets = others[i]
		if v.Verify(&other, auth.Method, auth.Data, certs) == nil {
			return nil
		}
	}
	return err
}

// cookieHead is the length of a COOKIE notify without the cookie.
const cookieHead = 8

// withoutCookie is a well-formed IKE_SA_INIT request as it was before its initiator put a cookie in front of it.
func withoutCookie(data []byte) []byte {
	first := data[message.HeaderLen:]
	if message.PayloadType(data[16]) != message.PayloadNotify || len(first) < cookieHead ||
		message.NotifyType(binary.BigEndian.Uint16(first[6:])) != message.COOKIE {
		return data
	}
	n := int(binary.BigEndian.Uint16(first[2:]))
	out := append(bytes.Clone(data[:message.HeaderLen]), first[n:]...)
	out[16] = first[0]
	binary.BigEndian.PutUint32(out[24:], uint32(len(out)))
	return out
}

// withCookie puts a cookie in front of an IKE_SA_INIT request, all else unchanged.
func withCookie(data, cookie []byte) []byte {
	out := make([]byte, 0, len(data)+cookieHead+len(cookie))
	out = append(out, data[:message.HeaderLen]...)
	out = append(out, data[16], 0)
	out = binary.BigEndian.AppendUint16(out, uint16(cookieHead+len(cookie)))
	out = append(out, 0, 0)
	out = binary.BigEndian.AppendUint16(out, uint16(message.COOKIE))
	out = append(append(out, cookie...), data[message.HeaderLen:]...)
	out[16] = byte(message.PayloadNotify)
	binary.BigEndian.PutUint32(out[24:], uint32(len(out)))
	return out
}

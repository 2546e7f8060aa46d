// SPDX-License-Identifier: Apache-2.0

package interop

import (
	"crypto/des"
	"crypto/md5"
	"crypto/sha1"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/md4" //nolint:staticcheck // what RFC 2759 asks for

	"github.com/open-n3iwf/n3iwf/ikev2"
)

// EAP codes and methods (RFC 3748).
const (
	eapRequest, eapResponse, eapSuccess, eapFailure = 1, 2, 3, 4

	eapMD5      = 4
	eapMSCHAPv2 = 26
)

const eapUser = "ue@example.org"

// method is one side of an EAP method, of which charon is the other. next takes what charon said (nil at first, for a
// server) and gives the answer; ok tells that the method is over and how, msk is its key.
type method interface {
	next(packet []byte) []byte
	done() (msk []byte, ok bool)
}

// serve drives a server's method from our responder's events.
func serve(m method) func(e *edge, s *ikev2.Session, ev ikev2.Event) bool {
	id := byte(0)
	return func(e *edge, s *ikev2.Session, ev ikev2.Event) bool {
		now := time.Now()
		switch ev := ev.(type) {
		case ikev2.EAPStart:
			e.take(s, s.SendEAP(now, packet(eapRequest, 0, m.next(nil))))
		case ikev2.EAPReceived:
			id++
			answer := m.next(ev.Packet)
			switch msk, ok := m.done(); {
			case answer != nil:
				e.take(s, s.SendEAP(now, packet(eapRequest, id, answer)))
			case ok:
				e.take(s, s.EAPSuccess(now, packet(eapSuccess, id, nil), msk))
			default:
				e.take(s, s.EAPFailure(now, packet(eapFailure, id, nil)))
			}
		default:
			return false
		}
		return true
	}
}

// answer drives a peer's method from our initiator's events.
func answer(m method) func(e *edge, s *ikev2.Session, ev ikev2.Event) bool {
	return func(e *edge, s *ikev2.Session, ev ikev2.Event) bool {
		got, ok := ev.(ikev2.EAPReceived)
		if !ok {
			return false
		}
		switch got.Packet[0] {
		case eapSuccess:
			msk, _ := m.done()
			e.take(s, s.SetMSK(time.Now(), msk))
		case eapRequest:
			e.take(s, s.SendEAP(time.Now(), packet(eapResponse, got.Packet[1], m.next(got.Packet))))
		}
		return true
	}
}

func packet(code, id byte, content []byte) []byte {
	p := append([]byte{code, id, 0, 0}, content...)
	binary.BigEndian.PutUint16(p[2:], uint16(len(p)))
	return p
}

// md5Server and md5Peer are EAP-MD5 (RFC 3748 5.4), which makes no key: AUTH is made with SK_pi and SK_pr.
type md5Server struct {
	secret string
	ok     bool
}

const md5Challenge = "sixteen octets.."

func (m *md5Server) next(p []byte) []byte {
	if p == nil {
		return append([]byte{eapMD5, 16}, md5Challenge...)
	}
	want := md5.Sum(append(append([]byte{p[1]}, m.secret...), md5Challenge...))
	m.ok = len(p) >= 22 && p[4] == eapMD5 && [16]byte(p[6:22]) == want
	return nil
}
func (m *md5Server) done() ([]byte, bool) { return nil, m.ok }

type md5Peer struct{ secret string }

func (m *md5Peer) next(p []byte) []byte {
	sum := md5.Sum(append(append([]byte{p[1]}, m.secret...), p[6:6+p[5]]...))
	return append([]byte{eapMD5, 16}, sum[:]...)
}
func (m *md5Peer) done() ([]byte, bool) { return nil, true }

// mschap is what both ends of EAP-MSCHAPv2 (RFC 2759, RFC 3079 3.3) compute; it makes a key for AUTH.
type mschap struct {
	secret, user               string
	authChallenge, peerRequest [16]byte
	response                   []byte
	ok                         bool
}

func (m *mschap) done() ([]byte, bool) { return m.msk(), m.ok }

func ntHash(b []byte) []byte {
	h := md4.New()
	h.Write(b)
	return h.Sum(nil)
}

func (m *mschap) passwordHash() []byte {
	var b []byte
	for _, u := range utf16.Encode([]rune(m.secret)) {
		b = binary.LittleEndian.AppendUint16(b, u)
	}
	return ntHash(b)
}

func sha(parts ...string) []byte {
	sum := sha1.Sum([]byte(strings.Join(parts, "")))
	return sum[:]
}

func (m *mschap) challengeHash() []byte {
	return sha(string(m.peerRequest[:]), string(m.authChallenge[:]), m.user)[:8]
}

// ntResponse is RFC 2759 8.1: three DES encryptions of the challenge hash with thirds of the password hash.
func (m *mschap) ntResponse() (out []byte) {
	key := append(m.passwordHash(), make([]byte, 5)...)
	for i := range 3 {
		k := key[7*i : 7*i+7]
		var wide [8]byte // 7 bits an octet, parity is not looked at
		bits := uint64(0)
		for _, b := range k {
			bits = bits<<8 | uint64(b)
		}
		for j := range wide {
			wide[j] = byte(bits>>(49-7*j)) << 1
		}
		c, err := des.NewCipher(wide[:])
		if err != nil {
			panic(err)
		}
		block := make([]byte, 8)
		c.Encrypt(block, m.challengeHash())
		out = append(out, block...)
	}
	return out
}

func (m *mschap) authenticatorResponse() string {
	digest := sha(string(ntHash(m.passwordHash())), string(m.response), "Magic server to client signing constant")
	return fmt.Sprintf("S=%X", sha(string(digest), string(m.challengeHash()), "Pad to make it do more than one iteration"))
}

func (m *mschap) msk() []byte {
	master := string(sha(string(ntHash(m.passwordHash())), string(m.response), "This is the MPPE Master Key")[:16])
	pad1, pad2 := strings.Repeat("\x00", 40), strings.Repeat("\xf2", 40)
	toServer := sha(master, pad1, "On the client side, this is the send key; on the server side, it is the receive key.", pad2)[:16]
	toClient := sha(master, pad1, "On the client side, this is the receive key; on the server side, it is the send key.", pad2)[:16]
	return append(append(toServer[:16:16], toClient...), make([]byte, 32)...)
}

// Operations of MSCHAPv2.
const (
	msChallenge, msResponse, msSuccess = 1, 2, 3
)

type mschapServer struct{ mschap }

func (m *mschapServer) next(p []byte) []byte {
	switch {
	case p == nil:
		copy(m.authChallenge[:], "a challenge of 16")
		body := append([]byte{msChallenge, 7, 0, 0, 16}, m.authChallenge[:]...)
		return mschapPacket(append(body, "gw"...))
	case len(p) > 59 && p[4] == eapMSCHAPv2 && p[5] == msResponse:
		copy(m.peerRequest[:], p[10:26])
		m.response, m.user = append([]byte(nil), p[34:58]...), string(p[59:])
		if string(m.ntResponse()) != string(m.response) {
			return nil
		}
		return mschapPacket(append([]byte{msSuccess, 7, 0, 0}, m.authenticatorResponse()+" M=OK"...))
	case len(p) == 6 && p[5] == msSuccess:
		m.ok = true
	}
	return nil
}

type mschapPeer struct{ mschap }

func (m *mschapPeer) next(p []byte) []byte {
	if p[5] == msSuccess {
		m.ok = strings.HasPrefix(string(p[9:]), m.authenticatorResponse())
		return []byte{eapMSCHAPv2, msSuccess}
	}
	copy(m.authChallenge[:], p[10:26])
	copy(m.peerRequest[:], "peer's challenge")
	m.response = m.ntResponse()
	body := append([]byte{msResponse, p[6], 0, 0, 49}, m.peerRequest[:]...)
	body = append(append(append(body, make([]byte, 8)...), m.response...), 0)
	return mschapPacket(append(body, m.user...))
}

// mschapPacket fills in the length and puts the method before it.
func mschapPacket(body []byte) []byte {
	binary.BigEndian.PutUint16(body[2:], uint16(len(body)))
	return append([]byte{eapMSCHAPv2}, body...)
}

func TestEAP(t *testing.T) {
	p := newPKI(t, p256, p256, false)
	for _, row := range []struct {
		name, charon string
		method       func(r role, secret string) method
	}{
		{"EAP-MD5 (makes no key)", "eap-md5", func(r role, secret string) method {
			if r == charonInitiates {
				return &md5Server{secret: secret}
			}
			return &md5Peer{secret: secret}
		}},
		{"EAP-MSCHAPv2 (makes a key)", "eap-mschapv2", func(r role, secret string) method {
			if r == charonInitiates {
				return &mschapServer{mschap{secret: secret}}
			}
			return &mschapPeer{mschap{secret: secret, user: eapUser}}
		}},
	} {
		set := func(r role, secret string) setup {
			return setup{
				charon: func(c *connection) {
					if r == charonInitiates {
						c.local = "auth = " + row.charon + "; id = ue@example.org; eap_id = ue@example.org"
						c.remote = "auth = pubkey; id = gw.example.org"
					} else {
						c.local = "auth = pubkey; certs = gw.pem; id = gw.example.org"
						c.remote = "auth = " + row.charon + "; id = ue@example.org"
					}
				},
				files: func(c *charon) { p.give(c, theirs(r)) },
				ours: func(o *ikev2.Options) {
					o.EAP = true
					if r == charonInitiates {
						o.Prove, o.Verify = p.prover("gw"), nil
					} else {
						o.Prove, o.Verify = nil, ikev2.NewCertificateVerifier(p.root)
					}
				},
				on: func() func(*edge, *ikev2.Session, ikev2.Event) bool {
					if r == charonInitiates {
						return serve(row.method(r, secret))
					}
					return answer(row.method(r, secret))
				}(),
			}
		}
		bothRoles(t, row.name, func(t *testing.T, r role) {
			w := connect(t, r, set(r, secret))
			w.agree()
			w.lost(0)
		})
		bothRoles(t, row.name+", wrong secret is refused", func(t *testing.T, r role) {
			s := set(r, "something else")
			s.down = true
			w := connect(t, r, s)
			if r == charonInitiates {
				_, err := w.c.ctl("--initiate", "--child", "c1", "--timeout", "10")
				require.Error(t, err)
				require.ErrorIs(t, wait[ikev2.Closed](w.e, "refusal", nil).Reason, ikev2.ErrEAPFailure)
				w.c.logs("received EAP_FAILURE")
				return
			}
			w.initiate()
			require.ErrorIs(t, wait[ikev2.Closed](w.e, "refusal", nil).Reason, ikev2.ErrEAPFailure)
		})
	}
}

// SPDX-License-Identifier: Apache-2.0

package interop

import (
	"crypto/md5"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/ikev2"
	"github.com/open-n3iwf/n3iwf/ikev2/message"
	"github.com/open-n3iwf/n3iwf/ikev2/suite"
)

const secret = "interop-psk"

// charonUE is charon's configuration as initiator.
func charonUE(ike, esp, local, remote string) string {
	return fmt.Sprintf(`connections { n3 {
  version = 2
  mobike = yes
  remote_addrs = %s
  proposals = %s
  vips = 0.0.0.0
  dpd_delay = 1s
  local { %s }
  remote { %s }
  children { c1 {
    local_ts = dynamic
    remote_ts = 10.200.0.0/24
    esp_proposals = %s
    dpd_action = restart } } } }
secrets {
  ike-1 {
    id-a = ue@example.org
    id-b = gw.example.org
    secret = "%s" }
  eap-1 {
    id = ue@example.org
    secret = "%s" } }
`, gwAddr, ike, strings.ReplaceAll(local, "; ", "\n"), strings.ReplaceAll(remote, "; ", "\n"), esp, secret, secret)
}

// charonGW is charon's configuration as responder.
func charonGW(ike, esp, local, remote string) string {
	return fmt.Sprintf(`connections { n3 {
  version = 2
  mobike = yes
  local_addrs = %s
  pools = p4
  proposals = %s
  local { %s }
  remote { %s }
  children { c1 {
    local_ts = 10.200.0.0/24
    remote_ts = dynamic
    esp_proposals = %s } } } }
pools { p4 { addrs = 10.60.0.0/24 } }
secrets { ike-1 {
    id-a = ue@example.org
    id-b = gw.example.org
    secret = "%s" } }
`, gwAddr, ike, strings.ReplaceAll(local, "; ", "\n"), strings.ReplaceAll(remote, "; ", "\n"), esp, secret)
}

const (
	pskUE = "auth = psk; id = ue@example.org"
	pskGW = "auth = psk; id = gw.example.org"
)

func ueID() ikev2.Identity {
	return ikev2.Identity{Type: message.ID_RFC822_ADDR, Data: []byte("ue@example.org")}
}

func gwID() ikev2.Identity {
	return ikev2.Identity{Type: message.ID_FQDN, Data: []byte("gw.example.org")}
}

func options(id ikev2.Identity) ikev2.Options {
	profile := suite.Default()
	psk := &ikev2.PSK{Secret: func(ikev2.Identity) ([]byte, error) { return []byte(secret), nil }}
	return ikev2.Options{IKE: profile.IKE, ESP: profile.ESP, Identity: id, Prove: psk, Verify: psk, Linger: time.Second}
}

var (
	inner     = netip.MustParseAddr("10.60.0.1")
	behind    = message.TrafficSelector{EndPort: 65535, Start: netip.MustParseAddr("10.200.0.0"), End: netip.MustParseAddr("10.200.0.255")}
	allNarrow = []message.TrafficSelector{behind}
)

// gateway is the owner of a responder that gives its UE an inner address.
func gateway(e *edge, ev ikev2.Event) {
	if _, ok := ev.(ikev2.AuthRequest); ok {
		e.take(e.s.AuthorizeChild(time.Now(), ikev2.Authorization{
			Config: &message.Configuration{Type: message.CFG_REPLY, Attributes: []message.ConfigAttribute{
				{Type: message.INTERNAL_IP4_ADDRESS, Value: inner.AsSlice()},
			}},
			LocalTS: allNarrow, RemoteTS: []message.TrafficSelector{message.AddrSelector(0, inner)},
		}))
	}
}

func responder(n *network, o ikev2.Options) *edge {
	return newEdge(n, n.gw, ikev2.NewResponder(o), gateway)
}

func TestStrongSwanInitiatorPSK(t *testing.T) {
	need(t)
	n := newNetwork(t)
	o := options(gwID())
	o.Limits.CookieTotal = -1 // always a cookie first
	e := responder(n, o)
	c := startCharon(t, n.ue, charonUE("aes256gcm16-prfsha384-ecp384", "aes256gcm16-x25519", pskUE, pskGW))
	c.load()
	c.must("--initiate", "--child", "c1")
	up := wait[ikev2.ChildUp](e, "child", nil)
	est := wait[ikev2.Established](e, "IKE SA", nil)
	require.True(t, c.logged("parsed IKE_SA_INIT response 0 [ N(COOKIE) ]"))
	require.True(t, est.MOBIKE)
	require.Equal(t, ueID(), est.Peer)
	require.Equal(t, []message.TrafficSelector{message.AddrSelector(0, inner)}, up.Child.RemoteTS)
	require.Equal(t, netip.MustParseAddrPort(ueAddr1+":4500"), est.Path.Remote)
	require.True(t, est.Path.NATT)
	sas := c.must("--list-sas", "--raw")
	require.Contains(t, sas, fmt.Sprintf("spi-in=%08x", up.Child.OutboundSPI))
	require.Contains(t, sas, fmt.Sprintf("spi-out=%08x", up.Child.InboundSPI))

	// Liveness, asked by us and by charon.
	e.call(func(now time.Time) ikev2.Output { return e.s.Probe(now) })
	wait[ikev2.Alive](e, "an answer to our INFORMATIONAL", nil)
	require.Eventually(t, func() bool { return c.logged("sending DPD request") && c.logged("parsed INFORMATIONAL response") }, 10*time.Second, 20*time.Millisecond)

	// A move: charon probes the path, updates with COOKIE2, answers our own check, and rekeys the child because its
	// data plane cannot move one.
	n.second()
	n.loseFirst()
	to := netip.MustParseAddrPort(ueAddr2 + ":4500")
	wait(e, "the move", func(m ikev2.ChildrenMoved) bool { return m.Path.Remote == to && !m.Unproven })
	wait(e, "the proof", func(p ikev2.RoutabilityProven) bool { return p.Path.Remote == to })
	replaced := wait(e, "charon's rekey of the child", func(u ikev2.ChildUp) bool { return u.Replaces == up.Child.InboundSPI })
	wait(e, "the old child's end", func(d ikev2.ChildDown) bool { return d.Child.InboundSPI == up.Child.InboundSPI && d.ByPeer })
	require.Equal(t, suite.CURVE25519, replaced.Child.Suite.Group, "with a key exchange of its own")
	require.Empty(t, got[ikev2.Closed](e), "charon's COOKIE2 was answered, and it answered ours")

	// A rekey of the IKE SA by charon; then both sides use the new one.
	c.must("--rekey", "--ike", "n3")
	wait[ikev2.SPIChanged](e, "the rekey of the IKE SA", nil)
	wait[ikev2.SPIForgotten](e, "the old IKE SA's end", nil)
	alive := len(got[ikev2.Alive](e))
	e.call(func(now time.Time) ikev2.Output { return e.s.Probe(now) })
	require.Eventually(t, func() bool { return len(got[ikev2.Alive](e)) > alive }, 10*time.Second, 10*time.Millisecond)
	c.must("--rekey", "--child", "c1")
	wait(e, "another rekey", func(u ikev2.ChildUp) bool { return u.Replaces == replaced.Child.InboundSPI })

	c.must("--terminate", "--ike", "n3")
	require.Equal(t, ikev2.Closed{Reason: ikev2.ErrDeleted, ByPeer: true}, wait[ikev2.Closed](e, "the end", nil))
}

// Every suite that both have, as charon proposes it; and a proposal whose KE payload is of a group that we refuse.
func TestStrongSwanSuites(t *testing.T) {
	need(t)
	n := newNetwork(t)
	o := options(gwID())
	o.IKE = slices.Clone(o.IKE)
	for i := range o.IKE {
		o.IKE[i].Transforms = slices.DeleteFunc(slices.Clone(o.IKE[i].Transforms), func(tr message.Transform) bool { return tr == suite.MODP_2048.Transform() })
	}
	e := responder(n, o)
	c := startCharon(t, n.ue, charonUE("aes128gcm16-prfsha256-x25519", "aes128gcm16", pskUE, pskGW))
	for _, row := range [][2]string{
		{"aes128gcm16-prfsha256-x25519", "aes128gcm16"},
		{"aes256gcm16-prfsha512-ecp521", "aes256gcm16"},
		{"chacha20poly1305-prfsha256-ecp256", "chacha20poly1305"},
		{"aes128-sha256-modp3072", "aes128-sha256"},
		{"aes192-sha384-modp4096", "aes192-sha384"},
		{"aes256-sha512-ecp384", "aes256-sha512"},
		{"aes256gcm16-prfsha256-modp2048-ecp256", "aes256gcm16"}, // INVALID_KE_PAYLOAD
	} {
		t.Run(row[0], func(t *testing.T) {
			c.write("swanctl.conf", charonUE(row[0], row[1], pskUE, pskGW))
			c.load()
			before := len(got[ikev2.ChildUp](e))
			c.must("--initiate", "--child", "c1")
			ups := got[ikev2.ChildUp](e)
			require.Len(t, ups, before+1)
			require.False(t, ups[before].Child.Suite.ESN, "charon's user-space ESP has none")
			e.call(func(now time.Time) ikev2.Output { return e.s.Delete(now) })
			require.Eventually(t, func() bool { return len(got[ikev2.Closed](e)) == before+1 }, 10*time.Second, 10*time.Millisecond)
		})
	}
}

func TestStrongSwanResponderPSK(t *testing.T) {
	need(t)
	n := newNetwork(t)
	c := startCharon(t, n.gw, charonGW("aes256gcm16-prfsha256-ecp256", "aes256gcm16-ecp256", pskGW, pskUE))
	c.load()
	e := newEdge(n, n.ue, nil, nil)
	e.initiate(options(ueID()))
	testAgainstResponder(t, n, c, e)
}

// initiate starts our session towards charon.
func (e *edge) initiate(o ikev2.Options) {
	want := ikev2.InitiatorOptions{
		Peer:   gwID(),
		Child:  ikev2.ChildRequest{LocalTS: []message.TrafficSelector{message.AnyIPv4}, RemoteTS: []message.TrafficSelector{message.AnyIPv4}},
		Config: &message.Configuration{Type: message.CFG_REQUEST, Attributes: []message.ConfigAttribute{{Type: message.INTERNAL_IP4_ADDRESS}}},
	}
	path := ikev2.Path{Local: netip.MustParseAddrPort(ueAddr1 + ":500"), Remote: netip.MustParseAddrPort(gwAddr + ":500")}
	e.call(func(now time.Time) (out ikev2.Output) {
		e.s, out = ikev2.NewInitiator(now, o, want, path)
		e.bySPI[e.s.SPI()] = e.s
		return out
	})
}

func testAgainstResponder(t *testing.T, n *network, c *charon, e *edge) {
	est := wait[ikev2.Established](e, "IKE SA", nil)
	up := wait[ikev2.ChildUp](e, "child", nil)
	require.True(t, est.MOBIKE)
	require.Equal(t, gwID(), est.Peer)
	address, ok := est.Config.Get(message.INTERNAL_IP4_ADDRESS)
	require.True(t, ok)
	require.Equal(t, inner.AsSlice(), address)
	require.Equal(t, []message.TrafficSelector{behind}, up.Child.RemoteTS)
	require.Contains(t, c.must("--list-sas", "--raw"), fmt.Sprintf("spi-out=%08x", up.Child.InboundSPI))

	e.call(func(now time.Time) ikev2.Output { return e.s.Probe(now) })
	wait[ikev2.Alive](e, "an answer to our INFORMATIONAL", nil)

	// charon rekeys its children before it answers the update.
	n.second()
	n.loseFirst()
	to := ikev2.Path{Local: netip.MustParseAddrPort(ueAddr2 + ":4500"), Remote: netip.MustParseAddrPort(gwAddr + ":4500"), NATT: true}
	e.call(func(now time.Time) ikev2.Output { return e.s.Move(now, to) })
	require.Equal(t, ikev2.MoveDone{Path: to}, wait[ikev2.MoveDone](e, "the move", nil))
	wait(e, "charon's rekey of the child", func(u ikev2.ChildUp) bool { return u.Replaces == up.Child.InboundSPI })
	wait(e, "the old child's end", func(d ikev2.ChildDown) bool { return d.Child.InboundSPI == up.Child.InboundSPI })
	require.Contains(t, c.must("--list-sas", "--raw"), "remote-host="+ueAddr2)

	// One more child, and its end.
	e.call(func(now time.Time) ikev2.Output {
		return e.s.CreateChild(now, ikev2.ChildRequest{
			LocalTS: []message.TrafficSelector{message.AddrSelector(0, inner)}, RemoteTS: allNarrow, Tag: "second",
			ESP: suite.WithGroups(suite.Default().ESP, suite.MODP_2048, suite.ECP_256),
		})
	})
	second := wait(e, "a second child", func(u ikev2.ChildUp) bool { return u.Child.Tag == "second" })
	require.Equal(t, suite.ECP_256, second.Child.Suite.Group, "after INVALID_KE_PAYLOAD")
	e.call(func(now time.Time) ikev2.Output { return e.s.DeleteChild(now, second.Child.InboundSPI) })
	wait(e, "its end", func(d ikev2.ChildDown) bool { return d.Child == second.Child && !d.ByPeer })

	e.call(func(now time.Time) ikev2.Output { return e.s.Delete(now) })
	require.Equal(t, ikev2.Closed{Reason: ikev2.ErrDeleted}, wait[ikev2.Closed](e, "the end", nil))
	require.Eventually(t, func() bool { return strings.TrimSpace(c.must("--list-sas")) == "" }, 5*time.Second, 50*time.Millisecond)
}

func TestStrongSwanCertificates(t *testing.T) {
	need(t)
	// Each side once with RSA and once with ECDSA, and messages short enough to be fragmented.
	for _, keys := range [][2]string{{"rsa", "ec"}, {"ec", "rsa"}} {
		pki := newPKI(t, keys[0], keys[1])
		t.Run("initiator "+keys[0], func(t *testing.T) {
			n := newNetwork(t)
			o := options(gwID())
			o.Prove, o.Verify, o.FragmentSize = pki.prover("gw"), ikev2.NewCertificateVerifier(pki.ca), 500
			e := responder(n, o)
			c := startCharon(t, n.ue, charonUE("aes256gcm16-prfsha256-x25519", "aes256gcm16",
				"auth = pubkey; certs = ue.pem; id = ue@example.org", "auth = pubkey; id = gw.example.org"))
			pki.give(c, "ue")
			c.load()
			c.must("--initiate", "--child", "c1")
			wait[ikev2.ChildUp](e, "child", nil)
			require.Equal(t, ueID(), got[ikev2.Established](e)[0].Peer)
			require.Len(t, got[ikev2.AuthRequest](e)[0].Certificates, 1)
			require.True(t, c.logged("fragment #2 of"))
		})
		t.Run("responder "+keys[1], func(t *testing.T) {
			n := newNetwork(t)
			c := startCharon(t, n.gw, charonGW("aes256gcm16-prfsha256-ecp256", "aes256gcm16-ecp256",
				"auth = pubkey; certs = gw.pem; id = gw.example.org", "auth = pubkey; id = ue@example.org"))
			pki.give(c, "gw")
			c.load()
			e := newEdge(n, n.ue, nil, nil)
			o := options(ueID())
			o.Prove, o.Verify, o.FragmentSize = pki.prover("ue"), ikev2.NewCertificateVerifier(pki.ca), 500
			e.initiate(o)
			testAgainstResponder(t, n, c, e)
		})
	}
}

// EAP with a method that makes no key, so that the last AUTH payloads use SK_pi and SK_pr.
func TestStrongSwanEAP(t *testing.T) {
	need(t)
	pki := newPKI(t, "ec", "ec")
	n := newNetwork(t)
	o := options(gwID())
	o.EAP, o.Verify, o.Prove = true, nil, pki.prover("gw")
	e := newEdge(n, n.gw, ikev2.NewResponder(o), func(e *edge, ev ikev2.Event) {
		const challenge = "sixteen octets.."
		switch ev := ev.(type) {
		case ikev2.EAPStart:
			// EAP-MD5 (RFC 3748 5.4).
			packet := append([]byte{1, 77, 0, 22, 4, 16}, challenge...)
			e.take(e.s.SendEAP(time.Now(), packet))
		case ikev2.EAPReceived:
			sum := md5.Sum([]byte("\x4d" + secret + challenge))
			if len(ev.Packet) >= 22 && [16]byte(ev.Packet[6:22]) == sum {
				e.take(e.s.EAPSuccess(time.Now(), []byte{3, 77, 0, 4}, nil))
			} else {
				e.take(e.s.EAPFailure(time.Now(), []byte{4, 77, 0, 4}))
			}
		default:
			gateway(e, ev)
		}
	})
	c := startCharon(t, n.ue, charonUE("aes128gcm16-prfsha256-x25519", "aes128gcm16",
		"auth = eap-md5; id = ue@example.org; eap_id = ue@example.org", "auth = pubkey; id = gw.example.org"))
	pki.give(c, "ue")
	c.load()
	c.must("--initiate", "--child", "c1")
	wait[ikev2.ChildUp](e, "child", nil)
	c.must("--terminate", "--ike", "n3")

	// And refused.
	c.write("swanctl.conf", strings.Replace(charonUE("aes128gcm16-prfsha256-x25519", "aes128gcm16",
		"auth = eap-md5; id = ue@example.org; eap_id = ue@example.org", "auth = pubkey; id = gw.example.org"),
		`id = ue@example.org
    secret = "interop-psk"`, `id = ue@example.org
    secret = "wrong"`, 1))
	c.must("--load-all", "--clear", "--file", c.dir+"/swanctl.conf")
	_, err := c.ctl("--initiate", "--child", "c1", "--timeout", "5")
	require.Error(t, err)
	wait(e, "refusal", func(cl ikev2.Closed) bool { return cl.Reason == ikev2.ErrEAPFailure })
	require.True(t, c.logged("received EAP_FAILURE"))
}

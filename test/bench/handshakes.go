// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"fmt"
	"io"
	"net/netip"
	"runtime"
	"time"

	"github.com/open-n3iwf/n3iwf/ikev2"
	"github.com/open-n3iwf/n3iwf/ikev2/message"
	"github.com/open-n3iwf/n3iwf/ikev2/suite"
)

// Whole handshakes as on NWu: IKE_SA_INIT, IKE_AUTH with our certificate and EAP, a Child SA at the end. Only the
// responder's CPU time counts, and it is compared with that of its bare public-key operations.

// handshakeKind is one choice of key exchanges and of our key.
type handshakeKind struct {
	name       string // in the names of the figures
	group      suite.GroupID
	additional []suite.GroupID
	key        func() (crypto.Signer, error)
}

const shareOfPubkey = "_share_of_pubkey_cost"

func ecdsaKey() (crypto.Signer, error) { return ecdsa.GenerateKey(elliptic.P256(), rand.Reader) }
func rsaKey() (crypto.Signer, error)   { return rsa.GenerateKey(rand.Reader, 2048) }

var handshakeKinds = []handshakeKind{
	{"handshakes_per_s_per_core_x25519_ecdsa", suite.CURVE25519, nil, ecdsaKey},
	{"handshakes_per_s_per_core_modp2048_rsa2048", suite.MODP_2048, nil, rsaKey},
	{"handshakes_per_s_per_core_x25519_mlkem768_ecdsa", suite.CURVE25519, []suite.GroupID{suite.ML_KEM_768}, ecdsaKey},
}

func handshakeMetrics() (all []metric) {
	for _, k := range handshakeKinds {
		all = append(all, metric{k.name, "%.0f", 0, false}, metric{k.name + shareOfPubkey, "%.3f", 0.7, false})
	}
	return all
}

// handshake is one responder's session with its initiator.
type handshake struct{ peer, gateway *ikev2.Session }

// handshakeRun lets many handshakes go on side by side, one message of each at a time.
type handshakeRun struct {
	front *ikev2.Responder
	now   time.Time
	all   []handshake
	cpu   time.Duration // of the gateway's ends
}

// toEnd is what is on its way to one end of a handshake.
type toEnd struct {
	i int
	ikev2.Datagram
}

var handshakeMSK = []byte("a key that EAP has made, 32 long")

// peerTurn runs an initiator's output to its end and returns what it sends.
func (h *handshakeRun) peerTurn(i int, out ikev2.Output, send *[]toEnd) error {
	for queue := []ikev2.Output{out}; len(queue) > 0; queue = queue[1:] {
		s := h.all[i].peer
		for _, k := range queue[0].Work {
			k.Run()
			queue = append(queue, s.Done(h.now, k))
		}
		for _, e := range queue[0].Events {
			switch e := e.(type) {
			case ikev2.EAPReceived:
				if e.Packet[0] == 3 {
					queue = append(queue, s.SetMSK(h.now, handshakeMSK))
				} else {
					queue = append(queue, s.SendEAP(h.now, []byte{2, e.Packet[1], 0, 5, 1}))
				}
			case ikev2.Closed:
				return e.Reason
			}
		}
		for _, d := range queue[0].Datagrams {
			*send = append(*send, toEnd{i, d})
		}
	}
	return nil
}

// gatewayTurn is all that the responder's owner does with a datagram, its public-key work included.
func (h *handshakeRun) gatewayTurn(d toEnd, send *[]toEnd) error {
	path := ikev2.Path{Local: d.Path.Remote, Remote: d.Path.Local, NATT: d.Path.NATT}
	s := h.all[d.i].gateway
	var out ikev2.Output
	if s == nil {
		var err error
		if s, out, err = h.front.Init(h.now, path, d.Data); s == nil {
			return fmt.Errorf("no session: %w", err)
		}
		h.all[d.i].gateway = s
	} else {
		out = s.Receive(h.now, path, d.Data)
	}
	for queue := []ikev2.Output{out}; len(queue) > 0; queue = queue[1:] {
		for _, k := range queue[0].Work {
			k.Run()
			queue = append(queue, s.Done(h.now, k))
		}
		for _, e := range queue[0].Events {
			switch e := e.(type) {
			case ikev2.EAPStart:
				queue = append(queue, s.SendEAP(h.now, []byte{1, 1, 0, 5, 1}))
			case ikev2.EAPReceived:
				queue = append(queue, s.EAPSuccess(h.now, []byte{3, 2, 0, 4}, handshakeMSK))
			case ikev2.AuthRequest:
				queue = append(queue, s.AuthorizeChild(h.now, ikev2.Authorization{}))
			case ikev2.Closed:
				return e.Reason
			}
		}
		for _, a := range queue[0].Datagrams {
			*send = append(*send, toEnd{d.i, a})
		}
	}
	return nil
}

// run brings n handshakes from the first message to a Child SA.
func (h *handshakeRun) run(n int, peer ikev2.Options) error {
	any4 := []message.TrafficSelector{message.AnyIPv4}
	want := ikev2.InitiatorOptions{Child: ikev2.ChildRequest{LocalTS: any4, RemoteTS: any4}}
	h.all = make([]handshake, n)
	var toGateway, toPeer []toEnd
	for i := range h.all {
		from := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 4500)
		s, out := ikev2.NewInitiator(h.now, peer, want, ikev2.Path{Local: from, Remote: ikeGateway, NATT: true})
		h.all[i].peer = s
		if err := h.peerTurn(i, out, &toGateway); err != nil {
			return err
		}
	}
	for len(toGateway) > 0 {
		runtime.GC() // of what the peers left
		start, err := ownCPU()
		if err != nil {
			return err
		}
		for _, d := range toGateway {
			if err := h.gatewayTurn(d, &toPeer); err != nil {
				return err
			}
		}
		end, err := ownCPU()
		if err != nil {
			return err
		}
		h.cpu += end - start
		toGateway = toGateway[:0]
		for _, d := range toPeer {
			path := ikev2.Path{Local: d.Path.Remote, Remote: d.Path.Local, NATT: d.Path.NATT}
			if err := h.peerTurn(d.i, h.all[d.i].peer.Receive(h.now, path, d.Data), &toGateway); err != nil {
				return err
			}
		}
		toPeer = toPeer[:0]
	}
	for i := range h.all {
		if g := h.all[i].gateway; !g.Established() || len(g.Children()) != 1 {
			return fmt.Errorf("handshake %d did not come to its end", i)
		}
	}
	return nil
}

// pubkeyCost is the CPU time of the responder's public-key operations of n handshakes and nothing else: its halves of
// the key exchanges, and one signature.
func (k *handshakeKind) pubkeyCost(n int, key crypto.Signer) (time.Duration, error) {
	groups := append([]suite.GroupID{k.group}, k.additional...)
	publics := make([][]byte, len(groups))
	for i, g := range groups {
		peer, err := suite.GenerateKey(g, rand.Reader)
		if err != nil {
			return 0, err
		}
		publics[i] = peer.Public()
	}
	digest := sha256.Sum256([]byte("octets"))
	runtime.GC()
	start, err := ownCPU()
	if err != nil {
		return 0, err
	}
	for range n {
		for i, g := range groups {
			if _, _, err := suite.Respond(g, rand.Reader, publics[i]); err != nil {
				return 0, err
			}
		}
		if _, err := key.Sign(rand.Reader, digest[:], crypto.SHA256); err != nil {
			return 0, err
		}
	}
	end, err := ownCPU()
	return end - start, err
}

// measureHandshakes measures every kind of handshake. The two costs are measured in turns, so that both see the same
// machine.
func measureHandshakes(ctx context.Context, o *options, r *report, out io.Writer) error {
	const rounds = 4
	for i := range handshakeKinds {
		k := &handshakeKinds[i]
		n := max(o.ues/rounds, 1)
		fmt.Fprintf(out, "  IKEv2 by itself: %d handshakes, %s\n", rounds*n, k.name)
		key, err := k.key()
		if err != nil {
			return err
		}
		cert, err := selfSigned(key)
		if err != nil {
			return err
		}
		ike := suite.IKE{Encr: suite.Encr{ID: suite.ENCR_AES_GCM_16, KeyBits: 256}, PRF: suite.PRF_HMAC_SHA2_256, Group: k.group,
			Additional: suite.AdditionalKE(k.additional...)}
		peer, gateway := ikeOptions("peer"), ikeOptions("gateway")
		peer.IKE, gateway.IKE = []message.Proposal{ike.Proposal(1, nil)}, []message.Proposal{ike.Proposal(1, nil)}
		peer.EAP, peer.Prove, peer.Verify = true, nil, nil
		gateway.EAP, gateway.Verify, gateway.AlwaysSendCertificate = true, nil, true
		gateway.Prove = &ikev2.CertificateProver{Key: key, Chain: [][]byte{cert}}
		gateway.Limits = ikev2.Limits{CookieTotal: 1 << 30, CookiePerSource: 1 << 30, Total: 1 << 30, PerSource: 1 << 30}
		var whole, bare time.Duration
		for range rounds {
			h := &handshakeRun{front: ikev2.NewResponder(gateway), now: time.Now()}
			if err := h.run(n, peer); err != nil {
				return fmt.Errorf("%s: %w", k.name, err)
			}
			whole += h.cpu
			cost, err := k.pubkeyCost(n, key)
			if err != nil {
				return err
			}
			if bare += cost; ctx.Err() != nil {
				return ctx.Err()
			}
		}
		r.rate(k.name, rounds*n, whole)
		r.set(k.name+shareOfPubkey, bare.Seconds()/whole.Seconds())
	}
	return nil
}

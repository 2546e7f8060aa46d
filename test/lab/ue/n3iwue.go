// SPDX-License-Identifier: Apache-2.0

package ue

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/open-n3iwf/n3iwf/ikev2/message"
	"github.com/open-n3iwf/n3iwf/ikev2/suite"
	"github.com/open-n3iwf/n3iwf/nwu"
	"github.com/open-n3iwf/n3iwf/nwu/eap5g"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec"
	tcp "github.com/open-n3iwf/n3iwf/nwu/nas"
	"github.com/open-n3iwf/n3iwf/test/lab/nas"
)

// N3IWUE puts on the wire what free5GC's UE simulator does, with its habits: constant SPIs, the identity "UE", another IKE_SA_INIT at each retry, a shared
// secret without leading zeros, no check of what the N3IWF proves, and an end at any Delete. It does not use the IKEv2 engine of this project, only its
// codec and primitives. What the N3IWF sends that the simulator could not take is an error.
type N3IWUE struct {
	o     N3IWUEOptions
	conns [2]*net.UDPConn // ports 500 and 4500
	plain *net.IPConn     // ESP without UDP; nil without the right to
	natt  bool
	hosts UE // the NAS context: keys, algorithms, COUNTs

	spiR        message.SPI
	keys        *suite.IKEKeys
	out, in     *suite.Protector
	first, last []byte // IKE_SA_INIT request and response
	nonces      [2][]byte
	next        uint32 // message ID of the next request
	inner, nasA netip.Addr
	upA         netip.Addr
	qfis        []uint8
	tcp         *tcp.Client
	challenged  bool // it has answered Authentication Request
	signalling  *n3iwueSA
	user        *n3iwueSA
	events      chan func() error
	frames      chan n3iwueFrame
	done        chan struct{}
	once        sync.Once
	answers     map[uint32][2][]byte // the N3IWF's requests and what they were answered with
	probes      atomic.Int32
	accepted    *nas.EstablishmentAccept
	echoes      map[uint8][]byte // latest user packet by QFI
}

// N3IWUEOptions say where it is. Ports are those of both ends.
type N3IWUEOptions struct {
	Subscriber                             Subscriber
	Local, N3IWF                           netip.Addr
	LocalIKE, LocalNATT, IKEPort, NATTPort uint16
	// DeafFor is how many answers to IKE_SA_INIT are lost on the way.
	DeafFor int
	// AnswersLost is how many answers to requests of the N3IWF are lost on the way.
	AnswersLost int
	// OldParameters puts IEI and length into the selected PLMN, and another octet before the GUAMI, as older versions do.
	OldParameters bool
	// InstallAfter is how long after its answer a user-plane child SA is there.
	InstallAfter time.Duration
	// Alter, unless nil, changes the payloads of IKE_AUTH requests, and Heard looks at those of the answers.
	Alter func([]message.Payload) []message.Payload
	// Answer, unless nil, changes the payloads of the answers to the N3IWF's requests.
	Answer func(request, answer []message.Payload) []message.Payload
	Heard  func([]message.Payload)
	// Secret looks at the shared secret of each key exchange.
	Secret func([]byte)
}

const (
	n3iwueSPI   = message.SPI(0x000000000006f708)
	n3iwueESP   = 2 // of the signalling SA
	n3iwueRetry = 2 * time.Second
)

type n3iwueFrame struct {
	kind ipsec.Kind
	data []byte
}

var (
	n3iwueIKE = suite.IKE{Encr: suite.Encr{ID: suite.ENCR_AES_CBC, KeyBits: 256}, Integ: suite.AUTH_HMAC_SHA1_96, PRF: suite.PRF_HMAC_SHA1, Group: suite.MODP_2048}
	n3iwueSet = suite.ESP{Encr: suite.Encr{ID: suite.ENCR_AES_CBC, KeyBits: 256}, Integ: suite.AUTH_HMAC_SHA1_96}
	n3iwueAlg = ipsec.Algorithms{Encr: uint16(suite.ENCR_AES_CBC), Integ: uint16(suite.AUTH_HMAC_SHA1_96)}
	errN3IWUE = errors.New("the simulator exits")
)

// NewN3IWUE opens the sockets.
func NewN3IWUE(o N3IWUEOptions) (*N3IWUE, error) {
	u := &N3IWUE{
		o: o, events: make(chan func() error, 64), frames: make(chan n3iwueFrame, 256), done: make(chan struct{}), answers: map[uint32][2][]byte{}, echoes: map[uint8][]byte{},
	}
	u.hosts.o = Options{Subscriber: o.Subscriber, Step: func(string) {}}
	for i, port := range []uint16{o.LocalIKE, o.LocalNATT} {
		conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(o.Local, port)))
		if err != nil {
			return nil, err
		}
		u.conns[i] = conn
		go u.read([]ipsec.Kind{ipsec.IKE, ipsec.NATT}[i], func(b []byte) (int, netip.Addr, error) {
			n, from, err := conn.ReadFromUDPAddrPort(b)
			return n, from.Addr().Unmap(), err
		})
	}
	if conn, err := net.ListenIP("ip4:50", &net.IPAddr{IP: o.Local.AsSlice()}); err == nil {
		u.plain = conn
		go u.read(ipsec.ESP, func(b []byte) (int, netip.Addr, error) {
			n, from, err := conn.ReadFromIP(b)
			if err != nil {
				return 0, netip.Addr{}, err
			}
			a, _ := netip.AddrFromSlice(from.IP)
			return n, a.Unmap(), nil
		})
	}
	var err error
	u.tcp, err = tcp.NewClient(tcp.Options{Events: n3iwueNAS{u}, Out: func(_ netip.Addr, packet []byte) {
		packet = bytes.Clone(packet)
		u.post(func() error { return u.sendESP(u.signalling, packet) })
	}})
	return u, err
}

// Probes is how many requests without payloads, which ask whether it is there, it has answered.
func (u *N3IWUE) Probes() int { return int(u.probes.Load()) }

// NAT tells whether it found a NAT on the path, and so sends everything to the port of NAT traversal. To be called from ready on.
func (u *N3IWUE) NAT() bool { return u.natt }

// Close ends it without a word, as the simulator does when it exits.
func (u *N3IWUE) Close() error {
	u.once.Do(func() { close(u.done) })
	err := errors.Join(u.conns[0].Close(), u.conns[1].Close(), u.tcp.Close())
	if u.plain != nil {
		err = errors.Join(err, u.plain.Close())
	}
	return err
}

func (u *N3IWUE) post(task func() error) {
	select {
	case u.events <- task:
	case <-u.done:
	}
}

// read takes what comes from the configured address of the N3IWF: the simulator's states and policies are for that one only.
func (u *N3IWUE) read(kind ipsec.Kind, next func([]byte) (int, netip.Addr, error)) {
	b := make([]byte, 65536)
	for {
		n, from, err := next(b)
		if err != nil {
			return
		}
		if from != u.o.N3IWF {
			continue
		}
		select {
		case u.frames <- n3iwueFrame{kind, bytes.Clone(b[:n])}:
		case <-u.done:
			return
		}
	}
}

func (u *N3IWUE) send(b []byte) error {
	to, conn := netip.AddrPortFrom(u.o.N3IWF, u.o.IKEPort), u.conns[0]
	if u.natt {
		to, conn = netip.AddrPortFrom(u.o.N3IWF, u.o.NATTPort), u.conns[1]
		b = append(make([]byte, 4), b...)
	}
	_, err := conn.WriteToUDPAddrPort(b, to)
	return err
}

// ike is the IKE message that a frame is, without the marker.
func (f n3iwueFrame) ike() ([]byte, bool) {
	switch {
	case f.kind == ipsec.IKE:
		return f.data, true
	case f.kind == ipsec.NATT && len(f.data) > 4 && binary.BigEndian.Uint32(f.data) == 0:
		return f.data[4:], true
	}
	return nil, false
}

// frame waits for the next IKE message.
func (u *N3IWUE) frame(ctx context.Context, wait time.Duration) ([]byte, bool) {
	timeout := time.After(wait)
	for {
		select {
		case f := <-u.frames:
			if b, ok := f.ike(); ok {
				return b, true
			}
		case <-timeout:
			return nil, false
		case <-ctx.Done():
			return nil, false
		}
	}
}

// initiate runs IKE_SA_INIT: constant SPI, message ID 0, and everything new at each retry.
func (u *N3IWUE) initiate(ctx context.Context) error {
	for ctx.Err() == nil {
		key, err := suite.GenerateKey(suite.MODP_2048, rand.Reader)
		if err != nil {
			return err
		}
		nonce := make([]byte, 256)
		_, _ = rand.Read(nonce) // never fails
		local, remote := netip.AddrPortFrom(u.o.Local, u.o.LocalIKE), netip.AddrPortFrom(u.o.N3IWF, u.o.IKEPort)
		request := n3iwueInit(n3iwueSPI, key.Public(), nonce, local, remote)
		if u.first, err = request.Append(nil); err != nil {
			return err
		}
		if err := u.send(u.first); err != nil {
			return err
		}
		wait := n3iwueRetry
		if u.o.DeafFor > 0 {
			wait = 50 * time.Millisecond
		}
		b, ok := u.frame(ctx, wait)
		if !ok {
			continue
		}
		if u.o.DeafFor > 0 {
			u.o.DeafFor--
			continue
		}
		m, err := message.Decode(b)
		if err != nil || m.InitiatorSPI != n3iwueSPI || m.Exchange != message.IKE_SA_INIT { // of an IKE SA that it had before
			continue
		}
		ke, okKE := message.Get[*message.KeyExchange](m.Payloads)
		nr, okN := message.Get[*message.Nonce](m.Payloads)
		if !okKE || !okN {
			return fmt.Errorf("%w: no key or nonce in the answer", errN3IWUE)
		}
		secret, err := key.Shared(ke.Data)
		if err != nil {
			return err
		}
		secret = bytes.TrimLeft(secret, "\x00") // big.Int.Bytes
		if u.o.Secret != nil {
			u.o.Secret(secret)
		}
		u.last, u.spiR, u.nonces = b, m.ResponderSPI, [2][]byte{nonce, nr.Data}
		u.keys = suite.NewIKEKeys(n3iwueIKE, secret, nonce, nr.Data, n3iwueSPI, u.spiR)
		u.out, u.in, err = u.keys.Protectors(n3iwueIKE, true, rand.Reader)
		if err != nil {
			return err
		}
		for _, n := range message.All[*message.Notify](m.Payloads) {
			switch n.Type {
			case message.NAT_DETECTION_SOURCE_IP:
				u.natt = u.natt || !bytes.Equal(n.Data, suite.NATDetectionHash(n3iwueSPI, u.spiR, remote))
			case message.NAT_DETECTION_DESTINATION_IP:
				u.natt = u.natt || !bytes.Equal(n.Data, suite.NATDetectionHash(n3iwueSPI, u.spiR, local))
			}
		}
		if !u.natt && u.plain == nil {
			return errors.New("there is no NAT, and ESP without UDP needs root")
		}
		u.next = 1
		return nil
	}
	return ctx.Err()
}

// exchange sends an IKE_AUTH request and waits for its answer.
func (u *N3IWUE) exchange(ctx context.Context, payloads ...message.Payload) ([]message.Payload, error) {
	if u.o.Alter != nil {
		payloads = u.o.Alter(payloads)
	}
	answer, err := u.request(ctx, message.IKE_AUTH, payloads)
	if u.o.Heard != nil {
		u.o.Heard(answer)
	}
	return answer, err
}

// request sends a request and waits for its answer.
func (u *N3IWUE) request(ctx context.Context, kind message.ExchangeType, payloads []message.Payload) ([]message.Payload, error) {
	h := message.Header{InitiatorSPI: n3iwueSPI, ResponderSPI: u.spiR, Exchange: kind, Flags: message.FlagInitiator, MessageID: u.next}
	u.next++
	b, err := message.Seal(nil, h, payloads, u.out)
	if err != nil {
		return nil, err
	}
	if err := u.send(b); err != nil {
		return nil, err
	}
	for {
		b, ok := u.frame(ctx, 10*time.Second)
		if !ok {
			return nil, fmt.Errorf("%w: no answer to message %d", errN3IWUE, h.MessageID)
		}
		m, err := message.Open(b, u.in)
		if err != nil || !m.Response() || m.MessageID != h.MessageID {
			continue
		}
		return m.Payloads, nil
	}
}

// authenticate runs IKE_AUTH with EAP-5G.
func (u *N3IWUE) authenticate(ctx context.Context) error {
	answer, err := u.exchange(ctx, n3iwueFirst()...)
	if err != nil {
		return err
	}
	request, err := n3iwueRegistration(&u.o.Subscriber, false)
	if err != nil {
		return err
	}
	reply := eap5g.NASResponse{Parameters: n3iwueParameters(&u.o.Subscriber, u.o.OldParameters), PDU: request}
	for {
		payload, ok := message.Get[*message.EAP](answer)
		if !ok {
			return fmt.Errorf("%w: an answer without EAP", errN3IWUE)
		}
		packet := payload.Packet
		if len(packet) >= 4 && packet[0] == 3 {
			break
		}
		if len(packet) < 14 || packet[0] != 1 || packet[4] != 254 {
			return fmt.Errorf("%w: EAP packet %x", errN3IWUE, packet)
		}
		if packet[12] == 2 { // 5G-NAS: the PDU at offset 4 of what follows the vendor type
			pdu, err := u.answerNAS(packet[16:])
			if err != nil {
				return err
			}
			reply = eap5g.NASResponse{PDU: pdu}
		}
		b, err := eap5g.Packet{Code: eap5g.Response, Identifier: packet[1], Message: reply}.Append(nil)
		if err != nil {
			return err
		}
		if answer, err = u.exchange(ctx, &message.EAP{Packet: b}); err != nil {
			return err
		}
	}
	body := append([]byte{byte(n3iwueIdentity.Type), 0, 0, 0}, n3iwueIdentity.Data...)
	prf := n3iwueIKE.PRF
	auth := prf.SharedKeyMIC(u.hosts.kN3IWF, prf.SignedOctets(u.first, u.nonces[1], u.keys.PI, body))
	answer, err = u.exchange(ctx, n3iwueLast(auth)...)
	if err != nil {
		return err
	}
	return u.established(answer)
}

// established reads the last answer as strictly as the simulator needs it.
func (u *N3IWUE) established(answer []message.Payload) error {
	missing := func(what string) error {
		return fmt.Errorf("%w: the last IKE_AUTH answer has no usable %s", errN3IWUE, what)
	}
	sa, ok := message.Get[*message.SecurityAssociation](answer)
	if !ok || len(sa.Proposals) != 1 || len(sa.Proposals[0].SPI) != 4 || len(sa.Proposals[0].Transforms) != 3 {
		return missing("SA")
	}
	cp, ok := message.Get[*message.Configuration](answer)
	if !ok {
		return missing("CP")
	}
	var mask net.IPMask
	for _, a := range cp.Attributes {
		switch {
		case a.Type == message.INTERNAL_IP4_ADDRESS && len(a.Value) == 4:
			u.inner = netip.AddrFrom4([4]byte(a.Value))
		case a.Type == message.INTERNAL_IP4_NETMASK && len(a.Value) == 4:
			mask = a.Value
		}
	}
	var port uint16
	for _, n := range message.All[*message.Notify](answer) {
		if n.Protocol != 0 || len(n.SPI) != 0 {
			return missing("notify: protocol or SPI in it")
		}
		switch {
		case n.Type == nwu.NotifyNASIP4Address && len(n.Data) == 4:
			u.nasA = netip.AddrFrom4([4]byte(n.Data))
		case n.Type == nwu.NotifyNASTCPPort && len(n.Data) == 2:
			port = binary.BigEndian.Uint16(n.Data)
		}
	}
	tsi, okI := message.Get[*message.TSi](answer)
	tsr, okR := message.Get[*message.TSr](answer)
	switch {
	case !u.inner.IsValid() || mask == nil:
		return missing("inner address and mask")
	case !u.nasA.IsValid() || port == 0:
		return missing("NAS address and port")
	case !okI || !okR || tsi.TrafficSelectors[0].Start != u.inner || tsr.TrafficSelectors[0].Start != u.nasA:
		return missing("traffic selector")
	case !(&net.IPNet{IP: u.inner.AsSlice(), Mask: mask}).Contains(u.nasA.AsSlice()):
		return missing("route to the NAS address")
	}
	k := suite.NewChildKeys(n3iwueIKE.PRF, u.keys.D, n3iwueSet, nil, u.nonces[0], u.nonces[1])
	var err error
	u.signalling, err = newN3IWUESA(n3iwueESP, binary.BigEndian.Uint32(sa.Proposals[0].SPI),
		ipsec.Keys{Encr: k.ResponderEncr, Integ: k.ResponderInteg}, ipsec.Keys{Encr: k.InitiatorEncr, Integ: k.InitiatorInteg})
	if err != nil {
		return err
	}
	return u.tcp.Dial(u.inner, netip.AddrPortFrom(u.nasA, port))
}

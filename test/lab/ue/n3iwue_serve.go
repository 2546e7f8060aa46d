// SPDX-License-Identifier: Apache-2.0

package ue

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	mathrand "math/rand/v2"
	"net"
	"net/netip"
	"time"

	"github.com/open-n3iwf/n3iwf/gre"
	"github.com/open-n3iwf/n3iwf/ikev2/message"
	"github.com/open-n3iwf/n3iwf/ikev2/suite"
	"github.com/open-n3iwf/n3iwf/nwu"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec/esp"
	tcp "github.com/open-n3iwf/n3iwf/nwu/nas"
	"github.com/open-n3iwf/n3iwf/test/lab/nas"
	"github.com/open-n3iwf/n3iwf/test/lab/nas/aka"
	"github.com/open-n3iwf/n3iwf/test/lab/nas/security"
)

// n3iwueSA is a pair of ESP SAs.
type n3iwueSA struct {
	in   *esp.Inbound
	out  *esp.Outbound
	spis [2]uint32
}

func newN3IWUESA(in, out uint32, inKeys, outKeys ipsec.Keys) (*n3iwueSA, error) {
	i, err := esp.NewInbound(in, n3iwueAlg, inKeys, false, 0)
	if err != nil {
		return nil, err
	}
	o, err := esp.NewOutbound(out, n3iwueAlg, outKeys, false, 0)
	return &n3iwueSA{i, o, [2]uint32{in, out}}, err
}

func (u *N3IWUE) sendESP(sa *n3iwueSA, inner []byte) error {
	seq, _ := sa.out.Next()
	b := make([]byte, sa.out.Size(len(inner)))
	sa.out.Seal(b, seq, 4, inner, nil, &esp.Scratch{})
	if u.natt {
		_, err := u.conns[1].WriteToUDPAddrPort(b, netip.AddrPortFrom(u.o.N3IWF, u.o.NATTPort))
		return err
	}
	_, err := u.plain.WriteToIP(b, &net.IPAddr{IP: u.o.N3IWF.AsSlice()})
	return err
}

// Run registers, brings PDU session 1 up and serves until ctx ends or a Delete comes; then it gives the reason. ready is called with the session up.
func (u *N3IWUE) Run(ctx context.Context, ready func()) error {
	if err := u.initiate(ctx); err != nil {
		return err
	}
	if err := u.authenticate(ctx); err != nil {
		return err
	}
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case task := <-u.events:
			if err := task(); err != nil {
				return err
			}
		case f := <-u.frames:
			if err := u.serve(f); err != nil {
				return err
			}
		}
		if u.accepted != nil && u.user != nil && ready != nil {
			ready()
			ready = nil
		}
	}
}

func (u *N3IWUE) serve(f n3iwueFrame) error {
	if b, ok := f.ike(); ok {
		return u.ike(b)
	}
	switch {
	case len(f.data) < 8:
		return nil
	case (f.kind == ipsec.NATT) != u.natt:
		return fmt.Errorf("%w: ESP as %s", errN3IWUE, f.kind)
	}
	sa := u.signalling
	if binary.BigEndian.Uint32(f.data) != n3iwueESP {
		sa = u.user
	}
	if sa == nil {
		return nil // no state yet: the kernel drops it
	}
	packet, _, err := sa.in.Open(f.data, &esp.Scratch{})
	if err != nil {
		return nil //nolint:nilerr // as a kernel does
	}
	if sa == u.user {
		return u.userPacket(packet)
	}
	if err := oneEnvelope(packet); err != nil {
		return err
	}
	u.tcp.Input(bytes.Clone(packet))
	return nil
}

// oneEnvelope: the simulator takes what one read gives for one NAS message.
func oneEnvelope(packet []byte) error {
	ihl := int(packet[0]&15) * 4
	payload := packet[ihl+int(packet[ihl+12]>>4)*4 : binary.BigEndian.Uint16(packet[2:])]
	if len(payload) > 0 && (len(payload) < 2 || int(binary.BigEndian.Uint16(payload)) != len(payload)-2) {
		return fmt.Errorf("%w: a segment of %d octets that is not one envelope", errN3IWUE, len(payload))
	}
	return nil
}

func (u *N3IWUE) userPacket(packet []byte) error {
	p, err := gre.Decode(packet)
	if err != nil {
		return fmt.Errorf("%w: %w", errN3IWUE, err)
	}
	switch {
	case packet[p.Offset-gre.HeaderLen] != 0x20 || p.Header.Protocol != gre.TypeIPv4:
		return fmt.Errorf("%w: GRE header %x, which Linux would drop at this UE", errN3IWUE, packet[p.Offset-gre.HeaderLen:p.Offset])
	case p.Header.RQI || !bytes.Contains(u.qfis, []byte{p.Header.QFI}):
		return fmt.Errorf("%w: GRE key of QFI %d, for which there is no device", errN3IWUE, p.Header.QFI)
	}
	u.echoes[p.Header.QFI] = bytes.Clone(packet[p.Offset:p.End])
	return nil
}

// ike answers the N3IWF's requests. Their message IDs begin with 0, and a repetition is the same message to the bit.
func (u *N3IWUE) ike(b []byte) error {
	m, err := message.Open(b, u.in)
	if err != nil || m.Response() {
		return nil //nolint:nilerr // nothing that could be used
	}
	if before, ok := u.answers[m.MessageID]; ok {
		if !bytes.Equal(before[0], b) {
			return fmt.Errorf("%w: request %d comes again and is another one", errN3IWUE, m.MessageID)
		}
		return u.send(before[1])
	}
	if int(m.MessageID) != len(u.answers) {
		return fmt.Errorf("%w: request %d after %d others", errN3IWUE, m.MessageID, len(u.answers))
	}
	var out []message.Payload
	var end error
	install := func() error { return nil }
	switch m.Exchange {
	case message.INFORMATIONAL:
		if len(message.All[*message.Delete](m.Payloads)) > 0 {
			end = fmt.Errorf("%w: Delete", errN3IWUE)
		}
		if len(m.Payloads) == 0 {
			u.probes.Add(1)
		}
	case message.CREATE_CHILD_SA:
		if out, install, err = u.childSA(m.Payloads); err != nil {
			return err
		}
	}
	if u.o.Answer != nil {
		out = u.o.Answer(m.Payloads, out)
	}
	h := message.Header{InitiatorSPI: n3iwueSPI, ResponderSPI: u.spiR, Exchange: m.Exchange, Flags: message.FlagInitiator | message.FlagResponse, MessageID: m.MessageID}
	answer, err := message.Seal(nil, h, out, u.out)
	if err != nil {
		return err
	}
	u.answers[m.MessageID] = [2][]byte{bytes.Clone(b), answer}
	if u.o.AnswersLost > 0 {
		u.o.AnswersLost--
	} else if err := u.send(answer); err != nil {
		return err
	}
	switch {
	case end != nil:
		return end
	case u.o.InstallAfter > 0:
		time.AfterFunc(u.o.InstallAfter, func() { u.post(install) })
		return nil
	}
	return install()
}

// childSA answers CREATE_CHILD_SA; the SA is installed afterwards.
func (u *N3IWUE) childSA(in []message.Payload) (out []message.Payload, install func() error, err error) {
	for _, n := range message.All[*message.Notify](in) {
		if n.Type == message.REKEY_SA {
			return nil, nil, fmt.Errorf("%w: a rekey, which it does not survive", errN3IWUE)
		}
	}
	sa, okSA := message.Get[*message.SecurityAssociation](in)
	nonce, okN := message.Get[*message.Nonce](in)
	tsi, okI := message.Get[*message.TSi](in)
	tsr, okR := message.Get[*message.TSr](in)
	if !okSA || !okN || !okI || !okR || len(sa.Proposals) != 1 || len(sa.Proposals[0].SPI) != 4 {
		return nil, nil, fmt.Errorf("%w: CREATE_CHILD_SA is not as it wants it", errN3IWUE)
	}
	types := map[message.TransformType]int{}
	for _, t := range sa.Proposals[0].Transforms {
		types[t.Type]++
		if types[t.Type] > 1 || t.Type == message.TransformINTEG && t.ID != uint16(suite.AUTH_HMAC_SHA1_96) {
			return nil, nil, fmt.Errorf("%w: transforms %v", errN3IWUE, sa.Proposals[0].Transforms)
		}
	}
	if types[message.TransformINTEG] != 1 {
		return nil, nil, fmt.Errorf("%w: no integrity transform", errN3IWUE)
	}
	for _, n := range message.All[*message.Notify](in) {
		switch n.Type {
		case nwu.Notify5GQoSInfo:
			if len(n.Data) < 4 || int(n.Data[2])+3 > int(n.Data[0]) {
				return nil, nil, fmt.Errorf("%w: 5G_QOS_INFO %x", errN3IWUE, n.Data)
			}
			u.qfis = n.Data[3 : 3+n.Data[2]]
		case nwu.NotifyUPIP4Address:
			u.upA = netip.AddrFrom4([4]byte(n.Data))
		}
	}
	if !u.upA.IsValid() || tsi.TrafficSelectors[0].Start != u.upA || tsr.TrafficSelectors[0].Start != u.inner {
		return nil, nil, fmt.Errorf("%w: addresses of the child SA", errN3IWUE)
	}
	peer := binary.BigEndian.Uint32(sa.Proposals[0].SPI)
	own, spi := make([]byte, 256), uint32(n3iwueESP)
	_, _ = rand.Read(own) // never fails
	for spi <= 255 {
		spi = mathrand.Uint32()
	}
	return n3iwueChild(sa.Proposals[0].Number, spi, own, tsi, tsr), func() error {
		k := suite.NewChildKeys(n3iwueIKE.PRF, u.keys.D, n3iwueSet, nil, nonce.Data, own)
		u.user, err = newN3IWUESA(spi, peer,
			ipsec.Keys{Encr: k.InitiatorEncr, Integ: k.InitiatorInteg}, ipsec.Keys{Encr: k.ResponderEncr, Integ: k.ResponderInteg})
		return err
	}, nil
}

// n3iwueNAS takes what happens on the NAS connection to the one goroutine.
type n3iwueNAS struct{ u *N3IWUE }

func (e n3iwueNAS) OnConnected(netip.Addr, *tcp.Conn) {}

func (e n3iwueNAS) OnClosed(netip.Addr, *tcp.Conn, tcp.Ended) {}

func (e n3iwueNAS) OnNAS(_ netip.Addr, pdu []byte) {
	e.u.post(func() error { return e.u.downlinkNAS(pdu) })
}

func (u *N3IWUE) downlinkNAS(pdu []byte) error {
	b, err := u.hosts.plain(pdu)
	if err != nil {
		return err
	}
	m, err := nas.Decode(b)
	if err != nil {
		return err
	}
	switch m := m.(type) {
	case *nas.RegistrationAccept:
		u.hosts.guti = m.GUTI
		if err := u.uplinkNAS([]byte{0x7e, 0, 0x43}); err != nil {
			return err
		}
		return u.uplinkNAS(n3iwueSession(u.o.Subscriber.Slices[0]))
	case *nas.DLNASTransport:
		sm, err := nas.Decode(m.Container)
		if err != nil {
			return err
		}
		if a, ok := sm.(*nas.EstablishmentAccept); ok {
			u.accepted = a
		}
	}
	return nil
}

func (u *N3IWUE) uplinkNAS(plain []byte) error {
	b, err := u.hosts.security.Protect(security.IntegrityCiphered, plain)
	if err != nil {
		return err
	}
	return u.tcp.Send(u.inner, b)
}

// securityMode takes a message for Security Mode Command with NEA0 and NIA2, whatever it says, and answers. K_N3IWF is that of the answer's COUNT.
func (u *N3IWUE) securityMode(pdu []byte) ([]byte, error) {
	ctx, err := security.New(u.hosts.kamf, u.hosts.ksi, 0, 2, security.BearerNon3GPP, security.Uplink)
	if err != nil {
		return nil, err
	}
	_, _, _ = ctx.Unprotect(pdu) // for its COUNT; whether it is right is nothing that the simulator looks at
	u.hosts.security = ctx
	complete, err := n3iwueSecurityComplete(&u.o.Subscriber)
	if err != nil {
		return nil, err
	}
	key := aka.KN3IWF(u.hosts.kamf, ctx.SendCount())
	u.hosts.kN3IWF = key[:]
	return ctx.Protect(security.IntegrityCipheredNew, complete)
}

// Address is the IPv4 address of PDU session 1, to be called from ready.
func (u *N3IWUE) Address() netip.Addr { return u.accepted.Address.IPv4 }

// Exchange sends a user packet on a QoS flow until something comes back on it.
func (u *N3IWUE) Exchange(ctx context.Context, qfi uint8, pdu []byte) ([]byte, error) {
	c, err := gre.NewCarrier(u.inner, u.upA, 0)
	if err != nil {
		return nil, err
	}
	packet := make([]byte, c.Len(), c.Len()+len(pdu))
	c.Put(packet, gre.Header{QFI: qfi, Protocol: gre.TypeIPv4}, len(pdu), 1)
	packet = append(packet, pdu...)
	for {
		back := make(chan []byte, 1)
		u.post(func() error { back <- u.echoes[qfi]; return u.sendESP(u.user, packet) })
		select {
		case b := <-back:
			if b != nil {
				return b, nil
			}
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// Deregister leaves the network; Run ends with the N3IWF's Delete.
func (u *N3IWUE) Deregister() {
	u.post(func() error {
		return u.uplinkNAS(n3iwueDeregistration(nas.MobileIdentity(u.hosts.guti)))
	})
}

// Ask sends a request that the simulator has not, once the PDU session is up, and gives the answer.
func (u *N3IWUE) Ask(ctx context.Context, kind message.ExchangeType, payloads ...message.Payload) ([]message.Payload, error) {
	type result struct {
		answer []message.Payload
		err    error
	}
	back := make(chan result, 1)
	u.post(func() error {
		answer, err := u.request(ctx, kind, payloads)
		back <- result{answer, err}
		return nil
	})
	select {
	case r := <-back:
		return r.answer, r.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// UserSPIs are the SPIs of the child SA of the PDU session: the UE's, and the N3IWF's. To be called from ready on.
func (u *N3IWUE) UserSPIs() (own, peer uint32) { return u.user.spis[0], u.user.spis[1] }

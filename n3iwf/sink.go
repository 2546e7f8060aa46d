// SPDX-License-Identifier: Apache-2.0

package n3iwf

import (
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"github.com/open-n3iwf/n3iwf/gre/relay"
	"github.com/open-n3iwf/n3iwf/ikev2"
	"github.com/open-n3iwf/n3iwf/ikev2/message"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec"
)

// sink takes what the data plane receives to where it belongs.
type sink struct{ nf *N3IWF }

// receiver sorts inner packets of one receiving goroutine: those of signalling SAs to the NAS stack, all others to the relay.
type receiver struct {
	nf     *N3IWF
	uplink *relay.Uplink
}

func (s sink) NewReceiver() ipsec.Receiver { return &receiver{s.nf, s.nf.relay.NewUplink()} }

func (r *receiver) Inbound(batch []ipsec.Inbound) {
	start := 0
	for i := range batch {
		if _, ok := batch[i].Context.(signallingContext); !ok {
			continue
		}
		if start < i {
			r.uplink.Inbound(batch[start:i])
		}
		r.nf.nas.Input(batch[i].Packet)
		start = i + 1
	}
	if start < len(batch) {
		r.uplink.Inbound(batch[start:])
	}
}

// IKE posts a message to the owner of its session: our own SPI names the owner in its last octet. Messages that start a session
// have none yet; any owner will do, but retransmissions must come to the same one.
func (s sink) IKE(path ipsec.Path, data []byte) {
	spi, ok := ikev2.LocalSPI(data) // in a rekey of ours by the place of the initiator's
	if !ok {
		s.nf.counters.IKEMalformed.Add(1)
		return
	}
	n := len(s.nf.owners)
	index := int(data[0]^data[3]^data[7]) % n
	o := s.nf.owners[index]
	if spi != 0 {
		o = s.nf.ownerOfSPI(spi)
	} else if o.challenge(ikev2.Path(path), data) {
		return
	}
	data = append([]byte(nil), data...)
	if !o.mail.offer(func() { o.receiveIKE(ikev2.Path(path), spi, data, 0) }) {
		s.nf.counters.IKEOverload.Add(1)
	}
}

func (s sink) Event(ev ipsec.Event) {
	switch ev := ev.(type) {
	case ipsec.Rebind:
		s.nf.forChild(ev.ID, func(u *ue) { u.rebound(ev) })
	case ipsec.Expire:
		s.nf.forChild(ev.ID, func(u *ue) { u.expired(ev) })
	case ipsec.Fault:
		s.nf.counters.Panics.Add(1)
		s.nf.log.Error("defect in the data plane; the SA has ended", slog.Uint64("ue", uint64(ev.ID>>32)), slog.Any("error", ev.Err))
	case ipsec.UnknownSPI:
		s.nf.counters.UnknownSPI.Add(1)
	}
}

// forChild posts a task to the owner of a child SA's UE, if it is still there.
func (nf *N3IWF) forChild(id ipsec.ChildID, task func(u *ue)) {
	ranID := uint32(id >> 32)
	o := nf.owners[ranID%uint32(len(nf.owners))]
	o.mail.offer(func() {
		if u := o.byRANID[ranID]; u != nil && u.children[id] != nil {
			o.guarded(u, func() { task(u) })
		}
	})
}

// challenges are buffers for answers to a flood of IKE_SA_INIT requests.
var challenges = sync.Pool{New: func() any { return new([128]byte) }}

// challenge answers an IKE_SA_INIT request on the goroutine that received it when it has to bring a cookie: a flood takes nothing from the owner.
func (o *owner) challenge(path ikev2.Path, data []byte) bool {
	if !o.nf.ready.Load() {
		return false
	}
	buf := challenges.Get().(*[128]byte)
	defer challenges.Put(buf)
	answer, done := o.responder.Challenge(time.Now(), path.Remote, data, buf[:0])
	if done && len(answer) > 0 {
		o.nf.sendIKE(ikev2.Datagram{Path: path, Data: answer}, o.nf.log)
	}
	return done
}

// receiveIKE handles one IKE message, which has come over that many other nodes.
func (o *owner) receiveIKE(path ikev2.Path, spi message.SPI, data []byte, hops uint8) {
	now := time.Now()
	if spi == 0 {
		o.initIKE(now, path, data)
		return
	}
	if u := o.ues[spi]; u != nil {
		if !u.deaf(path) {
			before := u.session.LastHeard()
			o.guarded(u, func() {
				u.apply(u.session.Receive(now, path, data))
				u.heard(path, data, before)
			})
		}
		return
	}
	if session := o.lingering[spi]; session != nil {
		for _, d := range session.Receive(now, path, data).Datagrams {
			o.nf.sendIKE(d, o.nf.log)
		}
		return
	}
	if o.nf.nodes.forwardIKE(path, spi, data, hops) {
		return
	}
	o.nf.counters.IKEUnknownSPI.Add(1)
	if d := o.responder.Unknown(now, path, data); d != nil {
		o.nf.sendIKE(*d, o.nf.log)
	}
}

// initIKE handles IKE_SA_INIT.
func (o *owner) initIKE(now time.Time, path ikev2.Path, data []byte) {
	if o.nf.old.quiet.Load() {
		return
	}
	if o.nf.forbidden(path.Remote.Addr()) {
		o.nf.counters.refuseInit(forbiddenNetwork)
		o.nf.log.Debug("IKE_SA_INIT from nwu.forbiddenNetworks dropped", slog.String("path", path.String()))
		return
	}
	session, out, err := o.responder.Init(now, path, data)
	if err != nil {
		o.nf.counters.refuseInit(initRefusal(err))
		o.nf.log.Debug("IKE_SA_INIT refused", slog.String("path", path.String()), slog.Any("error", err))
	}
	if session == nil {
		for _, d := range out.Datagrams {
			o.nf.sendIKE(d, o.nf.log)
		}
		return
	}
	u := o.newUE(session, path)
	u.awaitAuth()
	o.guarded(u, func() { u.apply(out) })
}

// sendIKE sends a message of the UE that log is about, if any.
func (nf *N3IWF) sendIKE(d ikev2.Datagram, log *slog.Logger) {
	if nf.nodes.sendFrom(d) {
		return
	}
	var err error
	if d.Keepalive {
		err = nf.dataPlane.SendKeepalive(ipsec.Path(d.Path))
	} else {
		err = nf.dataPlane.SendIKE(ipsec.Path(d.Path), d.Data)
	}
	if err != nil {
		nf.counters.IKENotSent.Add(1)
		log.Debug("IKE message not sent", slog.String("path", d.Path.String()), slog.Any("error", err))
	}
}

// nasOut makes the function that the NAS stack sends with: packets go through the UE's signalling SA.
func (nf *N3IWF) nasOut() func(netip.Addr, []byte) {
	writers := sync.Pool{New: func() any { return nf.dataPlane.NewWriter() }}
	return func(to netip.Addr, packet []byte) {
		u := nf.byInner.find(to)
		if u == nil {
			return
		}
		h := u.signallingHandle.Load()
		if h == nil {
			return
		}
		w := writers.Get().(ipsec.Writer)
		if err := w.Write(*h, packet, nil); err == nil {
			err = w.Flush()
			if err != nil {
				nf.counters.NASNotSent.Add(1)
			}
		}
		writers.Put(w)
	}
}

// relayEvent takes what the N3 relay reports to the UE.
func (nf *N3IWF) relayEvent(ev relay.Event) {
	switch ev := ev.(type) {
	case relay.ErrorIndication:
		nf.endSession(ev.Session, "the UPF does not know the tunnel")
	case relay.Fault:
		nf.counters.Panics.Add(1)
		nf.endSession(ev.Session, "defect in the relay")
	case relay.PathDown:
		nf.log.Warn("UPF does not answer echo requests", slog.String("upf", ev.UPF.String()), slog.Int("sessions", ev.Sessions))
	case relay.PathUp:
		nf.log.Info("UPF answers again", slog.String("upf", ev.UPF.String()))
	}
}

// endSession finds the UE of a relay session; it happens rarely, so all owners are asked.
func (nf *N3IWF) endSession(session *relay.Session, why string) {
	for _, o := range nf.owners {
		o.mail.post(func() {
			for _, u := range o.byRANID {
				for _, s := range u.sessions {
					if s.relay == session {
						o.guarded(u, func() { u.sessionBroken(s, why) })
						return
					}
				}
			}
		})
	}
}

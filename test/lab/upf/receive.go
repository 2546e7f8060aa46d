// SPDX-License-Identifier: Apache-2.0

package upf

import (
	"errors"
	"log/slog"
	"net"
	"net/netip"

	"golang.org/x/time/rate"

	"github.com/open-n3iwf/n3iwf/gre/gtpu"
	"github.com/open-n3iwf/n3iwf/internal/udpbatch"
)

// answersPerSecond limits, per socket, the messages about packets that should not have come.
const answersPerSecond = 100

// worker serves one N3 socket.
type worker struct {
	u      *UPF
	conn   *udpbatch.Conn
	sender *udpbatch.Sender
	limit  *rate.Limiter

	id     uint16 // IPv4 identification of answers
	answer []byte // the G-PDU between begin and commit
}

func (w *worker) serve() {
	rx := w.conn.NewReceiver()
	for {
		batch, err := rx.Receive()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		for i := range batch { // empty after a passing error of the socket
			w.datagram(&batch[i])
		}
		if w.sender.Pending() > 0 {
			_, _ = w.sender.Flush() // a refused answer is as lost as any other
		}
	}
}

func (w *worker) datagram(dg *udpbatch.Datagram) {
	m, err := gtpu.Decode(dg.Data)
	if err != nil {
		w.u.count.drops[MalformedGTP].Add(1)
		if errors.Is(err, gtpu.DropExtension) && w.limit.Allow() {
			w.signal(w.registered(dg), gtpu.AppendSupportedExtensions(nil))
		}
		return
	}
	if m.Type != gtpu.GPDU {
		w.signalling(&m, dg)
		return
	}
	s := w.u.session(m.TEID)
	if s == nil {
		w.u.count.drops[UnknownTEID].Add(1)
		if w.limit.Allow() {
			w.u.errorsOut.Add(1)
			w.signal(w.registered(dg), gtpu.AppendErrorIndication(nil, m.TEID, w.u.address, dg.Remote.Port()))
		}
		return
	}
	switch {
	case !m.HasContainer:
		s.drop(NoContainer)
	case m.Container.Type != gtpu.UplinkInformation:
		s.drop(Direction)
	case s.flows.Load()&(1<<m.Container.QFI) == 0:
		s.drop(UnknownQFI)
	default:
		w.uplink(s, m.Container.QFI, m.Payload)
	}
}

// signalling handles what is not user data.
func (w *worker) signalling(m *gtpu.Message, dg *udpbatch.Datagram) {
	u := w.u
	switch m.Type {
	case gtpu.EchoRequest:
		u.echoIn.Add(1)
		w.signal(udpbatch.Address{Remote: dg.Remote, Local: dg.Local.Addr()}, gtpu.AppendEchoResponse(nil, m.Sequence))
	case gtpu.EchoResponse:
		u.pings.response(m.Sequence)
	case gtpu.EndMarker:
		u.endMarkers.Add(1)
	case gtpu.ErrorIndication:
		report, err := gtpu.DecodeErrorIndication(m.Payload)
		if err != nil {
			u.count.drops[MalformedGTP].Add(1)
			return
		}
		u.errorsIn.Add(1)
		u.errorIndication(report)
	case gtpu.SupportedExtensionHeaderNotification:
		u.log.Warn("the N3IWF does not understand an extension header that was sent", slog.String("n3iwf", dg.Remote.String()))
	default:
		u.count.drops[UnknownType].Add(1)
	}
}

// errorIndication tells the owner of the session whose downlink tunnel the N3IWF does not know.
func (u *UPF) errorIndication(report gtpu.ErrorReport) {
	var found *Session
	u.mu.RLock()
	for _, s := range u.sessions {
		if d := s.downlink.Load(); d != nil && d.teid == report.TEID && d.to.Remote.Addr() == report.Peer.Unmap() {
			found = s
			break
		}
	}
	u.mu.RUnlock()
	if found == nil {
		return // of a session that has just been released
	}
	u.log.Warn("the N3IWF does not know the downlink tunnel of a session", slog.String("session", found.config.Name), slog.String("n3iwf", report.Peer.String()), slog.Uint64("teid", uint64(report.TEID)))
	if u.options.ErrorIndication != nil {
		u.options.ErrorIndication(found)
	}
}

func (w *worker) signal(to udpbatch.Address, message []byte) {
	_ = w.sender.Append(&to, message, nil) // never too long
}

// registered is where messages go that are requests of their own (TS 29.281 4.4.2.3, 4.4.2.5).
func (w *worker) registered(dg *udpbatch.Datagram) udpbatch.Address {
	return udpbatch.Address{Remote: netip.AddrPortFrom(dg.Remote.Addr(), w.u.options.PeerPort), Local: dg.Local.Addr()}
}

// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"encoding/binary"
	"net/netip"
	"slices"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/ikev2/message"
	"github.com/open-n3iwf/n3iwf/n3iwf"
	"github.com/open-n3iwf/n3iwf/ngap"
	"github.com/open-n3iwf/n3iwf/nwu"
	"github.com/open-n3iwf/n3iwf/test/lab/nas"
	"github.com/open-n3iwf/n3iwf/test/lab/udpip"
	"github.com/open-n3iwf/n3iwf/test/lab/ue"
)

// stage is how far a UE has come in its life. Each comes after the one before.
type stage int

const (
	atNothing    stage = iota
	atInit             // IKE_SA_INIT is over
	atStart            // 5G-Start has come
	atChallenge        // the AMF's challenge has come
	atThinking         // the UE's EAP response waits for the AMF
	atSuccess          // EAP-Success has come
	atSignalling       // the signalling SA is up
	atAccept           // NAS is on TCP, Registration Accept has come
	atRegistered       // Registration Complete is sent
	atDefault          // the N3IWF asks for the default child SA of a PDU session
	atAdditional       // it is up, and the N3IWF asks for another one
	atSession          // the PDU session is up
	atRelease          // it is being released: the N3IWF deletes its child SAs
	atEnd              // the AMF has released the UE: the N3IWF deletes the IKE SA
	atIdle             // the UE is idle
)

func (s stage) String() string {
	return [...]string{
		"no IKE SA", "IKE_SA_INIT over", "5G-Start", "challenge", "AMF's turn", "EAP-Success", "signalling SA", "Registration Accept", "registered",
		"default child SA asked for", "additional child SA asked for", "PDU session", "PDU session being released", "being released", "idle",
	}[s]
}

// puppetSession is the PDU session of puppets.
const puppetSession = 2

// puppetLife is a puppet on its way.
type puppetLife struct {
	*ue.Puppet
	w        *world
	i        int // subscriber
	at       stage
	others   []teller // the other UEs
	heard    *heard
	withheld *ngap.InitialContextSetupRequest
	request  *message.Message // of the N3IWF, not answered
	// single: the PDU session has one child SA, so that the stage of an additional one is none.
	single bool
	// blind: others come and go, so that nobody can tell what N3IWF and core should have.
	blind bool
	// checked: UE, N3IWF and core have to agree at each stage, not only at the one that is wanted.
	checked bool
}

func (w *world) puppet(i int, h *heard, others ...teller) *puppetLife {
	w.t.Helper()
	o := w.options(i)
	o.Subscriber.Ciphering = false
	p, err := ue.NewPuppet(o)
	require.NoError(w.t, err)
	w.t.Cleanup(func() { _ = p.Close() })
	return &puppetLife{Puppet: p, w: w, i: i, others: others, heard: h}
}

// do bounds a call that must succeed.
func (l *puppetLife) do(call func(ctx context.Context) error) {
	l.w.t.Helper()
	require.NoError(l.w.t, l.w.within(call), "after: %s", l.at)
}

// reach goes on to a stage, where UE, N3IWF and core agree.
func (l *puppetLife) reach(to stage) {
	l.w.t.Helper()
	for l.at < to {
		l.advance()
		if l.checked || l.at == to {
			l.agree(l.at)
		}
	}
}

func (l *puppetLife) advance() {
	l.w.t.Helper()
	switch l.at + 1 {
	case atInit:
		l.do(l.Init)
	case atStart:
		l.do(l.Identify)
	case atChallenge:
		l.do(l.Respond)
	case atThinking:
		l.do(l.Respond)
		l.withhold()
	case atSuccess:
		l.giveBack()
		l.do(l.TakeEAP)
		require.Equal(l.w.t, []byte{3, l.EAP()[1], 0, 4}, l.EAP(), "EAP-Success")
	case atSignalling:
		l.do(l.Prove)
	case atAccept:
		if l.Connections() == 0 {
			l.do(l.Connect)
		}
		l.await(awaiting[*nas.RegistrationAccept])
	case atRegistered:
		require.NoError(l.w.t, l.SendNAS(&nas.RegistrationComplete{}))
	case atDefault:
		l.Hold(asks(true)) // one for another child SA can still come for a PDU session that has failed
		require.NoError(l.w.t, l.RequestSession(puppetSession, "internet"))
		l.hear()
	case atAdditional:
		if !l.single {
			l.Hold(asks(false))
			require.NoError(l.w.t, l.Accept(l.request))
			l.hear()
		}
	case atSession:
		l.Hold(nil)
		require.NoError(l.w.t, l.Accept(l.request))
		l.await(awaiting[*nas.EstablishmentAccept])
	case atRelease:
		l.Hold(func(m *message.Message) bool { return m.Exchange == message.INFORMATIONAL })
		require.NoError(l.w.t, l.ReleaseSession(puppetSession))
		l.hear()
	case atEnd:
		l.Hold(nil)
		require.NoError(l.w.t, l.Accept(l.request))
		l.await(awaiting[*nas.ReleaseCommand])
		l.agree(atRegistered)
		l.Hold(func(m *message.Message) bool { return m.Exchange == message.INFORMATIONAL })
		require.NoError(l.w.t, l.w.core.ReleaseContext(imsi(l.i)))
		l.hear()
	case atIdle:
		l.Hold(nil)
		require.NoError(l.w.t, l.Accept(l.request))
	}
	l.at++
}

// asks is true for requests for the default child SA, or for another one.
func asks(dflt bool) func(*message.Message) bool {
	return func(m *message.Message) bool {
		n := message.GetNotify(m.Payloads, nwu.Notify5GQoSInfo)
		if n == nil || m.Exchange != message.CREATE_CHILD_SA {
			return false
		}
		info, err := nwu.ParseQoSInfo(n.Data)
		return err == nil && info.Default == dflt
	}
}

// awaiting waits for a NAS message.
func awaiting[T nas.Message](ctx context.Context, p *ue.Puppet) error {
	_, err := ue.AwaitNAS[T](ctx, p)
	return err
}

func (l *puppetLife) await(f func(context.Context, *ue.Puppet) error) {
	l.w.t.Helper()
	l.do(func(ctx context.Context) error { return f(ctx, l.Puppet) })
}

// hear takes the N3IWF's next request that is held.
func (l *puppetLife) hear() {
	l.w.t.Helper()
	l.do(func(ctx context.Context) (err error) {
		l.request, err = l.Held(ctx)
		return err
	})
}

// withhold answers the EAP request and keeps back what the AMF says to it.
func (l *puppetLife) withhold() {
	l.w.t.Helper()
	kept := make(chan *ngap.InitialContextSetupRequest, 1)
	l.w.core.Alter(func(b []byte) [][]byte {
		pdu, err := ngap.Decode(b)
		if err != nil {
			return [][]byte{b}
		}
		m, ok := pdu.Message.(*ngap.InitialContextSetupRequest)
		if !ok {
			return [][]byte{b}
		}
		kept <- m
		return nil
	})
	require.NoError(l.w.t, l.PostEAP())
	l.w.until("the AMF's context set-up", func() bool { return len(kept) > 0 })
	l.withheld = <-kept
	l.w.core.Alter(nil)
}

func (l *puppetLife) giveBack() {
	l.w.t.Helper()
	require.NoError(l.w.t, l.w.core.Send(imsi(l.i), func(ngap.AMFUENGAPID, ngap.RANUENGAPID) ngap.Message { return l.withheld }))
}

// atCore is the core's view of the UE, empty when there is none.
func (l *puppetLife) atCore() (found struct {
	Registered, Connected bool
	RANID                 uint32
	Sessions              int
}) {
	for _, c := range l.w.core.State().UEs {
		if c.IMSI == imsi(l.i) {
			found.Registered, found.Connected, found.RANID, found.Sessions = c.Registered, true, c.RANID, len(c.Sessions)
		}
	}
	return found
}

// agree waits until UE, N3IWF and core agree at a stage.
func (l *puppetLife) agree(at stage) {
	l.w.t.Helper()
	if l.blind {
		return
	}
	why := "never asked"
	defer func() {
		if l.w.t.Failed() {
			l.w.t.Log(why)
		}
	}()
	l.w.until("agreement at: "+at.String(), func() bool {
		why = l.disagreement(at)
		return why == ""
	})
}

func (l *puppetLife) disagreement(at stage) string {
	switch at {
	case atNothing, atIdle:
		return l.alone()
	case atInit, atStart, atChallenge, atThinking, atSuccess:
		if l.atCore().Connected != (at >= atChallenge) {
			return "the core has the UE, or has it not"
		}
		return l.halfway()
	case atRelease, atEnd: // one side is ahead of the other
		return ""
	}
	if at >= atRegistered && !l.atCore().Registered {
		return "the core has not got Registration Complete"
	}
	all := append(slices.Clone(l.others), l)
	if at == atDefault || at == atAdditional {
		return l.w.compare(all, puppetSession)
	}
	return l.w.compare(all)
}

// halfway: the N3IWF has the UE's IKE SA and nothing else of it.
func (l *puppetLife) halfway() string {
	for _, s := range l.w.nf.UEs(l.w.ctx, n3iwf.UEQuery{Limit: 100}).UEs {
		if d, ok := l.w.nf.UE(l.w.ctx, s.ID); ok && [2]string{d.IKE.InitiatorSPI, d.IKE.ResponderSPI} == l.State().IKE {
			if len(d.SAs) > 0 || len(d.Inner) > 0 || len(d.Sessions) > 0 {
				return "the N3IWF has more than the IKE SA"
			}
			return ""
		}
	}
	return "the N3IWF has no such IKE SA"
}

// alone: neither N3IWF nor core have anything of this UE, and the others have what they had.
func (l *puppetLife) alone() string {
	s := l.w.nf.Status()
	if n := len(l.others); s.UEs != n || s.HalfOpen != 0 || s.InnerAddresses != n || s.PDUSessions != n || s.N3.Sessions != n || s.NAS.Connections != uint64(n) {
		return "the N3IWF has something of the UE"
	}
	return l.w.compare(l.others)
}

// echoes: user data goes through each child SA of the PDU session.
func (l *puppetLife) echoes() {
	l.w.t.Helper()
	for _, dflt := range []bool{true, false} {
		if c := l.Child(puppetSession, dflt); c != nil {
			l.echo(c, c.QFIs[0])
		}
	}
}

// echo: user data of a flow goes through a child SA, in both directions.
func (l *puppetLife) echo(c *ue.PuppetChild, qfi uint8) {
	l.w.t.Helper()
	pdu := udpip.Append(nil, udpip.Packet{Source: netip.AddrPortFrom(l.Address(puppetSession), 4000), Destination: netip.AddrPortFrom(dn, 7), Payload: []byte("puppet")}, 1)
	l.do(func(ctx context.Context) error {
		back, err := l.Exchange(ctx, c, qfi, pdu)
		if err == nil {
			require.Contains(l.w.t, string(back), "puppet")
		}
		return err
	})
}

// ask sends a request and gives the answer.
func (l *puppetLife) ask(kind message.ExchangeType, payloads ...message.Payload) (answer []message.Payload) {
	l.w.t.Helper()
	l.do(func(ctx context.Context) (err error) {
		answer, err = l.Ask(ctx, kind, payloads...)
		return err
	})
	return answer
}

// refused sends a request that is answered with an error notify.
func (l *puppetLife) refused(with message.NotifyType, kind message.ExchangeType, payloads ...message.Payload) *message.Notify {
	l.w.t.Helper()
	answer := l.ask(kind, payloads...)
	n := message.ErrorNotify(answer)
	require.NotNil(l.w.t, n, "%v", answer)
	require.Equal(l.w.t, with, n.Type)
	return n
}

func uint32Octets(v uint32) []byte { return binary.BigEndian.AppendUint32(nil, v) }

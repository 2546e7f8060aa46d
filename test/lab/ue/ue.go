// SPDX-License-Identifier: Apache-2.0

// Package ue is the lab's UE on untrusted WLAN: IKEv2 with EAP-5G and MOBIKE as initiator, 5GS registration and PDU sessions by real NAS over
// TCP in the signalling SA, and user data as GRE in user-plane child SAs. It sits on the same IKEv2 engine and ESP data plane as the N3IWF,
// which are judged by foreign peers elsewhere; its NAS and keys are its own. One goroutine owns the UE; calls from outside are tasks for it.
package ue

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/open-n3iwf/n3iwf/ikev2"
	"github.com/open-n3iwf/n3iwf/ikev2/message"
	"github.com/open-n3iwf/n3iwf/ikev2/suite"
	"github.com/open-n3iwf/n3iwf/nwu"
	"github.com/open-n3iwf/n3iwf/nwu/eap5g"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec"
	tcp "github.com/open-n3iwf/n3iwf/nwu/nas"
	"github.com/open-n3iwf/n3iwf/test/lab/nas"
	"github.com/open-n3iwf/n3iwf/test/lab/nas/aka"
	"github.com/open-n3iwf/n3iwf/test/lab/nas/security"
)

// Options say who the UE is and where it finds the N3IWF. Zero values of the ports are 500 and 4500.
type Options struct {
	Subscriber Subscriber
	// Local is the UE's outer address, N3IWF the network's.
	Local, N3IWF        netip.Addr
	LocalIKE, LocalNATT uint16 // local ports
	IKEPort, NATTPort   uint16 // the N3IWF's ports
	// Authority verifies the N3IWF's certificate; nil sends no CERTREQ and trusts K_N3IWF alone (TS 33.501 7.2.1).
	Authority *x509.Certificate
	// N3IWFIdentity is what the certificate must name when Authority is given.
	N3IWFIdentity string
	// PPK is a post-quantum preshared key (RFC 8784), or nil.
	PPK *ikev2.PPKPolicy
	// Profile of IKE algorithms; empty is the default one.
	Profile string
	// Kernel is the interface number of a data plane in the kernel; 0 is ESP in this process.
	Kernel uint32
	// Inner IPv6 is asked for too.
	InnerIPv6 bool
	NoMOBIKE  bool
	// FragmentSize is the largest IKE message that is sent whole (RFC 7383); 0 is the default of ikev2.
	FragmentSize int
	// Emergency registers for emergency services (TS 24.501 5.5.1.2.6), with that establishment cause.
	Emergency bool
	// InitialContact says in the first IKE_AUTH request that the UE has no other IKE SA.
	InitialContact bool
	// RefuseChild may refuse a user-plane child SA with a notify; nil takes all.
	RefuseChild func(info *nwu.QoSInfo) message.NotifyType
	// RefuseChange may refuse what a child SA is to carry from now on; nil takes all.
	RefuseChange func(info *nwu.QoSInfo) message.NotifyType
	// SessionType of PDU sessions, IPv4 or IPv4v6; 0 is IPv4.
	SessionType nas.SessionType
	// Switch lets the UE follow SWITCH_TO_IP_ADDRESS; nil does not.
	Switch *ikev2.SwitchExtension
	// TestPathsAfter lets the UE look for another address of the N3IWF after so many repetitions in vain; 0 does not.
	TestPathsAfter int
	// ChildSPI chooses the SPIs of what the UE receives, for tests of UEs that choose the same ones; nil leaves it to the data plane.
	ChildSPI func() uint32
	// Gateways are further N3IWFs; Return makes the UE come back by itself, at one of them or at the same, when its N3IWF does not answer any more.
	Gateways []netip.Addr
	Return   bool
	// Redirectable lets the N3IWF send the UE to another one (RFC 5685).
	Redirectable bool
	// GiveUp is how long the N3IWF may leave a request without answer; 0 is minutes.
	GiveUp time.Duration
	// Liveness is the silence after which the UE asks the N3IWF for a sign of life; 0 is 20 s.
	Liveness time.Duration
	KeyLog   ikev2.KeyLogger
	// Lifetime is when the UE rekeys by itself; its zero value: never.
	Lifetime ikev2.Lifetimes
	// HoldNAS keeps the UE from opening its NAS connection until it is closed; nil does not.
	HoldNAS <-chan struct{}
	// Tamper may replace what the UE sends over NAS-TCP: it gets each inner IP packet and gives what is sent instead, nil for nothing.
	Tamper func(inner []byte) []byte
	// HearNAS is shown each NAS message that comes over TCP, in the UE's goroutine; nil is not.
	HearNAS func(pdu []byte)
	// TamperEAP may replace the EAP packets that the UE sends.
	TamperEAP func(packet []byte) []byte
	// Step is told each step of registration and session set-up as it happens; nil is silent.
	Step   func(name string)
	Logger *slog.Logger
}

// UE is one UE.
type UE struct {
	o         Options
	log       *slog.Logger
	dataPlane dataPlane
	nas       *tcp.Client
	mail      chan func()
	quit      chan struct{}
	quitOnce  sync.Once
	running   sync.WaitGroup

	// Owned by the run goroutine.
	session   *ikev2.Session
	deadline  time.Time
	outputs   ikev2.Outputs
	eap       eap5g.Peer
	security  *security.Context
	kamf      aka.Key
	ksi       uint8
	kN3IWF    []byte
	initial   func() ([]byte, error) // the first NAS message of the IKE SA; nil: a registration without context
	guti      []byte
	inner     [2]netip.Addr
	netNAS    netip.AddrPort
	follow    *ikev2.Redirected // the N3IWF has sent the UE elsewhere
	away      bool              // it is coming back
	leaving   bool              // the UE has deregistered
	returning bool              // it begins anew, and the end of the former IKE SA is no event
	wanted    []SessionRequest
	nasUp     bool
	mobike    bool // the N3IWF supports it
	// nasWaiting are protected messages that wait for the NAS connection.
	nasWaiting [][]byte
	children   map[ipsec.ChildID]*child
	nextChild  ipsec.ChildID
	sessions   map[uint8]*Session
	pti        uint8
	closedErr  error
	ended      chan error // why the IKE SA ended, when the UE does not come back by itself
	waiters    waiters
	move       chan error
	moveTo     ikev2.Path
	movedAt    time.Time
	probed     chan error
	rekey      rekeys

	signalling  atomic.Pointer[ipsec.Handle]
	receive     atomic.Pointer[func(psi, qfi uint8, pdu []byte)]
	path        atomic.Pointer[ikev2.Path]
	routability atomic.Uint64
	returned    atomic.Uint64
}

// waiters are the calls that wait for a procedure to end.
type waiters struct {
	registered   chan error
	deregistered chan error
	session      map[uint8]chan error
	released     map[uint8]chan error
}

// New opens the UE's sockets.
func New(o Options) (*UE, error) {
	def := func(p *uint16, v uint16) {
		if *p == 0 {
			*p = v
		}
	}
	def(&o.LocalIKE, 500)
	def(&o.LocalNATT, 4500)
	def(&o.IKEPort, 500)
	def(&o.NATTPort, 4500)
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Step == nil {
		o.Step = func(string) {}
	}
	u := &UE{
		o: o, log: o.Logger, mail: make(chan func(), 256), quit: make(chan struct{}), ended: make(chan error, 1),
		children: map[ipsec.ChildID]*child{}, sessions: map[uint8]*Session{},
		waiters: waiters{session: map[uint8]chan error{}, released: map[uint8]chan error{}},
	}
	var err error
	u.nas, err = tcp.NewClient(tcp.Options{Out: u.nasOut(), Events: nasEvents{u}, Logger: u.log})
	if err != nil {
		return nil, err
	}
	if u.dataPlane, err = u.openDataPlane(); err != nil {
		return nil, errors.Join(err, u.nas.Close())
	}
	u.running.Go(u.run)
	return u, nil
}

// Close ends everything without telling the network; Deregister before for a clean end.
func (u *UE) Close() error {
	u.quitOnce.Do(func() { close(u.quit) })
	u.running.Wait()
	return errors.Join(u.dataPlane.Close(), u.nas.Close())
}

func (u *UE) run() {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		wait := time.Hour
		if !u.deadline.IsZero() {
			wait = max(0, time.Until(u.deadline))
		}
		timer.Reset(wait)
		select {
		case <-u.quit:
			return
		case task := <-u.mail:
			task()
		case <-timer.C:
			if u.session != nil && !u.deadline.IsZero() && !time.Now().Before(u.deadline) {
				u.apply(u.session.Timeout(time.Now()))
			}
		}
	}
}

// post gives a task to the owner.
func (u *UE) post(task func()) {
	select {
	case u.mail <- task:
	case <-u.quit:
	}
}

// await posts a task that takes a channel for its outcome, and waits for that.
func (u *UE) await(ctx context.Context, what string, task func(done chan error)) error {
	done := make(chan error, 1)
	u.post(func() {
		if u.closedErr != nil {
			done <- u.closedErr
			return
		}
		task(done)
	})
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("%s: %w", what, ctx.Err())
	case <-u.quit:
		return fmt.Errorf("%s: the UE was closed", what)
	}
}

// Register runs IKE, EAP-5G and the 5GS registration until Registration Complete is sent.
func (u *UE) Register(ctx context.Context) error {
	return u.await(ctx, "registration", func(done chan error) {
		u.waiters.registered = done
		if err := u.start(); err != nil {
			u.waiters.registered = nil
			done <- err
		}
	})
}

func (u *UE) start() error {
	name := u.o.Profile
	if name == "" {
		name = suite.ProfileDefault
	}
	profile, err := suite.ByName(name)
	if err != nil {
		return err
	}
	options := ikev2.Options{
		IKE: profile.IKE, ESP: profile.ESP, Rand: rand.Reader, EAP: true, NoMOBIKE: u.o.NoMOBIKE, Lifetime: u.o.Lifetime, HonestNAT: true,
		FragmentSize: u.o.FragmentSize,
		NewChildSPI:  u.newChildSPI, ReleaseChildSPI: u.dataPlane.ReleaseSPI,
		Identity:    ikev2.Identity{Type: message.ID_KEY_ID, Data: randomIdentity()},
		AcceptChild: u.acceptChild, AcceptInfo: u.acceptInfo, KeyLog: u.o.KeyLog, Liveness: cmp.Or(u.o.Liveness, 20*time.Second),
		PPK: u.o.PPK, Switch: u.o.Switch, TestPathsAfter: u.o.TestPathsAfter,
		Retransmit: ikev2.Retransmission{First: 500 * time.Millisecond, Factor: 1.5, Max: 5 * time.Second, GiveUp: u.o.GiveUp}, Patience: u.o.GiveUp,
	}
	if u.o.Authority != nil {
		options.Verify = ikev2.NewCertificateVerifier(u.o.Authority)
	}
	config := []message.ConfigAttribute{{Type: message.INTERNAL_IP4_ADDRESS}}
	all := []message.TrafficSelector{anyIPv4}
	if u.o.InnerIPv6 {
		config = append(config, message.ConfigAttribute{Type: message.INTERNAL_IP6_ADDRESS})
		all = append(all, anyIPv6)
	}
	want := ikev2.InitiatorOptions{
		InitialContact: u.o.InitialContact,
		Child:          ikev2.ChildRequest{LocalTS: all, RemoteTS: all, Tag: u.newChild(nil)},
		Config:         &message.Configuration{Type: message.CFG_REQUEST, Attributes: config},
		NATTPath: ikev2.Path{
			Local:  netip.AddrPortFrom(u.o.Local, u.o.LocalNATT),
			Remote: netip.AddrPortFrom(u.o.N3IWF, u.o.NATTPort), NATT: true,
		},
	}
	want.AcceptRedirect = u.o.Redirectable
	if u.follow != nil {
		if want, err = u.follow.Follow(time.Now(), want); err != nil {
			return err
		}
		u.follow = nil
	}
	if u.o.N3IWFIdentity != "" {
		want.Peer = ikev2.Identity{Type: message.ID_FQDN, Data: []byte(u.o.N3IWFIdentity)}
	}
	path := ikev2.Path{Local: netip.AddrPortFrom(u.o.Local, u.o.LocalIKE), Remote: netip.AddrPortFrom(u.o.N3IWF, u.o.IKEPort)}
	u.path.Store(&path)
	var out ikev2.Output
	u.session, out = ikev2.NewInitiator(time.Now(), options, want, path)
	u.apply(out)
	return nil
}

// newChildSPI takes an SPI that leads to the data plane's only worker.
func (u *UE) newChildSPI() (uint32, error) {
	if u.o.ChildSPI == nil {
		return u.dataPlane.NewInboundSPI(0)
	}
	spi := u.o.ChildSPI()
	return spi, u.dataPlane.ReserveSPI(spi)
}

// randomIdentity is IDi: random, so that it names nobody (TS 24.502 7.3.2.1).
func randomIdentity() []byte {
	b := make([]byte, 16)
	_, _ = rand.Read(b) // never fails
	return b
}

var (
	anyIPv4 = message.TrafficSelector{EndPort: 65535, Start: netip.AddrFrom4([4]byte{}), End: netip.AddrFrom4([4]byte{255, 255, 255, 255})}
	anyIPv6 = message.TrafficSelector{EndPort: 65535, Start: netip.IPv6Unspecified(), End: netip.AddrFrom16([16]byte{
		255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
	})}
)

// apply does what the session wants; see the same method of the N3IWF's UE context for the order.
func (u *UE) apply(out ikev2.Output) {
	u.outputs.Do(out, u.carryOut)
}

func (u *UE) carryOut(out ikev2.Output) {
	u.deadline = out.Deadline
	for _, w := range out.Work {
		w.Run()
		u.apply(u.session.Done(time.Now(), w))
	}
	for _, ev := range out.Events {
		u.event(ev)
	}
	for _, d := range out.Datagrams {
		u.send(d)
	}
}

func (u *UE) send(d ikev2.Datagram) {
	var err error
	if d.Keepalive {
		err = u.dataPlane.SendKeepalive(ipsec.Path(d.Path))
	} else {
		err = u.dataPlane.SendIKE(ipsec.Path(d.Path), d.Data)
	}
	if err != nil {
		u.log.Debug("IKE message not sent", slog.String("path", d.Path.String()), slog.Any("error", err))
	}
}

// event handles what happens in the IKE session.
func (u *UE) event(ev ikev2.Event) {
	switch ev := ev.(type) {
	case ikev2.EAPReceived:
		u.receiveEAP(ev.Packet)
	case ikev2.Established:
		u.established(ev)
	case ikev2.ChildUp:
		u.childUp(ev)
	case ikev2.ChildFailed:
		u.failRegistration(fmt.Errorf("no signalling SA: %w", ev.Err)) // the UE asks for no other one
	case ikev2.ChildSwitched:
		u.childSwitched(ev)
	case ikev2.ChildDown:
		u.childDown(ev)
	case ikev2.RekeyFailed:
		u.rekeyFailed(ev)
	case ikev2.SPIChanged:
		u.ikeRekeyed()
	case ikev2.PathChanged:
		u.path.Store(&ev.New)
	case ikev2.ChildrenMoved:
		u.moveChildren(ev.Path)
	case ikev2.MoveDone:
		u.moved(ev.Path, nil)
	case ikev2.MoveRefused:
		u.moved(ev.Path, ev.Err)
	case ikev2.InfoReceived:
		u.rebindFlows(ev.Notifies)
	case ikev2.RoutabilityAnswered:
		u.routability.Add(1)
	case ikev2.Alive:
		if u.probed != nil {
			u.probed <- nil
			u.probed = nil
		}
	case ikev2.Redirected:
		u.redirected(ev)
	case ikev2.Closed:
		u.closed(ev)
	}
}

// BackoffError says that the N3IWF refused the UE and told it to stay away for a time (N3GPP_BACKOFF_TIMER, TS 24.502 7.3.2.1).
type BackoffError struct {
	Wait   time.Duration
	Reason error
}

func (e *BackoffError) Error() string { return fmt.Sprintf("%v; try again after %s", e.Reason, e.Wait) }

func (e *BackoffError) Unwrap() error { return e.Reason }

// Ended tells, once, why the IKE SA has ended when the UE does not come back by itself.
func (u *UE) Ended() <-chan error { return u.ended }

// closed ends all waiting calls.
func (u *UE) closed(ev ikev2.Closed) {
	err := ev.Reason
	if err == nil {
		err = errors.New("the IKE SA ended")
	}
	var notify *ikev2.NotifyError
	if errors.As(err, &notify) {
		if name := nwu.NotifyName(uint16(notify.Type)); name != "" {
			err = fmt.Errorf("%s (%w)", name, err)
		}
	}
	for _, n := range ev.Notifies {
		if n.Type == nwu.NotifyBackoffTimer {
			if wait, ok := nwu.ParseBackoffTimer(n.Data); ok {
				err = &BackoffError{Wait: wait, Reason: err}
			}
		}
	}
	if u.returning {
		return
	}
	u.closedErr = fmt.Errorf("IKE SA: %w", err)
	returns := (u.waiters.registered == nil || u.follow != nil) && u.comeBack(ev.ByPeer)
	if !returns {
		select {
		case u.ended <- u.closedErr:
		default:
		}
	}
	u.o.Step("IKE SA ended")
	u.forgetSA()
	finish := func(c *chan error, err error) {
		if *c != nil {
			*c <- err
			*c = nil
		}
	}
	finish(&u.waiters.registered, u.closedErr)
	finish(&u.waiters.deregistered, nil)
	finish(&u.move, u.closedErr)
	finish(&u.probed, u.closedErr)
	finish(&u.rekey.children, u.closedErr)
	finish(&u.rekey.ike, u.closedErr)
	for _, m := range []map[uint8]chan error{u.waiters.session, u.waiters.released} {
		for psi, c := range m {
			c <- u.closedErr
			delete(m, psi)
		}
	}
}

// SPDX-License-Identifier: Apache-2.0

package n3iwf

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/open-n3iwf/n3iwf/ikev2"
	"github.com/open-n3iwf/n3iwf/n3iwf/succession"
	"github.com/open-n3iwf/n3iwf/ngap"
	"github.com/open-n3iwf/n3iwf/ngap/transport"
)

// successionOld is the predecessor's part.
type successionOld struct {
	offered chan *succession.Listener
	turn    chan struct{} // one successor at a time
	quiet   atomic.Bool   // IKE_SA_INIT requests stay without answer: a successor is coming, which hears them when they are repeated
	// dispatch is held for reading while an NGAP message is dealt with.
	dispatch sync.RWMutex
	heir     atomic.Pointer[succession.Link] // that has begun
	heirPID  int
	gone     chan struct{} // closed when a successor has begun
}

const (
	// quietLook is how often it is looked whether all UEs can go on.
	quietLook = 20 * time.Millisecond
	// standstill bounds the time in which IKE, NAS and NGAP wait.
	standstill = 30 * time.Second
	// freezeTime is how long what is in work may take to come to rest.
	freezeTime = 5 * time.Second
	// answerTime is how long the successor may take to prepare.
	answerTime = 30 * time.Second
	// turnTime is how long one waits that comes while another one is there, perhaps about to end.
	turnTime = 5 * time.Second
	// releaseTries is how often timers.release may pass until a UE is gone: the AMF is asked twice.
	releaseTries = 3
	// namedUEs bounds how many UEs are named that keep a successor waiting.
	namedUEs = 10
)

// OfferSuccession lets another process of the same user go on in the place of this one, over a socket at that path, while Serve runs. Called again, it
// is at the latest path only.
func (nf *N3IWF) OfferSuccession(path string) error {
	l, err := succession.Listen(path)
	if err != nil {
		return err
	}
	if !nf.offer(l) {
		return l.Close()
	}
	return nil
}

// WithdrawSuccession ends that.
func (nf *N3IWF) WithdrawSuccession() { nf.offer(nil) }

// offer leaves the latest listener to awaitSuccessor, nil for none. It waits for nobody, as a reload may be before Serve. False: Serve is ending.
func (nf *N3IWF) offer(l *succession.Listener) bool {
	for {
		select {
		case nf.old.offered <- l:
			return true
		case former := <-nf.old.offered: // that nobody listens at yet
			if former != nil {
				_ = former.Close()
			}
		case <-nf.quit:
			return false
		}
	}
}

// Successor is the process that has gone on in the place of this one when Serve has returned; 0: none.
func (nf *N3IWF) Successor() int { return nf.old.heirPID }

// Depart tells the successor, if there is one, that this process has nothing any more that it would need: see Alone. It follows Serve.
func (nf *N3IWF) Depart() error {
	if link := nf.old.heir.Load(); link != nil {
		return link.Close()
	}
	return nil
}

// awaitSuccessor serves the socket of OfferSuccession until inner ends. A succession that is under way when ctx ends comes to nothing.
func (nf *N3IWF) awaitSuccessor(ctx, inner context.Context) {
	nf.running.Go(func() {
		end := func() {}
		for {
			select {
			case <-inner.Done():
				end()
				return
			case l := <-nf.old.offered:
				end()
				end = func() {}
				if l != nil {
					end = func() { _ = l.Close() } // then Accept returns
					nf.running.Go(func() { nf.acceptSuccessors(ctx, l) })
				}
			}
		}
	})
}

func (nf *N3IWF) acceptSuccessors(ctx context.Context, l acceptor) {
	wait := acceptPause
	for {
		link, err := l.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil: // too many open files, say: that passes
			nf.log.Error("no other process can take over for now; it is tried again", slog.Any("error", err), slog.Duration("in", wait))
			select {
			case <-nf.quit:
				return
			case <-time.After(wait):
			}
			wait = min(2*wait, maxAcceptPause)
			continue
		}
		wait = acceptPause
		nf.running.Go(func() { nf.meetSuccessor(ctx, link) })
	}
}

// acceptor is a succession.Listener.
type acceptor interface {
	Accept() (*succession.Link, error)
}

const (
	acceptPause    = time.Second
	maxAcceptPause = 30 * time.Second
)

// meetSuccessor hands everything on, or nothing.
func (nf *N3IWF) meetSuccessor(ctx context.Context, link *succession.Link) {
	select {
	case nf.old.turn <- struct{}{}:
		defer func() { <-nf.old.turn }()
	case <-time.After(turnTime):
		_ = link.Say(ctx, sayRefusal, refusalOfAll{Why: "another process is about to take over"}) // it hears of it in any case: the link ends
		_ = link.Close()
		return
	}
	begin := time.Now()
	err := nf.handAllOnGuarded(ctx, link)
	if err == nil {
		return
	}
	if !errors.Is(err, errNobody) {
		nf.log.Error("another process was to take over; this one goes on", slog.Any("error", err), slog.Duration("after", time.Since(begin).Round(time.Millisecond)))
		_ = link.Say(ctx, sayRefusal, refusalFor(err)) // when it is still there
	}
	_ = link.Close()
}

// handAllOnGuarded lets a defect end nothing but the succession: all UEs are still here.
func (nf *N3IWF) handAllOnGuarded(ctx context.Context, link *succession.Link) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = nf.defect(r)
		}
	}()
	return nf.handAllOn(ctx, link)
}

func (nf *N3IWF) defect(reason any) error {
	nf.counters.Panics.Add(1)
	nf.log.Error("defect in the handing on to another process", slog.Any("panic", reason), slog.String("stack", string(debug.Stack())))
	return fmt.Errorf("a defect of the running process: %v", reason)
}

// errNobody is about one that only looked.
var errNobody = errors.New("nobody is there")

// handAllOn is the whole succession, as the predecessor sees it.
func (nf *N3IWF) handAllOn(ctx context.Context, link *succession.Link) error {
	hello, err := nf.welcome(ctx, link)
	if err != nil {
		return err
	}
	if err := nf.newSessionKey(); err != nil {
		return err
	}
	nf.log.Info("another process is to take over", slog.Int("pid", link.PID()), slog.String("program", hello.Program), slog.Duration("patience", hello.Patience))
	if link.PID() == 0 {
		nf.log.Warn("the other process is in another PID namespace: if it hangs, it cannot be killed from here")
	}
	amfs := nf.connectedAMFs()
	if err := nf.letPrepare(ctx, link, amfs); err != nil {
		return err
	}
	nf.old.quiet.Store(true)
	defer nf.old.quiet.Store(false)
	defer nf.unquietAll() // of those that are still here
	contexts, thaw, err := nf.standStill(ctx, hello, amfs)
	if err != nil {
		return err
	}
	defer thaw()
	if err := nf.bequeathTo(ctx, link, amfs, contexts); err != nil {
		nf.reclaim(link, err)
		return err
	}
	// From here on the successor may have begun: this process does nothing any more but what the other one asks for, and goes on only when that is dead
	// before it has begun.
	err = link.Say(context.WithoutCancel(ctx), sayGo, nil)
	if err == nil {
		err = nf.hearBegun(link)
	}
	if err != nil {
		err = fmt.Errorf("the other process ended before it began: %w", err)
		nf.reclaim(link, err)
		return err
	}
	nf.old.heirPID = link.PID()
	nf.old.heir.Store(link)
	nf.log.Info("another process has taken over", slog.Int("pid", link.PID()), slog.Int("ues", len(contexts)))
	return nil
}

// hearBegun waits for a successor that may begin. One that hangs has not begun, but could at any time; it is killed, so that either begins or goes on.
func (nf *N3IWF) hearBegun(link *succession.Link) error {
	for {
		m, err := hear(context.Background(), link, sayBegun, answerTime)
		m.Close()
		if !errors.Is(err, context.DeadlineExceeded) {
			return err
		}
		nf.log.Error("the other process neither begins nor ends; it is killed", slog.Int("pid", link.PID()))
		expired, cancel := context.WithCancel(context.Background())
		cancel()
		kerr := link.Outlive(expired)
		if kerr == nil {
			return err
		}
		nf.log.Error("the other process is still there, and this one must not go on beside it: UEs wait until somebody ends it", slog.Int("pid", link.PID()), slog.Any("error", kerr))
	}
}

// reclaim lets a successor end that has not begun, by force when it hangs: it would write into the kernel when it goes on. What it may have done is undone.
func (nf *N3IWF) reclaim(link *succession.Link, why error) {
	ctx, cancel := context.WithTimeout(context.Background(), freezeTime)
	defer cancel()
	if link.Say(ctx, sayRefusal, refusalFor(why)) == nil || ctx.Err() != nil {
		if err := link.Outlive(ctx); err != nil {
			nf.log.Error("the other process may still be there; it must not go on: kill it", slog.Int("pid", link.PID()), slog.Any("error", err))
		}
	}
	if u := nf.userPlane.kernel; u != nil {
		if err := u.Restore(); err != nil {
			nf.log.Error("user packets are forwarded in the kernel as another process has left it", slog.Any("error", err))
		}
	}
}

// hear receives a message of that kind.
func hear(ctx context.Context, link *succession.Link, kind uint8, limit time.Duration) (succession.Message, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	m, err := link.Receive(ctx)
	switch {
	case err != nil:
		return m, fmt.Errorf("the other process is not there any more: %w", err)
	case m.Kind == sayRefusal:
		var r refusalOfAll
		if err := m.Decode(&r); err != nil {
			return m, err
		}
		return m, r.err()
	case m.Kind != kind:
		return m, fmt.Errorf("the other process said %d in place of %d", m.Kind, kind)
	}
	return m, nil
}

// welcome judges who has come.
func (nf *N3IWF) welcome(ctx context.Context, link *succession.Link) (hello successorHello, err error) {
	m, err := hear(ctx, link, sayHello, answerTime)
	if err != nil {
		return hello, fmt.Errorf("%w: %w", errNobody, err)
	}
	if err := m.Decode(&hello); err != nil {
		return hello, err
	}
	keys := different(nf.shape(), hello.Shape)
	switch {
	case hello.Version != successionVersion:
		return hello, fmt.Errorf("the running process is of a version that hands its UEs on in another way (%d, asked for %d): restart", successionVersion, hello.Version)
	case nf.old.heir.Load() != nil:
		return hello, errors.New("another process has just taken over; try again")
	case !nf.nodes.alone():
		return hello, errors.New("this is a node of a cluster: drain it to another node, and restart it")
	case nf.stopping.Load():
		return hello, errors.New("the running process is shutting down")
	case nf.drainTo.Load() != 0:
		return hello, errors.New("the running process is being drained; undrain it first")
	case nf.succession == nil:
		return hello, errors.New("the running process has a data plane that cannot be handed on: restart")
	case len(keys) > 0:
		return hello, &otherShape{keys}
	}
	return hello, nil
}

// connectedAMFs are those with an NG connection. The others are the successor's to connect to.
func (nf *N3IWF) connectedAMFs() (list []*ngConnection) {
	for _, a := range nf.amfs.get() {
		if ng := a.ng.Load(); ng != nil {
			list = append(list, ng)
		}
	}
	return list
}

// letPrepare tells the successor of the associations that it has to make anew.
func (nf *N3IWF) letPrepare(ctx context.Context, link *succession.Link, amfs []*ngConnection) error {
	var list []amfWill
	for _, ng := range amfs {
		w := amfWill{AMF: ng.amf.key(), Name: ng.name()}
		w.TNLAs, _ = ng.tnlaWills()
		list = append(list, w)
	}
	if err := link.Say(ctx, sayAssociations, list); err != nil {
		return err
	}
	_, err := hear(ctx, link, sayPrepared, answerTime)
	return err
}

// standStill waits until all UEs can go on elsewhere, and stops. The result is their contexts, and what lets everything go on.
func (nf *N3IWF) standStill(ctx context.Context, hello successorHello, amfs []*ngConnection) (contexts []*ueContext, thaw func(), err error) {
	deadline := time.Now().Add(hello.Patience)
	released, dropped := false, false
	told := time.Now()
	for {
		late := time.Now().After(deadline)
		busy := nf.quietAll(ctx, late, hello.Patience)
		if len(busy) == 0 {
			var f *frozen
			if f, err = nf.freeze(ctx); err != nil {
				return nil, nil, err
			}
			if contexts, busy = f.contexts(amfs); len(busy) == 0 {
				return contexts, f.thaw, nil
			}
			f.thaw()
		}
		if time.Since(told) > time.Second {
			told = time.Now()
			nf.log.Info("another process waits for what is under way", slog.Any("for", first(busy)), slog.Int("count", len(busy)))
		}
		switch {
		case !late:
		case hello.Force && !released:
			released = true
			nf.log.Warn("UEs that cannot go on in the other process are released", slog.Any("ues", first(busy)), slog.Int("count", len(busy)))
			nf.releaseBusy(busy)
			deadline = time.Now().Add(releaseTries * nf.live().Timers.Release)
		case !dropped && slices.ContainsFunc(busy, func(b obstacle) bool { return b.what == registering }):
			dropped = true // a moment ago
			deadline = time.Now().Add(releaseTries * nf.live().Timers.Release)
		default:
			return nil, nil, fmt.Errorf("%d UEs or connections cannot go on in another process within %s: %s; try again, or let them be released (--force)",
				len(busy), hello.Patience, strings.Join(first(busy), "; "))
		}
		select {
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		case <-time.After(quietLook):
		}
	}
}

// obstacle is a UE, or with UE 0 something else, that is not ready.
type obstacle struct {
	ue   uint32
	what string
}

func first(list []obstacle) (out []string) {
	for _, b := range list[:min(len(list), namedUEs)] {
		if b.ue == 0 {
			out = append(out, b.what)
			continue
		}
		out = append(out, fmt.Sprintf("UE %d: %s", b.ue, b.what))
	}
	if len(list) > namedUEs {
		out = append(out, "...")
	}
	return out
}

// quietAll asks all UEs to come to rest, and tells those that have not. Late, UEs that have not registered yet are dropped: they begin anew.
func (nf *N3IWF) quietAll(ctx context.Context, late bool, patience time.Duration) (busy []obstacle) {
	for _, o := range nf.owners {
		list, _ := ask(ctx, o, func() (list []obstacle, _ struct{}) {
			for _, u := range o.byRANID {
				o.guarded(u, func() {
					if what := u.comeToRest(late, patience); what != "" {
						list = append(list, obstacle{u.ranID, what})
					}
				})
			}
			return list, struct{}{}
		})
		busy = append(busy, list...)
	}
	slices.SortFunc(busy, func(a, b obstacle) int { return int(a.ue) - int(b.ue) })
	return busy
}

// registering is what keeps a UE that is not up yet.
const registering = "its registration"

// comeToRest says why the UE cannot go on elsewhere yet; "": it can.
func (u *ue) comeToRest(late bool, patience time.Duration) string {
	if u.state != stateUp && u.state != stateReleasing {
		if late {
			u.log.Info("UE has not registered in time for the other process; it begins anew", slog.String("state", u.state.String()))
			u.abandon(ngap.CauseRadioNetworkUnspecified.Cause())
		}
		return registering
	}
	what := u.procedure()
	if what == "" && u.relocation != nil {
		what = "a move that was asked for"
	}
	if what != "" {
		u.endRest() // so that it can come to its end
		return what
	}
	if u.departure == nil {
		u.departure = &departure{inPlace: true, nasUntil: time.Now().Add(patience / 2)}
		u.leaveNAS()
		u.apply(u.session.Quiesce(time.Now()))
	}
	return u.unfinished()
}

// endRest takes comeToRest back.
func (u *ue) endRest() {
	if u.departure == nil || !u.departure.inPlace {
		return
	}
	u.departure = nil
	if attempt := u.nf.nas.Stay(u.nasAddr()); len(attempt) > 0 {
		u.nf.nas.Input(attempt)
	}
	u.apply(u.session.Resume(time.Now()))
}

func (nf *N3IWF) unquietAll() {
	if nf.old.heir.Load() == nil {
		nf.eachUE(func(u *ue) { u.endRest() })
	}
}

// releaseBusy releases UEs in good order.
func (nf *N3IWF) releaseBusy(list []obstacle) {
	for _, b := range list {
		o := nf.ownerOfRAN(b.ue)
		o.mail.post(func() {
			if u := o.byRANID[b.ue]; u != nil {
				o.guarded(u, func() {
					u.endRest()
					u.requestRelease(ngap.CauseMiscOmIntervention.Cause())
					u.endIKE()
				})
			}
		})
	}
}

// frozen is an N3IWF that stands still: nothing is received, and the owners do nothing.
type frozen struct {
	nf     *N3IWF
	halted []transport.Heritable
	let    chan struct{} // closed: the owners go on
	once   sync.Once
}

// freeze stops. What has come is dealt with before.
func (nf *N3IWF) freeze(ctx context.Context) (f *frozen, err error) {
	ctx, cancel := context.WithTimeout(ctx, freezeTime)
	defer cancel()
	f = &frozen{nf: nf, let: make(chan struct{})}
	for _, ng := range nf.connectedAMFs() {
		for _, t := range ng.links() {
			h, ok := t.association.(transport.Heritable)
			if !ok {
				continue
			}
			if err := h.Pause(ctx); err != nil {
				f.resume()
				return nil, fmt.Errorf("association with AMF %s: %w", ng.name(), err)
			}
			f.halted = append(f.halted, h)
		}
	}
	nf.old.dispatch.Lock()
	if err := nf.succession.Pause(ctx); err != nil {
		nf.old.dispatch.Unlock()
		f.resume()
		return nil, fmt.Errorf("data plane: %w", err)
	}
	if err := nf.relay.Pause(ctx); err != nil {
		nf.succession.Resume()
		nf.old.dispatch.Unlock()
		f.resume()
		return nil, fmt.Errorf("N3: %w", err)
	}
	if u := nf.userPlane.kernel; u != nil {
		u.Pause()
	}
	arrived := make(chan struct{}, len(nf.owners))
	for _, o := range nf.owners {
		o.mail.post(func() {
			arrived <- struct{}{}
			<-f.let
			if nf.old.heir.Load() != nil { // its UEs are not to be touched any more
				o.mail.close()
				runtime.Goexit()
			}
		})
	}
	for range nf.owners {
		select {
		case <-arrived:
		case <-ctx.Done():
			f.thaw()
			return nil, errors.New("the owners of the UEs do not come to rest")
		}
	}
	return f, nil
}

func (f *frozen) resume() {
	for _, h := range f.halted {
		h.Resume()
	}
}

// thaw lets all go on, or when a successor has begun, come to its end.
func (f *frozen) thaw() {
	f.once.Do(func() {
		if f.nf.old.heir.Load() != nil {
			f.nf.giveUp(f.let)
			return
		}
		close(f.let)
		if u := f.nf.userPlane.kernel; u != nil {
			u.Resume()
		}
		f.nf.relay.Resume()
		f.nf.succession.Resume()
		f.nf.old.dispatch.Unlock()
		f.resume()
	})
}

// contexts are those of all UEs, or what still is under way.
func (f *frozen) contexts(amfs []*ngConnection) (list []*ueContext, busy []obstacle) {
	nf := f.nf
	defer func() {
		if r := recover(); r != nil {
			f.thaw()
			panic(r)
		}
	}()
	if now := nf.connectedAMFs(); !slices.Equal(now, amfs) {
		busy = append(busy, obstacle{0, "an NG connection has been lost or has come back"})
	}
	var up []*ue
	for _, o := range nf.owners {
		for _, u := range o.byRANID {
			c, what := u.bequestInPlace()
			if what != "" {
				busy = append(busy, obstacle{u.ranID, what})
				continue
			}
			list = append(list, c)
			up = append(up, u)
		}
	}
	for _, ng := range amfs {
		if what := ng.restless(); what != "" {
			busy = append(busy, obstacle{0, fmt.Sprintf("AMF %s: %s", ng.name(), what)})
		}
	}
	if len(busy) == 0 {
		for i, u := range up {
			list[i].NASAttempt = nf.nas.Stay(u.nasAddr())
		}
	}
	return list, busy
}

// unfinishedInPlace is unfinished of a UE that may not have been asked to come to rest.
func (u *ue) unfinishedInPlace() string {
	if u.state != stateUp {
		return "its registration or release"
	}
	if u.departure == nil || !u.departure.inPlace {
		return "it has just come"
	}
	return u.unfinished()
}

// bequestInPlace is bequest of a UE that may not be ready. A defect stands in the way of that UE, as anything else would.
func (u *ue) bequestInPlace() (c *ueContext, what string) {
	defer func() {
		if r := recover(); r != nil {
			c, what = nil, u.nf.defect(r).Error()
		}
	}()
	if what = u.unfinishedInPlace(); what != "" {
		return nil, what
	}
	if u.nasConn != nil { // the UE has not closed its side in time
		u.takeBack(u.nasConn.Undelivered(), true)
		u.nasConn = nil
	}
	return u.bequest()
}

// bequest is the UE for the successor; or what stands in the way.
func (u *ue) bequest() (*ueContext, string) {
	session, err := u.session.Snapshot(time.Now(), &u.nf.nodes.sessionKey, sessionBinding(u.ranID))
	if err != nil {
		var busy *ikev2.NotPortableError
		if errors.As(err, &busy) {
			return nil, busy.What
		}
		return nil, err.Error()
	}
	c := u.context(session)
	for id, child := range u.children {
		pairs, err := u.nf.succession.Bequest(id)
		if err != nil {
			return nil, err.Error()
		}
		c.Children = append(c.Children, child.context(pairs))
	}
	return c, ""
}

// bequeathTo says all that there is, and hears that the successor has it.
func (nf *N3IWF) bequeathTo(ctx context.Context, link *succession.Link, amfs []*ngConnection, contexts []*ueContext) error {
	w, files, err := nf.writeWill(amfs)
	defer func() {
		m := succession.Message{Files: files}
		m.Close()
	}()
	if err != nil {
		return err
	}
	w.UEs = len(contexts)
	ctx, cancel := context.WithTimeout(ctx, standstill)
	defer cancel()
	if err := link.Say(ctx, sayWill, w, files...); err != nil {
		return err
	}
	// The successor may refuse while it is still being told: the answer is waited for meanwhile.
	answer := make(chan error, 1)
	go func() {
		_, err := hear(ctx, link, sayReady, standstill)
		if err != nil {
			cancel()
		}
		answer <- err
	}()
	for _, c := range contexts {
		if err = link.Say(ctx, sayUE, c); err != nil {
			break
		}
	}
	if err == nil {
		err = link.Say(ctx, sayAll, nil)
	}
	if err != nil {
		cancel()
	}
	if said := <-answer; said != nil {
		return said
	}
	return err
}

// newSessionKey makes the key that sessions are written with for a successor: each one is told it.
func (nf *N3IWF) newSessionKey() error {
	_, err := rand.Read(nf.nodes.sessionKey[:])
	return err
}

// SPDX-License-Identifier: Apache-2.0

package n3iwf

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/open-n3iwf/n3iwf/n3iwf/succession"
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

// SPDX-License-Identifier: Apache-2.0

package transport

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/ishidawataru/sctp"
	"golang.org/x/sys/unix"

	"github.com/open-n3iwf/n3iwf/internal/halt"
)

// kernelQueue bounds the messages read and not yet received; beyond it the
// kernel's buffer fills and closes the window.
const kernelQueue = 256

// kernelAssociation is one connected socket with one reader.
type kernelAssociation struct {
	s             *kernelSocket
	o             Options
	local, remote Addr
	streams       int

	gate    *halt.Gate    // of the reader
	turn    chan struct{} // held by the one sender, who owns the write deadline
	queue   chan Message
	closing chan struct{} // this side has called Close or Abort
	done    chan struct{}
	loss    *LossError // set before done is closed

	once     sync.Once
	abort    sync.Once
	abortErr string
	aborted  atomic.Bool

	sent, received, octetsOut, octetsIn atomic.Uint64
	badPPID, tooLarge, pathChanges      atomic.Uint64

	// For Pause: messages put into queue, those that Receive has returned, its calls, and whether the reader has a part of a message.
	queued, taken, calls atomic.Uint64
	partial              atomic.Bool
	released             atomic.Bool // another process has it
}

// newKernelAssociation begins to read, unless it is shut.
func newKernelAssociation(s *kernelSocket, o Options, shut bool) (*kernelAssociation, error) {
	a := &kernelAssociation{
		s: s, o: o, gate: halt.New(s.file.SetReadDeadline, shut), turn: make(chan struct{}, 1), queue: make(chan Message, kernelQueue),
		closing: make(chan struct{}), done: make(chan struct{}),
	}
	err := s.control(func(fd int) error {
		c := sctp.NewSCTPConn(fd, nil)
		a.local, a.remote = fromKernelAddr(c.LocalAddr()), fromKernelAddr(c.RemoteAddr())
		st, err := c.GetStatus()
		if err == nil {
			a.streams = int(st.Ostreams)
		}
		return err
	})
	if err != nil {
		s.file.Close() //nolint:errcheck // the first error says more
		return nil, &LossError{Reason: ReasonSocket, Peer: a.remote, Err: err}
	}
	a.gate.Enter()
	go a.read()
	return a, nil
}

// read takes messages and notifications until the association ends.
func (a *kernelAssociation) read() {
	loss := a.readAll()
	loss.Peer = a.remote
	switch {
	case a.released.Load():
		loss = &LossError{Reason: ReasonClosed, Peer: a.remote}
	case a.aborted.Load():
		loss = &LossError{Reason: ReasonAborted, Peer: a.remote, Detail: a.abortErr}
	}
	a.loss = loss
	a.s.file.Close() //nolint:errcheck // there is nothing left on it
	a.gate.Leave()
	close(a.done)
}

func (a *kernelAssociation) readAll() *LossError {
	buf, oob := make([]byte, 64<<10), make([]byte, unix.CmsgSpace(sndRcvInfoLen)+64)
	whole := assembler{limit: a.o.MaxMessageSize}
	for {
		n, oobn, flags, err := a.recvmsg(buf, oob)
		switch {
		case err != nil:
			a.partial.Store(whole.buf != nil || whole.over)
			if a.gate.Passed(err) {
				return a.lossOf(err)
			}
			continue
		case flags&msgNotification != 0:
			if n, err := parseNotification(buf[:n]); err == nil {
				// It comes behind all data. Nothing need follow it: after a
				// shutdown from this side reading would just wait.
				if l := a.notice(n, &whole); l != nil {
					return l
				}
			}
			continue
		case n == 0 && oobn == 0:
			return &LossError{Reason: a.endReason()}
		}
		data, tooLarge := whole.add(buf[:n], flags&unix.MSG_EOR != 0)
		if tooLarge {
			a.tooLarge.Add(1)
		}
		if data == nil {
			continue
		}
		info, err := infoOf(oob[:oobn])
		if err != nil || info.ppid != PPID {
			a.badPPID.Add(1)
			continue
		}
		a.received.Add(1)
		a.octetsIn.Add(uint64(len(data)))
		a.queued.Add(1)
		select {
		case a.queue <- Message{Stream: info.stream, PPID: PPID, Data: data}:
		case <-a.closing:
			// Nobody may be receiving any more; the shutdown must go on.
			select {
			case a.queue <- Message{Stream: info.stream, PPID: PPID, Data: data}:
			default:
			}
		}
	}
}

func (a *kernelAssociation) endReason() Reason {
	select {
	case <-a.closing:
		return ReasonClosed
	default:
		return ReasonPeerShutdown
	}
}

func (a *kernelAssociation) lossOf(err error) *LossError {
	switch {
	case errors.Is(err, unix.ECONNRESET), errors.Is(err, unix.ECONNABORTED):
		return &LossError{Reason: ReasonPeerAbort, Err: err}
	case errors.Is(err, unix.EPIPE), errors.Is(err, unix.ESHUTDOWN): // sending into a shutdown
		return &LossError{Reason: a.endReason()}
	case errors.Is(err, unix.ETIMEDOUT):
		return &LossError{Reason: ReasonPeerGone, Err: err}
	case errors.Is(err, os.ErrClosed):
		return &LossError{Reason: a.endReason()}
	}
	return &LossError{Reason: ReasonSocket, Err: err}
}

// notice takes a notification; it returns what it says about the end.
func (a *kernelAssociation) notice(n notification, whole *assembler) *LossError {
	switch n.kind {
	case notePartialDelivery:
		whole.reset()
	case notePeerAddrChange:
		switch n.state {
		case addrMadePrimary:
			a.pathChanges.Add(1)
		case addrUnreachable:
			a.o.Logger.Warn("SCTP path to the peer does not answer", "peer", a.remote)
		}
	case noteAssocChange:
		switch n.state {
		case commLost:
			if len(n.info) > 0 {
				return &LossError{Reason: ReasonPeerAbort, Detail: describeCauses(n.info)}
			}
			if n.code == 0 { // nobody answers, or an ABORT gives no reason: that of a peer which does not know the association
				return a.lossOf(a.pendingError())
			}
			return &LossError{Reason: ReasonPeerAbort, Detail: causeNames[uint16(n.code)]}
		case commRestart:
			// The kernel carries on with the same socket; for NGAP this is the
			// loss of all state, so the association is given up (TS 38.412 7).
			a.closeSocket(true)
			return &LossError{Reason: ReasonPeerRestart}
		case shutdownComp:
			return &LossError{Reason: a.endReason()}
		}
	}
	return nil
}

// pendingError is what the kernel holds against the socket, ETIMEDOUT when it holds nothing.
func (a *kernelAssociation) pendingError() error {
	err := a.s.control(func(fd int) error {
		code, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
		if err == nil && code != 0 {
			err = unix.Errno(code)
		}
		return err
	})
	if err == nil {
		err = unix.ETIMEDOUT
	}
	return err
}

func (a *kernelAssociation) recvmsg(b, oob []byte) (n, oobn, flags int, err error) {
	var result error
	err = a.s.raw.Read(func(fd uintptr) bool {
		n, oobn, flags, _, result = unix.Recvmsg(int(fd), b, oob, 0)
		return !errors.Is(result, unix.EAGAIN) && !errors.Is(result, unix.EINTR)
	})
	if err == nil {
		err = result
	}
	return n, oobn, flags, err
}

func infoOf(oob []byte) (sndRcvInfo, error) {
	msgs, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return sndRcvInfo{}, err
	}
	for _, m := range msgs {
		if m.Header.Level == solSCTP && m.Header.Type == cmsgSndRcv {
			return parseSndRcvInfo(m.Data)
		}
	}
	return sndRcvInfo{}, errControl
}

// controlMessage wraps the information that goes with a message.
func controlMessage(i sndRcvInfo) []byte {
	b := make([]byte, unix.CmsgSpace(sndRcvInfoLen))
	h := (*unix.Cmsghdr)(unsafe.Pointer(&b[0]))
	h.Level, h.Type = solSCTP, cmsgSndRcv
	h.SetLen(unix.CmsgLen(sndRcvInfoLen))
	copy(b[unix.CmsgLen(0):], i.encode())
	return b
}

func (a *kernelAssociation) Send(ctx context.Context, stream uint16, data []byte) error {
	if int(stream) >= a.streams {
		return fmt.Errorf("stream %d of %d: %w", stream, a.streams, ErrStream)
	}
	if len(data) == 0 || len(data) > a.o.MaxMessageSize {
		return fmt.Errorf("%d octets, limit %d: %w", len(data), a.o.MaxMessageSize, ErrMessageSize)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case a.turn <- struct{}{}:
		defer func() { <-a.turn }()
	case <-ctx.Done():
		return ctx.Err()
	case <-a.done:
		return a.loss
	}
	a.s.file.SetWriteDeadline(time.Time{})                                                //nolint:errcheck // pollable by construction
	stop := context.AfterFunc(ctx, func() { a.s.file.SetWriteDeadline(time.Unix(1, 0)) }) //nolint:errcheck // pollable by construction
	defer stop()
	oob := controlMessage(sndRcvInfo{stream: stream, ppid: PPID})
	var result error
	err := a.s.raw.Write(func(fd uintptr) bool {
		_, result = unix.SendmsgN(int(fd), data, oob, nil, unix.MSG_NOSIGNAL)
		return !errors.Is(result, unix.EAGAIN) && !errors.Is(result, unix.EINTR)
	})
	if err == nil {
		err = result
	}
	switch {
	case err == nil:
		a.sent.Add(1)
		a.octetsOut.Add(uint64(len(data)))
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	}
	select {
	case <-a.done:
		return a.loss
	default:
		l := a.lossOf(err)
		l.Peer = a.remote
		return l
	}
}

func (a *kernelAssociation) Receive(ctx context.Context) (Message, error) {
	a.calls.Add(1)
	m, err := a.next(ctx)
	if err != nil {
		a.calls.Add(^uint64(0))
		return Message{}, err
	}
	a.taken.Add(1)
	return m, nil
}

func (a *kernelAssociation) next(ctx context.Context) (Message, error) {
	if err := ctx.Err(); err != nil {
		return Message{}, err
	}
	select {
	case m := <-a.queue:
		return m, nil
	case <-ctx.Done():
		return Message{}, ctx.Err()
	case <-a.done:
	}
	select {
	case m := <-a.queue:
		return m, nil
	default:
		return Message{}, a.loss
	}
}

func (a *kernelAssociation) Streams() int          { return a.streams }
func (a *kernelAssociation) LocalAddr() Addr       { return a.local }
func (a *kernelAssociation) RemoteAddr() Addr      { return a.remote }
func (a *kernelAssociation) Done() <-chan struct{} { return a.done }

func (a *kernelAssociation) Err() error {
	select {
	case <-a.done:
		return a.loss
	default:
		return nil
	}
}

func (a *kernelAssociation) Stats() Stats {
	return Stats{
		Mode:         ModeKernel,
		MessagesSent: a.sent.Load(), MessagesReceived: a.received.Load(),
		OctetsSent: a.octetsOut.Load(), OctetsReceived: a.octetsIn.Load(),
		DroppedPPID: a.badPPID.Load(), DroppedTooLarge: a.tooLarge.Load(), PathChanges: a.pathChanges.Load(),
	}
}

// Close lets the kernel send what is queued and shut down; the reader sees the
// end.
func (a *kernelAssociation) Close() error {
	a.once.Do(func() { close(a.closing) })
	a.s.control(func(fd int) error { return unix.Shutdown(fd, unix.SHUT_WR) }) //nolint:errcheck // fails when it is over already
	timeout := time.NewTimer(a.o.ShutdownTimeout)
	defer timeout.Stop()
	select {
	case <-a.done:
	case <-timeout.C:
		return a.stop("shutdown timed out")
	}
	if a.loss.Reason == ReasonClosed || a.loss.Reason == ReasonPeerShutdown {
		return nil
	}
	return a.loss
}

func (a *kernelAssociation) Abort(reason string) error {
	a.stop(reason) //nolint:errcheck // says only that it was aborted
	return nil
}

// stop aborts and waits for the reader. Linux sends no reason along: it takes
// SCTP_ABORT with a text on one-to-many sockets only.
func (a *kernelAssociation) stop(reason string) error {
	a.abort.Do(func() {
		a.once.Do(func() { close(a.closing) })
		select {
		case <-a.done:
			return
		default:
		}
		a.abortErr = reason
		a.aborted.Store(true)
		a.closeSocket(true)
	})
	<-a.done
	return a.loss
}

// closeSocket ends the reader; with abort the kernel sends ABORT if the
// association is still there.
func (a *kernelAssociation) closeSocket(abort bool) {
	if abort {
		a.s.control(func(fd int) error { //nolint:errcheck // then it is closed gracefully
			return unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
		})
	}
	a.s.file.Close() //nolint:errcheck // nothing is left to lose
	a.gate.Close()
}

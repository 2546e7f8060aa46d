// SPDX-License-Identifier: Apache-2.0

package succession

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// maxBody bounds a message, in octets.
	maxBody = 64 << 20
	// maxFiles bounds the files that wait to be taken; filesAtOnce what the kernel takes in one message (SCM_MAX_FD is 253).
	maxFiles    = 1 << 14
	filesAtOnce = 200

	kindFiles = 0 // in front of a message: the body is the number of files that come with it
)

// ErrUser says that another user is at the other end.
var ErrUser = errors.New("the process at the other end runs as another user")

// ErrUnseen says why a process cannot be killed.
var ErrUnseen = errors.New("the process at the other end is in another PID namespace, out of reach from here")

// Message is what one end tells the other. Kind is 1 or more.
type Message struct {
	Kind  uint8
	Body  []byte
	Files []*os.File // whoever receives them closes them
}

// Decode reads the body as JSON.
func (m *Message) Decode(into any) error {
	if err := json.Unmarshal(m.Body, into); err != nil {
		return fmt.Errorf("message %d of the other process: %w", m.Kind, err)
	}
	return nil
}

// Close closes the files that nobody has taken.
func (m *Message) Close() {
	for _, f := range m.Files {
		if f != nil {
			_ = f.Close() // of no use
		}
	}
}

// Link is one end. Send and Receive may be called from one goroutine each at a time.
type Link struct {
	conn    *net.UnixConn
	peer    *os.Process
	sending sync.Mutex
	files   []*os.File // that have come and are not taken
	buffer  []byte
	pending []byte // of buffer: read and not used
}

// Dial connects to the process that listens at the path, which must be the same user's.
func Dial(ctx context.Context, path string) (*Link, error) {
	c, err := new(net.Dialer).DialContext(ctx, "unix", path)
	if err != nil {
		return nil, err
	}
	return newLink(c.(*net.UnixConn))
}

func newLink(c *net.UnixConn) (*Link, error) {
	pid, err := sameUser(c)
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	peer, err := os.FindProcess(pid) // and no other one that has its number later
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return &Link{conn: c, peer: peer, buffer: make([]byte, 64<<10)}, nil
}

// PID is the process at the other end; 0 when it is in a PID namespace that this one cannot see.
func (l *Link) PID() int { return l.peer.Pid }

// Outlive waits until the other end has closed the link, or died, and kills its process when that takes longer than ctx does. What still comes is
// dropped. An error says that the other process may go on.
func (l *Link) Outlive(ctx context.Context) error {
	if l.over(ctx) {
		return nil
	}
	if l.PID() == os.Getpid() {
		return errors.New("the other end is in this process")
	}
	if l.PID() == 0 {
		return ErrUnseen
	}
	if err := l.peer.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("process %d cannot be killed: %w", l.PID(), err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), killed)
	defer cancel()
	if !l.over(ctx) {
		return fmt.Errorf("process %d was killed, and is still there", l.PID())
	}
	return nil
}

// killed is how long it may take until nothing is left of a process.
const killed = 5 * time.Second

// over waits until the link has ended; false when ctx has before.
func (l *Link) over(ctx context.Context) bool {
	for {
		m, err := l.Receive(ctx)
		m.Close()
		switch {
		case err == nil:
		case ctx.Err() != nil, errors.Is(err, context.DeadlineExceeded): // the socket's clock may be a little faster
			return false
		default:
			return true
		}
	}
}

// sameUser gives the process at the other end, which must be the same user's.
func sameUser(c *net.UnixConn) (pid int, err error) {
	rc, err := c.SyscallConn()
	if err != nil {
		return 0, err
	}
	var peer *unix.Ucred
	cerr := rc.Control(func(fd uintptr) { peer, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) })
	switch {
	case errors.Join(cerr, err) != nil:
		return 0, errors.Join(cerr, err)
	case int(peer.Uid) != os.Geteuid():
		return 0, fmt.Errorf("%w: %d, this one as %d", ErrUser, peer.Uid, os.Geteuid())
	}
	return int(peer.Pid), nil
}

// Listener waits for successors.
type Listener struct{ l *net.UnixListener }

// Listen makes the socket, in place of one that a process has left which is gone.
func Listen(path string) (*Listener, error) {
	if c, err := net.Dial("unix", path); err == nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, syscall.EADDRINUSE), c.Close())
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, 0o600); err != nil { // who was faster is judged by Accept
		return nil, errors.Join(err, l.Close())
	}
	return &Listener{l}, nil
}

// Accept waits for the next one. Connections of other users are refused. After Close it returns net.ErrClosed.
func (l *Listener) Accept() (*Link, error) {
	for {
		c, err := l.l.AcceptUnix()
		if err != nil {
			return nil, err
		}
		if link, err := newLink(c); err == nil {
			return link, nil
		}
	}
}

// Close ends it and removes the socket.
func (l *Listener) Close() error { return l.l.Close() }

// Close ends the link. The other end gets io.EOF.
func (l *Link) Close() error {
	for _, f := range l.files {
		_ = f.Close() // of no use
	}
	l.files = nil
	_ = l.peer.Release() // nothing that could go wrong
	return l.conn.Close()
}

// Say sends a message with v as JSON.
func (l *Link) Say(ctx context.Context, kind uint8, v any, files ...*os.File) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return l.Send(ctx, Message{kind, b, files})
}

// Send sends a message; its files stay open here.
func (l *Link) Send(ctx context.Context, m Message) error {
	if len(m.Body) > maxBody || m.Kind == kindFiles {
		return fmt.Errorf("message of kind %d with %d octets", m.Kind, len(m.Body))
	}
	l.sending.Lock()
	defer l.sending.Unlock()
	defer l.within(ctx, l.conn.SetWriteDeadline)()
	for files := m.Files; len(files) > 0; {
		n := min(len(files), filesAtOnce)
		if err := l.sendFiles(files[:n]); err != nil {
			return explain(ctx, err)
		}
		files = files[n:]
	}
	_, err := l.conn.Write(append(header(m.Kind, len(m.Body)), m.Body...))
	return explain(ctx, err)
}

func header(kind uint8, n int) []byte {
	return binary.BigEndian.AppendUint32([]byte{kind}, uint32(n))
}

func (l *Link) sendFiles(files []*os.File) error {
	var fds []int
	var hold func(i int) error
	hold = func(i int) error { // a descriptor is good while its Control runs
		if i == len(files) {
			_, _, err := l.conn.WriteMsgUnix(append(header(kindFiles, 1), byte(len(fds))), unix.UnixRights(fds...), nil)
			return err
		}
		rc, err := files[i].SyscallConn()
		if err != nil {
			return err
		}
		cerr := rc.Control(func(fd uintptr) {
			fds = append(fds, int(fd))
			err = hold(i + 1)
		})
		return errors.Join(cerr, err)
	}
	return hold(0)
}

// Receive waits for the next message; io.EOF when the other end has closed, or died.
func (l *Link) Receive(ctx context.Context) (m Message, err error) {
	defer l.within(ctx, l.conn.SetReadDeadline)()
	expected := 0
	for {
		head, err := l.read(5)
		if err != nil {
			return m, explain(ctx, err)
		}
		kind, n := head[0], binary.BigEndian.Uint32(head[1:])
		if n > maxBody || kind == kindFiles && n != 1 {
			return m, fmt.Errorf("message of kind %d with %d octets", kind, n)
		}
		body, err := l.read(int(n))
		switch {
		case errors.Is(err, io.EOF):
			return m, io.ErrUnexpectedEOF
		case err != nil:
			return m, explain(ctx, err)
		}
		if kind == kindFiles {
			expected += int(body[0])
			continue
		}
		if expected > len(l.files) {
			return m, fmt.Errorf("%d files came, of %d", len(l.files), expected)
		}
		m = Message{Kind: kind, Body: body, Files: l.files[:expected:expected]}
		l.files = l.files[expected:]
		return m, nil
	}
}

// read takes n octets, and the files that come with them.
func (l *Link) read(n int) ([]byte, error) {
	out := make([]byte, 0, min(n, 1<<20))
	for {
		k := min(n-len(out), len(l.pending))
		out = append(out, l.pending[:k]...)
		l.pending = l.pending[k:]
		if len(out) == n {
			return out, nil
		}
		oob := make([]byte, unix.CmsgSpace(4*(filesAtOnce+53)))
		got, oobn, flags, _, err := l.conn.ReadMsgUnix(l.buffer, oob)
		if ferr := l.takeFiles(oob[:oobn], flags); ferr != nil {
			return nil, ferr
		}
		switch {
		case err != nil && !(errors.Is(err, io.EOF) && len(out) > 0):
			return nil, err
		case err != nil || got == 0 && len(out) > 0:
			return nil, io.ErrUnexpectedEOF
		case got == 0:
			return nil, io.EOF
		}
		l.pending = l.buffer[:got]
	}
}

func (l *Link) takeFiles(oob []byte, flags int) error {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return err
	}
	for i := range messages {
		fds, err := unix.ParseUnixRights(&messages[i])
		if err != nil {
			return err
		}
		for _, fd := range fds {
			l.files = append(l.files, os.NewFile(uintptr(fd), "inherited"))
		}
	}
	switch {
	case flags&unix.MSG_CTRUNC != 0:
		return errors.New("not all files have come: raise the limit of open files (LimitNOFILE) above what both processes need")
	case len(l.files) > maxFiles:
		return fmt.Errorf("%d files", len(l.files))
	}
	return nil
}

// within sets the deadline of ctx; its result ends that.
func (l *Link) within(ctx context.Context, set func(time.Time) error) func() {
	if at, ok := ctx.Deadline(); ok {
		_ = set(at) // the call that follows says what is wrong
	} else {
		_ = set(time.Time{})
	}
	stop := context.AfterFunc(ctx, func() { _ = set(time.Unix(1, 0)) })
	return func() { stop() }
}

// explain says why a call has ended before its time.
func explain(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return context.DeadlineExceeded
	}
	return err
}

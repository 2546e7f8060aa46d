// SPDX-License-Identifier: Apache-2.0

package xfrm

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Errors that callers tell apart. They come wrapped.
var (
	ErrExists    = unix.EEXIST
	ErrNotFound  = errors.New("no such state or policy")
	ErrNoSupport = errors.New("the kernel has no support for it")
	// ErrNoAlgorithm comes with ErrNoSupport: the kernel does not know an algorithm.
	ErrNoAlgorithm = unix.ENOSYS
)

// Conn is a netlink socket for requests, in the network namespace of the thread that made it. Its methods may be called from any goroutine.
type Conn struct {
	mu  sync.Mutex
	fd  int
	seq uint32
	buf []byte
	out []byte
}

const (
	headerLength = 16
	receiveSize  = 64 << 10 // the kernel fills up to 32 KiB of a dump into one datagram; a state with the largest window has about 1.2 KiB
	answerLimit  = 5 * time.Second
)

// Dial opens a Conn.
func Dial() (*Conn, error) {
	fd, err := open(0)
	if err != nil {
		return nil, err
	}
	tv := unix.NsecToTimeval(answerLimit.Nanoseconds())
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &tv); err != nil {
		return nil, errors.Join(err, unix.Close(fd))
	}
	return &Conn{fd: fd, buf: make([]byte, receiveSize), out: make([]byte, headerLength, 4096)}, nil
}

func open(groups uint32) (int, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_XFRM)
	if err != nil {
		return -1, fmt.Errorf("XFRM netlink socket (CONFIG_XFRM_USER): %w", err)
	}
	// Words with errors, and no echo of the request, on kernels from 4.12.
	_ = unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_EXT_ACK, 1)
	_ = unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_CAP_ACK, 1)
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: groups}); err != nil {
		return -1, errors.Join(fmt.Errorf("XFRM netlink socket: %w", err), unix.Close(fd))
	}
	return fd, nil
}

// Close closes the socket. No other method may be under way.
func (c *Conn) Close() error { return unix.Close(c.fd) }

// request sends one message and reads its answers until the acknowledgement or the end of the dump. encode appends the body.
func (c *Conn) request(kind, flags uint16, encode func([]byte) []byte, answer func(kind uint16, body []byte) error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seq++
	b := encode(c.out[:headerLength])
	host.PutUint32(b, uint32(len(b)))
	host.PutUint16(b[4:], kind)
	host.PutUint16(b[6:], flags|unix.NLM_F_REQUEST)
	host.PutUint32(b[8:], c.seq)
	c.out = b
	err := unix.Sendto(c.fd, b, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK})
	clear(b) // there may be keys in it
	if err != nil {
		return fmt.Errorf("XFRM request: %w", err)
	}
	var failed error
	for {
		n, _, err := unix.Recvfrom(c.fd, c.buf, unix.MSG_TRUNC)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EAGAIN):
			return fmt.Errorf("XFRM request: no answer within %s: %w", answerLimit, os.ErrDeadlineExceeded)
		case err != nil:
			return fmt.Errorf("XFRM answer: %w", err)
		case n > len(c.buf):
			return fmt.Errorf("XFRM answer: %w: %d octets do not fit into %d", ErrMalformed, n, len(c.buf))
		}
		done, err := messages(c.buf[:n], c.seq, func(kind uint16, body []byte) error {
			if failed == nil && answer != nil {
				failed = answer(kind, body) // the rest of the dump must be read all the same
			}
			return nil
		})
		clear(c.buf[:n])
		if err != nil || done {
			return errors.Join(err, failed)
		}
	}
}

// messages goes through a datagram of answers to the request seq; done tells that its last one was there.
func messages(b []byte, seq uint32, f func(kind uint16, body []byte) error) (done bool, err error) {
	for len(b) > 0 {
		if err := need(b, headerLength, "netlink header"); err != nil {
			return true, err
		}
		n := int(host.Uint32(b))
		if n < headerLength || n > len(b) {
			return true, fmt.Errorf("%w: netlink message of %d octets in %d", ErrMalformed, n, len(b))
		}
		kind, flags, of, body := host.Uint16(b[4:]), host.Uint16(b[6:]), host.Uint32(b[8:]), b[headerLength:n]
		b = b[min((n+3)&^3, len(b)):]
		if seq != 0 && of != seq {
			continue // of a request that was given up
		}
		switch kind {
		case unix.NLMSG_DONE:
			return true, nil
		case unix.NLMSG_ERROR:
			return true, acknowledgement(flags, body)
		case unix.NLMSG_NOOP:
		default:
			if err := f(kind, body); err != nil {
				return true, err
			}
			// A single answer to a request without NLM_F_ACK has no end of its own: requests here always ask for one.
		}
	}
	return false, nil
}

// acknowledgement reads NLMSG_ERROR: an error number, the request's header, and with extended acknowledgements the kernel's words.
func acknowledgement(flags uint16, body []byte) error {
	if err := need(body, 4+headerLength, "acknowledgement"); err != nil {
		return err
	}
	code := -int32(host.Uint32(body))
	if code == 0 {
		return nil
	}
	words := ""
	if flags&unix.NLM_F_ACK_TLVS != 0 {
		_ = attrs(body[4+headerLength:], func(kind uint16, p []byte) error {
			if kind == unix.NLMSGERR_ATTR_MSG && len(p) > 0 {
				words = ": " + string(p[:len(p)-1])
			}
			return nil
		})
	}
	errno := unix.Errno(code)
	switch errno {
	case unix.ESRCH, unix.ENOENT:
		return fmt.Errorf("%w (%w)%s", ErrNotFound, errno, words)
	case unix.ENOPROTOOPT, unix.EOPNOTSUPP, unix.EAFNOSUPPORT, unix.ENOSYS, unix.EPROTONOSUPPORT:
		return fmt.Errorf("%w (%w)%s", ErrNoSupport, errno, words)
	}
	return fmt.Errorf("the kernel refused: %w%s", errno, words)
}

// do is a request that is only acknowledged.
func (c *Conn) do(kind, flags uint16, encode func([]byte) []byte) error {
	return c.request(kind, flags|unix.NLM_F_ACK, encode, nil)
}

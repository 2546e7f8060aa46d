// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"os"

	"golang.org/x/sys/unix"
)

// Where packet sockets do not tell marks, inner packets come from the kernel's packet log, which does: nfnetlink_log (NFLOG) sends each packet that a
// rule of nftables picks to a netlink socket, whole and as it is, with its mark. Each worker has a socket and a group of the log of its own; the rules
// (see nftables.go) give a packet to the group of its child SA. Such a socket is read in batches as a packet socket is, for the kernel sends one packet
// a datagram.

const (
	// maxLogged is how many workers read from the log at most. More would be found by going through more rules than reading in parallel gains.
	maxLogged = 8
	// logHeader is more than what comes before a packet in a datagram: the headers of netlink and of nfnetlink, a mark, devices, a time.
	logHeader = 512
	// firstGroup begins the groups that are tried; small numbers are those that other programs are configured with.
	firstGroup, lastGroup = 0x4e00, 0x7fff

	netlinkHeader   = 16 // struct nlmsghdr
	nfnetlinkHeader = 4  // struct nfgenmsg
	attributeHeader = 4  // struct nlattr
)

// Messages and attributes of nfnetlink_log (linux/netfilter/nfnetlink_log.h).
const (
	logPacket = unix.NFNL_SUBSYS_ULOG << 8
	logConfig = unix.NFNL_SUBSYS_ULOG<<8 | 1

	logMark    = 2 // NFULA_MARK
	logInput   = 4 // NFULA_IFINDEX_INDEV
	logPayload = 9 // NFULA_PAYLOAD

	configCommand   = 1 // NFULA_CFG_CMD
	configMode      = 2 // NFULA_CFG_MODE
	configThreshold = 5 // NFULA_CFG_QTHRESH

	commandBind = 1 // NFULNL_CFG_CMD_BIND
	copyPacket  = 2 // NFULNL_COPY_PACKET
)

// logGroups are the groups of the workers' sockets, in order; 0 is none.
type logGroups [maxLogged]uint16

func (g *logGroups) count() int {
	for i, group := range g {
		if group == 0 {
			return i
		}
	}
	return len(g)
}

// loggedWorkers is how many sockets read from the log: a power of two, so that bits of the mark choose one.
func loggedWorkers(workers int) int { return 1 << (bits.Len(uint(min(workers, maxLogged))) - 1) }

// openLogs opens the sockets that read from the log, each with a group that nobody else has.
func openLogs(link, workers, batch int) (list []*packetConn, groups logGroups, err error) {
	group := uint16(firstGroup)
	for i := range loggedWorkers(workers) {
		var c *packetConn
		if c, group, err = openLog(link, batch, group); err != nil {
			for _, c := range list {
				err = errors.Join(err, c.close())
			}
			return nil, groups, err
		}
		list, groups[i] = append(list, c), group
		group++
	}
	return list, groups, nil
}

// openLog opens a socket with the first group from there on that is free.
func openLog(link, batch int, from uint16) (c *packetConn, group uint16, err error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, unix.NETLINK_NETFILTER)
	if err != nil {
		return nil, 0, fmt.Errorf("netlink socket of netfilter (CONFIG_NETFILTER_NETLINK): %w", err)
	}
	fail := func(what string, err error) (*packetConn, uint16, error) {
		return nil, 0, errors.Join(fmt.Errorf("packet log: %s: %w", what, err), unix.Close(fd))
	}
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return fail("bind", err)
	}
	for group = from; ; group++ {
		err := bindLog(fd, group)
		// Another socket has it: EPERM; EEXIST or EBUSY when it took it just now.
		taken := errors.Is(err, unix.EPERM) || errors.Is(err, unix.EEXIST) || errors.Is(err, unix.EBUSY)
		if taken && group < lastGroup {
			continue
		}
		if err != nil {
			return fail(fmt.Sprintf("group %d (CONFIG_NETFILTER_NETLINK_LOG, CAP_NET_ADMIN)", group), err)
		}
		break
	}
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, packetQueue)
	// A full queue is no error of reading, and ends with the next read: what finds no room is counted, as on any other socket.
	if err := unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_NO_ENOBUFS, 1); err != nil {
		return fail("NETLINK_NO_ENOBUFS", err)
	}
	c, err = newPacketConn(fd, batch, link, false)
	return c, group, err
}

// bindLog makes the socket the reader of a group: whole packets, each at once.
func bindLog(fd int, group uint16) error {
	b := make([]byte, netlinkHeader+nfnetlinkHeader, 64)
	binary.BigEndian.PutUint16(b[netlinkHeader+2:], group)
	b = appendAttribute(b, configCommand, commandBind)
	b = appendAttribute(b, configMode, 0, 0, 0, 0, copyPacket, 0) // of 0 octets: all of them
	b = appendAttribute(b, configThreshold, 0, 0, 0, 1)
	binary.NativeEndian.PutUint32(b, uint32(len(b)))
	binary.NativeEndian.PutUint16(b[4:], logConfig)
	binary.NativeEndian.PutUint16(b[6:], unix.NLM_F_REQUEST|unix.NLM_F_ACK)
	if err := unix.Sendto(fd, b, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return err
	}
	answer := make([]byte, 4096) // it is there when the request is sent
	n, _, err := unix.Recvfrom(fd, answer, 0)
	if err != nil {
		return err
	}
	if n < netlinkHeader+4 || binary.NativeEndian.Uint16(answer[4:]) != unix.NLMSG_ERROR {
		return errors.New("the kernel's answer is none")
	}
	if code := int32(binary.NativeEndian.Uint32(answer[netlinkHeader:])); code != 0 {
		return unix.Errno(-code)
	}
	return nil
}

func appendAttribute(b []byte, kind uint16, value ...byte) []byte {
	b = binary.NativeEndian.AppendUint16(b, uint16(attributeHeader+len(value)))
	b = append(binary.NativeEndian.AppendUint16(b, kind), value...)
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return b
}

// parseLogged reads a datagram of the log: the packet, its mark, and the link that it came in by. Without a mark it came through no state of ours.
func parseLogged(b []byte) (packet []byte, mark uint32, link int, ok bool) {
	if len(b) < netlinkHeader+nfnetlinkHeader || binary.NativeEndian.Uint16(b[4:]) != logPacket {
		return nil, 0, 0, false
	}
	n := binary.NativeEndian.Uint32(b)
	if n < netlinkHeader+nfnetlinkHeader || uint64(n) > uint64(len(b)) {
		return nil, 0, 0, false
	}
	b = b[netlinkHeader+nfnetlinkHeader : n]
	for len(b) >= attributeHeader {
		size := int(binary.NativeEndian.Uint16(b))
		if size < attributeHeader || size > len(b) {
			return nil, 0, 0, false
		}
		value := b[attributeHeader:size]
		switch kind := binary.NativeEndian.Uint16(b[2:]); {
		case kind == logMark && len(value) == 4:
			mark = binary.BigEndian.Uint32(value)
		case kind == logInput && len(value) == 4:
			link = int(binary.BigEndian.Uint32(value))
		case kind == logPayload:
			packet = value
		}
		b = b[min((size+3)&^3, len(b)):]
	}
	return packet, mark, link, mark != 0 && len(packet) > 0
}

// isLog tells which kind of socket a predecessor has handed on.
func isLog(f *os.File) (bool, error) {
	rc, err := f.SyscallConn()
	if err != nil {
		return false, err
	}
	domain := 0
	cerr := rc.Control(func(fd uintptr) { domain, err = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_DOMAIN) })
	return domain == unix.AF_NETLINK, errors.Join(cerr, err)
}

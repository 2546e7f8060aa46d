// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/open-n3iwf/n3iwf/nwu/ipsec"
)

// unknown finds ESP with SPIs that are not installed. The kernel drops it and counts it, without saying whose it was: so when the count has grown,
// a packet socket looks at what comes for a moment. Between such moments it costs nothing.
type unknown struct {
	d     *DataPlane
	count *os.File
	quit  chan struct{}
	once  sync.Once
	fd    *os.File // bound to a protocol only while it looks
	rc    syscall.RawConn
}

const (
	countEvery = 100 * time.Millisecond
	lookFor    = 300 * time.Millisecond
	lookAgain  = 500 * time.Millisecond // after the last look
	snapLength = 128
)

// The files and sockets are opened here, in the network namespace of the caller.
func newUnknown(d *DataPlane) (*unknown, error) {
	f, err := os.Open("/proc/thread-self/net/xfrm_stat")
	if err != nil {
		return nil, fmt.Errorf("counters of the kernel's IPsec (CONFIG_XFRM_STATISTICS): %w", err)
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("packet socket (CAP_NET_RAW): %w", err), f.Close())
	}
	_ = unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1)
	u := &unknown{d: d, count: f, quit: make(chan struct{}), fd: os.NewFile(uintptr(fd), "unknown SPIs")}
	if u.rc, err = u.fd.SyscallConn(); err != nil {
		return nil, errors.Join(err, u.close())
	}
	return u, nil
}

func (u *unknown) close() error {
	u.once.Do(func() { close(u.quit) })
	return errors.Join(u.fd.Close(), u.count.Close())
}

// noStates reads the kernel's count of ESP packets without a state.
func (u *unknown) noStates() (uint64, error) {
	b := make([]byte, 4096)
	n, err := u.count.ReadAt(b, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return 0, err
	}
	return counter(string(b[:n]), "XfrmInNoStates")
}

func counter(text, name string) (uint64, error) {
	for line := range strings.Lines(text) {
		if f := strings.Fields(line); len(f) == 2 && f[0] == name {
			return strconv.ParseUint(f[1], 10, 64)
		}
	}
	return 0, fmt.Errorf("the kernel has no counter %s", name)
}

func (u *unknown) run() {
	before, err := u.noStates()
	tick := time.NewTicker(countEvery)
	defer tick.Stop()
	for {
		select {
		case <-u.quit:
			return
		case <-tick.C:
		}
		now, cerr := u.noStates()
		if cerr != nil || err != nil {
			u.d.opts.Log.Warn("ESP with unknown SPIs is not told any more", "error", errors.Join(err, cerr))
			return
		}
		if now == before {
			continue
		}
		u.d.totals.unknownSPI.Add(now - before)
		u.look()
		if before, err = u.noStates(); err != nil {
			continue
		}
		u.d.totals.unknownSPI.Add(before - now)
		select {
		case <-u.quit:
			return
		case <-time.After(lookAgain):
		}
	}
}

// look watches what comes to the served addresses for a moment.
func (u *unknown) look() {
	bind := func(protocol uint16) {
		_ = u.rc.Control(func(fd uintptr) { _ = unix.Bind(int(fd), &unix.SockaddrLinklayer{Protocol: networkOrder(protocol)}) })
	}
	b := make([]byte, snapLength)
	_ = u.rc.Control(func(fd uintptr) { // what came after the last look
		for {
			if _, _, err := unix.Recvfrom(int(fd), b, unix.MSG_DONTWAIT); errors.Is(err, unix.EAGAIN) {
				return
			}
		}
	})
	bind(unix.ETH_P_ALL)
	defer bind(0)
	if u.fd.SetReadDeadline(time.Now().Add(lookFor)) != nil {
		return
	}
	told := 0
	for told < int(lookFor/rebindInterval) {
		n, err := u.fd.Read(b)
		if err != nil {
			return
		}
		spi, path, ok := outerESP(b[:n])
		if !ok || !u.d.serves(path) {
			continue
		}
		u.d.mu.Lock()
		g, taken := u.d.spis[spi]
		u.d.mu.Unlock()
		if !taken || g == nil {
			u.d.opts.Sink.Event(ipsec.UnknownSPI{SPI: spi, Path: path})
			told++
		}
	}
}

func (d *DataPlane) serves(path ipsec.Path) bool {
	kind := ipsec.ESP
	if path.NATT {
		kind = ipsec.NATT
	}
	_, err := d.endpoints.Find(kind, path.Local)
	return err == nil
}

// outerESP reads the SPI and the path of an ESP packet, plain or in UDP, as it came to us. IPv6 extension headers are not looked through.
func outerESP(b []byte) (spi uint32, path ipsec.Path, ok bool) {
	const protocolUDP, protocolESP = 17, 50
	var src, dst netip.Addr
	var protocol byte
	switch {
	case len(b) >= 20 && b[0]>>4 == 4 && int(b[0]&15)*4 <= len(b) && binary.BigEndian.Uint16(b[6:])&0x1fff == 0:
		src, dst, protocol = netip.AddrFrom4([4]byte(b[12:16])), netip.AddrFrom4([4]byte(b[16:20])), b[9]
		b = b[max(20, int(b[0]&15)*4):]
	case len(b) >= 40 && b[0]>>4 == 6:
		src, dst, protocol = netip.AddrFrom16([16]byte(b[8:24])), netip.AddrFrom16([16]byte(b[24:40])), b[6]
		b = b[40:]
	default:
		return 0, path, false
	}
	var from, to uint16
	switch {
	case protocol == protocolUDP && len(b) >= 8+8:
		from, to = binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
		b = b[8:]
	case protocol != protocolESP || len(b) < 8:
		return 0, path, false
	}
	path = ipsec.Path{Local: netip.AddrPortFrom(dst, to), Remote: netip.AddrPortFrom(src, from), NATT: protocol == protocolUDP}
	spi = binary.BigEndian.Uint32(b)
	return spi, path, spi >= 256
}

// SPDX-License-Identifier: Apache-2.0

package udpbatch

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"github.com/open-n3iwf/n3iwf/internal/testenv"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func loopback(v6 bool) netip.Addr {
	if v6 {
		return netip.IPv6Loopback()
	}
	return netip.AddrFrom4([4]byte{127, 0, 0, 1})
}

func listenT(t testing.TB, o Options) *Conn {
	t.Helper()
	if !o.Local.IsValid() {
		o.Local = netip.AddrPortFrom(loopback(false), 0)
	}
	c, err := Listen(o)
	testenv.Need(t, !(o.Local.Addr().Is6() && errors.Is(err, unix.EADDRNOTAVAIL)), "IPv6: enable it on the loopback interface")
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// receive collects n datagrams.
func receive(t testing.TB, r *Receiver, n int) []Datagram {
	t.Helper()
	require.NoError(t, r.c.pc.SetReadDeadline(time.Now().Add(5*time.Second)))
	var out []Datagram
	for len(out) < n {
		batch, err := r.Receive()
		require.NoError(t, err, "got %d of %d", len(out), n)
		for _, d := range batch {
			d.Data = bytes.Clone(d.Data)
			out = append(out, d)
		}
	}
	require.Len(t, out, n)
	return out
}

func TestRoundTrip(t *testing.T) {
	for _, v6 := range []bool{false, true} {
		for _, wildcard := range []bool{false, true} {
			for _, offload := range []bool{false, true} {
				t.Run(fmt.Sprintf("v6=%v,wildcard=%v,offload=%v", v6, wildcard, offload), func(t *testing.T) {
					a := loopback(v6)
					bind := a
					if wildcard && v6 {
						bind = netip.IPv6Unspecified()
					} else if wildcard {
						bind = netip.IPv4Unspecified()
					}
					server := listenT(t, Options{Local: netip.AddrPortFrom(bind, 0), NoGRO: !offload, NoGSO: !offload})
					client := listenT(t, Options{Local: netip.AddrPortFrom(a, 0), NoGRO: !offload, NoGSO: !offload})
					to := Address{Remote: netip.AddrPortFrom(a, server.LocalAddr().Port()), TOS: 0xb8}

					s, r := client.NewSender(), server.NewReceiver()
					var want [][]byte
					for i := range 300 { // several runs of equal and of unequal size, an empty one, and more than one batch
						size := 1000
						switch {
						case i%50 == 49:
							size = 10 + i
						case i == 120:
							size = 0
						case i > 200:
							size = 1400
						}
						p := bytes.Repeat([]byte{byte(i)}, size)
						want = append(want, p)
						require.NoError(t, s.Append(&to, p[:size/3], p[size/3:]))
					}
					_, err := s.Flush()
					require.NoError(t, err)
					require.Zero(t, s.Pending())
					got := receive(t, r, len(want))
					for i, d := range got {
						require.Equal(t, want[i], append([]byte{}, d.Data...), "datagram %d", i)
						require.Equal(t, client.LocalAddr(), d.Remote)
						require.Equal(t, to.Remote, d.Local)
					}
					if st := client.Stats(); offload && client.gso.Load() {
						require.Less(t, st.TxCalls, uint64(20))
						require.Less(t, server.Stats().RxCalls, uint64(60))
					}
					require.EqualValues(t, len(want), client.Stats().TxDatagrams)
					require.EqualValues(t, len(want), server.Stats().RxDatagrams)

					// And back, from the address that was asked.
					require.NoError(t, server.WriteTo(&Address{Remote: got[0].Remote, Local: got[0].Local.Addr()}, []byte("ans"), []byte("wer")))
					answer := receive(t, client.NewReceiver(), 1)[0]
					require.Equal(t, "answer", string(answer.Data))
					require.Equal(t, to.Remote, answer.Remote)
				})
			}
		}
	}
}

// The second address of the loopback network shows that the source of an answer follows the request and not routing.
func TestWildcardSource(t *testing.T) {
	server := listenT(t, Options{Local: netip.AddrPortFrom(netip.IPv4Unspecified(), 0)})
	client := listenT(t, Options{})
	to := Address{Remote: netip.AddrPortFrom(netip.MustParseAddr("127.0.0.77"), server.LocalAddr().Port())}
	s := client.NewSender()
	require.NoError(t, s.Append(&to, nil, []byte("q")))
	_, err := s.Flush()
	require.NoError(t, err)
	q := receive(t, server.NewReceiver(), 1)[0]
	require.Equal(t, to.Remote, q.Local)
	b := server.NewSender()
	require.NoError(t, b.Append(&Address{Remote: q.Remote, Local: q.Local.Addr()}, nil, []byte("a")))
	_, err = b.Flush()
	require.NoError(t, err)
	require.Equal(t, to.Remote, receive(t, client.NewReceiver(), 1)[0].Remote)
}

// A refused datagram (port 0) must cost only itself, wherever it stands in the batch, and a refused segmented send is repeated one by one.
func TestSendErrors(t *testing.T) {
	server, client := listenT(t, Options{}), listenT(t, Options{})
	good := Address{Remote: server.LocalAddr()}
	bad := Address{Remote: netip.AddrPortFrom(loopback(false), 0)}
	s := client.NewSender()
	for i := range 10 {
		require.NoError(t, s.Append(&bad, nil, []byte{9, byte(i)}))
		require.NoError(t, s.Append(&good, nil, []byte{1, byte(i)}))
		require.NoError(t, s.Append(&good, nil, []byte{2}))
	}
	sent, err := s.Flush()
	require.ErrorIs(t, err, unix.EINVAL)
	require.Equal(t, 20, sent)
	require.EqualValues(t, 10, client.Stats().TxErrors)
	for i, d := range receive(t, server.NewReceiver(), 20) {
		require.Equal(t, byte(1+i%2), d.Data[0])
	}
	require.ErrorIs(t, s.Append(&good, nil, make([]byte, maxPayload+1)), ErrTooLong)
	require.Zero(t, s.Pending())
}

// Long datagrams leave as IP fragments, beside runs of short ones.
func TestLongDatagrams(t *testing.T) {
	server, client := listenT(t, Options{}), listenT(t, Options{})
	to := Address{Remote: server.LocalAddr()}
	s := client.NewSender()
	for i := range 8 {
		require.NoError(t, s.Append(&to, nil, bytes.Repeat([]byte{byte(i)}, 32000)))
		require.NoError(t, s.Append(&to, nil, bytes.Repeat([]byte{byte(i)}, maxPayload)))
	}
	_, err := s.Flush()
	require.NoError(t, err)
	for i, d := range receive(t, server.NewReceiver(), 16) {
		require.Equal(t, byte(i/2), d.Data[0])
	}
}

// What the kernel refuses as one segmented send (too long for the path's MTU, no checksums) must leave one by one.
func TestRefusedSegmentation(t *testing.T) {
	server, client := listenT(t, Options{}), listenT(t, Options{})
	testenv.Need(t, client.gso.Load(), "UDP segmentation offload: use Linux 4.18 or newer")
	// Without checksums the kernel refuses segmentation (EINVAL), while single datagrams pass.
	require.NoError(t, client.control(func(fd int) error {
		return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_NO_CHECK, 1)
	}))
	to := Address{Remote: server.LocalAddr()}
	s := client.NewSender()
	for i := range 90 {
		require.NoError(t, s.Append(&to, nil, bytes.Repeat([]byte{byte(i)}, 500)))
	}
	sent, err := s.Flush()
	require.NoError(t, err)
	require.Equal(t, 90, sent)
	require.EqualValues(t, 2, client.Stats().TxUnsegmented)
	for i, d := range receive(t, server.NewReceiver(), 90) {
		require.Equal(t, byte(i), d.Data[0])
	}
}

func TestOversizeIsDropped(t *testing.T) {
	for _, noGRO := range []bool{false, true} {
		server, client := listenT(t, Options{MaxDatagram: 1500, NoGRO: noGRO}), listenT(t, Options{})
		to := Address{Remote: server.LocalAddr()}
		s := client.NewSender()
		require.NoError(t, s.Append(&to, nil, make([]byte, 1501)))
		require.NoError(t, s.Append(&to, nil, make([]byte, 1500)))
		_, err := s.Flush()
		require.NoError(t, err)
		require.Len(t, receive(t, server.NewReceiver(), 1)[0].Data, 1500)
		require.EqualValues(t, 1, server.Stats().RxTruncated)
	}
}

func TestSteering(t *testing.T) {
	const n = 4
	conns, err := ListenGroup(Options{Local: netip.AddrPortFrom(loopback(false), 0)}, n, []bpf.Instruction{
		bpf.LoadAbsolute{Off: 0, Size: 1}, bpf.RetA{},
	})
	require.NoError(t, err)
	var rs [n]*Receiver
	for i, c := range conns {
		defer c.Close()
		require.Equal(t, conns[0].LocalAddr(), c.LocalAddr())
		rs[i] = c.NewReceiver()
	}
	to := Address{Remote: conns[0].LocalAddr()}
	for range 5 { // from any source port
		// One segmented send reaches one socket, whatever its segments say: steering is by the first. So no segmentation here.
		s := listenT(t, Options{NoGSO: true}).NewSender()
		for i := range n {
			require.NoError(t, s.Append(&to, nil, []byte{byte(i)}))
		}
		_, err = s.Flush()
		require.NoError(t, err)
	}
	for i := range n {
		for _, d := range receive(t, rs[i], 5) {
			require.Equal(t, []byte{byte(i)}, d.Data)
		}
	}
}

// TestGroupsDoNotMix: who comes second to a port is told so, and does not share the packets of the group that has it.
func TestGroupsDoNotMix(t *testing.T) {
	for _, v6 := range []bool{false, true} {
		conns, err := ListenGroup(Options{Local: netip.AddrPortFrom(loopback(v6), 0)}, 3, nil)
		require.NoError(t, err)
		for _, c := range conns {
			defer c.Close()
		}
		for _, n := range []int{1, 3} {
			_, err = ListenGroup(Options{Local: conns[0].LocalAddr()}, n, nil)
			require.ErrorIs(t, err, unix.EADDRINUSE)
		}
	}
}

func TestRawProtocol(t *testing.T) {
	const protocol = 253 // for experimentation, RFC 3692
	for _, v6 := range []bool{false, true} {
		o := Options{Local: netip.AddrPortFrom(loopback(v6), 0), Protocol: protocol}
		c, err := Listen(o)
		testenv.Need(t, !errors.Is(err, os.ErrPermission), "raw sockets: run the tests as root")
		require.NoError(t, err)
		defer c.Close()
		s := c.NewSender()
		require.NoError(t, s.Append(&Address{Remote: netip.AddrPortFrom(loopback(v6), 77)}, []byte("he"), []byte("llo")))
		_, err = s.Flush()
		require.NoError(t, err)
		d := receive(t, c.NewReceiver(), 1)[0]
		require.Equal(t, "hello", string(d.Data))
		require.Equal(t, o.Local, d.Remote)
	}
}

func TestClose(t *testing.T) {
	c := listenT(t, Options{})
	r, s := c.NewReceiver(), c.NewSender()
	done := make(chan error)
	go func() { _, err := r.Receive(); done <- err }()
	require.NoError(t, c.Close())
	require.ErrorIs(t, <-done, net.ErrClosed)
	require.NoError(t, s.Append(&Address{Remote: c.LocalAddr()}, nil, []byte{1}))
	_, err := s.Flush()
	require.ErrorIs(t, err, net.ErrClosed)
	_, err = r.Receive()
	require.ErrorIs(t, err, net.ErrClosed)
}

func TestNoAllocations(t *testing.T) {
	server, client := listenT(t, Options{}), listenT(t, Options{})
	to := Address{Remote: server.LocalAddr()}
	s, r := client.NewSender(), server.NewReceiver()
	payload := make([]byte, 1200)
	allocs := testing.AllocsPerRun(200, func() {
		for range 40 {
			_ = s.Append(&to, payload[:20], payload[20:])
		}
		if _, err := s.Flush(); err != nil {
			t.Fatal(err)
		}
		for n := 0; n < 40; {
			batch, err := r.Receive()
			if err != nil {
				t.Fatal(err)
			}
			n += len(batch)
		}
	})
	require.Zero(t, allocs)
}

// FuzzControl feeds the reader of control messages, and the IPv4 header stripper, with anything.
func FuzzControl(f *testing.F) {
	var gro [24]byte
	cmsg(gro[:], unix.IPPROTO_UDP, unix.UDP_GRO, binary.NativeEndian.AppendUint32(nil, 1400))
	f.Add(gro[:])
	f.Add([]byte{0x45, 0, 0, 20, 0, 0, 0, 0, 64, 50, 0, 0, 127, 0, 0, 1, 127, 0, 0, 1})
	c := &Conn{local: netip.AddrPortFrom(loopback(false), 1)}
	f.Fuzz(func(t *testing.T, b []byte) {
		aligned := make([]uint64, len(b)/8+1) // as the kernel gives it
		buf := bytesOf(aligned)[:len(b)]
		copy(buf, b)
		r := Receiver{c: c}
		d := Datagram{Local: c.local}
		if got := r.control(buf, &d, 77); got <= 0 {
			t.Fatalf("segment size %d", got)
		}
		if p, ok := stripIPv4(b); ok && len(p) > len(b)-20 {
			t.Fatal("header not stripped")
		}
	})
}

func BenchmarkLoopback(b *testing.B) {
	server, client := listenT(b, Options{}), listenT(b, Options{})
	to := Address{Remote: server.LocalAddr()}
	s, r := client.NewSender(), server.NewReceiver()
	payload := make([]byte, 1400)
	b.SetBytes(1400)
	b.ReportAllocs()
	for n := 0; n < b.N; n += 128 {
		for range 128 {
			_ = s.Append(&to, nil, payload)
		}
		_, _ = s.Flush()
		for got := 0; got < 128; {
			batch, err := r.Receive()
			if err != nil {
				b.Fatal(err)
			}
			got += len(batch)
		}
	}
}

// SPDX-License-Identifier: Apache-2.0

package user

import (
	"bufio"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/open-n3iwf/n3iwf/internal/udpbatch"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec/esp"
)

// The loopback benchmarks measure this process by the processor time it uses; the other end runs in another process. Sizes are user packets: 28
// octets of inner IPv4 and GRE header come on top. Share is relative to AES-128-GCM alone on packets of that size in the same process.
var benchSizes = []int{64, 1400}

const carrier = 28

// counting is a sink that counts from another goroutine's view.
type counting struct{ n atomic.Int64 }

func (s *counting) NewReceiver() ipsec.Receiver   { return s }
func (s *counting) IKE(ipsec.Path, []byte)        {}
func (s *counting) Event(ipsec.Event)             {}
func (s *counting) Inbound(batch []ipsec.Inbound) { s.n.Add(int64(len(batch))) }

func cpu() time.Duration {
	var ru unix.Rusage
	_ = unix.Getrusage(unix.RUSAGE_SELF, &ru)
	return time.Duration(ru.Utime.Nano() + ru.Stime.Nano())
}

// rawGCM is the processor time of AES-128-GCM for one packet of n octets: the best of many short rounds, because whatever else runs on the machine
// can only make it look slower, and a slow yardstick flatters. Call it when the other process has ended.
func rawGCM(n int) time.Duration {
	block, _ := aes.NewCipher(make([]byte, 16))
	aead, _ := cipher.NewGCM(block)
	buf, nonce, aad := make([]byte, n+16), make([]byte, 12), make([]byte, 8)
	const rounds, packets = 40, 20000
	best := time.Duration(1<<63 - 1)
	for range rounds {
		start := cpu()
		for i := range packets {
			binary.BigEndian.PutUint64(nonce, uint64(i))
			aead.Seal(buf[:0], nonce, buf[:n], aad)
		}
		best = min(best, cpu()-start)
	}
	return best / packets
}

func report(b *testing.B, size int, n int64, used time.Duration) {
	b.Helper()
	per, raw := float64(used)/float64(n), float64(rawGCM(size))
	if per <= raw { // it contains that work and more
		b.Fatalf("measured %.0f ns a packet, less than the %.0f ns of its encryption alone: the measurement is wrong", per, raw)
	}
	b.ReportMetric(per, "cpu-ns/packet")
	b.ReportMetric(raw, "raw-gcm-ns")
	b.ReportMetric(1e9/per, "packets/cpu-s")
	b.ReportMetric(float64(size)*8e3/per, "Mbit/cpu-s")
	b.ReportMetric(raw/per, "share")
	b.ReportMetric(0, "ns/op")
}

// forCases runs both sizes with the kernel's offloads, which one flow over loopback uses to the full, and without, which is the other extreme: one
// datagram for each packet, as when every packet of a batch belongs to another UE.
func forCases(b *testing.B, run func(b *testing.B, size int, o udpbatch.Options)) {
	for _, offload := range []bool{true, false} {
		for _, size := range benchSizes {
			b.Run(fmt.Sprintf("%d/offload=%v", size, offload), func(b *testing.B) {
				run(b, size, udpbatch.Options{NoGRO: !offload, NoGSO: !offload})
			})
		}
	}
}

// BenchmarkLoopbackUplink: receive ESP, decrypt, hand on.
func BenchmarkLoopbackUplink(b *testing.B) {
	forCases(b, func(b *testing.B, size int, o udpbatch.Options) {
		sink := &counting{}
		d := newPlane(b, sink, Options{Workers: 1, UDP: o})
		sa, _ := install(b, d, 1, 0, netip.MustParseAddrPort("127.0.0.1:9"))
		stop := peer(b, "send", d.Sockets()[0].Local, sa.InboundSPI, size, o.NoGSO)
		for sink.n.Load() == 0 {
			time.Sleep(time.Millisecond)
		}
		b.ResetTimer()
		first, start := sink.n.Load(), cpu()
		for sink.n.Load()-first < int64(b.N) {
			time.Sleep(time.Millisecond)
		}
		n, used := sink.n.Load()-first, cpu()-start
		b.StopTimer()
		stop()
		// Few datagrams a call mean that the other end could not fill this one: then the figure is of waking up, not of work.
		rx := d.Totals().Sockets[0]
		b.ReportMetric(float64(rx.RxDatagrams)/float64(rx.RxCalls), "packets/call")
		report(b, size, n, used)
	})
}

// BenchmarkLoopbackDownlink: encrypt and send ESP.
func BenchmarkLoopbackDownlink(b *testing.B) {
	forCases(b, func(b *testing.B, size int, o udpbatch.Options) {
		d := newPlane(b, &counting{}, Options{Workers: 1, UDP: o})
		to, stop := receivingPeer(b)
		sa, _ := install(b, d, 1, 0, to)
		h, err := d.Handle(sa.ID)
		require.NoError(b, err)
		w := d.NewWriter()
		head, payload := innerIPv4(carrier), make([]byte, size)
		b.ResetTimer()
		start := cpu()
		for i := range b.N {
			if err := w.Write(h, head, payload); err != nil {
				b.Fatal(err)
			}
			if i%128 == 127 {
				_ = w.Flush()
			}
		}
		_ = w.Flush()
		used := cpu() - start
		b.StopTimer()
		stop()
		sent := int64(d.Totals().Sockets[0].TxDatagrams)
		if sent != int64(b.N) {
			b.Fatalf("%d of %d packets were sent", sent, b.N)
		}
		report(b, size, sent, used)
	})
}

const peerEnv = "ESP_BENCH_PEER" // tells a copy of the test program that it is the other end

func peer(b *testing.B, args ...any) (stop func()) {
	b.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), peerEnv+"="+strings.TrimSpace(fmt.Sprintln(args...)))
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	require.NoError(b, err)
	require.NoError(b, cmd.Start())
	return func() { _ = in.Close(); _ = cmd.Wait() }
}

func receivingPeer(b *testing.B) (netip.AddrPort, func()) {
	b.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), peerEnv+"=receive")
	in, err := cmd.StdinPipe()
	require.NoError(b, err)
	out, err := cmd.StdoutPipe()
	require.NoError(b, err)
	require.NoError(b, cmd.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(b, err)
	return netip.MustParseAddrPort(strings.TrimSpace(line)), func() { _ = in.Close(); _ = cmd.Wait() }
}

// runPeer is the other end: it ends when its standard input does.
func runPeer(what string) error {
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	plain := strings.HasSuffix(what, "true")
	c, err := udpbatch.Listen(udpbatch.Options{Local: netip.MustParseAddrPort("127.0.0.1:0"), NoGSO: plain})
	if err != nil {
		return err
	}
	if what == "receive" {
		fmt.Println(c.LocalAddr())
		for r := c.NewReceiver(); err == nil; {
			_, err = r.Receive()
		}
		return err
	}
	var to, mode string
	var spi uint32
	var size int
	if _, err := fmt.Sscan(what, &mode, &to, &spi, &size); err != nil {
		return err
	}
	out, err := esp.NewOutbound(spi, gcm, gcmKeys(1), true, 0)
	if err != nil {
		return err
	}
	address := udpbatch.Address{Remote: netip.MustParseAddrPort(to)}
	s := c.NewSender()
	var sc esp.Scratch
	inner := innerIPv4(carrier + size)
	for {
		for range 128 {
			seq, _ := out.Next()
			n := out.Size(len(inner))
			out.Seal(s.Reserve(n), seq, ipv4InESP, inner, nil, &sc)
			s.Commit(&address, n)
		}
		if _, err := s.Flush(); err != nil {
			return err
		}
	}
}

// SPDX-License-Identifier: Apache-2.0

//go:build linux && kernelipsec

// These tests need a kernel with ESP and xfrm interfaces: test/vm runs them on one.

package xfrm

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/internal/testenv"
)

func dial(t *testing.T) *Conn {
	t.Helper()
	c, err := Dial()
	require.NoError(t, err)
	t.Cleanup(func() {
		ours, err := c.States(func(s *State) bool { return s.SPI != 0 }) // larval ones go by themselves
		require.NoError(t, err)
		for _, s := range ours {
			require.NoError(t, c.DeleteState(s.ID))
		}
		policies, err := c.Policies(func(*Policy) bool { return true })
		require.NoError(t, err)
		for _, p := range policies {
			require.NoError(t, c.DeletePolicy(p.PolicyID))
		}
		require.NoError(t, c.Close())
	})
	return c
}

func ipXfrm(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command("ip", append([]string{"-d", "xfrm"}, args...)...).CombinedOutput()
	require.NoError(t, err, string(out))
	return string(out)
}

// keepsThreshold: before Linux 5.17 (and what distributions took from it) the kernel passes over a limit for Mapping reports.
func keepsThreshold(t *testing.T) bool { return testenv.KernelAtLeast(t, 5, 10) }

// What we add, iproute2 shows; what iproute2 adds, we read; and the kernel gives back what it was given.
func TestKernelKeepsStates(t *testing.T) {
	c := dial(t)
	for _, want := range []*State{gcm(), cbc6()} {
		want.MappingThreshold = 0
		if want.Encap != nil && keepsThreshold(t) {
			want.MappingThreshold = 3
		}
		want.Replay.In = 9
		want.Replay.Bitmap = make([]uint32, (want.Replay.Window+31)/32)
		want.Replay.Bitmap[0] = 1
		require.NoError(t, c.AddState(want))
		require.ErrorIs(t, c.AddState(want), ErrExists)
		got, err := c.GetState(want.ID)
		require.NoError(t, err)
		require.Equal(t, want, got)

		moved := *want
		moved.Encap = nil
		if want.Encap != nil {
			require.Error(t, c.UpdateState(&moved), "encapsulation cannot be removed in place")
			moved.Encap = &Encap{4500, 5999}
		}
		moved.Src = a("192.0.2.77")
		moved.Limits.SoftPackets = 6
		require.NoError(t, c.UpdateState(&moved))
		got, err = c.GetState(want.ID)
		require.NoError(t, err)
		moved.Src = want.Src // the kernel says yes and does not do it
		require.Equal(t, &moved, got)

		r := want.Replay
		r.Out += 1 << 33
		require.NoError(t, c.SetReplay(want.ID, r))
		got, err = c.GetState(want.ID)
		require.NoError(t, err)
		require.Equal(t, r, got.Replay)
	}
	shown := ipXfrm(t, "state")
	for _, words := range []string{
		"rfc4106(gcm(aes))", "replay_window 64, bitmap-length 2", "replay_window 4096, bitmap-length 128", "sport 4500 dport 5999", "if_id 0x9", "mark 0x5/0xffffffff",
		"output-mark 0x3/0xff", "auth-trunc hmac(sha256)", "af-unspec",
	} {
		require.Contains(t, shown, words)
	}
	require.NoError(t, c.DeleteState(gcm().ID))
	require.ErrorIs(t, c.DeleteState(gcm().ID), ErrNotFound)
	_, err := c.GetState(gcm().ID)
	require.ErrorIs(t, err, ErrNotFound)

	ipXfrm(t, "state", "add", "src", "192.0.2.1", "dst", "192.0.2.9", "proto", "esp", "spi", "0x77", "mode", "tunnel", "replay-window", "32", "replay-seq", "5",
		"enc", "cbc(aes)", "0x000102030405060708090a0b0c0d0e0f", "auth-trunc", "hmac(sha1)", "0x000102030405060708090a0b0c0d0e0f10111213", "96")
	got, err := c.GetState(ID{Dst: a("192.0.2.9"), SPI: 0x77})
	require.NoError(t, err)
	require.Equal(t, &State{
		ID: ID{Dst: a("192.0.2.9"), SPI: 0x77}, Src: a("192.0.2.1"), Crypt: &Algorithm{"cbc(aes)", count(16), 0},
		Auth: &Algorithm{"hmac(sha1)", count(20), 96}, Replay: Replay{Window: 32, In: 5, Bitmap: []uint32{0}},
	}, got)
}

func TestKernelKeepsPolicies(t *testing.T) {
	c := dial(t)
	for _, want := range []*Policy{tcpOut(), tcpIn()} {
		require.NoError(t, c.AddPolicy(want))
		require.ErrorIs(t, c.AddPolicy(want), ErrExists)
		read := func() *Policy {
			list, err := c.Policies(func(p *Policy) bool { return p.PolicyID == want.PolicyID })
			require.NoError(t, err)
			require.Len(t, list, 1)
			list[0].Index = 0
			return list[0]
		}
		require.Equal(t, want, read())
		blocked := *want
		blocked.Block, blocked.Template = true, nil
		require.NoError(t, c.UpdatePolicy(&blocked))
		require.Equal(t, &blocked, read())
		require.NoError(t, c.UpdatePolicy(want))
		require.Equal(t, want, read())
		require.NoError(t, c.DeletePolicy(want.PolicyID))
		require.ErrorIs(t, c.DeletePolicy(want.PolicyID), ErrNotFound)
	}
}

// Dumps of many states with the largest window, which do not fit into one datagram, come whole.
func TestKernelDumpsLargeWindows(t *testing.T) {
	c := dial(t)
	const n = 300
	for i := range n {
		s := cbc6()
		s.SPI = 0x1000 + uint32(i)
		s.Replay.Bitmap = make([]uint32, MaxReplayWindow/32)
		s.Replay.Bitmap[127], s.Replay.In = uint32(i), 5000
		require.NoError(t, c.AddState(s))
	}
	list, err := c.States(func(s *State) bool { return s.SPI >= 0x1000 })
	require.NoError(t, err)
	require.Len(t, list, n)
	for _, s := range list {
		require.Len(t, s.Replay.Bitmap, MaxReplayWindow/32)
		require.Equal(t, s.SPI-0x1000, s.Replay.Bitmap[127])
	}
}

// The kernel's refusals come with its own words, where it has any (from Linux 6.1 on).
func TestKernelExplains(t *testing.T) {
	c := dial(t)
	s := gcm()
	s.AEAD.Name = "no(such)"
	if testenv.KernelAtLeast(t, 6, 1) {
		require.ErrorContains(t, c.AddState(s), "AEAD algorithm not found")
	}
	require.ErrorIs(t, c.AddState(s), ErrNoAlgorithm)
	require.ErrorIs(t, c.AddState(s), ErrNoSupport)
	s = gcm()
	s.Replay.Window = 2 * MaxReplayWindow
	require.Error(t, c.AddState(s))
	t.Logf("MIGRATE_STATE supported: %v", c.ProbeMigrateState())
}

// Reports: a packet without a state, a limit that is reached.
func TestKernelReports(t *testing.T) {
	c := dial(t)
	l, err := Listen(GroupAcquire | GroupExpire)
	require.NoError(t, err)
	events := make(chan Event, 100)
	go func() {
		defer close(events)
		for {
			if l.Wait() != nil {
				return
			}
			list, err := l.Receive()
			if err != nil {
				return
			}
			for _, ev := range list {
				events <- ev
			}
		}
	}()
	t.Cleanup(func() {
		require.NoError(t, l.Close())
		for range events { //nolint:revive // until it is closed
		}
	})
	require.NoError(t, os.WriteFile("/proc/sys/net/ipv4/conf/lo/disable_xfrm", []byte("0"), 0)) // the loopback interface goes without by default
	p := tcpOut()
	p.Selector = Selector{Src: netip.MustParsePrefix("127.0.0.0/8"), Dst: netip.MustParsePrefix("127.9.9.9/32"), Protocol: 17, DstPort: 9}
	p.Mark, p.IfID = Mark{}, 0
	p.Template = &Template{Src: a("127.0.0.1"), Dst: a("127.0.0.2"), ReqID: 7}
	require.NoError(t, c.AddPolicy(p))
	conn, err := net.Dial("udp", "127.9.9.9:9")
	require.NoError(t, err)
	defer conn.Close() //nolint:errcheck // nothing to lose
	send := func() { _, _ = conn.Write([]byte("x")) }
	send()
	acquire, ok := (<-events).(*Acquire)
	require.True(t, ok)
	require.Equal(t, a("127.0.0.2"), acquire.Dst)
	require.Equal(t, a("127.0.0.1"), acquire.Src)
	require.Equal(t, uint16(9), acquire.Selector.DstPort)

	s := gcm()
	s.ID, s.Src, s.IfID, s.OutputMark, s.Encap = ID{Dst: a("127.0.0.2"), SPI: 0x4321}, a("127.0.0.1"), 0, nil, nil
	s.Limits = Limits{SoftPackets: 2, HardPackets: 4}
	require.NoError(t, c.AddState(s))
	for range 6 {
		send()
	}
	for _, hard := range []bool{false, true} {
		ev := <-events
		expire, ok := ev.(*Expire)
		require.True(t, ok, fmt.Sprintf("%T", ev))
		require.Equal(t, hard, expire.Hard)
		require.Equal(t, s.ID, expire.State.ID)
	}
}

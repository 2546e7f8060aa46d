// SPDX-License-Identifier: Apache-2.0

package user

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/open-n3iwf/n3iwf/internal/udpbatch"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec/contract"
)

func TestMain(m *testing.M) {
	if what := os.Getenv(peerEnv); what != "" {
		if err := runPeer(what); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

var (
	loopback4 = loopback(1)
	loopback6 = netip.IPv6Loopback()
)

// loopback gives addresses that only this process uses: a raw socket for ESP hears what anybody sends to its address.
func loopback(host byte) netip.Addr {
	pid := os.Getpid()
	return netip.AddrFrom4([4]byte{127, 192 + byte(pid%32), byte(pid / 32), host})
}

// environment makes a data plane on the loopback network. wildcard serves all addresses of a family with one socket.
func environment(t *testing.T, sink ipsec.Sink, o Options, wildcard bool) contract.Environment {
	t.Helper()
	o.Sink = sink
	o.Log = slog.New(slog.NewTextHandler(t.Output(), nil))
	d, err := New(o)
	require.NoError(t, err)
	t.Cleanup(func() { _ = d.Close() })
	add := func(kind Kind, a netip.Addr) (netip.AddrPort, error) {
		bind := a
		if wildcard && kind != ESP {
			if bind = netip.IPv4Unspecified(); a.Is6() {
				bind = netip.IPv6Unspecified()
			}
		}
		got, err := d.AddSocket(Socket{Kind: kind, Local: netip.AddrPortFrom(bind, 0)})
		return netip.AddrPortFrom(a, got.Port()), err
	}
	e := contract.Environment{
		DataPlane: d, Listen: udpbatch.Listen,
		Successor: func(t *testing.T, sink ipsec.Sink, estate *ipsec.Estate) (ipsec.DataPlane, error) {
			o := o
			o.Sink, o.Estate, o.Log = sink, estate, slog.New(slog.NewTextHandler(t.Output(), nil))
			return New(o)
		},
		Peer4: [2]netip.Addr{loopback(2), loopback(3)},
	}
	e.Local4, err = add(NATT, loopback4)
	require.NoError(t, err)
	e.IKE4, err = add(IKE, loopback4)
	require.NoError(t, err)
	if e.Local6, err = add(NATT, loopback6); err == nil {
		e.Peer6 = loopback6
	} else {
		e.Local6 = netip.AddrPort{}
	}
	if _, err = add(ESP, loopback4); err == nil {
		e.PlainESP = true
	} else {
		require.True(t, errors.Is(err, os.ErrPermission), err)
	}
	return e
}

func TestContract(t *testing.T) {
	for _, workers := range []int{1, 3} {
		for _, wildcard := range []bool{false, true} {
			for _, offload := range []bool{false, true} {
				t.Run(fmt.Sprintf("workers=%d,wildcard=%v,offload=%v", workers, wildcard, offload), func(t *testing.T) {
					contract.Run(t, func(t *testing.T, sink ipsec.Sink) contract.Environment {
						o := Options{Workers: workers, MaxSAs: 4096, UDP: udpbatch.Options{NoGRO: !offload, NoGSO: !offload, Batch: 8}}
						return environment(t, sink, o, wildcard)
					})
				})
			}
		}
	}
}

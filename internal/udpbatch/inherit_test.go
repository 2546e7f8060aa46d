// SPDX-License-Identifier: Apache-2.0

package udpbatch

import (
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/bpf"

	"github.com/open-n3iwf/n3iwf/internal/testenv"
)

// What comes while a group is handed on is received by the one that goes on with it, each datagram on the socket that it was steered to.
func TestInherit(t *testing.T) {
	o := Options{Local: netip.AddrPortFrom(loopback(false), 0)}
	first := []bpf.Instruction{bpf.LoadAbsolute{Off: 0, Size: 1}, bpf.RetA{}} // the first octet names the socket
	group, err := ListenGroup(o, 2, first)
	require.NoError(t, err)
	o.Local = group[0].LocalAddr()
	client := listenT(t, Options{})
	send := func(b ...byte) {
		t.Helper()
		require.NoError(t, client.WriteTo(&Address{Remote: o.Local}, b, nil))
	}
	var files []*os.File
	done := make(chan struct{}, 2)
	for i, c := range group {
		r := c.NewReceiver()
		send(byte(i), 1)
		require.Equal(t, []byte{byte(i), 1}, receive(t, r, 1)[0].Data)
		require.NoError(t, c.pc.SetReadDeadline(time.Time{}))
		go func() {
			_, err := r.Receive()
			require.ErrorIs(t, err, net.ErrClosed, "it gets nothing any more")
			done <- struct{}{}
		}()
	}
	for _, c := range group {
		require.NoError(t, c.Pause(t.Context()))
		f, err := c.File()
		require.NoError(t, err)
		files = append(files, f)
	}
	send(0, 2)
	send(1, 2)
	heirs, err := Inherit(o, files)
	require.NoError(t, err)
	for i, c := range group {
		require.NoError(t, files[i].Close())
		require.NoError(t, c.Close())
		<-done
	}
	send(0, 3)
	for i, c := range heirs {
		require.Equal(t, o.Local, c.LocalAddr())
		require.Equal(t, group[i].gro, c.gro)
		r := c.NewReceiver()
		c.Resume()
		want := [][]byte{{byte(i), 2}, {0, 3}}[:2-i]
		for k, d := range receive(t, r, len(want)) {
			require.Equal(t, want[k], d.Data)
		}
		require.NoError(t, c.WriteTo(&Address{Remote: client.LocalAddr()}, []byte("back"), nil))
		require.NoError(t, c.Close())
	}
	require.Len(t, receive(t, client.NewReceiver(), 2), 2)
}

// A socket is not taken for another one.
func TestInheritChecks(t *testing.T) {
	c := listenT(t, Options{})
	f, err := c.File()
	require.NoError(t, err)
	t.Cleanup(func() { _ = f.Close() })
	for _, local := range []string{"127.0.0.2:0", "127.0.0.1:1", "[::1]:0", "0.0.0.0:0"} {
		_, err := Inherit(Options{Local: netip.MustParseAddrPort(local)}, []*os.File{f})
		require.ErrorContains(t, err, "is not", local)
	}
	_, err = Inherit(Options{Local: netip.AddrPortFrom(loopback(false), 0), Protocol: 50}, []*os.File{f})
	require.ErrorContains(t, err, "is not")
	null, err := os.Open(os.DevNull)
	require.NoError(t, err)
	defer null.Close() //nolint:errcheck // of a test
	_, err = Inherit(Options{Local: c.LocalAddr()}, []*os.File{null})
	require.Error(t, err)
}

// Raw sockets and wildcards go on as well.
func TestInheritKinds(t *testing.T) {
	testenv.NeedRoot(t)
	for name, o := range map[string]Options{
		"raw":      {Local: netip.AddrPortFrom(loopback(false), 0), Protocol: 253},
		"wildcard": {Local: netip.MustParseAddrPort("0.0.0.0:0")},
	} {
		t.Run(name, func(t *testing.T) {
			c := listenT(t, o)
			f, err := c.File()
			require.NoError(t, err)
			o.Local = c.LocalAddr()
			heirs, err := Inherit(o, []*os.File{f})
			require.NoError(t, err)
			require.NoError(t, f.Close())
			require.NoError(t, c.Close())
			heir := heirs[0]
			t.Cleanup(func() { _ = heir.Close() })
			r := heir.NewReceiver()
			heir.Resume()
			from := listenT(t, Options{Local: netip.AddrPortFrom(loopback(false), 0), Protocol: o.Protocol})
			to := netip.AddrPortFrom(loopback(false), heir.LocalAddr().Port())
			require.NoError(t, from.WriteTo(&Address{Remote: to}, []byte("hello"), nil))
			got := receive(t, r, 1)[0]
			require.Equal(t, "hello", string(got.Data))
			require.Equal(t, to, got.Local)
		})
	}
}

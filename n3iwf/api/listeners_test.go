// SPDX-License-Identifier: Apache-2.0

package api

import (
	"fmt"
	"log/slog"
	"net"
	"os"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/config"
)

// A reload that narrows or widens an address with its port lets two sockets share it, no longer than it takes, whether the change is made, comes to nothing
// elsewhere, or is refused: afterwards no other process gets connections of the port.
func TestPortIsSharedDuringAReloadOnly(t *testing.T) {
	sharing := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error { return controlOf(c, share) }}
	s := &Server{log: slog.New(slog.DiscardHandler)}
	t.Cleanup(func() { closeAll(s.listeners) })
	ask := func(observe, socket string) (done, undone func(), err error) {
		change, err := s.Prepare(nil, &config.Config{Management: config.Management{Observe: observe, Socket: socket}})
		return change.Commit, change.Undo, err
	}
	var done, undone func()
	port, err := 20000+os.Getpid()%10000, error(syscall.EADDRINUSE) // where the kernel gives none to those who take any
	for ; err != nil && port < 32768; port++ {
		done, _, err = ask(fmt.Sprintf("0.0.0.0:%d", port), "")
	}
	port--
	require.NoError(t, err)
	done()
	at := func(host string) string { return net.JoinHostPort(host, fmt.Sprint(port)) }
	const all, one = "0.0.0.0", "127.0.0.84"
	file := t.TempDir() + "/file"
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	now := all
	shared := func(want bool, what string) {
		t.Helper()
		if now == all && !want {
			return // see forgetShared
		}
		for _, host := range []string{one, all} {
			l, err := sharing.Listen(t.Context(), "tcp", at(host))
			if err == nil {
				require.NoError(t, l.Close())
			}
			require.Equal(t, want, err == nil, "%s: %s: %v", what, host, err)
		}
	}
	for _, next := range []string{one, all, one} {
		_, _, err = ask(at(next), file)
		require.ErrorContains(t, err, "is no socket")
		shared(false, "refused")
		_, undone, err = ask(at(next), "")
		require.NoError(t, err)
		shared(true, "both are there")
		undone()
		shared(false, "undone")
		done, _, err = ask(at(next), "")
		require.NoError(t, err)
		done()
		now = next
		shared(false, "done")
		require.Len(t, s.listeners, 1)
		require.Equal(t, at(next), s.listeners[0].at)
	}
}

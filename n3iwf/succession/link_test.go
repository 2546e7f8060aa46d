// SPDX-License-Identifier: Apache-2.0

package succession

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/open-n3iwf/n3iwf/internal/testenv"
)

const (
	connectTo = "SUCCESSION_TEST_CONNECT"
	hang      = "SUCCESSION_TEST_HANG"
	outlive   = "SUCCESSION_TEST_OUTLIVE"
)

func TestMain(m *testing.M) {
	if path := os.Getenv(connectTo); path != "" { // the other user of TestOtherUsers
		l, err := Dial(context.Background(), path)
		if err == nil && os.Getenv(hang) != "" {
			_ = l.Say(context.Background(), 1, nil)
			_, err = l.Receive(context.Background())
		}
		if err == nil && os.Getenv(outlive) != "" {
			ctx, cancel := context.WithCancel(context.Background())
			cancel()
			err = l.Outlive(ctx)
		}
		if err == nil {
			err = l.Close()
		}
		fmt.Print(err)
		return
	}
	goleak.VerifyTestMain(m)
}

func pair(t *testing.T) (a, b *Link) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	l, err := Listen(path)
	require.NoError(t, err)
	st, err := os.Stat(path)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), st.Mode().Perm())
	_, err = Listen(path)
	require.ErrorIs(t, err, syscall.EADDRINUSE, "it is in use")
	came := make(chan *Link, 2)
	go func() {
		for {
			b, err := l.Accept()
			if err != nil {
				close(came)
				return
			}
			came <- b
		}
	}()
	require.NoError(t, (<-came).Close(), "Listen has looked")
	a, err = Dial(t.Context(), path)
	require.NoError(t, err)
	b = <-came
	require.Equal(t, os.Getpid(), a.PID())
	require.Equal(t, os.Getpid(), b.PID())
	require.NoError(t, l.Close())
	<-came
	t.Cleanup(func() { _, _ = a.Close(), b.Close() })
	return a, b
}

// Messages come whole and in order, with the files that belong to them, more than one message of the kernel takes too.
func TestLink(t *testing.T) {
	a, b := pair(t)
	var files []*os.File
	for i := range 450 {
		r, w, err := os.Pipe()
		require.NoError(t, err)
		_, err = fmt.Fprint(w, i)
		require.NoError(t, err)
		require.NoError(t, w.Close())
		files = append(files, r)
	}
	long := bytes.Repeat([]byte("0123456789"), 300<<10)
	sent := make(chan error, 1)
	go func() {
		sent <- errors.Join(
			a.Say(context.Background(), 1, "hello"),
			a.Send(context.Background(), Message{2, long, files[:1]}),
			a.Send(context.Background(), Message{3, nil, files[1:]}),
			a.Send(context.Background(), Message{4, []byte("end"), nil}))
	}()
	next := func() Message {
		t.Helper()
		m, err := b.Receive(t.Context())
		require.NoError(t, err)
		return m
	}
	content := func(f *os.File) string {
		t.Helper()
		b, err := io.ReadAll(f)
		require.NoError(t, err)
		return string(b)
	}
	m := next()
	var word string
	require.NoError(t, m.Decode(&word))
	require.Equal(t, "hello", word)
	require.Error(t, m.Decode(new(int)))
	require.Empty(t, m.Files)
	m = next()
	require.EqualValues(t, 2, m.Kind)
	require.Equal(t, long, m.Body)
	require.Len(t, m.Files, 1)
	require.Equal(t, "0", content(m.Files[0]))
	m.Close()
	m = next()
	require.Len(t, m.Files, 449)
	for i, f := range m.Files {
		require.Equal(t, fmt.Sprint(i+1), content(f))
	}
	m.Close()
	require.Equal(t, "end", string(next().Body))
	require.NoError(t, <-sent)
	for _, f := range files {
		require.NoError(t, f.Close())
	}
	require.Error(t, a.Send(t.Context(), Message{Kind: 0}))
	require.NoError(t, a.Close())
	_, err := b.Receive(t.Context())
	require.ErrorIs(t, err, io.EOF)
}

// A link does not wait longer than it is let.
func TestLinkEnds(t *testing.T) {
	a, b := pair(t)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	_, err := b.Receive(ctx)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	ctx, cancel = context.WithCancel(t.Context())
	cancel()
	_, err = b.Receive(ctx)
	require.ErrorIs(t, err, context.Canceled)
	require.NoError(t, a.Say(t.Context(), 1, 1), "and goes on")
	_, err = b.Receive(t.Context())
	require.NoError(t, err)

	_, err = a.conn.Write([]byte{1, 0, 0, 0, 9, 'c', 'u', 't'})
	require.NoError(t, err)
	require.NoError(t, a.conn.CloseWrite())
	_, err = b.Receive(t.Context())
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	_, err = b.conn.Write([]byte{1, 255, 0, 0, 0})
	require.NoError(t, err)
	_, err = a.Receive(t.Context())
	require.ErrorContains(t, err, "octets")
	_, err = b.conn.Write([]byte{0, 0, 0, 0, 1, 3, 1, 0, 0, 0, 0})
	require.NoError(t, err)
	_, err = a.Receive(t.Context())
	require.ErrorContains(t, err, "0 files came, of 3")
}

// Whoever hangs does not keep the other end waiting for ever, and cannot go on one day; whoever ends is waited for.
func TestOutlive(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l, err := Listen(path)
	require.NoError(t, err)
	defer l.Close() //nolint:errcheck // of a test
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), connectTo+"="+path, hang+"=1")
	require.NoError(t, cmd.Start())
	link, err := l.Accept()
	require.NoError(t, err)
	defer link.Close() //nolint:errcheck // of a test
	require.Equal(t, cmd.Process.Pid, link.PID())
	require.NoError(t, cmd.Process.Signal(syscall.SIGSTOP))
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	require.NoError(t, link.Outlive(ctx))
	require.ErrorContains(t, cmd.Wait(), "killed")

	a, b := pair(t)
	require.NoError(t, a.Say(t.Context(), 1, 1))
	require.ErrorContains(t, b.Outlive(ctx), "in this process")
	require.NoError(t, a.Close())
	require.NoError(t, b.Outlive(t.Context()))
}

// A process in another PID namespace, as of another container, is not killed, nor is any other one in its place.
func TestOutliveUnseen(t *testing.T) {
	testenv.NeedRoot(t)
	path := filepath.Join(t.TempDir(), "s")
	l, err := Listen(path)
	require.NoError(t, err)
	defer l.Close() //nolint:errcheck // of a test
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), connectTo+"="+path, outlive+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID}
	said, err := cmd.Output()
	require.NoError(t, err)
	require.Equal(t, ErrUnseen.Error(), string(said))
}

// A socket that was left is replaced.
func TestListenAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	left, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	require.NoError(t, err)
	left.SetUnlinkOnClose(false)
	require.NoError(t, left.Close())
	l, err := Listen(path)
	require.NoError(t, err)
	require.NoError(t, l.Close())
	require.NoFileExists(t, path)
}

// Another user can neither succeed nor be succeeded, whatever the mode of the socket is.
func TestOtherUsers(t *testing.T) {
	testenv.NeedRoot(t)
	dir := t.TempDir()
	for d := dir; len(d) > len(os.TempDir()); d = filepath.Dir(d) {
		require.NoError(t, os.Chmod(d, 0o755)) //nolint:gosec // another user shall come as far as the socket
	}
	path := filepath.Join(dir, "s")
	l, err := Listen(path)
	require.NoError(t, err)
	require.NoError(t, os.Chmod(path, 0o666)) //nolint:gosec // as above
	accepted := make(chan error, 1)
	go func() {
		_, err := l.Accept()
		accepted <- err
	}()
	program := filepath.Join(dir, "test")
	content, err := os.ReadFile(os.Args[0])
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(program, content, 0o755)) //nolint:gosec // as above
	cmd := exec.Command(program)
	cmd.Env = append(os.Environ(), connectTo+"="+path)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out, err := cmd.CombinedOutput()
	require.NoError(t, err)
	require.Contains(t, string(out), ErrUser.Error())
	require.NoError(t, l.Close())
	require.ErrorIs(t, <-accepted, net.ErrClosed, "nobody was accepted")
}

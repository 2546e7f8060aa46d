// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/config"
	"github.com/open-n3iwf/n3iwf/n3iwf"
)

// good writes a valid configuration and returns its name.
func good(t *testing.T, more string) string {
	t.Helper()
	dir := t.TempDir()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"n3iwf.example.org"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	for name, b := range map[string][]byte{
		"n3iwf.pem": pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		"n3iwf.key": pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}),
		"n3iwf.yaml": []byte(`n3iwf: {supportedTAs: [{tac: "000001", plmns: [{plmn: {mcc: "001", mnc: "01"}}]}]}
nwu: {certificate: {chain: n3iwf.pem, key: n3iwf.key}, uePools: {ipv4: [10.60.0.0/16]}}
n2: {amfs: [{addresses: [192.0.2.10]}]}
` + more),
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), b, 0o600))
	}
	return filepath.Join(dir, "n3iwf.yaml")
}

func execute(run runner, args ...string) (stdout, stderr string, err error) {
	var out, errOut bytes.Buffer
	cmd := newCommand(run)
	cmd.SetArgs(args)
	cmd.SetOut(&out)
	cmd.SetErr(&errOut)
	err = cmd.ExecuteContext(context.Background())
	return out.String(), errOut.String(), err
}

func TestCheck(t *testing.T) {
	file := good(t, "")
	out, _, err := execute(nil, "check", "-c", file)
	require.NoError(t, err)
	require.Contains(t, out, "\n"+file+" is good\n")
	require.Contains(t, out, "warning: "+file+":1: n3iwf.supportedTAs[0].plmns[0].plmn: 001-01 is a test network")

	out, _, err = execute(nil, "check", "--show", "-c", file)
	require.NoError(t, err)
	require.Contains(t, out, "replayWindow: 1024")
	require.NotContains(t, out, "n3iwf.key")

	file = good(t, "n3:\n  addresses:\n    - 127.9.9.9\n    - \"2001:db8::7\"\nmanagement: {socket: \"\", observe: \"192.0.2.7:9464\"}\n")
	out, _, err = execute(nil, "check", "-c", file)
	require.NoError(t, err, "the file may be for another machine")
	require.Contains(t, out, "warning: "+file+":7: n3.addresses[1]: 2001:db8::7 is no address of this machine; ")
	require.Contains(t, out, "warning: "+file+":8: management.observe: 192.0.2.7 is no address of this machine; ")
	require.NotContains(t, out, "127.9.9.9")
	_, _, err = execute(serve, "run", "-c", file)
	require.ErrorContains(t, err, file+":7: n3.addresses[1]: 2001:db8::7 is no address of this machine", "a start that fails says where")
	require.Equal(t, exitFailed, exitStatus(err))

	file = good(t, "n3: {prt: 2152}\n")
	_, _, err = execute(nil, "check", "-c", file)
	require.EqualError(t, err, file+":4: n3.prt: unknown key; did you mean port?")
	require.Equal(t, exitUsage, exitStatus(err))
}

func TestVersion(t *testing.T) {
	out, _, err := execute(nil, "version")
	require.NoError(t, err)
	require.Contains(t, out, runtime.Version())
}

// An argument that is missing is named, with how the command is used.
func TestMissingArguments(t *testing.T) {
	for want, args := range map[string][]string{
		"ID is missing; usage: n3iwf ue ID":                                        {"ue"},
		"ID is missing; usage: n3iwf release ID":                                   {"release"},
		"{ID|all} and TO are missing; usage: n3iwf move {ID|all} TO":               {"move"},
		"TO is missing; usage: n3iwf move {ID|all} TO":                             {"move", "7"},
		"FILE is missing; usage: n3iwf import free5gc FILE":                        {"import", "free5gc"},
		"accepts 1 arg(s), received 2; usage: n3iwf ue ID":                         {"ue", "1", "2"},
		"accepts at most 1 arg(s), received 2; usage: n3iwf log-level [LEVEL]":     {"log-level", "a", "b"},
		"unknown command \"file\" for \"n3iwf check\"; usage: n3iwf check -c FILE": {"check", "file"},
	} {
		_, _, err := execute(nil, args...)
		require.EqualError(t, err, want)
		require.Equal(t, exitUsage, exitStatus(err))
	}
}

// A key that everybody can read is told at the start, and the N3IWF starts.
func TestRunWarnsOfExposedKeys(t *testing.T) {
	file := good(t, "")
	cfg, err := config.Load(file)
	require.NoError(t, err)
	run := func() string {
		_, stderr, err := execute(func(context.Context, program) error { return nil }, "run", "-c", file)
		require.NoError(t, err)
		return stderr
	}
	require.NoError(t, os.Chmod(string(cfg.NWu.Certificate.Key), 0o600))
	require.NotContains(t, run(), "every user of this machine")
	require.NoError(t, os.Chmod(string(cfg.NWu.Certificate.Key), 0o644))
	require.Contains(t, run(), "nwu.certificate.key: every user of this machine can read")
}

func TestWrongCommandLine(t *testing.T) {
	for _, args := range [][]string{{"walk"}, {"check", "file"}, {"check", "--config"}} {
		_, _, err := execute(nil, args...)
		require.Error(t, err)
		require.Equal(t, exitUsage, exitStatus(err))
	}
}

func TestRunEndsOnASignal(t *testing.T) {
	file := good(t, "log: {format: json, level: warn}\n")
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		_, stderr, err := execute(func(ctx context.Context, p program) error {
			require.Equal(t, "n3iwf.example.org", p.cfg.NWu.Identity)
			p.log.Info("not shown")
			p.log.Warn("shown")
			require.NoError(t, syscall.Kill(os.Getpid(), sig))
			<-ctx.Done()
			return nil
		}, "run", "-c", file)
		require.NoError(t, err)
		require.Contains(t, stderr, `"msg":"shown"`)
		require.NotContains(t, stderr, "not shown")
	}
}

// Without n3.addresses and without an AMF that can be found there is no N3 address: what is missing is named.
func TestRunWithoutN3Address(t *testing.T) {
	cfg, err := config.Load(good(t, "management: {socket: \"\"}\n"))
	require.NoError(t, err)
	cfg.N2.AMFs[0] = config.AMF{Name: "no name at all", Port: 38412} // no server is asked for one with blanks
	_, err = n3iwf.New(cfg, slog.New(slog.DiscardHandler))
	require.ErrorContains(t, err, "n3.addresses: not given, and the address that reaches the first AMF is not known: n2.amfs: lookup no name at all")
}

func TestRunFailure(t *testing.T) {
	_, _, err := execute(func(context.Context, program) error {
		return errors.New("port taken")
	}, "run", "-c", good(t, ""))
	require.EqualError(t, err, "port taken")
	require.Equal(t, exitFailed, exitStatus(err))
}

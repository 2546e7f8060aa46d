// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/open-n3iwf/n3iwf/ikev2"
	"github.com/open-n3iwf/n3iwf/n3iwf"
	"github.com/open-n3iwf/n3iwf/n3iwf/api"
	"github.com/open-n3iwf/n3iwf/test/lab/ue"
)

// operator types commands at a running N3IWF, each a process, over its unix socket.
type operator struct {
	t      *testing.T
	socket string
	doc    *openapi3.T
}

// run gives what a command prints, its errors and its exit status.
func (o *operator) run(args ...string) (stdout, stderr string, status int) {
	o.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(bin, "n3iwf"), append(args, "--server", o.socket)...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil {
		require.ErrorAs(o.t, err, &exit, "%v", args)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// says runs a command that must succeed.
func (o *operator) says(args ...string) string {
	o.t.Helper()
	stdout, stderr, status := o.run(args...)
	require.Zero(o.t, status, "%v: %s%s", args, stdout, stderr)
	return stdout
}

// json decodes what a command prints with -o json: every key must be one of the type and of the OpenAPI document, which describes the answer of the path.
func (o *operator) json(answer any, method, path string, args ...string) {
	o.t.Helper()
	text := o.says(append(args, "-o", "json")...)
	d := json.NewDecoder(strings.NewReader(text))
	d.DisallowUnknownFields()
	require.NoError(o.t, d.Decode(answer), text)
	require.ErrorIs(o.t, d.Decode(new(any)), io.EOF, "one value")
	var value any
	require.NoError(o.t, json.Unmarshal([]byte(text), &value))
	item := o.doc.Paths.Find("/api/v1" + path)
	require.NotNil(o.t, item, path)
	schema := item.GetOperation(method).Responses.Value("200").Value.Content["application/json"].Schema
	require.NoError(o.t, schema.Value.VisitJSON(value, openapi3.MultiErrors()), text)
}

// learn reads the OpenAPI document.
func (o *operator) learn() {
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", o.socket)
	}}
	defer transport.CloseIdleConnections()
	response, err := (&http.Client{Transport: transport}).Get("http://n3iwf/openapi.json")
	require.NoError(o.t, err)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	require.NoError(o.t, err)
	o.doc, err = openapi3.NewLoader().LoadFromData(text)
	require.NoError(o.t, err)
}

// TestCommandLine runs each command of an operator as it is built at an N3IWF that runs as it is built, with UEs of the lab: status, ues, ue, sas, amfs,
// move, rekey, drain, release, log-level, as tables and as JSON.
func TestCommandLine(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	w := prepareWorld(t, nil)
	second := w.addr(hostOtherNWu)
	o := &operator{t: t, socket: filepath.Join(t.TempDir(), "api.sock")}
	text := strings.Replace(w.yaml, fmt.Sprintf("addresses: [%q, \"::1\"]", w.addr(hostN3IWF)), fmt.Sprintf("addresses: [%q, %q]", w.addr(hostN3IWF), second), 1)
	text = strings.Replace(text, "mobike: {patience: 1s}", fmt.Sprintf("mobike: {patience: 1s, additionalAddresses: [%q, %q], switch: {enabled: true}}", w.addr(hostN3IWF), second), 1)
	text += fmt.Sprintf("management: {socket: %q}\n", o.socket)
	require.NoError(t, os.WriteFile(w.file, []byte(text), 0o600))

	_, stderr, status := o.run("status")
	require.Equal(t, 1, status)
	require.Contains(t, stderr, "is it running")
	w.startCore()
	nf := exec.Command(filepath.Join(bin, "n3iwf"), "run", "-c", w.file)
	said := &lockedBuffer{}
	nf.Stdout, nf.Stderr = said, said
	require.NoError(t, nf.Start())
	t.Cleanup(func() { _ = nf.Process.Kill(); _ = nf.Wait() })
	t.Cleanup(func() {
		for _, u := range w.ues {
			_ = u.Close()
		}
		if t.Failed() {
			t.Log("the end of the N3IWF's log:\n" + said.tail(8<<10))
		}
	})
	w.until("NG Setup", func() bool { return said.has("NG connection is up") })
	o.learn()

	follower, ping := w.online(0, func(o *ue.Options) { o.Switch = ikev2.DefaultSwitch() })
	id := func(i int) string { return fmt.Sprint(w.core.State().UEs[i].RANID) }
	follows := id(0)

	// Look.
	require.Regexp(t, `(?m)^AMFs +1 of 1 connected$`, o.says("status"))
	var st api.Status
	o.json(&st, "GET", "/status", "status")
	require.True(t, st.Ready)
	require.Equal(t, 1, st.UEs)
	require.Regexp(t, `(?m)^`+follows+` +up +`+w.addr(10).String()+`:\d+ +(yes|no) +10\.60\.\d+\.\d+ +1 +2 +0 +lab-amf `, o.says("ues"))
	var ues n3iwf.UEPage
	o.json(&ues, "GET", "/ues", "ues", "--filter", w.addr(10).String())
	require.Equal(t, 1, ues.Matched)
	require.Equal(t, follows, fmt.Sprint(ues.UEs[0].ID))
	require.Contains(t, o.says("ues", "--filter", "nobody"), "UE  STATE")
	one := o.says("ue", follows)
	require.Regexp(t, `(?m)^UE +`+follows+`, up for `, one)
	require.Regexp(t, `(?m)^path of IKE +`+w.addr(hostN3IWF).String()+`:\d+ - `+w.addr(10).String()+`:`, one)
	require.Regexp(t, `(?m)^1 +ipv4 +1 +`+w.addr(hostCore).String()+` `, one)
	var detail n3iwf.UEDetail
	o.json(&detail, "GET", "/ues/{id}", "ue", follows)
	require.Regexp(t, `(?m)^SESSION +QFI +5QI .*\n1 +1 +9 +no +[1-9]`, one, "the flow that carries the ping")
	require.Len(t, detail.SAs, 2)
	require.Len(t, detail.Sessions, 1)
	require.Regexp(t, `(?m)^`+follows+` +signalling `, o.says("sas"))
	var sas []n3iwf.SAView
	o.json(&sas, "GET", "/sas", "sas")
	require.Equal(t, detail.SAs[0].InboundSPI, sas[0].InboundSPI)
	require.Regexp(t, `(?m)^lab-amf +`+w.addr(hostCore).String()+`:38412 +connected `, o.says("amfs"))
	var amfs []n3iwf.AMFView
	o.json(&amfs, "GET", "/amfs", "amfs")
	require.Equal(t, 1, amfs[0].UEs)
	_, stderr, status = o.run("ue", "4000000000")
	require.Equal(t, 1, status)
	require.Equal(t, "there is no UE 4000000000\n", stderr)

	// Steer: a UE that follows, there and back.
	require.Regexp(t, `^UE `+follows+` has moved in \S+ \(switch\)\n$`, o.says("move", follows, second.String()))
	require.Eventually(t, func() bool { return follower.Path().Remote.Addr() == second }, deadline, time.Millisecond)
	require.Equal(t, "UE "+follows+" was there already\n", o.says("move", follows, second.String()))
	var moved api.MoveResult
	o.json(&moved, "POST", "/ues/{id}/move", "move", follows, w.addr(hostN3IWF).String())
	require.True(t, moved.Moved)
	require.Equal(t, "switch", moved.How)
	_, err := ping.Ping(w.ctx, 2)
	require.NoError(t, err)
	_, stderr, status = o.run("move", follows, "192.0.2.99")
	require.Equal(t, 1, status)
	require.Contains(t, stderr, "UE "+follows+" has not moved: the destination has no address")

	// One that knows the list of addresses alone and does not look at it: asked is not moved.
	stays, _ := w.online(1)
	stay := id(1)
	_, stderr, status = o.run("move", stay, second.String(), "--wait", "300ms")
	require.Equal(t, 1, status)
	require.Equal(t, fmt.Sprintf("UE %s is asked to go to %s and has not moved within 300ms; it may still: n3iwf ue %[1]s shows its path\n", stay, second), stderr)
	require.Equal(t, w.addr(hostN3IWF), stays.Path().Remote.Addr())
	o.json(&detail, "GET", "/ues/{id}", "ue", stay)
	require.Equal(t, "asked", detail.Paths[len(detail.Paths)-1].Why)
	require.Zero(t, detail.Moves, "the UE has not moved")
	o.json(&st, "GET", "/status", "status")
	require.EqualValues(t, 2, st.Moves, "those of the other UE")
	_, stderr, status = o.run("move", stay, second.String())
	require.Equal(t, 1, status)
	require.Equal(t, "UE "+stay+" has not moved: the UE is being moved already\n", stderr)
	stdout, stderr, status := o.run("move", "all", w.addr(hostN3IWF).String(), "--wait", "20s")
	require.Zero(t, status, stderr)
	require.Contains(t, stdout, "move to "+w.addr(hostN3IWF).String()+": ")
	require.Contains(t, stderr, "1 moved, 1 not, 2 UEs here, done")

	require.Equal(t, "2 UEs are asked to rekey\n", o.says("rekey"))
	require.Equal(t, "there is no other node to move UEs to: they are released when this one stops\n", o.says("drain"))
	_, stderr, status = o.run("drain", "--to", "node:3", "--wait", "10s")
	require.Equal(t, 1, status)
	require.Contains(t, stderr, "node 3: ")
	require.Equal(t, "info\n", o.says("log-level"))
	require.Equal(t, "debug\n", o.says("log-level", "debug"))
	var level api.LogLevel
	o.json(&level, "GET", "/log-level", "log-level")
	require.Equal(t, "debug", level.Level)
	_, stderr, status = o.run("log-level", "loud")
	require.Equal(t, 1, status)
	require.Contains(t, stderr, "loud")

	require.Equal(t, "UE "+follows+" is being released\n", o.says("release", follows))
	require.Eventually(t, func() bool { return w.connected() == 1 && w.core.State().UEs[0].IMSI == imsi(1) }, deadline, 3*time.Millisecond)
	require.Eventually(t, func() bool { return !strings.Contains(o.says("ues"), w.addr(10).String()) }, deadline, time.Millisecond)
	_, stderr, status = o.run("release", follows)
	require.Equal(t, 1, status)
	require.Equal(t, "there is no UE "+follows+"\n", stderr)

	require.NoError(t, nf.Process.Signal(os.Interrupt))
	require.NoError(t, nf.Wait())
	w.until("UEs that were released", func() bool { return w.connected() == 0 })
}

// TestAskedIsNotMoved: what this N3IWF does to call a UE elsewhere is no move of the UE, in no view, and is taken back when the UE does not come.
func TestAskedIsNotMoved(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	w := prepareWorld(t, nil)
	first, second := w.addr(hostN3IWF), w.addr(hostOtherNWu)
	w.cfg.NWu.Addresses = []netip.Addr{first, second}
	w.cfg.NWu.MOBIKE.AdditionalAddresses = w.cfg.NWu.Addresses
	w.startCore()
	w.startN3IWF()
	w.until("NG Setup", func() bool { return w.nf.Status().AMFs == 1 })
	for i, c := range []struct {
		comes bool
		why   []string
	}{{false, []string{"registered", "asked", "back"}}, {true, []string{"registered", "asked"}}} {
		u, ping := w.online(i, func(o *ue.Options) {
			if c.comes {
				o.TestPathsAfter = 3
			}
		})
		id := w.core.State().UEs[i].RANID
		lines, moves := w.text.count("UE moved"), w.nf.Counters().Moves.Load()
		out, err := w.nf.MoveUE(w.ctx, id, n3iwf.ToAddress(second), n3iwf.MoveOptions{Patience: map[bool]time.Duration{false: 300 * time.Millisecond, true: deadline}[c.comes]})
		detail, ok := w.nf.UE(w.ctx, id)
		require.True(t, ok)
		var why []string
		for _, p := range detail.Paths {
			why = append(why, p.Why)
		}
		require.Equal(t, c.why, why[:min(len(why), len(c.why))], "%v", why)
		expected, at := uint64(0), first
		if c.comes {
			require.NoError(t, err)
			expected, at = 1, second
		} else {
			require.ErrorIs(t, err, n3iwf.ErrStayed)
			require.Len(t, why, len(c.why))
			require.Equal(t, lines, w.text.count("UE moved"))
		}
		require.Equal(t, c.comes, out.Moved)
		require.Equal(t, expected, detail.Moves)
		require.Equal(t, expected, w.nf.Counters().Moves.Load()-moves)
		require.Eventually(t, func() bool { return u.Path().Remote.Addr() == at }, deadline, time.Millisecond)
		_, err = ping.Ping(w.ctx, 2)
		require.NoError(t, err)
	}
}

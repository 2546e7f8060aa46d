// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/open-n3iwf/n3iwf/config"
	"github.com/open-n3iwf/n3iwf/test/lab/fleet"
	"github.com/open-n3iwf/n3iwf/test/lab/load"
	"github.com/open-n3iwf/n3iwf/test/lab/nas"
	"github.com/open-n3iwf/n3iwf/test/lab/report"
)

// loadOptions are a load on the N3IWF of a world by so many UEs.
func loadOptions(w *world, ues int) load.Options {
	one := w.options(0)
	return load.Options{
		Fleet: fleet.Options{
			N3IWF: w.addr(hostN3IWF), IKEPort: w.ikePort(), NATTPort: w.nattPort(), LocalIKE: w.uePort(), Count: ues, MCC: "001", MNC: "01",
			Places: [2]netip.AddrPort{netip.AddrPortFrom(w.addr(10), w.uePort()+1), netip.AddrPortFrom(w.addr(11), w.uePort()+1)},
			Key:    one.Subscriber.Key, DNN: "internet", Slice: nas.SNSSAI{SST: 1},
		},
		Rate: 40, InFlight: 16, Moves: 10, Packets: 20, Size: 200, Ping: dn, Hold: 2 * time.Second, Seed: 7,
	}
}

// TestLoad: UEs come, move, send and go; what the load generator counts is what N3IWF and core have counted, and the reports say it.
func TestLoad(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	const ues = 20
	w := newWorld(t, func(c *config.Config) { c.NWu.MOBIKE.ProvenFor = 0 })
	o := loadOptions(w, ues)
	var progress bytes.Buffer
	o.Progress = &progress
	found, err := load.Run(w.ctx, o)
	require.NoError(t, err)
	require.True(t, found.OK, "%+v", found)
	w.empty()

	by := map[string]report.LoadProcedure{}
	for _, p := range found.Procedures {
		by[p.Name] = p
		require.Equal(t, p.Begun, p.OK, p.Name)
		require.Equal(t, p.OK, p.Latency.Count, p.Name)
	}
	for _, name := range []string{"registration", "PDU session", "deregistration"} {
		require.Equal(t, ues, by[name].OK, name)
	}
	moves := by["move"].OK
	require.GreaterOrEqual(t, moves, 10, "10 a second for 2 s and more")
	require.EqualValues(t, moves, w.nf.Counters().Moves.Load(), "the N3IWF has seen the same moves")
	require.Positive(t, found.Sent)
	require.Equal(t, found.Sent, found.Received, "nothing is lost on loopback, moves or not")
	require.Equal(t, found.Sent, found.RTT.Count)
	require.LessOrEqual(t, found.RTT.P50, found.RTT.Max)
	sums := report.LoadSecond{}
	peak := 0
	for _, s := range found.Seconds {
		sums.Registrations, sums.Moves, sums.Sent, sums.Received = sums.Registrations+s.Registrations, sums.Moves+s.Moves, sums.Sent+s.Sent, sums.Received+s.Received
		peak = max(peak, s.UEs)
	}
	require.Equal(t, report.LoadSecond{Registrations: ues, Moves: moves, Sent: found.Sent, Received: found.Received}, sums)
	require.Equal(t, ues, peak)
	require.Contains(t, progress.String(), "20 of 20 UEs up")

	text, err := found.JSON()
	require.NoError(t, err)
	var numbers struct {
		OK         bool
		Procedures []struct {
			Name    string
			Latency struct {
				P99 float64 `json:"p99_ms"`
			}
		}
		Seconds []report.LoadSecond
	}
	require.NoError(t, json.Unmarshal(text, &numbers))
	require.True(t, numbers.OK)
	require.Equal(t, found.Seconds, numbers.Seconds)
	require.Positive(t, numbers.Procedures[0].Latency.P99)
	page, err := found.HTML()
	require.NoError(t, err)
	for _, want := range []string{"<svg", "nothing failed", "How long: move", fmt.Sprintf("%d <small>of %d", found.Received, found.Sent)} {
		require.Contains(t, string(page), want)
	}
}

// TestLoadFailures: what fails is counted with its reason, and the report does not call it good.
func TestLoadFailures(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	w := newWorld(t, func(c *config.Config) { c.NWu.MOBIKE.Enabled = false })
	o := loadOptions(w, 6)
	o.Rate, o.Hold = 100, time.Second
	o.Fleet.FirstMSIN = 38 // two of the core's subscribers, and four that it does not know
	found, err := load.Run(w.ctx, o)
	require.NoError(t, err)
	require.False(t, found.OK)
	registration, move := found.Procedures[0], found.Procedures[2]
	require.Equal(t, 2, registration.OK)
	require.Equal(t, 4, registration.Failed)
	require.NotEmpty(t, registration.Reasons)
	require.Positive(t, move.Failed, "the N3IWF has no MOBIKE")
	page, err := found.HTML()
	require.NoError(t, err)
	for reason := range registration.Reasons {
		require.Contains(t, reason, "registration: ")
		require.Contains(t, string(page), "✗ 4 times")
	}
	w.empty()
}

// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

// TestMain is the N3IWF's process too, as the bench starts its own program for it.
func TestMain(m *testing.M) {
	if inChild() {
		os.Exit(childMain())
	}
	goleak.VerifyTestMain(m)
}

func TestBenchSmoke(t *testing.T) {
	temporary := t.TempDir()
	t.Setenv("TMPDIR", temporary)
	file := filepath.Join(t.TempDir(), "bench.json")
	o, err := parse([]string{"-ues", "20", "-moves", "50", "-seconds", "0.1", "-traffic", "3", "-json", file, "-profile", filepath.Join(t.TempDir(), "profiles")}, io.Discard)
	require.NoError(t, err)
	var out strings.Builder
	require.NoError(t, run(t.Context(), o, &out), out.String())

	b, err := os.ReadFile(file)
	require.NoError(t, err)
	var values map[string]float64
	require.NoError(t, json.Unmarshal(b, &values))
	require.Len(t, values, len(metrics), "exactly the figures that are known")
	for _, m := range metrics {
		assert.Positive(t, values[m.name], m.name)
		assert.Contains(t, out.String(), m.name)
	}
	for _, name := range []string{"registrations", "sessions", "moves", "user_ul_1400", "user_dl_64"} {
		info, err := os.Stat(filepath.Join(o.profile, name+".cpu.pprof"))
		require.NoError(t, err)
		assert.Positive(t, info.Size(), name)
	}
	left, err := os.ReadDir(temporary)
	require.NoError(t, err)
	assert.Empty(t, left, "files stay behind")
}

func TestParse(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"-only", "registration,user"}, ""},
		{[]string{"-only", "speed"}, "-only speed: known are"},
		{[]string{"-ues", "0"}, "-ues 0: want 1 to"},
		{[]string{"-traffic", "65"}, "-traffic 65: want 1 to 64"},
		{[]string{"-seconds", "-1"}, "-seconds -1: want"},
		{[]string{"-seconds", "3600"}, "-seconds 3600: want"},
		{[]string{"now"}, `what is "now"?`},
		{[]string{"-nope"}, "not defined"},
	} {
		t.Run(strings.Join(c.args, " "), func(t *testing.T) {
			o, err := parse(c.args, io.Discard)
			if c.want != "" {
				require.ErrorContains(t, err, c.want)
				return
			}
			require.NoError(t, err)
			assert.True(t, o.wants(groupUser) && o.wants(groupMoves, groupRegistration))
			assert.False(t, o.wants(groupMoves, groupMemory))
		})
	}
}

func TestReport(t *testing.T) {
	r := newReport()
	r.rate(metricMoves, 3000, 600*time.Millisecond)
	r.set(metricHeap, 12<<10)
	r.set(metricULShare, 0.15)
	r.note("seen %d", 7)
	var out bytes.Buffer
	r.print(&out, 1500*time.Millisecond)
	assert.Equal(t, `
  seen 7

per CPU-second of the N3IWF                                               measured       aim    of the aim
user_ul_1400_gcm_share                                                       0.150       0.3        0.50 x  not yet
moves_per_s_per_core                                                          5000     10000        0.50 x  not yet
heap_bytes_per_ue                                                            12288     24576        2.00 x

took 1.5 s
`, out.String())

	file := filepath.Join(t.TempDir(), "bench.json")
	require.NoError(t, r.writeJSON(file))
	b, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.JSONEq(t, `{"moves_per_s_per_core": 5000, "heap_bytes_per_ue": 12288, "user_ul_1400_gcm_share": 0.15}`, string(b))
}

// pipe is a flow that loses packets above a capacity and delivers when it is asked.
type pipe struct {
	capacity, queued, out, dropped uint64
	broken                         error
}

func (p *pipe) prepare(int) {}

func (p *pipe) send() error {
	p.queued += 16
	if p.queued > p.capacity {
		p.dropped += p.queued - p.capacity
		p.queued = p.capacity
	}
	return p.broken
}

func (p *pipe) delivered() uint64 {
	p.out, p.queued = p.out+p.queued, 0
	return p.out
}

func TestLoadCountsWhatCameOut(t *testing.T) {
	p := &pipe{capacity: 16, out: 1000}
	r, err := load(t.Context(), p, 16, 30*time.Millisecond)
	require.NoError(t, err)
	assert.Equal(t, r.sent, r.delivered)
	assert.Equal(t, p.out-1000, r.delivered, "not what was there before")
	assert.Less(t, r.took, 10*time.Second)

	p = &pipe{capacity: 12}
	r, err = load(t.Context(), p, 16, 100*time.Millisecond)
	require.NoError(t, err)
	assert.Equal(t, r.sent-p.dropped, r.delivered)
	assert.Positive(t, p.dropped)
	assert.Greater(t, r.took, 50*time.Millisecond, "goes on after a loss")
}

func TestLoadFails(t *testing.T) {
	_, err := load(t.Context(), &pipe{}, 16, 10*time.Millisecond)
	require.ErrorIs(t, err, errNothing)

	broken := errors.New("broken")
	_, err = load(t.Context(), &pipe{capacity: 16, broken: broken}, 16, time.Minute)
	require.ErrorIs(t, err, broken)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = load(ctx, &pipe{capacity: 16}, 16, time.Minute)
	require.ErrorIs(t, err, context.Canceled)
}

func TestWindow(t *testing.T) {
	w := newWindow(16)
	start := w.size
	w.delivered(start - 1)
	assert.Equal(t, start, w.size)
	w.delivered(1)
	assert.Equal(t, start+16, w.size)
	w.lost()
	assert.Equal(t, (start+16)/2, w.size)
	for range 20 {
		w.lost()
	}
	assert.Equal(t, w.min, w.size)
	for range 10000 {
		w.delivered(w.size)
	}
	assert.Equal(t, w.max, w.size)
}

func TestForAll(t *testing.T) {
	seen := make([]bool, 100)
	require.NoError(t, forAll(t.Context(), len(seen), 7, func(_ context.Context, i int) error {
		seen[i] = true
		return nil
	}))
	assert.NotContains(t, seen, false)

	third := errors.New("third")
	count := 0
	err := forAll(t.Context(), 100, 1, func(_ context.Context, i int) error {
		count++
		if i == 2 {
			return third
		}
		return nil
	})
	require.ErrorIs(t, err, third)
	assert.Equal(t, 3, count)
}

func TestRawGCM(t *testing.T) {
	rate, err := rawGCM(bigPacket, 5*time.Millisecond)
	require.NoError(t, err)
	assert.Greater(t, rate, 1e6)
}

func TestUDPPacket(t *testing.T) {
	b := udpPacket(dataNetwork, dataNetwork.Next(), 5001, smallPacket)
	require.Len(t, b, smallPacket)
	var sum uint32
	for i := 0; i < 20; i += 2 {
		sum += uint32(b[i])<<8 | uint32(b[i+1])
	}
	sum = sum>>16 + sum&0xffff
	assert.EqualValues(t, 0xffff, sum, "the checksum of the header holds")
	assert.Equal(t, []byte{0x13, 0x89, 0, 44, 0, 0}, b[22:28], "port, length, no checksum")
}

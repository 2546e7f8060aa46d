// SPDX-License-Identifier: Apache-2.0

package report

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const msec = time.Millisecond

// sample is like a real run: short signalling, then half a minute of traffic with five moves.
func sample() *Report {
	kept := Kept{true, true, true, true, true}
	r := &Report{
		Title:   "N3IWF demo: one UE, five moves, no session lost",
		Started: time.Date(2026, 11, 21, 4, 0, 0, 0, time.UTC),
		OK:      true,
		Moves: []Move{
			{MoveAddress, 12500 * msec, "192.0.2.10:4500", "192.0.2.66:4500", 3200 * time.Microsecond, 312, 0, kept, true},
			{MoveNAT, 17 * time.Second, "192.0.2.66:4500", "198.51.100.7:20311", 640 * msec, 298, 31, kept, true},
			{MovePort, 17900 * msec, "198.51.100.7:20311", "198.51.100.7:30502", 48 * msec, 300, 2, kept, false},
			{MoveIPv6, 26 * time.Second, "198.51.100.7:30502", "[2001:db8:1::10]:4500", 4 * msec, 301, 0, kept, true},
			{MoveIPv4, 30400 * msec, "[2001:db8:1::10]:4500", "192.0.2.10:4500", 4 * msec, 300, 0, kept, true},
		},
		Marks:      []Mark{{9 * time.Second, "traffic starts"}},
		Throughput: Throughput{812.4, 940.1},
	}
	at := time.Duration(0)
	for _, s := range []struct {
		name string
		took time.Duration
	}{
		{"NG Setup", 12 * msec}, {"IKE_SA_INIT", 4100 * time.Microsecond}, {"EAP-5G 5G-Start", 2 * msec}, {"EAP-5G Registration Request", 6 * msec},
		{"EAP-5G Authentication", 5 * msec}, {"EAP-5G Security mode", 4 * msec}, {"signalling SA", 7 * msec}, {"registered", 9 * msec},
		{"PDU session up", 22 * msec}, {"ping 8.8.8.8 over the PDU session", 1200 * msec}, {"throughput", 7 * time.Second}, {"moves with traffic running", 23 * time.Second}, {"deregistered", 15 * msec},
	} {
		r.Steps = append(r.Steps, Step{Name: s.name, Start: at, Took: s.took, OK: true})
		at += s.took
	}
	random := rand.New(rand.NewPCG(1, 2))
	r.Traffic = Traffic{Start: 8800 * msec, Interval: 100 * msec}
	for i := range 226 {
		n := 19 + random.IntN(3)
		if i < 2 {
			n = 0
		}
		if i >= 82 && i < 88 {
			n = 0
		}
		r.Traffic.Received = append(r.Traffic.Received, n)
	}
	return r
}

// The keys and their types are a contract.
func TestJSON(t *testing.T) {
	file := filepath.Join(t.TempDir(), "demo.json")
	require.NoError(t, sample().WriteJSON(file))
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	var got map[string]any
	require.NoError(t, json.Unmarshal(text, &got))
	require.Equal(t, true, got["ok"])
	require.Equal(t, map[string]any{"ul_mbps": 812.4, "dl_mbps": 940.1}, got["throughput"])
	require.Equal(t, map[string]any{"name": "IKE_SA_INIT", "ms": 4.1, "ok": true}, got["steps"].([]any)[1])
	require.Equal(t, map[string]any{
		"kind": "nat", "gap_ms": 640.0, "sent": 298.0, "lost": 31.0, "return_routability": true,
		"kept": map[string]any{"spi": true, "keys": true, "inner_address": true, "pdu_session": true, "teid": true},
	}, got["moves"].([]any)[1])
	require.Len(t, got, 4)

	text, err = (&Report{}).JSON()
	require.NoError(t, err)
	require.JSONEq(t, `{"ok":false,"steps":[],"moves":[],"throughput":{"ul_mbps":0,"dl_mbps":0}}`, string(text))

	_, err = (&Report{Moves: []Move{{Kind: "teleport"}}}).JSON()
	require.ErrorContains(t, err, "teleport")
	_, err = (&Report{Throughput: Throughput{ULMbps: math.NaN()}}).JSON()
	require.Error(t, err)
}

// elements parses a page as XML, which it is written to be, and calls f for each element.
func elements(t *testing.T, text []byte, f func(xml.StartElement)) {
	t.Helper()
	d := xml.NewDecoder(bytes.NewReader(text))
	depth := 0
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			require.Zero(t, depth)
			return
		}
		require.NoError(t, err)
		switch e := token.(type) {
		case xml.StartElement:
			depth++
			f(e)
		case xml.EndElement:
			depth--
		}
	}
}

func attr(e xml.StartElement, name string) string {
	for _, a := range e.Attr {
		if a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

func TestHTML(t *testing.T) {
	file := filepath.Join(t.TempDir(), "demo-report.html")
	require.NoError(t, sample().WriteHTML(file))
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	classes := map[string]int{}
	elements(t, text, func(e xml.StartElement) {
		classes[attr(e, "class")]++
		require.NotContains(t, []string{"script", "img", "link", "iframe", "object"}, e.Name.Local)
		require.Empty(t, attr(e, "src")+attr(e, "href"))
	})
	require.Equal(t, 226, classes["hover"])
	require.Equal(t, 5, classes["gap"])
	require.Equal(t, 5, classes["move"])
	require.Equal(t, 1, classes["mark"])
	require.Equal(t, 13, classes["step"])
	require.Zero(t, classes["step failed"])
	require.NotRegexp(t, regexp.MustCompile(`url\(|@import|https?://[^w]`), string(text), "the page must need nothing else")
	require.Contains(t, string(text), "33 <small>of 1511</small>")
	require.Contains(t, string(text), "812 <small>Mbit/s</small>")

	if out := os.Getenv("REPORT_SAMPLE"); out != "" { // to look at it
		require.NoError(t, os.WriteFile(out, text, 0o644))
	}
}

func TestHTMLOfAFailedRun(t *testing.T) {
	r := sample()
	r.OK = false
	r.Steps[3] = Step{Name: `<script>alert("x")</script>`, Took: msec, Detail: "no answer & nothing else"}
	r.Moves[0].Kept.Keys = false
	text, err := r.HTML()
	require.NoError(t, err)
	failed := 0
	elements(t, text, func(e xml.StartElement) {
		require.NotEqual(t, "script", e.Name.Local)
		if attr(e, "class") == "step failed" {
			failed++
		}
	})
	require.Equal(t, 1, failed)
	require.Contains(t, string(text), "✗ changed")
	require.Contains(t, string(text), "no answer &amp; nothing else")

	for name, empty := range map[string]*Report{
		"nothing": {}, "no traffic": {Steps: r.Steps, Moves: r.Moves}, "silence": {Traffic: Traffic{0, 100 * msec, []int{0}}},
	} {
		text, err := empty.HTML()
		require.NoError(t, err, name)
		require.NotContains(t, string(text), "NaN", name)
		require.NotContains(t, string(text), ">-0<", name)
		require.NotContains(t, string(text), "Inf", name)
		elements(t, text, func(xml.StartElement) {})
	}
}

// Labels above the plot overlap neither each other nor the lines of others, however close the moves are.
func TestNotesDoNotOverlap(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	for range 300 {
		r := &Report{Traffic: Traffic{0, 100 * msec, make([]int, 10)}}
		for range 1 + random.IntN(9) {
			r.Moves = append(r.Moves, Move{Kind: MoveAddress, At: time.Duration(random.IntN(1000)) * msec})
		}
		edge := r.rightEdge()
		require.Greater(t, edge, 0.8*plotWidth)
		x := func(d time.Duration) float64 { return plotLeft + d.Seconds()*(edge-plotLeft) }
		notes := r.placed(x)
		require.Len(t, notes, len(r.Moves))
		box := func(n note) (left, right float64) { return x(n.at), x(n.at) + textWidth(n.label) }
		for i, a := range notes {
			left, right := box(a)
			require.True(t, left >= 0 && right <= plotWidth, "%+v leaves the picture", a)
			for _, b := range notes[i+1:] {
				l, r := box(b)
				require.False(t, a.row == b.row && left < r && l < right, "%+v on %+v", a, b)
				require.False(t, a.row < b.row && l+1 < x(a.at) && x(a.at) < r, "the line of %+v crosses %+v", a, b)
				require.False(t, b.row < a.row && left+1 < x(b.at) && x(b.at) < right, "the line of %+v crosses %+v", b, a)
			}
		}
	}
}

func TestTicks(t *testing.T) {
	require.Equal(t, []float64{0, 50, 100, 150, 200}, ticks(0, 226, 5))
	require.Equal(t, []float64{10, 15, 20, 25, 30}, ticks(8.8, 31.4, 5))
	require.Equal(t, []float64{0, 0.2, 0.4}, roundAll(ticks(0, 0.5, 3)))
	require.NotEmpty(t, ticks(0, 0, 5))
}

func roundAll(f []float64) []float64 {
	for i := range f {
		f[i] = math.Round(f[i]*1000) / 1000
	}
	return f
}

func TestSpan(t *testing.T) {
	for d, want := range map[time.Duration]string{0: "0.0 ms", 3200 * time.Microsecond: "3.2 ms", 640 * msec: "640 ms", 1200 * msec: "1.20 s", 12345 * msec: "12.3 s"} {
		require.Equal(t, want, span(d))
	}
	require.Equal(t, "abcdefg…", shorten("abcdefghi", 8))
	require.False(t, strings.Contains(shorten("abc", 8), "…"))
}

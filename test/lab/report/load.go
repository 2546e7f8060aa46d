// SPDX-License-Identifier: Apache-2.0

package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"html/template"
	"time"
)

// Load is what a load of many UEs found.
type Load struct {
	Title   string    // for the page
	Started time.Time // for the page
	OK      bool      // nothing failed, no UE was lost, and user data came back when some was sent
	N3IWF   string
	// What was asked for: UEs, registrations and moves a second, packets a second of each UE and their size in octets.
	UEs                        int
	Rate, MoveRate, PacketRate float64
	PacketSize                 int

	Procedures     []LoadProcedure
	Lost           int     // UEs whose IKE SA ended by itself
	Sent, Received int     // echo requests, and their answers
	RTT            Latency // of those
	Seconds        []LoadSecond
}

// LoadProcedure is one kind of procedure of the UEs.
type LoadProcedure struct {
	Name              string
	Begun, OK, Failed int // those neither OK nor failed were ended by the end of the run
	Latency           Latency
	Reasons           map[string]int // how often each kind of failure came
}

// Latency is a distribution of durations.
type Latency struct {
	Count              int
	P50, P90, P99, Max time.Duration
	Octaves            []Octave // those with a count, in order
}

// Octave is how many durations were between half of Below and Below.
type Octave struct {
	Below time.Duration
	Count int
}

// LoadSecond is what happened in one second of the run, and how many UEs were up at its end.
type LoadSecond struct {
	UEs           int `json:"ues"`
	Registrations int `json:"registrations"`
	Sessions      int `json:"sessions"`
	Moves         int `json:"moves"`
	Failures      int `json:"failures"`
	Sent          int `json:"sent"`
	Received      int `json:"received"`
}

// JSON returns the numbers of the run.
func (l *Load) JSON() ([]byte, error) {
	type latency struct {
		Count int     `json:"count"`
		P50   float64 `json:"p50_ms"`
		P90   float64 `json:"p90_ms"`
		P99   float64 `json:"p99_ms"`
		Max   float64 `json:"max_ms"`
	}
	of := func(l Latency) latency { return latency{l.Count, ms(l.P50), ms(l.P90), ms(l.P99), ms(l.Max)} }
	type procedure struct {
		Name    string         `json:"name"`
		Begun   int            `json:"begun"`
		OK      int            `json:"ok"`
		Failed  int            `json:"failed"`
		Latency latency        `json:"latency"`
		Reasons map[string]int `json:"reasons"`
	}
	out := struct {
		OK         bool         `json:"ok"`
		N3IWF      string       `json:"n3iwf"`
		UEs        int          `json:"ues"`
		Rate       float64      `json:"rate"`
		MoveRate   float64      `json:"move_rate"`
		PacketRate float64      `json:"packet_rate"`
		PacketSize int          `json:"packet_size"`
		Procedures []procedure  `json:"procedures"`
		Lost       int          `json:"lost_ues"`
		Sent       int          `json:"sent"`
		Received   int          `json:"received"`
		RTT        latency      `json:"rtt"`
		Seconds    []LoadSecond `json:"seconds"`
	}{
		l.OK, l.N3IWF, l.UEs, l.Rate, l.MoveRate, l.PacketRate, l.PacketSize, []procedure{}, l.Lost, l.Sent, l.Received, of(l.RTT), l.Seconds,
	}
	for _, p := range l.Procedures {
		out.Procedures = append(out.Procedures, procedure{p.Name, p.Begun, p.OK, p.Failed, of(p.Latency), p.Reasons})
	}
	text, err := json.MarshalIndent(out, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("report: %w", err)
	}
	return append(text, '\n'), nil
}

// WriteJSON writes JSON to a file.
func (l *Load) WriteJSON(file string) error { return write(file, l.JSON) }

// WriteHTML writes HTML to a file.
func (l *Load) WriteHTML(file string) error { return write(file, l.HTML) }

// plot is a picture with what it shows.
type plot struct {
	Title   string
	Picture template.HTML
}

// HTML returns the page: one file that needs nothing else.
func (l *Load) HTML() ([]byte, error) {
	count := func(f func(s LoadSecond) int) []float64 {
		var list []float64
		for _, s := range l.Seconds {
			list = append(list, float64(f(s)))
		}
		return list
	}
	plots := []plot{
		{"UEs with a PDU session", curves("UEs", curve{"UEs", "edge", count(func(s LoadSecond) int { return s.UEs })})},
		{"Procedures", curves("in a second",
			curve{"registrations", "edge", count(func(s LoadSecond) int { return s.Registrations })},
			curve{"moves", "second", count(func(s LoadSecond) int { return s.Moves })},
			curve{"failures", "failures", count(func(s LoadSecond) int { return s.Failures })})},
	}
	if l.Sent > 0 {
		plots = append(plots, plot{"User data", curves("packets in a second",
			curve{"sent", "second", count(func(s LoadSecond) int { return s.Sent })},
			curve{"back", "edge", count(func(s LoadSecond) int { return s.Received })})})
	}
	for _, p := range append(l.Procedures, LoadProcedure{Name: "round trip of user data", Latency: l.RTT}) {
		if p.Latency.Count > 0 {
			plots = append(plots, plot{"How long: " + p.Name, p.Latency.bars()})
		}
	}
	var b bytes.Buffer
	if err := templates.ExecuteTemplate(&b, "load.html", struct {
		*Load
		Plots []plot
	}{l, plots}); err != nil {
		return nil, fmt.Errorf("report: %w", err)
	}
	return b.Bytes(), nil
}

// SPDX-License-Identifier: Apache-2.0

// Package report writes what a run of the lab found, the demo's or a load's: the numbers as JSON, whose keys are a contract with whoever reads
// them, and a page for people, one self-contained HTML file with its plots drawn here as SVG. It only formats; measuring and judging are the
// caller's.
package report

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"time"
)

// Kinds of moves.
const (
	MoveAddress = "address" // to another address of the same family
	MoveNAT     = "nat"     // behind a NAT
	MovePort    = "port"    // the NAT's mapping changed, the address did not
	MoveIPv6    = "ipv6"    // from IPv4 to IPv6
	MoveIPv4    = "ipv4"    // from IPv6 to IPv4
	MoveRelay   = "relay"   // to a relay UE's PDU session, from another one or from the UE's own WLAN
	MoveWLAN    = "wlan"    // from a relay UE to the UE's own WLAN
)

// Report is one run. All times are counted from its start.
type Report struct {
	Title      string    // for the page
	Started    time.Time // for the page
	OK         bool      // every step held
	Steps      []Step
	Moves      []Move
	Marks      []Mark // further moments to show in the plot
	Traffic    Traffic
	Throughput Throughput
	Relays     []Relay // relay UEs, if there were any
}

// Relay is a relay UE, and what it has forwarded.
type Relay struct {
	Name    string `json:"name"`
	Address string `json:"address"` // of its PDU session
	Prefix  string `json:"prefix"`  // that is delegated to it
	Up      uint64 `json:"packets_up"`
	Down    uint64 `json:"packets_down"`
}

// Step is one thing that was to happen, in the order of starting.
type Step struct {
	Name   string
	Start  time.Duration
	Took   time.Duration
	OK     bool
	Detail string // for the page: what was found, or what went wrong
}

// Move is one change of the UE's outer path with traffic running.
type Move struct {
	Kind              string // one of the Move constants
	At                time.Duration
	From, To          string        // for the page: the outer paths
	Gap               time.Duration // until traffic flowed on the new path
	Sent, Lost        int           // packets during the move
	Kept              Kept
	ReturnRoutability bool // the new path was proven with COOKIE2
}

// Kept says what stayed the same over a move.
type Kept struct {
	SPI          bool `json:"spi"`
	Keys         bool `json:"keys"`
	InnerAddress bool `json:"inner_address"`
	PDUSession   bool `json:"pdu_session"`
	TEID         bool `json:"teid"`
}

// All says whether everything stayed.
func (k Kept) All() bool { return k.SPI && k.Keys && k.InnerAddress && k.PDUSession && k.TEID }

// Mark is a moment with a name.
type Mark struct {
	At    time.Duration
	Label string
}

// Traffic are the packets that the UE received, counted in equal intervals from Start on.
type Traffic struct {
	Start    time.Duration
	Interval time.Duration
	Received []int
}

// end is when the last interval ended.
func (t Traffic) end() time.Duration {
	return t.Start + time.Duration(len(t.Received))*t.Interval
}

// Throughput is the user data rate in Mbit/s, up- and downlink.
type Throughput struct {
	ULMbps float64 `json:"ul_mbps"`
	DLMbps float64 `json:"dl_mbps"`
}

// JSON returns the numbers of the run.
func (r *Report) JSON() ([]byte, error) {
	type step struct {
		Name string  `json:"name"`
		MS   float64 `json:"ms"`
		OK   bool    `json:"ok"`
	}
	type move struct {
		Kind              string  `json:"kind"`
		GapMS             float64 `json:"gap_ms"`
		Sent              int     `json:"sent"`
		Lost              int     `json:"lost"`
		Kept              Kept    `json:"kept"`
		ReturnRoutability bool    `json:"return_routability"`
	}
	out := struct {
		OK         bool       `json:"ok"`
		Steps      []step     `json:"steps"`
		Moves      []move     `json:"moves"`
		Throughput Throughput `json:"throughput"`
		Relays     []Relay    `json:"relays,omitempty"`
	}{r.OK, []step{}, []move{}, r.Throughput, r.Relays}
	for _, s := range r.Steps {
		out.Steps = append(out.Steps, step{s.Name, ms(s.Took), s.OK})
	}
	for _, m := range r.Moves {
		switch m.Kind {
		case MoveAddress, MoveNAT, MovePort, MoveIPv6, MoveIPv4, MoveRelay, MoveWLAN:
		default:
			return nil, fmt.Errorf("report: %q is no kind of move", m.Kind)
		}
		out.Moves = append(out.Moves, move{m.Kind, ms(m.Gap), m.Sent, m.Lost, m.Kept, m.ReturnRoutability})
	}
	text, err := json.MarshalIndent(out, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("report: %w", err)
	}
	return append(text, '\n'), nil
}

// WriteJSON writes JSON to a file.
func (r *Report) WriteJSON(file string) error { return write(file, r.JSON) }

// WriteHTML writes HTML to a file.
func (r *Report) WriteHTML(file string) error { return write(file, r.HTML) }

// write puts what content gives into a file.
func write(file string, content func() ([]byte, error)) error {
	text, err := content()
	if err != nil {
		return err
	}
	return os.WriteFile(file, text, 0o644)
}

// ms returns milliseconds, to the microsecond.
func ms(d time.Duration) float64 {
	return math.Round(float64(d)/float64(time.Microsecond)) / 1000
}

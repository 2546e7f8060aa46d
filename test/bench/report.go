// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"
)

// Names of the figures in bench.json.
const (
	metricULShare       = "user_ul_1400_gcm_share"
	metricDLShare       = "user_dl_1400_gcm_share"
	metricULRate        = "user_ul_64_pps_per_core"
	metricDLRate        = "user_dl_64_pps_per_core"
	metricRegistrations = "registrations_per_s_per_core"
	metricMoves         = "moves_per_s_per_core"
	metricHeap          = "heap_bytes_per_ue"
	metricMOBIKE        = "mobike_updates_per_s_per_core"
	metricIKEHeap       = "heap_bytes_per_ike_sa"
	metricCookies       = "cookie_answers_per_s_per_core"
)

// metric says how a figure is shown. Aim 0 is none.
type metric struct {
	name, format string
	aim          float64
	lower        bool // lower is better
}

var metrics = append([]metric{
	{metricULShare, "%.3f", 0.3, false},
	{metricDLShare, "%.3f", 0.3, false},
	{metricULRate, "%.0f", 0, false},
	{metricDLRate, "%.0f", 0, false},
	{metricRegistrations, "%.0f", 1000, false},
	{metricMoves, "%.0f", 10000, false},
	{metricHeap, "%.0f", 24 << 10, true},
	{metricMOBIKE, "%.0f", 20000, false},
	{metricIKEHeap, "%.0f", 12 << 10, true},
	{metricCookies, "%.0f", 300000, false},
}, handshakeMetrics()...)

// ratio is how far the value is from the aim: 1 and more is reached.
func (m metric) ratio(value float64) float64 {
	if m.lower {
		return m.aim / value
	}
	return value / m.aim
}

// report collects the figures of a run.
type report struct {
	values map[string]float64
	notes  []string
}

func newReport() *report { return &report{values: map[string]float64{}} }

func (r *report) set(name string, value float64) { r.values[name] = value }

// rate sets how often something was done per CPU-second.
func (r *report) rate(name string, count int, cpu time.Duration) {
	r.set(name, float64(count)/cpu.Seconds())
}

func (r *report) note(format string, args ...any) {
	r.notes = append(r.notes, fmt.Sprintf(format, args...))
}

// print shows the table: each figure that was measured with its aim.
func (r *report) print(out io.Writer, took time.Duration) {
	fmt.Fprintln(out)
	for _, n := range r.notes {
		fmt.Fprintln(out, "  "+n)
	}
	fmt.Fprintf(out, "\n%-68s%14s%10s%14s\n", "per CPU-second of the N3IWF", "measured", "aim", "of the aim")
	for _, m := range metrics {
		value, ok := r.values[m.name]
		if !ok {
			continue
		}
		fmt.Fprintf(out, "%-68s%14s", m.name, fmt.Sprintf(m.format, value))
		if m.aim > 0 {
			mark := ""
			if m.ratio(value) < 1 {
				mark = "  not yet"
			}
			fmt.Fprintf(out, "%10g%12.2f x%s", m.aim, m.ratio(value), mark)
		}
		fmt.Fprintln(out)
	}
	fmt.Fprintf(out, "\ntook %.1f s\n", took.Seconds())
}

// writeJSON writes the figures as one flat map.
func (r *report) writeJSON(file string) error {
	b, err := json.MarshalIndent(r.values, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(b, '\n'), 0o644)
}

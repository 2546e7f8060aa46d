// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"
	"html/template"
	"slices"
	"strings"
	"time"
)

// Margins of the plots, in user units of the SVG.
const (
	plotWidth  = 960
	plotLeft   = 56
	plotRight  = 20
	plotHeight = 220 // of the area between the axes
	rowHeight  = 18  // of a row of labels
)

// note is a labelled moment above the plot.
type note struct {
	at    time.Duration
	label string
	class string
	row   int // 0 is the top one
}

// packetPlot draws received packets per second over time, the moves as lines with the gap after each shaded.
func (r *Report) packetPlot() template.HTML {
	t := r.Traffic
	if len(t.Received) == 0 || t.Interval <= 0 {
		return ""
	}
	from, to := t.Start.Seconds(), t.end().Seconds()
	right := r.rightEdge()
	x := func(s float64) float64 { return plotLeft + (s-from)/(to-from)*(right-plotLeft) }
	perSecond := func(n int) float64 { return float64(n) / t.Interval.Seconds() }
	notes := r.placed(func(d time.Duration) float64 { return x(d.Seconds()) })
	rows := 0
	for _, n := range notes {
		rows = max(rows, n.row+1)
	}
	top := float64(14 + rows*rowHeight)
	bottom := top + plotHeight
	high := perSecond(slices.Max(t.Received)) * 1.08
	yTicks := ticks(0, high, 5)
	high = max(high, yTicks[len(yTicks)-1], 1)
	y := func(v float64) float64 { return bottom - v/high*plotHeight }

	c := &canvas{width: plotWidth, height: bottom + 44}
	for _, v := range yTicks {
		c.line("grid", plotLeft, y(v), right, y(v))
		c.text("tick", "end", plotLeft-8, y(v)+4, number(v))
	}
	for _, v := range ticks(from, to, 12) {
		c.line("axis", x(v), bottom, x(v), bottom+4)
		c.text("tick", "middle", x(v), bottom+18, number(v))
	}
	c.line("axis", plotLeft, bottom, right, bottom)
	c.text("label", "middle", (plotLeft+right)/2, bottom+38, "seconds since the start")
	c.text("label", "start", 0, 10, "packets received per second")

	for i, m := range r.Moves {
		if m.At >= t.Start && m.At <= t.end() {
			end := min(m.At+m.Gap, t.end())
			c.rect("gap", x(m.At.Seconds()), top, max(x(end.Seconds())-x(m.At.Seconds()), 1), plotHeight, 0,
				fmt.Sprintf("move %d (%s): traffic on the new path after %s", i+1, m.Kind, span(m.Gap)))
		}
	}
	c.series(t, func(i int) float64 { return x((t.Start + time.Duration(i)*t.Interval).Seconds()) }, func(n int) float64 { return y(perSecond(n)) }, bottom)
	for _, n := range notes {
		at, baseline := x(n.at.Seconds()), float64(14+(n.row+1)*rowHeight-6)
		c.line(n.class, at, baseline+4, at, bottom)
		c.text("note", "start", at, baseline, n.label)
	}
	return c.svg("Packets received per second over time, with the moves of the UE marked")
}

// rightEdge is where the time axis ends: the labels of late moves need room behind it.
func (r *Report) rightEdge() float64 {
	right := float64(plotWidth - plotRight)
	for _, n := range r.labels() {
		share := float64(n.at-r.Traffic.Start) / float64(r.Traffic.end()-r.Traffic.Start)
		// plotLeft + share*(right-plotLeft) + width must stay inside the picture.
		right = min(right, plotLeft+(plotWidth-plotLeft-textWidth(n.label)-4)/max(share, 0.01))
	}
	return right
}

// labels returns what is to be marked within the plot, in the order of time.
func (r *Report) labels() []note {
	var notes []note
	for i, m := range r.Moves {
		notes = append(notes, note{at: m.At, label: fmt.Sprintf("%d %s", i+1, m.Kind), class: "move"})
	}
	for _, m := range r.Marks {
		notes = append(notes, note{at: m.At, label: shorten(m.Label, 30), class: "mark"})
	}
	notes = slices.DeleteFunc(notes, func(n note) bool { return n.at < r.Traffic.Start || n.at > r.Traffic.end() })
	slices.SortStableFunc(notes, func(a, b note) int { return int(a.at - b.at) })
	return notes
}

// series draws one step per interval as an area with its upper edge, and an invisible box per interval that tells its
// number.
func (c *canvas) series(t Traffic, x func(int) float64, y func(int) float64, bottom float64) {
	var edge strings.Builder
	for i, n := range t.Received {
		op := "L"
		if i == 0 {
			op = "M"
		}
		fmt.Fprintf(&edge, "%s%s %sL%s %s", op, px(x(i)), px(y(n)), px(x(i+1)), px(y(n)))
	}
	c.add(`<path class="area" d="%sL%s %sL%s %sZ"/>`, edge.String(), px(x(len(t.Received))), px(bottom), px(x(0)), px(bottom))
	c.add(`<path class="edge" d="%s"/>`, edge.String())
	for i, n := range t.Received {
		from := t.Start + time.Duration(i)*t.Interval
		c.rect("hover", x(i), bottom-plotHeight, x(i+1)-x(i), plotHeight, 0,
			fmt.Sprintf("%s to %s s: %d packets", number(from.Seconds()), number((from+t.Interval).Seconds()), n))
	}
}

// placed returns the labels, each in the lowest row where it overlaps no other one.
func (r *Report) placed(x func(time.Duration) float64) []note {
	notes := r.labels()
	// From right to left: a label stands on the right of its line, and above all notes whose lines come down there.
	rows := 0
	for i := len(notes) - 1; i >= 0; i-- {
		right := x(notes[i].at) + textWidth(notes[i].label) + 8
		for j := i + 1; j < len(notes) && x(notes[j].at) < right; j++ {
			notes[i].row = max(notes[i].row, notes[j].row+1)
		}
		rows = max(rows, notes[i].row+1)
	}
	for i := range notes { // from here on row 0 is the top one
		notes[i].row = rows - 1 - notes[i].row
	}
	return notes
}

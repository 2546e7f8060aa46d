// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"
	"html/template"
	"slices"
	"strings"
)

// curve is a number for each second of a run.
type curve struct {
	name, class string
	values      []float64
}

// chart maps the values of a plot to its area.
type chart struct {
	*canvas
	top, right, bottom float64
	to, high           float64 // ends of the axes, which start at 0
}

func (c *chart) x(v float64) float64 { return plotLeft + v/c.to*(c.right-plotLeft) }
func (c *chart) y(v float64) float64 { return c.bottom - v/c.high*(c.bottom-c.top) }

// newChart draws the axis of y with its grid; what is along x is the caller's.
func newChart(to, high float64, what string) *chart {
	const top = 24
	c := &chart{canvas: &canvas{width: plotWidth, height: top + plotHeight + 44}, top: top, right: plotWidth - plotRight, bottom: top + plotHeight, to: to}
	marks := ticks(0, max(high*1.05, 1), 5)
	c.high = max(high*1.05, marks[len(marks)-1], 1)
	for _, v := range marks {
		c.line("grid", plotLeft, c.y(v), c.right, c.y(v))
		c.text("tick", "end", plotLeft-8, c.y(v)+4, number(v))
	}
	c.line("axis", plotLeft, c.bottom, c.right, c.bottom)
	c.text("label", "start", 0, 10, what)
	return c
}

// curves draws numbers over the seconds of a run, each with its name in the legend.
func curves(what string, all ...curve) template.HTML {
	high := 0.0
	for _, k := range all {
		if len(k.values) == 0 {
			return ""
		}
		high = max(high, slices.Max(k.values))
	}
	n := len(all[0].values)
	c := newChart(float64(n), high, what)
	for _, v := range ticks(0, c.to, 12) {
		c.line("axis", c.x(v), c.bottom, c.x(v), c.bottom+4)
		c.text("tick", "middle", c.x(v), c.bottom+18, number(v))
	}
	c.text("label", "middle", (plotLeft+c.right)/2, c.bottom+38, "seconds since the start")
	legend := c.right
	for _, k := range slices.Backward(all) {
		legend -= textWidth(k.name) + 34
		c.line(k.class, legend, 6, legend+20, 6)
		c.text("label", "start", legend+24, 10, k.name)
		var edge strings.Builder
		for i, v := range k.values {
			op := "L"
			if i == 0 {
				op = "M"
			}
			fmt.Fprintf(&edge, "%s%s %sL%s %s", op, px(c.x(float64(i))), px(c.y(v)), px(c.x(float64(i+1))), px(c.y(v)))
		}
		c.add(`<path class="%s" d="%s"/>`, k.class, edge.String())
	}
	for i := range n {
		text := fmt.Sprintf("second %d:", i+1)
		for _, k := range all {
			text += " " + number(k.values[i]) + " " + k.name
		}
		c.rect("hover", c.x(float64(i)), c.top, c.x(float64(i+1))-c.x(float64(i)), plotHeight, 0, text)
	}
	return c.svg(what + " over time")
}

// bars draws how many durations fell into each octave.
func (l Latency) bars() template.HTML {
	if len(l.Octaves) == 0 {
		return ""
	}
	high := 0
	for _, o := range l.Octaves {
		high = max(high, o.Count)
	}
	c := newChart(float64(len(l.Octaves)), float64(high), "how many")
	for i, o := range l.Octaves {
		left, right := c.x(float64(i)), c.x(float64(i+1))
		c.rect("step", left+3, c.y(float64(o.Count)), right-left-6, c.bottom-c.y(float64(o.Count)), 2,
			fmt.Sprintf("%d from %s to %s", o.Count, span(o.Below/2), span(o.Below)))
		c.text("tick", "middle", (left+right)/2, c.bottom+18, "< "+span(o.Below))
	}
	return c.svg("How many took how long")
}

// SPDX-License-Identifier: Apache-2.0

package report

import (
	"html/template"
	"time"
)

const (
	stepHeight = 22
	stepLeft   = 250 // room for the names
	stepRight  = 90  // room for the durations behind the last bar
)

// timeline draws each step as a bar over time.
func (r *Report) timeline() template.HTML {
	if len(r.Steps) == 0 {
		return ""
	}
	var end time.Duration
	for _, s := range r.Steps {
		end = max(end, s.Start+s.Took)
	}
	seconds := max(end.Seconds(), 0.001)
	x := func(d time.Duration) float64 { return stepLeft + d.Seconds()/seconds*(plotWidth-stepLeft-stepRight) }
	bottom := float64(len(r.Steps)*stepHeight + 6)
	c := &canvas{width: plotWidth, height: bottom + 44}
	for _, v := range ticks(0, seconds, 8) {
		at := x(time.Duration(v * float64(time.Second)))
		c.line("grid", at, 0, at, bottom)
		c.text("tick", "middle", at, bottom+18, number(v))
	}
	c.line("axis", stepLeft, bottom, plotWidth-stepRight, bottom)
	c.text("label", "middle", (stepLeft+plotWidth-stepRight)/2, bottom+38, "seconds since the start")
	for i, s := range r.Steps {
		y := float64(i*stepHeight) + 4
		class, sign := "step", ""
		if !s.OK {
			class, sign = "step failed", " ✗"
		}
		c.text("name", "end", stepLeft-10, y+12, shorten(s.Name, 36))
		width := max(x(s.Start+s.Took)-x(s.Start), 2)
		title := s.Name + ": " + span(s.Took)
		if s.Detail != "" {
			title += ", " + s.Detail
		}
		c.rect(class, x(s.Start), y+1, width, stepHeight-8, 2, title)
		c.text("took", "start", x(s.Start)+width+6, y+12, span(s.Took)+sign)
	}
	return c.svg("When each step began and how long it took")
}

func shorten(s string, most int) string {
	r := []rune(s)
	if len(r) <= most {
		return s
	}
	return string(r[:most-1]) + "…"
}
